//! The checksums that projects publish beside their files, in the forms they do it.

use super::sha256::Sha256;

/// The SHA-256 of a file in the text that is published beside it.
///
/// Three forms are in use: a line of `sha256sum` for one or many files (kind, Helm,
/// Argo CD since v2.4.15), and the bare digest (kubectl, some Argo CD releases before).
/// A bare digest is taken only where the text holds nothing else.
pub fn find(text: &str, file: &str) -> Option<Sha256> {
    let mut words = text.split_whitespace();
    if let (Some(only), None) = (words.next(), words.next()) {
        return Sha256::parse(only);
    }
    let mut found = None;
    for line in text.lines() {
        let Some((digest, name)) = line.trim().split_once(char::is_whitespace) else { continue };
        // `*` marks a file read as binary; a folder in front is where it was made.
        let name = name.trim_start().trim_start_matches('*');
        if name.rsplit('/').next() != Some(file) {
            continue;
        }
        let sha256 = Sha256::parse(digest)?;
        // Two lines for one file: neither can be believed.
        if found.replace(sha256).is_some_and(|before| before != sha256) {
            return None;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_in_use_is_read() {
        let (a, b) = (Sha256::of(b"a"), Sha256::of(b"b"));
        for (text, file, expected) in [
            (format!("{a}  kind-linux-amd64\n"), "kind-linux-amd64", Some(a)),
            (format!("{a} *kind-linux-amd64\n"), "kind-linux-amd64", Some(a)),
            (format!("{a}  ./dist/argocd-linux-amd64\n"), "argocd-linux-amd64", Some(a)),
            (a.to_string(), "kubectl", Some(a)),
            (format!("{a}\n"), "kubectl", Some(a)),
            (format!("{a}  argocd-linux-amd64\n{b}  argocd-linux-arm64\n"), "argocd-linux-arm64", Some(b)),
            (format!("{a}  argocd-linux-amd64.exe\n{b}  x\n"), "argocd-linux-amd64", None),
            (format!("{a}  f\n{b}  f\n"), "f", None),
            (format!("{a}  f\n{a}  f\n"), "f", Some(a)),
            ("nothing  f\n".to_owned(), "f", None),
            ("<html>no</html>".to_owned(), "f", None),
            (String::new(), "f", None),
        ] {
            assert_eq!(find(&text, file), expected, "{text}");
        }
    }
}
