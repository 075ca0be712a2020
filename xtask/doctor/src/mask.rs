//! A last look for secrets in what is about to be said. By construction there is none; but
//! a server's words are quoted, and a server may say anything.

use probe::redact::{MASK, Redactor};

use super::hidden::Hidden;

/// Secrets shorter than this are not looked for: they would hit words.
const SHORTEST: usize = 6;
/// The shortest beginning of a secret that counts as one where a text was cut in the
/// middle of it.
const SHORTEST_START: usize = 4;

/// Words that sentences and commands are made of. Whoever has one of them for a secret has none, and what is to be
/// typed has to stay whole.
const OUR_WORDS: [&str; 8] =
    ["argocd", "argo-cd", "client", "clientSecret", "kubectl", "password", "secret", "server"];

/// Takes secrets out of texts.
#[derive(Default)]
pub struct Mask {
    whole: Redactor,
    values: Vec<String>,
}

impl Mask {
    /// For these secrets, as they are, without white space around them, and in base64.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Hidden>) -> Self {
        let mut mask = Self::default();
        for secret in secrets {
            for form in [secret.clone(), secret.trimmed(), secret.encoded()] {
                if form.len() >= SHORTEST
                    && let Ok(text) = std::str::from_utf8(form.reveal())
                    && !OUR_WORDS.contains(&text)
                    && !mask.values.iter().any(|known| known == text)
                {
                    mask.whole.learn(text);
                    mask.values.push(text.to_owned());
                }
            }
        }
        mask
    }

    /// Takes them out of a text, and what is left of one that was cut.
    pub fn apply(&self, text: &mut String) {
        *text = self.whole.known(text);
        let mut from = 0;
        while let Some(at) = text[from..].find('…').map(|at| from + at) {
            let before = text[..at].trim_end();
            let cut = self.values.iter().map(|value| start_at_end(before, value)).max().unwrap_or(0);
            let start = before.len() - cut;
            if cut > 0 {
                text.replace_range(start..at, MASK);
                from = start + MASK.len() + '…'.len_utf8();
            } else {
                from = at + '…'.len_utf8();
            }
        }
    }
}

/// How many bytes at the end of a text are the start of a value, if that are enough.
fn start_at_end(text: &str, value: &str) -> usize {
    let starts = value.char_indices().map(|(at, _)| at).chain([value.len()]);
    let found = starts.filter(|at| *at >= SHORTEST_START && text.ends_with(&value[..*at]));
    found.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_typed_stays_whole() {
        let mut text = "kubectl argocd-sso --password-env PASSWORD".to_owned();
        Mask::new(&[Hidden::new("password"), Hidden::new("argocd")]).apply(&mut text);
        assert_eq!(text, "kubectl argocd-sso --password-env PASSWORD");
    }

    #[test]
    fn secrets_and_what_is_left_of_them_are_taken_out() {
        let secret = Hidden::new("hunter2-hunter2\n");
        let mask = Mask::new([&secret, &Hidden::new("abc")]);
        for (text, masked) in [
            ("it is hunter2-hunter2.", "it is …."),
            ("abc stays", "abc stays"),
            ("cut in the middle of hunter2-h…", "cut in the middle of ……"),
            ("cut and trimmed hunter2-hunt …, more", "cut and trimmed ……, more"),
            ("aHVudGVyMi1odW50ZXIyCg==", "…"),
            ("a hunt…", "a ……"),
            ("a hun…", "a hun…"),
            ("……", "……"),
        ] {
            let mut said = text.to_owned();
            mask.apply(&mut said);
            assert_eq!(said, masked, "{text}");
        }
    }
}
