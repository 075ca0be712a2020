//! A value of Argo CD's settings that stands in a Secret, by name.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::secret::OWN;
use crate::hidden::Hidden;

/// A value of `oidc.config`: itself, or a name for what stands in a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Term {
    /// As it stands there. It may be a secret.
    Plain(Hidden),
    /// `$…`.
    Reference(Reference),
}

impl Default for Term {
    fn default() -> Self {
        Self::Plain(Hidden::default())
    }
}

impl Term {
    /// Reads a value as it is written.
    pub fn of(text: &str) -> Self {
        match text.strip_prefix('$') {
            Some(name) => Self::Reference(Reference::of(name)),
            None => Self::Plain(Hidden::new(text)),
        }
    }

    /// The value itself, if it stands there.
    pub fn plain(&self) -> Option<&Hidden> {
        match self {
            Self::Plain(value) => Some(value),
            Self::Reference(_) => None,
        }
    }

    /// The name for it, if that stands there.
    pub fn reference(&self) -> Option<&Reference> {
        match self {
            Self::Reference(reference) => Some(reference),
            Self::Plain(_) => None,
        }
    }
}

/// What a `$…` names. What somebody wrote behind the `$` may be a secret by mistake
/// (or may be one that begins so), so it is shown only where it looks like a name.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(from = "Hidden", into = "Hidden")]
pub enum Reference {
    /// `$secret:key`: a key of another Secret.
    Of {
        /// The Secret.
        secret: String,
        /// The key in it.
        key: String,
    },
    /// `$key`: a key of argocd-secret.
    Own(String),
}

impl Reference {
    /// Reads what comes after the `$`.
    pub fn of(name: &str) -> Self {
        match name.split_once(':') {
            Some((secret, key)) => Self::Of { secret: secret.to_owned(), key: key.to_owned() },
            None => Self::Own(name.to_owned()),
        }
    }

    /// The Secret that it names, and the key in it.
    pub fn place(&self) -> (&str, &str) {
        match self {
            Self::Of { secret, key } => (secret, key),
            Self::Own(key) => (OWN, key),
        }
    }

    /// Whether it is written as a name, and not as something else that begins with a `$`.
    pub fn is_name(&self) -> bool {
        match self {
            Self::Of { secret, key } => is_secret_name(secret) && is_key(key),
            Self::Own(key) => is_key(key),
        }
    }

    /// The reference as it is written, if it is certain to be a name and no secret:
    /// `$secret:key` of the right letters, or a key that `exists`.
    pub fn shown(&self, exists: bool) -> String {
        let text = self.written();
        let is_certain = match self {
            Self::Of { .. } => exists || self.is_name(),
            Self::Own(_) => exists && self.is_name(),
        };
        if is_certain { text } else { format!("$… ({} characters)", text.len()) }
    }

    fn written(&self) -> String {
        match self {
            Self::Of { secret, key } => format!("${secret}:{key}"),
            Self::Own(key) => format!("${key}"),
        }
    }

    /// Names of a Secret and a key that may have been meant by a reference that leads
    /// nowhere: the separator is another character than `:`, or there are braces.
    pub fn meant(text: &str) -> Vec<(String, String)> {
        const MOST: usize = 4;
        let around = ['$', '{', '}', '(', ')', ' ', '"', '\''];
        let bare = text.trim_matches(|c: char| c.is_whitespace() || around.contains(&c));
        let split = |(at, separator): (usize, &str)| {
            let (secret, key) = (&bare[..at], &bare[at + separator.len()..]);
            (is_secret_name(secret) && is_key(key)).then(|| (secret.to_owned(), key.to_owned()))
        };
        let separators = [":", "/", ".", "#", " "];
        let places = separators.iter().flat_map(|separator| bare.match_indices(separator));
        places.filter_map(split).take(MOST).collect()
    }
}

impl From<Reference> for Hidden {
    fn from(reference: Reference) -> Self {
        Self::new(reference.written())
    }
}

impl From<Hidden> for Reference {
    fn from(name: Hidden) -> Self {
        let text = name.text();
        Self::of(text.strip_prefix('$').unwrap_or(&text))
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown(false))
    }
}

fn is_secret_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=253).contains(&text.len())
        && text.bytes().all(|byte| inner(byte) || byte == b'-' || byte == b'.')
        && text.bytes().next().is_some_and(inner)
        && text.bytes().last().is_some_and(inner)
}

fn is_key(text: &str) -> bool {
    (1..=253).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_shown_only_where_it_is_a_name() {
        let shown = |text: &str, exists| Reference::of(text).shown(exists);
        assert_eq!(shown("argocd-oidc:clientSecret", false), "$argocd-oidc:clientSecret");
        assert_eq!(shown("oidc.dex.clientSecret", true), "$oidc.dex.clientSecret");
        assert_eq!(shown("uperS3cret", false), "$… (11 characters)");
        assert_eq!(shown("uper S3cret:x!", false), "$… (15 characters)");
    }

    #[test]
    fn what_may_have_been_meant_is_tried() {
        let both = |secret: &str, key: &str| (secret.to_owned(), key.to_owned());
        for text in ["$argocd-oidc.clientSecret", "argocd-oidc:clientSecret", "${argocd-oidc:clientSecret}"] {
            assert_eq!(Reference::meant(text), [both("argocd-oidc", "clientSecret")], "{text}");
        }
        assert_eq!(Reference::meant("$a.b.c"), [both("a", "b.c"), both("a.b", "c")]);
        assert_eq!(Reference::meant("$UPPER:x"), []);
        assert!(Reference::meant(&"a.".repeat(5000)).len() <= 4);
    }
}
