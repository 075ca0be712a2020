//! Looks, and writes down what it saw as [`Evidence`]. It reads and changes nothing: the
//! cluster through [`reader`], servers by plain requests.
//!
//! The order is that of need: what the settings name can be read only after the
//! settings, a secret can be shown to the provider only after both are known, and logs
//! are read last so that they tell of what was just tried.

mod bundled;
mod cluster;
mod command_line;
mod dex;
mod kubeconfig;
mod objects;
mod outside;
mod provider;
mod reader;
mod replicas;
mod web;

use std::sync::Arc;
use std::time::Duration;

use probe::{Options, Password, Resolve, Tls};
use releases::Era;
use url::Url;

pub use kubeconfig::{Access, UserCluster, words};
pub use objects::{Object, Objects};
pub use outside::User;
pub use reader::Reader;

use super::access_gaps::right;
use super::evidence::{Evidence, Form, Provider, Seen, Taken, Term};
use super::hidden::Fingerprints;
use super::web_address;
use base::Result;

/// Says what is about to be done, to a person.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;

/// What is to be looked at.
#[derive(Default)]
pub struct Subject {
    /// The cluster, if there is access to one.
    pub cluster: Option<Reader>,
    /// The context of the user's kubeconfig that it is, if it is one.
    pub context: Option<String>,
    /// Argo CD's namespace.
    pub namespace: String,
    /// The provider's namespace, if it runs in the cluster.
    pub provider_namespace: Option<String>,
    /// How a command for this cluster begins: `kubectl --context x`.
    pub kubectl: String,
    /// The address that users type, if somebody said so.
    pub address: Option<Url>,
    /// Names that resolve elsewhere than DNS says.
    pub resolve: Vec<Resolve>,
    /// Whom to trust over HTTPS.
    pub tls: Tls,
    /// Who logs in, if a password was given.
    pub user: Option<User>,
    /// A token to look into, if one was pasted.
    pub token: Option<Password>,
    /// Whether each replica is met by itself, also where there is one.
    pub each_replica: bool,
    /// Whether the client secret is shown to the provider's token endpoint.
    pub secret_check: bool,
    /// Says what is about to be done, to a person.
    pub say: Option<Say>,
}

impl Subject {
    /// A subject of which nothing is known but where Argo CD would be.
    pub fn new(namespace: &str, kubectl: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            kubectl: kubectl.to_owned(),
            secret_check: true,
            ..Self::default()
        }
    }

    /// Says what is about to be done.
    pub fn say(&self, line: &str) {
        if let Some(say) = &self.say {
            say(line);
        }
    }

    /// How requests around a login at `address` are made.
    fn web(&self, address: &Url) -> Options {
        let (name, password) = match &self.user {
            Some(user) => (user.name.as_str(), user.password.clone()),
            None => ("", Password::new("")),
        };
        let mut options = Options::new(address.clone(), name, password);
        options.resolve.clone_from(&self.resolve);
        options.tls = self.tls.clone();
        // Whoever does not answer is a part of what is to be seen.
        options.startup_grace = Duration::ZERO;
        options
    }
}

/// Looks at everything that can be looked at.
///
/// # Errors
/// The system gives no random numbers. What could not be looked at is part of the
/// evidence.
pub async fn collect(subject: &Subject) -> Result<Evidence> {
    collect_again(subject, None).await
}

/// The same, and of a provider that took the client secret `before`, nothing is asked again while the secret is
/// the same.
///
/// # Errors
/// As [`collect`].
pub async fn collect_again(subject: &Subject, before: Option<&Evidence>) -> Result<Evidence> {
    let mut evidence = Evidence::none(&subject.namespace, &subject.kubectl, Fingerprints::new()?);
    if let Some(reader) = &subject.cluster {
        of_cluster(subject, reader, &mut evidence).await;
    }
    let known = before.filter(|before| {
        let asked = |it: &Evidence| (it.provider.issuer.clone(), it.client_id.clone(), it.current.clone());
        before.takes(Form::Presented) == Taken::Yes && asked(before) == asked(&evidence)
    });
    match known {
        Some(before) => {
            let dex = std::mem::take(&mut evidence.provider.dex);
            evidence.provider = Provider { dex, ..before.provider.clone() };
        }
        None => provider(subject, &mut evidence).await,
    }
    let running = evidence.pods.iter().filter(|pod| pod.runs()).count();
    let each = running > 1 || subject.each_replica || evidence.era() == Some(Era::BothAnswer);
    if let Some(reader) = subject.cluster.as_ref().filter(|_| each) {
        replicas::meet(reader, &mut evidence).await;
    }
    let address = subject.address.clone().or_else(|| outside::address(&evidence));
    let options = address.map(|address| subject.web(&address));
    if let Some(options) = &options {
        let told = outside::ask(options).await;
        if let (None, Some(public)) = (&subject.cluster, &told.public) {
            // Without the settings, what Argo CD tells everybody has to do.
            evidence.client_id.clone_from(&public.client_id);
            evidence.cli_client_id.clone_from(&public.cli_client_id);
            evidence.provider.issuer = public.issuer.clone().unwrap_or_default();
            provider(subject, &mut evidence).await;
        }
        let given = subject.address.is_some();
        outside::look(&mut evidence, options, told, given, subject.user.as_ref()).await;
    }
    outside::paste(&mut evidence, options.as_ref(), subject).await;
    if let Some(reader) = &subject.cluster {
        // One server that was met from outside has shown what it presents.
        if !evidence.redeemed().any(|redeemed| redeemed.answer().is_some()) {
            replicas::meet(reader, &mut evidence).await;
        }
        cluster::logs(reader, &mut evidence).await;
        if evidence.token_is_too_large() {
            cluster::controller(reader, &mut evidence).await;
        }
    }
    if evidence.page_logs_in() {
        let because = "with enablePKCEAuthentication the page of this release asks the provider by itself, is called back at /pkce/verify and shows no client secret; what is tried here is the login of /auth/login";
        evidence.note("the login that Argo CD's own page makes", because);
    }
    if let Some(reader) = &subject.cluster {
        let rights = reader.rights();
        evidence.roles = rights.roles(rights.lacking, rights.lacking || rights.lacking_optional);
    }
    if subject.user.is_none() && subject.token.is_none() {
        evidence.note(
            "a login of a user (credentials, tokens, rights)",
            "no user was named (--user, --password-env)",
        );
    }
    Ok(evidence)
}

