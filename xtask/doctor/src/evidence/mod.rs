//! All that was read, as plain data: what the checks decide by. How it is read is in
//! [`super::collect`].

pub mod bundled;
pub mod claims;
mod control;
mod dex_settings;
pub mod egress;
mod log;
mod outside;
mod provider;
mod rbac;
mod reference;
mod secret;
mod server;
mod settings;
mod tried;
mod yaml;

use std::collections::BTreeMap;

use jiff::Timestamp;
use probe::rehearsal::Asked;
use releases::{Era, Release};
use serde::{Deserialize, Serialize};

pub use bundled::{Bundled, Unresolved};
pub use control::Taken;
pub use dex_settings::{DexSettings, DexSettingsConfig};
#[cfg(test)]
pub use log::Serving;
pub use log::{LogSeen, Rejected};
pub use outside::{Logins, Outside, Public};
pub use provider::{AsCommandLine, DexConfig, DexSeen, Discovery, Document, Provider, Source, Way};
pub use rbac::{Rbac, Rule};
pub use reference::{Reference, Term};
pub use secret::{OWN, PART_OF, SERVER_KEY, SecretSeen, Written, written};
pub use server::{DeploymentSeen, EnvSeen, PodSeen, Rehearsed};
pub use settings::{Oidc, OidcConfig, Settings};
pub use tried::{Form, Method, Tried};

use super::access_gaps::CouldNot;
use super::hidden::{Fingerprints, Hidden};
use super::shown::{argument, shown};

/// What looking for one thing gave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen<T> {
    /// It was not looked for, or could not be looked at.
    #[default]
    NotLooked,
    /// It is not there.
    Absent,
    /// It is there.
    There(T),
}

impl<T> From<Option<T>> for Seen<T> {
    fn from(found: Option<T>) -> Self {
        found.map_or(Self::Absent, Self::There)
    }
}

impl<T> Seen<T> {
    /// The thing, if it is there.
    pub fn there(&self) -> Option<&T> {
        match self {
            Self::There(thing) => Some(thing),
            Self::NotLooked | Self::Absent => None,
        }
    }

    /// The same, to change it.
    pub fn there_mut(&mut self) -> Option<&mut T> {
        match self {
            Self::There(thing) => Some(thing),
            Self::NotLooked | Self::Absent => None,
        }
    }

    /// What is read of it, if it is there.
    pub fn map<U>(self, read: impl FnOnce(T) -> U) -> Seen<U> {
        match self {
            Self::NotLooked => Seen::NotLooked,
            Self::Absent => Seen::Absent,
            Self::There(thing) => Seen::There(read(thing)),
        }
    }

    /// Whether it is known not to be there.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

/// Everything that was read of one installation.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Evidence {
    /// Argo CD's namespace.
    pub namespace: String,
    /// How a command for this cluster begins: `kubectl --context x`.
    pub kubectl: String,
    /// Whether it was read from files: what would be applied, and nothing of what runs.
    pub files: bool,
    /// The release that runs.
    pub release: Option<Release>,
    /// argocd-cm.
    pub settings: Seen<Settings>,
    /// Whether argocd-server leaves TLS to others.
    pub insecure: Option<bool>,
    /// When that was written into argocd-cmd-params-cm, which a server reads at its start.
    pub insecure_written: Option<Timestamp>,
    /// The path below which argocd-server answers.
    pub root_path: String,
    /// The Dex inside Argo CD.
    pub bundled: Bundled,
    /// argocd-rbac-cm.
    pub rbac: Seen<Rbac>,
    /// argocd-secret.
    pub argocd_secret: Seen<SecretSeen>,
    /// The Secret that `clientSecret` names, if it is another one.
    pub named_secret: Seen<SecretSeen>,
    /// A Secret that a reference leading nowhere may have meant, and the key in it.
    pub meant_secret: Option<(SecretSeen, String)>,
    /// References of `oidc.config` beside the client secret that lead to no value.
    pub unresolved: Vec<Unresolved>,
    /// The client secret that Argo CD would present if it read its settings now.
    pub current: Option<Hidden>,
    /// The client ID, resolved.
    pub client_id: String,
    /// As whom the command line logs in, resolved; empty if it has no client of its own.
    pub cli_client_id: String,
    /// argocd-server.
    pub server: Seen<DeploymentSeen>,
    /// Its pods.
    pub pods: Vec<PodSeen>,
    /// Logins that were begun at one pod and ended at another: both names, and the
    /// words in which the second refused, if it did.
    pub crossed: Vec<(String, String, Option<probe::Failure>)>,
    /// The Deployments that are Argo CD's Redis.
    pub redis: Seen<Vec<DeploymentSeen>>,
    /// Whether argocd-server is told to use a Redis that is none of these.
    pub redis_elsewhere: bool,
    /// The hosts under which Ingress objects lead to argocd-server.
    pub hosts: Seen<Vec<String>>,
    /// The policies of the network that restrict whom argocd-server reaches.
    pub restricting: Vec<egress::Restricting>,
    /// Those Ingress objects: the name and the annotations of each.
    pub ingresses: Vec<(String, BTreeMap<String, String>)>,
    /// The settings of the ingress controller, and its namespace; looked at where a token is too large.
    pub controller: Option<(String, BTreeMap<String, String>)>,
    /// The provider.
    pub provider: Provider,
    /// Argo CD from outside.
    pub outside: Option<Outside>,
    /// Whose token was pasted.
    #[serde(with = "claims::user")]
    pub pasted: Option<probe::User>,
    /// What could not be looked at.
    pub could_not: Vec<CouldNot>,
    /// The rights that would have sufficed, as manifests; empty if none was missing.
    #[serde(skip)]
    pub roles: String,
    /// For fingerprints.
    #[serde(skip)]
    pub fingerprints: Fingerprints,
}

