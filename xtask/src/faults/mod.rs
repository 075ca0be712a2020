//! The catalogue of faults: ways to break a working lab, each through objects of the
//! cluster and the programs' own configuration, as it happens to people. Nothing here
//! tells a program to fail.
//!
//! A fault is a list of [`Part`]s: edits, restarts, waits. Which faults are in is
//! remembered by an annotation on the namespace `argocd`, so that `fix` heals exactly
//! those; an edit is healed by what `values/` and the other Secret say.

mod dex;
mod edit;
mod heal;
mod make;
mod record;
mod secrets;
mod settings;
mod twice;

use releases::FIRST_START_LOST;
use serde_json::{Value, json};

use crate::names::{Provider, Workload};

pub use crate::cli::{Choice, Fault};
pub use edit::Edit;
pub use heal::heal;
pub use make::make;
pub use record::{forget, is_rotating, record, recorded, rotation_begun, rotation_ended};
pub use twice::rotate_twice;

/// What a fault consists of, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A change of objects.
    Edit(Edit),
    /// New pods, and waiting for them.
    Restart(Workload),
    /// Another number of pods, and waiting for them.
    Scale(Workload, u8),
    /// Waiting until Argo CD's server hears of changes.
    Settle,
    /// Two rotations, the second while the server restarts for the first.
    RotateTwice,
    /// A login, after which the server knows its provider.
    LogIn,
    /// Waiting until the Dex inside Argo CD takes the client secret of a new key.
    DexTakes,
}