/// Reads what names other objects, so that every right that [`collect`] needs was asked for.
///
/// # Errors
/// The system gives no random numbers.
pub async fn rights(subject: &Subject, reader: &Reader) -> Result<()> {
    let mut evidence = Evidence::none(&subject.namespace, &subject.kubectl, Fingerprints::new()?);
    of_cluster(subject, reader, &mut evidence).await;
    cluster::controllers(reader).await;
    Ok(())
}

/// Reads the objects of a cluster.
async fn of_cluster(subject: &Subject, reader: &Reader, evidence: &mut Evidence) {
    cluster::objects(reader, evidence, subject.secret_check).await;
    cluster::named(reader, evidence).await;
    bundled::look(reader, evidence).await;
    if let Some(namespace) = &subject.provider_namespace {
        dex::look(reader, evidence, namespace).await;
    }
    // The issuer may be a name that only the cluster knows, or turn out to be.
    match (evidence.provider.issuer.parse::<Url>(), &subject.provider_namespace, &evidence.settings) {
        (Ok(issuer), ..) => reader.will_ask(provider::proxied(&issuer).map(|(right, _)| right)),
        (Err(_), Some(namespace), Seen::NotLooked) => {
            reader.will_ask([right(namespace, "", "services/proxy", "get", None)]);
        }
        _ => {}
    }
}

/// Looks at what files would apply. `dex` is the namespace of a Dex that is in them.
///
/// # Errors
/// The system gives no random numbers.
pub async fn at_files(reader: &Reader, namespace: &str, dex: Option<&str>) -> Result<Evidence> {
    let mut evidence = Evidence::none(namespace, "kubectl", Fingerprints::new()?);
    evidence.files = true;
    cluster::objects(reader, &mut evidence, false).await;
    cluster::named(reader, &mut evidence).await;
    bundled::look(reader, &mut evidence).await;
    // What stands for a value says nothing.
    let open = |term: &Term| matches!(term, Term::Plain(_));
    let (client, issuer) =
        evidence.oidc().map_or((true, true), |config| (open(&config.client_id), open(&config.issuer)));
    evidence.current = None;
    if !client {
        evidence.client_id = String::new();
    }
    if !issuer {
        evidence.provider.issuer = String::new();
    }
    if let Some(namespace) = dex {
        dex::look(reader, &mut evidence, namespace).await;
    }
    if let Some(dex) = evidence.provider.dex.there_mut() {
        dex.secret = None;
    }
    let because = "these are files: they say what would be applied, and nothing of what runs";
    evidence.note("pods, logs and what the provider answers", because);
    Ok(evidence)
}

/// Asks the provider who it is, and whether it takes the client secret.
async fn provider(subject: &Subject, evidence: &mut Evidence) {
    let Some(issuer) = web_address(evidence.provider.issuer.trim_end_matches('/')) else { return };
    let mut options = subject.web(&issuer);
    // Whom Argo CD trusts there, the doctor does.
    if let Some(trusted) =
        evidence.oidc().and_then(|config| options.tls.and_ca(config.root_ca.as_bytes()).ok())
    {
        options.tls = trusted;
    }
    provider::discover(evidence, &options, subject.cluster.as_ref()).await;
    if let Some(reader) = &subject.cluster {
        dex::identify(reader, evidence, &options).await;
    }
    provider::preflight(evidence, &options, subject).await;
    command_line::ask(evidence, &options).await;
}

#[cfg(test)]
mod tests;