/// Which client secrets Argo CD's servers were seen to present.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Presented {
    /// Rehearsals in which the provider took it.
    pub taken: usize,
    /// Rehearsals in which it did not.
    pub refused: usize,
}

impl Evidence {
    /// Nothing, read now.
    pub fn none(namespace: &str, kubectl: &str, fingerprints: Fingerprints) -> Self {
        let (namespace, kubectl) = (namespace.to_owned(), kubectl.to_owned());
        Self { namespace, kubectl, fingerprints, ..Self::default() }
    }

    /// How a command for a namespace begins.
    pub fn kubectl_of(&self, namespace: &str) -> String {
        format!("{} -n {}", self.kubectl, argument(namespace))
    }

    /// How a command for Argo CD's namespace begins.
    pub fn argocd_kubectl(&self) -> String {
        self.kubectl_of(&self.namespace)
    }

    /// Notes once that something could not be looked at.
    pub fn note(&mut self, what: impl Into<String>, because: impl Into<String>) {
        self.note_all(CouldNot { what: what.into(), because: because.into(), right: None });
    }

    /// The same, with the right that was missing.
    pub fn note_all(&mut self, could_not: CouldNot) {
        if !self.could_not.iter().any(|it| it.what == could_not.what) {
            self.could_not.push(could_not);
        }
    }

    /// Every Deployment that was looked at.
    pub fn deployments(&self) -> impl Iterator<Item = &DeploymentSeen> {
        let dex = self.provider.dex.there().map(|dex| &dex.deployment);
        let others = [self.server.there(), self.bundled.deployment.there(), dex];
        others.into_iter().flatten().chain(self.redis.there().into_iter().flatten())
    }

    /// `oidc.config`, if it could be read.
    pub fn oidc(&self) -> Option<&OidcConfig> {
        self.settings.there().and_then(Settings::config)
    }

    /// What `clientSecret` names, if it is a reference.
    pub fn client_reference(&self) -> Option<&Reference> {
        self.oidc()?.client_secret.reference()
    }

    /// `dex.config`, if it can be used.
    pub fn dex_settings(&self) -> Option<&DexSettingsConfig> {
        self.settings.there()?.dex.config()
    }

    /// `url`; empty if there is none, or it could not be read.
    pub fn url(&self) -> &str {
        self.settings.there().map_or("", |settings| &settings.url)
    }

    /// How the release that runs treats a changed client secret, if it is known.
    pub fn era(&self) -> Option<Era> {
        self.release.as_ref().map(Release::era)
    }

    /// The Secret that `clientSecret` names, by a reference to it, if it is there.
    pub fn secret_of(&self, reference: &Reference) -> Option<&SecretSeen> {
        match reference {
            Reference::Of { .. } => self.named_secret.there(),
            Reference::Own(_) => self.argocd_secret.there(),
        }
    }

    /// When the value behind `clientSecret` was written last; for the Dex inside Argo CD, `server.secretkey`.
    pub fn secret_written(&self) -> Option<&Written> {
        if self.uses_bundled() {
            return self.argocd_secret.there()?.written(SERVER_KEY);
        }
        let reference = self.client_reference()?;
        self.secret_of(reference)?.written(reference.place().1)
    }

