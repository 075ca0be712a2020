//! Faults by their names on the command line. What each changes is in [`crate::faults`].

use clap::ValueEnum;
use probe::CauseId;
use strsim::levenshtein as distance;

/// A named way to break a working lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
#[allow(missing_docs, reason = "each is described by `what`")]
pub enum Fault {
    #[value(alias = "stale-argocd")]
    Rotate,
    RotateTwice,
    SecretMismatch,
    StaleReplica,
    SecretUnlabelled,
    SecretKeyMissing,
    SecretReference,
    SecretWhitespace,
    RedirectUri,
    ArgocdUrl,
    NoUrl,
    IssuerMismatch,
    ProviderUnreachable,
    ProviderCa,
    StaleSessionManager,
    StateCookie,
    ServerKeyChanged,
    ServerKeyMissing,
    Redis,
    Audience,
    Clock,
    Scope,
    NoRights,
    RedirectLoop,
    Credentials,
    CodeReused,
    ManyGroups,
    FirstStart,
}

impl Fault {
    /// All of them, in the catalogue's order.
    pub fn all() -> &'static [Self] {
        Self::value_variants()
    }

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rotate => "rotate",
            Self::RotateTwice => "rotate-twice",
            Self::NoUrl => "no-url",
            Self::ManyGroups => "many-groups",
            _ => self.id().name(),
        }
    }

    /// The cause that it is.
    pub fn id(self) -> CauseId {
        match self {
            Self::Rotate | Self::RotateTwice => CauseId::StaleArgocd,
            Self::SecretMismatch => CauseId::SecretMismatch,
            Self::StaleReplica => CauseId::StaleReplica,
            Self::SecretUnlabelled => CauseId::SecretUnlabelled,
            Self::SecretKeyMissing => CauseId::SecretKeyMissing,
            Self::SecretReference => CauseId::SecretReference,
            Self::SecretWhitespace => CauseId::SecretWhitespace,
            Self::RedirectUri => CauseId::RedirectUri,
            Self::ArgocdUrl | Self::NoUrl => CauseId::ArgocdUrl,
            Self::IssuerMismatch => CauseId::IssuerMismatch,
            Self::ProviderUnreachable => CauseId::ProviderUnreachable,
            Self::ProviderCa => CauseId::ProviderCa,
            Self::StaleSessionManager => CauseId::StaleSessionManager,
            Self::StateCookie => CauseId::StateCookie,
            Self::ServerKeyChanged => CauseId::ServerKeyChanged,
            Self::ServerKeyMissing => CauseId::ServerKeyMissing,
            Self::Redis => CauseId::Redis,
            Self::Audience => CauseId::Audience,
            Self::Clock => CauseId::Clock,
            Self::Scope => CauseId::Scope,
            Self::NoRights => CauseId::NoRights,
            Self::RedirectLoop => CauseId::RedirectLoop,
            Self::Credentials => CauseId::Credentials,
            Self::CodeReused => CauseId::CodeReused,
            Self::ManyGroups => CauseId::TokenTooLarge,
            Self::FirstStart => CauseId::FirstStart,
        }
    }
}

/// What `--fault` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// That fault.
    One(Fault),
    /// List them.
    List,
}

impl Choice {
    /// Reads it.
    ///
    /// # Errors
    /// There is no such fault; the nearest name is said.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "list" {
            return Ok(Self::List);
        }
        Fault::from_str(text, false).map(Self::One).map_err(|_| {
            let nearest = nearest(text).map_or_else(String::new, |name| format!("did you mean {name}? "));
            format!("there is no such fault ({nearest}`cargo xtask break --fault list` lists them)")
        })
    }
}

/// How much of a word is looked at.
const LONGEST: usize = 64;

/// The name that a mistyped one most likely stands for, if it is near one at all.
fn nearest(text: &str) -> Option<&'static str> {
    let text: String = text.chars().take(LONGEST).collect();
    let names = Fault::all().iter().map(|fault| fault.name());
    let (distance, name) = names.map(|name| (distance(&text, name), name)).min()?;
    (distance <= (name.len() + 2) / 4).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_name_gets_the_nearest_one_and_any_other_word_none() {
        for (text, name) in [
            ("rotat", Some("rotate")),
            ("rotate_twice", Some("rotate-twice")),
            ("secret-mismach", Some("secret-mismatch")),
            ("frist-start", Some("first-start")),
            ("everything", None),
            ("", None),
        ] {
            assert_eq!(nearest(text), name, "{text}");
        }
        assert_eq!((distance("", "abc"), distance("kitten", "sitting")), (3, 3));
    }

    #[test]
    fn names_are_read_back() {
        for fault in Fault::all() {
            assert_eq!(Choice::parse(fault.name()), Ok(Choice::One(*fault)));
        }
        assert_eq!(Choice::parse("stale-argocd"), Ok(Choice::One(Fault::Rotate)));
        assert_eq!(Choice::parse("list"), Ok(Choice::List));
        assert!(Choice::parse("gremlins").is_err());
    }
}