/// Where a fault can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// On every lab and release.
    Everywhere,
    /// On some releases, named in words.
    On(&'static str),
    /// Only with the real programs: the stand-ins lack what would fail.
    RealOnly(&'static str),
}

impl Fault {
    /// What a person reads on Argo CD's own page, where that is not what a login says.
    pub fn person_reads(self) -> &'static str {
        match self {
            Self::ServerKeyMissing => "no button: Unable to load data: server.secretkey is missing",
            Self::NoRights => "no applications available to you just yet",
            Self::RedirectLoop => "the browser's own error page",
            Self::FirstStart => "the button, then an empty page",
            _ => "the same",
        }
    }

    /// What is changed, in a sentence's part.
    pub fn what(self) -> &'static str {
        match self {
            Self::Rotate => "a new client secret in both Secrets; Dex is restarted, Argo CD is not",
            Self::RotateTwice => {
                "the client secret is rotated twice, the second time while a browser's open page keeps Argo CD from restarting"
            }
            Self::SecretMismatch => "Argo CD's Secret gets a client secret that Dex does not have",
            Self::StaleReplica => {
                "the client secret is rotated, then a second replica started: one holds the old secret, one the new"
            }
            Self::SecretUnlabelled => "Argo CD's Secret loses the label app.kubernetes.io/part-of",
            Self::SecretKeyMissing => "the key in Argo CD's Secret is renamed",
            Self::SecretReference => "clientSecret is written with `.` in place of `:`",
            Self::SecretWhitespace => "a line break at the end of the client secret, in both Secrets",
            Self::RedirectUri => "Dex has another redirect URI registered for Argo CD",
            Self::ArgocdUrl => "url in argocd-cm is not the address that users type",
            Self::NoUrl => "url in argocd-cm is empty",
            Self::IssuerMismatch => "the issuer in oidc.config has a slash at its end, and Dex's has none",
            Self::ProviderUnreachable => "Dex has no pods",
            Self::ProviderCa => {
                "the issuer is a server whose certificate the cluster's own CA signed, and rootCA is not set"
            }
            Self::StaleSessionManager => {
                "after a login, Dex gets another issuer, and argocd-cm with it; Argo CD is not restarted"
            }
            Self::StateCookie => {
                "url is a second name of Argo CD that works as well, while users type the first one"
            }
            Self::ServerKeyChanged => {
                "server.secretkey is changed, then a second replica started: each has another key"
            }
            Self::ServerKeyMissing => "server.secretkey is taken out of argocd-secret while the server runs",
            Self::Redis => "Redis has no pods",
            Self::Audience => "allowedAudiences names another client only",
            Self::Clock => "Dex's tokens live for a millisecond",
            Self::Scope => "requestedScopes has one that Dex does not know",
            Self::NoRights => "argocd-rbac-cm gives nobody anything",
            Self::RedirectLoop => {
                "server.insecure is false, so Argo CD sends to https what its front brings by http"
            }
            Self::Credentials => "Dex expects another password of the user",
            Self::CodeReused => "Dex has two replicas, each with a memory of its own",
            Self::ManyGroups => "the user is in 100 groups, and Argo CD asks for them",
            Self::FirstStart => {
                "argocd-secret is emptied and Argo CD's server started, as on a fresh cluster"
            }
        }
    }

    /// The same with a provider.
    pub fn what_with(self, provider: Provider) -> &'static str {
        match (self, provider) {
            (Self::Rotate, Provider::Bundled) => {
                "a new server.secretkey, from which both sides derive the client secret; Argo CD is not restarted"
            }
            (Self::ProviderUnreachable, Provider::Bundled) => "argocd-dex-server has no pods",
            _ => self.what(),
        }
    }

    /// Where it can be seen.
    pub fn seen(self) -> Seen {
        match self {
            Self::Rotate | Self::StaleReplica => {
                Seen::On("releases that do not reload: v2.1 - v2.2, v2.4.3 - v2.13, v3.3.0 - v3.3.6")
            }
            Self::RotateTwice => Seen::On("v2.14 and later, which let open requests end before they restart"),
            Self::StaleSessionManager => Seen::On("releases that reload: v2.14 - v3.2, v3.3.7 and later"),
            Self::ServerKeyChanged => Seen::On("v2.3 and later, which keep the state in a cookie"),
            Self::Audience => Seen::On("v2.6 and later, v2.5.8, v2.4.20 and v2.3.14"),
            Self::FirstStart => Seen::On(FIRST_START_LOST),
            Self::Redis => Seen::RealOnly("the stand-in for argocd-server keeps its sessions itself"),
            _ => Seen::Everywhere,
        }
    }

    /// What it consists of.
    pub fn parts(self, provider: Provider) -> &'static [Part] {
        match provider {
            Provider::Dex => self.with_dex(),
            Provider::Bundled => self.bundled().unwrap_or(&[]),
        }
    }

    /// What it consists of where the Dex inside Argo CD checks users; nothing for a fault that
    /// is of `oidc.config`, of the Secrets that it names, or of a Dex of its own.
    pub fn bundled(self) -> Option<&'static [Part]> {
        use Part::{DexTakes, Edit as E, Restart, Scale, Settle};
        use Workload::{Argocd, DexServer};
        match self {
            Self::Rotate => Some(&[Settle, E(Edit::OtherServerKey), DexTakes]),
            Self::ProviderUnreachable => Some(&[Scale(DexServer, 0), Restart(Argocd)]),
            // It is Dex's issuer too, which begins anew with it.
            Self::ArgocdUrl => Some(&[E(Edit::OtherUrl), Restart(Argocd), DexTakes]),
            Self::NoUrl | Self::ServerKeyMissing | Self::Redis | Self::NoRights | Self::RedirectLoop => {
                Some(self.with_dex())
            }
            _ => None,
        }
    }

    fn with_dex(self) -> &'static [Part] {
        use Part::{Edit as E, LogIn, Restart, Scale, Settle};
        use Workload::{Argocd, Dex};
        match self {
            Self::Rotate => &[Settle, E(Edit::Rotate), Restart(Dex)],
            Self::RotateTwice => &[Settle, Part::RotateTwice, Restart(Dex)],
            Self::SecretMismatch => &[E(Edit::OtherSecret), Restart(Argocd)],
            Self::StaleReplica => &[Settle, E(Edit::Rotate), Restart(Dex), Scale(Argocd, 2)],
            Self::SecretUnlabelled => &[E(Edit::Unlabel), Restart(Argocd)],
            Self::SecretKeyMissing => &[E(Edit::RenameKey), Restart(Argocd)],
            Self::SecretReference => &[E(Edit::Reference), Restart(Argocd)],
            Self::SecretWhitespace => &[E(Edit::LineBreaks), Restart(Dex), Restart(Argocd)],
            Self::RedirectUri => &[E(Edit::OtherRedirectUri), Restart(Dex)],
            Self::ArgocdUrl => &[E(Edit::OtherUrl), Restart(Argocd)],
            Self::NoUrl => &[E(Edit::NoUrl), Restart(Argocd)],
            Self::IssuerMismatch => &[E(Edit::IssuerSlash), Restart(Argocd)],
            Self::ProviderUnreachable => &[Scale(Dex, 0), Restart(Argocd)],
            Self::ProviderCa => &[E(Edit::PrivateIssuer), Restart(Argocd)],
            Self::StaleSessionManager => {
                &[LogIn, Settle, E(Edit::DexMoves), Restart(Dex), E(Edit::IssuerMoves)]
            }
            Self::StateCookie => &[
                E(Edit::SecondHost),
                E(Edit::SecondRedirectUri),
                Restart(Dex),
                E(Edit::SecondUrl),
                Restart(Argocd),
            ],
            Self::ServerKeyChanged => &[E(Edit::OtherServerKey), Scale(Argocd, 2)],
            Self::ServerKeyMissing => &[Settle, E(Edit::NoServerKey)],
            Self::Redis => &[Scale(Workload::Redis, 0)],
            Self::Audience => &[E(Edit::OtherAudience), Restart(Argocd)],
            Self::Clock => &[E(Edit::ShortTokens), Restart(Dex)],
            Self::Scope => &[E(Edit::UnknownScope), Restart(Argocd)],
            Self::NoRights => &[E(Edit::NoPolicy)],
            Self::RedirectLoop => &[E(Edit::OwnTls), Restart(Argocd)],
            Self::Credentials => &[E(Edit::OtherPassword), Restart(Dex)],
            Self::CodeReused => &[Scale(Dex, 2)],
            Self::ManyGroups => &[E(Edit::ManyGroups), Restart(Dex), E(Edit::GroupsScope), Restart(Argocd)],
            Self::FirstStart => &[E(Edit::EmptyArgocdSecret), Restart(Argocd)],
        }
    }

    /// The list of all, for people.
    pub fn list() -> String {
        let mut text = String::new();
        for fault in Self::all() {
            text.push_str(&format!("{:<22} {}\n", fault.name(), fault.what()));
            match fault.seen() {
                Seen::Everywhere => {}
                Seen::On(releases) => text.push_str(&format!("{:<22} shows on {releases}\n", "")),
                Seen::RealOnly(why) => {
                    text.push_str(&format!("{:<22} shows with real programs only: {why}\n", ""));
                }
            }
        }
        text.push_str(
            "\nOf the catalogue, state-mismatch is made by a browser with two logins at once and idp-refused by a provider\nwith rules of its own: no object of a cluster puts them in.\n",
        );
        let inside: Vec<&str> =
            Self::all().iter().filter(|it| it.bundled().is_some()).map(|it| it.name()).collect();
        text.push_str(&format!(
            "\nWith --provider bundled there are {}; rotate is a new server.secretkey there.",
            inside.join(", ")
        ));
        text
    }
}