    /// What anybody can read of its settings.
    pub fn public(&self) -> Option<&Public> {
        self.outside.as_ref()?.public.there()
    }

    /// The logins of a user, if there were any.
    pub fn logins(&self) -> Option<&Logins> {
        self.outside.as_ref()?.logins.as_ref()
    }

    /// The failures of these logins by kind.
    pub fn login_failures(&self) -> &[probe::FailureGroup] {
        self.logins().map_or(&[], |logins| &logins.failures)
    }

    /// Rehearsals at Argo CD's address.
    pub fn rehearsals(&self) -> &[probe::Rehearsal] {
        self.outside.as_ref().map_or(&[], |outside| &outside.rehearsals)
    }

    /// What Argo CD was seen to ask the provider for.
    pub fn asked(&self) -> Option<&Asked> {
        self.rehearsals().iter().find_map(|rehearsal| rehearsal.asked.as_ref())
    }

    /// The last of what the logs of argocd-server's pods say of one thing.
    pub fn logged<'a, T: Ord>(&'a self, what: impl Fn(&'a LogSeen) -> Option<T>) -> Option<T> {
        self.pods.iter().filter_map(|pod| what(pod.log.as_ref()?)).max()
    }

    /// Since when the oldest of argocd-server's pods runs.
    pub fn started(&self) -> Option<Timestamp> {
        self.pods.iter().filter(|pod| !pod.ending).filter_map(|pod| pod.started).min()
    }

    /// The client as which the command line logs in (`argocd login --sso`), and whether it is one of its own; `None`
    /// where nothing says that it is meant to: no `cliClientID`, and no client at Dex with its address.
    pub fn command_line(&self) -> Option<(&str, bool)> {
        if !self.cli_client_id.is_empty() {
            return Some((&self.cli_client_id, true));
        }
        let dex =
            self.provider.own_config().filter(|_| self.oidc().is_some() && !self.client_id.is_empty())?;
        (!dex.command_line_ids.is_empty()).then_some((self.client_id.as_str(), false))
    }

    /// Whether logins go through the Dex inside Argo CD.
    pub fn uses_bundled(&self) -> bool {
        self.settings.there().is_some_and(Settings::uses_own_dex)
    }

    /// Whether Argo CD is told to log in by PKCE, and is a release that knows of it.
    pub fn pkce(&self) -> bool {
        let knows = self.release.as_ref().is_none_or(|release| release.is_at_least(2, 10, 0));
        knows && self.oidc().is_some_and(|config| config.pkce)
    }

    /// Whether it is Argo CD's page that redeems codes, as up to v3.0 with PKCE: without a secret, and by
    /// another callback than what is rehearsed.
    pub fn page_logs_in(&self) -> bool {
        self.pkce() && self.release.as_ref().is_some_and(|release| !release.is_at_least(3, 1, 0))
    }

    /// What Argo CD's servers present, by all rehearsals.
    pub fn presented(&self) -> Presented {
        let mut presented = Presented::default();
        for redeemed in self.redeemed() {
            match self.takes_presented(redeemed) {
                Taken::Yes => presented.taken += 1,
                Taken::No | Taken::NoByItsWords => presented.refused += 1,
                Taken::Unclear => {}
            }
        }
        presented
    }

    /// The logins of a user that ended on a refusal of the client, although their codes were the provider's own.
    pub fn refused_logins(&self) -> Option<&probe::FailureGroup> {
        self.login_failures().iter().find(|failure| failure.answer == probe::Cause::InvalidClient)
    }

    /// Whether a login of a user ended where somebody found the token too large.
    pub fn token_is_too_large(&self) -> bool {
        use probe::Cause::{CookieTooLarge, TokenTooLarge};
        self.login_failures().iter().any(|failure| matches!(failure.answer, TokenTooLarge | CookieTooLarge))
    }

    /// Whose token there is: of the user who logged in, else of the one who pasted it.
    pub fn user(&self) -> Option<&probe::User> {
        self.logins().and_then(|logins| logins.user.as_ref()).or(self.pasted.as_ref())
    }

