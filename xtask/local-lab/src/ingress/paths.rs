//! Which rule a request's path meets.

/// Whether a rule with `path` takes `request`, a path from [`normal`]: the whole of it if it
/// is `exact`, else whole elements from the start (`/a` is above `/a/b` and not above `/ab`).
pub(super) fn matches(exact: bool, path: &str, request: &str) -> bool {
    if exact {
        return request == path;
    }
    let path = path.trim_end_matches('/');
    request.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A path as rules see it: unescaped, without empty and dotted elements. `None` if it
/// leads above the root or holds a broken escape, which nginx answers with 400.
///
/// The server behind gets the path as it was sent.
pub(super) fn normal(path: &str) -> Option<String> {
    let unescaped = unescape(path)?;
    let (mut parts, mut ends_open) = (vec![], false);
    for part in unescaped.strip_prefix('/')?.split('/') {
        ends_open = matches!(part, "" | "." | "..");
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    let end = if ends_open && !parts.is_empty() { "/" } else { "" };
    Some(format!("/{}{end}", parts.join("/")))
}

fn unescape(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let value = digit()? * 16 + digit()?;
            bytes.push(u8::try_from(value).ok().filter(|value| *value != 0)?);
        } else {
            bytes.push(byte);
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_meet_paths_as_the_ingress_api_says() {
        const EXACT: bool = true;
        const PREFIX: bool = false;
        for (kind, rule, path, expected) in [
            (PREFIX, "/", "/", true),
            (PREFIX, "/", "/a/b", true),
            (PREFIX, "/a", "/a", true),
            (PREFIX, "/a", "/a/", true),
            (PREFIX, "/a/", "/a", true),
            (PREFIX, "/a/", "/a/b", true),
            (PREFIX, "/a", "/ab", false),
            (PREFIX, "/a/b", "/a", false),
            (EXACT, "/a", "/a", true),
            (EXACT, "/a", "/a/", false),
            (EXACT, "/a/", "/a", false),
        ] {
            assert_eq!(matches(kind, rule, path), expected, "{kind} {rule} {path}");
        }
    }

    #[test]
    fn paths_are_read_as_nginx_reads_them() {
        for (path, expected) in [
            ("/", Some("/")),
            ("/a/b", Some("/a/b")),
            ("//a//b/", Some("/a/b/")),
            ("/a/./b/../c", Some("/a/c")),
            ("/a/..", Some("/")),
            ("/%61/%2e%2e/b", Some("/b")),
            ("/..", None),
            ("/a/../../b", None),
            ("/%zz", None),
            ("/%2", None),
            ("/%00", None),
            ("*", None),
            ("/a%2Fb", Some("/a/b")),
        ] {
            assert_eq!(normal(path).as_deref(), expected, "{path}");
        }
    }
}
