//! The faults, as data: ways to break a working lab, each through objects of the cluster
//! and the programs' own configuration, as it happens to people. Nothing here tells a
//! program to fail. A new fault is a row of [`table`], and a row of [`edit`] for each change
//! that none makes yet; [`crate::faults`] puts them in and heals them.

mod choice;
mod edit;
mod table;

use releases::FIRST_START_LOST;
use serde_json::{Value, json};

use cluster::names::{Provider, Workload};

pub use choice::Choice;
pub use edit::{Edit, Here, On, rule};
pub use table::Fault;

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
    /// In the command line's login alone: the web's passes.
    CommandLine,
    /// On some releases, named in words.
    On(&'static str),
    /// Only with the real programs: the stand-ins lack what would fail.
    RealOnly(&'static str),
}

impl Fault {
    /// What is changed with a provider.
    pub fn what_with(self, provider: Provider) -> &'static str {
        match (self, provider) {
            (Self::Rotate, Provider::Bundled) => {
                "a new server.secretkey, from which both sides derive the client secret; Argo CD is not restarted"
            }
            (Self::ProviderUnreachable, Provider::Bundled) => "argocd-dex-server has no pods",
            _ => self.what(),
        }
    }

    /// Whether there is such a fault with a provider.
    pub fn is_of(self, provider: Provider) -> bool {
        !self.parts(provider).is_empty()
    }

    /// What it consists of.
    pub fn parts(self, provider: Provider) -> &'static [Part] {
        let parts = match provider {
            Provider::Dex => self.with_dex(),
            Provider::Bundled => self.bundled(),
        };
        parts.unwrap_or_default()
    }

    /// The list of all, for people.
    pub fn list() -> String {
        let mut text = String::new();
        for fault in Self::all() {
            text.push_str(&format!("{:<22} {}\n", fault.name(), fault.what()));
            let shows = match fault.seen() {
                Seen::Everywhere => continue,
                Seen::CommandLine => "in `argocd login --sso` alone (`probe --as-cli`)".to_owned(),
                Seen::On(releases) => format!("on {releases}"),
                Seen::RealOnly(why) => format!("with real programs only: {why}"),
            };
            text.push_str(&format!("{:<22} shows {shows}\n", ""));
        }
        text.push_str(
            "\nOf the catalogue, state-mismatch is made by a browser with two logins at once and idp-refused by a provider\nwith rules of its own: no object of a cluster puts them in.\n",
        );
        let names = |provider, other| {
            let of = |it: &&Self| it.is_of(provider) && (other || !it.is_of(Provider::Dex));
            Self::all().iter().filter(of).map(|it| it.name()).collect::<Vec<_>>().join(", ")
        };
        text.push_str(&format!(
            "\nWith --provider bundled there are {}; rotate is a new server.secretkey there. Only there are {}.",
            names(Provider::Bundled, true),
            names(Provider::Bundled, false)
        ));
        let tls: Vec<&str> =
            Self::all().iter().filter(|it| it.over().is_some()).map(|it| it.name()).collect();
        text.push_str(&format!("\n\nOnly with --tls there are {}.", tls.join(", ")));
        text
    }
}

/// All faults with what each changes and where it shows, for `--format json`.
pub fn catalogue() -> Value {
    let entry = |fault: &Fault| {
        let (releases, why) = match fault.seen() {
            Seen::Everywhere | Seen::CommandLine => (None, None),
            Seen::On(releases) => (Some(releases), None),
            Seen::RealOnly(why) => (None, Some(why)),
        };
        json!({"name": fault.name(), "what": fault.what(), "shows_on": releases, "real_only": why,
               "dex": fault.is_of(Provider::Dex), "bundled": fault.is_of(Provider::Bundled),
               "tls": fault.over().is_some(), "command_line": fault.seen() == Seen::CommandLine})
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
            // front lead to, the two of Dex are the fault provider-unreachable there, and made by hand; those
            // from auth-proxy on are other programs', and known to `explain` alone.
            let made_elsewhere = matches!(
                id,
                CauseId::StateMismatch
                    | CauseId::IdpRefused
                    | CauseId::SecretExpired
                    | CauseId::ClientDisabled
                    | CauseId::CookieTooLarge
                    | CauseId::TooManyCookies
                    | CauseId::DexDown
                    | CauseId::DexTls
            ) || *id >= CauseId::AuthProxy;
            assert_eq!(has, !made_elsewhere, "{id}");
        }
    }
}