    /// The name by which policies know a user: `sub`, and from v3.0 on what Dex was told by its connector.
    pub fn identifier<'a>(&self, user: &'a probe::User) -> Option<&'a str> {
        let federated = self.release.as_ref().is_some_and(|release| release.is_at_least(3, 0, 0));
        let by_connector = user.claims["federated_claims"]["user_id"].as_str();
        by_connector.filter(|id| federated && !id.is_empty()).or(user.claims["sub"].as_str())
    }

    /// Whether a login of a user was seen to pass.
    pub fn logged_in(&self) -> bool {
        self.logins().is_some_and(|logins| logins.ok > 0)
    }

    /// Whether the provider was shown to tell right secrets from wrong ones, so that what it says of one is sure.
    pub fn refuses_surely(&self) -> bool {
        self.redeemed().all(|redeemed| self.takes_presented(redeemed) != Taken::NoByItsWords)
            && self.takes(Form::Presented) != Taken::NoByItsWords
    }

    /// The failures in which rehearsals ended, each once. What only says that
    /// this machine, or a code that nobody gave out, is treated in a way of its own is none.
    pub fn failures(&self) -> Vec<&probe::Failure> {
        let mut all: Vec<&probe::Failure> = vec![];
        let of_forms = self.rehearsals().iter().filter_map(|rehearsal| rehearsal.form.as_ref().err());
        let of_pods = self.pods.iter().flat_map(|pod| &pod.rehearsed).filter_map(Rehearsed::not_begun);
        // What the token endpoint answered to the code is held against the control, and is no failure by itself.
        let of_codes =
            self.redeemed().filter(|redeemed| redeemed.answer().is_none()).map(|redeemed| &redeemed.0);
        let known = of_codes.chain(of_pods).filter(|failure| is_known(failure));
        for failure in of_forms.filter(|failure| tells(failure)).chain(known) {
            if !all.iter().any(|known| known.step == failure.step && known.cause == failure.cause) {
                all.push(failure);
            }
        }
        all
    }

    /// Whether anything was seen to fail.
    pub fn fails(&self) -> bool {
        !self.failures().is_empty()
            || self.presented().refused > 0
            || self.outside.as_ref().is_some_and(|outside| matches!(outside.button, Some(Err(_))))
            || self.logins().is_some_and(|logins| logins.ok < logins.total)
    }

    /// Whether everything that was tried of a login passed, and something was.
    pub fn passes(&self) -> bool {
        self.presented().taken > 0 && !self.fails()
    }

    /// The first failure of one of these kinds.
    pub fn failure(&self, causes: &[probe::Cause]) -> Option<&probe::Failure> {
        self.failures().into_iter().find(|failure| causes.contains(&failure.cause))
    }

    /// Every secret that was read, so that none of them can be shown by accident.
    pub fn secrets(&self) -> Vec<&Hidden> {
        let seen = [self.argocd_secret.there(), self.named_secret.there()];
        let dex = self.provider.dex.there().and_then(|dex| dex.secret.as_ref()).map(|(secret, _)| secret);
        let meant = self.meant_secret.as_ref().map(|(secret, _)| secret);
        let secrets = seen.into_iter().flatten().chain(dex).chain(meant).chain(&self.bundled.secrets);
        let plain = self.oidc().and_then(|config| config.client_secret.plain());
        // The name and a key of a Secret that is there: what was to be a reference is no secret.
        let was_meant = |value: &&Hidden| {
            let names = |(secret, key): &(SecretSeen, String)| {
                let text = value.text();
                text.contains(&secret.name) && text.contains(key.as_str())
            };
            self.meant_secret.as_ref().is_some_and(names)
        };
        // Settings may name a Secret for these too, and everybody who logs in is shown them.
        let public = [&self.client_id, &self.cli_client_id, &self.provider.issuer];
        let is_public = |value: &&Hidden| {
            let text = value.trimmed().text();
            self.current.as_ref() != Some(*value) && public.iter().any(|known| **known == text)
        };
        secrets
            .flat_map(|secret| secret.keys.values().map(|key| &key.value))
            .filter(|value| !is_public(value))
            .chain(plain.into_iter().chain(&self.current).filter(|value| !was_meant(value)))
            .chain(self.dex_settings().into_iter().flat_map(|config| &config.secrets))
            .collect()
    }
}

/// Whether a failure is one of the catalogue. Other words for a code that nobody gave out
/// are a provider's own.
pub fn is_known(failure: &probe::Failure) -> bool {
    !failure.cause.candidates(false).ids.is_empty()
}

/// Whether a failure on the way to the provider's page says something about the
/// installation. That this machine does not reach the provider, or is turned away there,
/// does not.
pub fn tells(failure: &probe::Failure) -> bool {
    let front = failure.status.is_some_and(|status| (502..=504).contains(&status));
    failure.step != probe::Step::Authorize || is_known(failure) || front
}
