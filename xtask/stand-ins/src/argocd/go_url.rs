//! URLs as Go's `net/url` takes them apart: what is allowed as a return URL hangs on
//! exactly that.

use crate::go_http::{clean, query_unescape};

/// The parts of a URL that are compared.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct GoUrl {
    pub(super) scheme: String,
    /// With port, without user.
    pub(super) host: String,
    /// Without escapes.
    pub(super) path: String,
}

impl GoUrl {
    /// Takes a URL, absolute or not, apart; `None` where Go reports an error.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.bytes().any(|b| b < 0x20 || b == 0x7f) {
            return None;
        }
        let text = text.split_once('#').map_or(text, |(text, _)| text);
        let (scheme, rest) = scheme(text)?;
        let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
        let (host, path) = match rest.strip_prefix("//") {
            Some(rest) => {
                let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
                (authority.rsplit_once('@').map_or(authority, |(_, host)| host), path)
            }
            None if !scheme.is_empty() && !rest.starts_with('/') => ("", ""),
            None => {
                let segment = rest.split('/').next().unwrap_or_default();
                if scheme.is_empty() && segment.contains(':') {
                    return None;
                }
                ("", rest)
            }
        };
        Some(Self { scheme, host: unescape(host)?, path: unescape(path)? })
    }

    /// Whether a browser may be sent to `text`: nothing, or something below one of
    /// the allowed URLs.
    pub(super) fn is_allowed<'a>(text: &str, allowed: impl IntoIterator<Item = &'a str>) -> bool {
        if text.is_empty() {
            return true;
        }
        let slash = |path: String| if path.is_empty() { "/".to_owned() } else { path };
        let Some(wanted) = Self::parse(text) else { return false };
        let path = slash(wanted.path);
        if path.contains(['\r', '\n']) {
            return false;
        }
        allowed.into_iter().filter_map(Self::parse).any(|base| {
            base.scheme == wanted.scheme
                && base.host == wanted.host
                && clean(&path).starts_with(&slash(base.path))
        })
    }
}

/// The scheme, in small letters, and what follows it.
fn scheme(text: &str) -> Option<(String, &str)> {
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return None,
            b':' => return Some((text[..at].to_lowercase(), &text[at + 1..])),
            _ => break,
        }
    }
    Some((String::new(), text))
}

fn unescape(text: &str) -> Option<String> {
    // In a path a plus is a plus.
    query_unescape(&text.replace('+', "%2B"))
}

/// A URL with a path put behind its own.
pub(super) fn append_path(url: &str, path: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let (base, rest) = url.split_at(end);
    let authority = base.find("://").map_or(0, |at| at + 3);
    let start = base[authority..].find('/').map_or(base.len(), |at| authority + at);
    let (origin, own) = base.split_at(start);
    format!("{origin}{}{rest}", clean(&format!("/{own}/{path}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn return_urls_stay_below_what_is_allowed() {
        let table = [
            ("", "http://argocd.host", true),
            ("http://argocd.host", "http://argocd.host", true),
            ("http://argocd.host/applications?x=1#y", "http://argocd.host", true),
            ("HTTP://argocd.host/", "http://argocd.host", true),
            ("https://argocd.host/", "http://argocd.host", false),
            ("http://argocd.host:80/", "http://argocd.host", false),
            ("http://argocd.host.evil/", "http://argocd.host", false),
            ("http://user@argocd.host/", "http://argocd.host", true),
            ("/applications", "http://argocd.host", false),
            ("/applications", "", true),
            ("/applications", "/", true),
            ("http://argocd.host", "", false),
            ("http://argocd.host/argo/x", "http://argocd.host/argo", true),
            ("http://argocd.host/argo/../x", "http://argocd.host/argo", false),
            ("http://argocd.host/%0d%0aX", "http://argocd.host", false),
            ("http://argocd.host/\u{1}", "http://argocd.host", false),
            ("http://argocd.host/%zz", "http://argocd.host", false),
            ("javascript:alert(1)", "http://argocd.host", false),
            ("//argocd.host/x", "http://argocd.host", false),
            (":", "http://argocd.host", false),
            ("a:b:c", "", false),
        ];
        for (url, base, allowed) in table {
            assert_eq!(GoUrl::is_allowed(url, [base]), allowed, "{url} below {base}");
        }
    }

    #[test]
    fn paths_are_joined_as_go_does() {
        for (url, joined) in [
            ("http://argocd.host", "http://argocd.host/auth/callback"),
            ("http://argocd.host/", "http://argocd.host/auth/callback"),
            ("http://argocd.host/argo//", "http://argocd.host/argo/auth/callback"),
            ("http://argocd.host:8080?x=1", "http://argocd.host:8080/auth/callback?x=1"),
            ("", "/auth/callback"),
        ] {
            assert_eq!(append_path(url, "/auth/callback"), joined);
        }
        assert_eq!(clean("a/./b/../../.."), "..");
        assert_eq!(clean("/../a/"), "/a");
    }
}