/// All faults with what each changes and where it shows, for `--format json`.
pub fn catalogue() -> Value {
    let entry = |fault: &Fault| {
        let (releases, why) = match fault.seen() {
            Seen::Everywhere => (None, None),
            Seen::On(releases) => (Some(releases), None),
            Seen::RealOnly(why) => (None, Some(why)),
        };
        json!({"name": fault.name(), "what": fault.what(), "shows_on": releases, "real_only": why,
               "bundled": fault.bundled().is_some()})
    };
    Fault::all().iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use probe::CauseId;

    use super::*;

    #[test]
    fn every_cause_that_a_cluster_can_have_has_a_fault() {
        for id in CauseId::ALL {
            let has = Fault::all().iter().any(|fault| fault.id() == *id);
            // The first four are a browser's or a provider's, the next two are what more groups and a wider
            // front lead to, and the others are made by hand where the Dex inside Argo CD is tested.
            let made_elsewhere = matches!(
                id,
                CauseId::StateMismatch
                    | CauseId::IdpRefused
                    | CauseId::SecretExpired
                    | CauseId::ClientDisabled
                    | CauseId::CookieTooLarge
                    | CauseId::TooManyCookies
                    | CauseId::TwoProviders
                    | CauseId::DexConfig
                    | CauseId::DexDown
                    | CauseId::DexTls
                    | CauseId::DexClient
                    | CauseId::DexReference
                    | CauseId::DexConnector
            );
            assert_eq!(has, !made_elsewhere, "{id}");
        }
    }
}
