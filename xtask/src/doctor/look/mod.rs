//! Looks, and writes down what it saw as [`Evidence`]. It reads and changes nothing: the
//! cluster through [`reader`], servers by plain requests.
//!
//! The order is that of need: what the settings name can be read only after the
//! settings, a secret can be shown to the provider only after both are known, and logs
//! are read last so that they tell of what was just tried.

mod cluster;
mod dex;
mod outside;
mod provider;
mod reader;
mod replicas;
mod web;

use probe::Options;
use url::Url;

pub use outside::User;
pub use reader::Reader;

use super::could_not::CouldNot;
use super::evidence::Evidence;
use super::hidden::Fingerprints;
use crate::error::Result;

/// What is to be looked at.
pub struct Subject {
    /// The cluster, if there is access to one.
    pub cluster: Option<Reader>,
    /// Argo CD's namespace.
    pub namespace: String,
    /// The provider's namespace, if it runs in the cluster.
    pub provider_namespace: Option<String>,
    /// How a command for this cluster begins: `kubectl --context x`.
    pub kubectl: String,
    /// The address that users type, if somebody said so.
    pub address: Option<Url>,
    /// How requests are made: names that resolve elsewhere, whom to trust.
    pub web: Options,
    /// Who logs in, if a password was given.
    pub user: Option<User>,
}

/// Looks at everything that can be looked at.
///
/// # Errors
/// The system gives no random numbers. What could not be looked at is part of the
/// evidence.
pub async fn look(subject: &Subject) -> Result<Evidence> {
    let mut evidence = Evidence::none(&subject.namespace, &subject.kubectl, Fingerprints::new()?);
    if let Some(reader) = &subject.cluster {
        cluster::objects(reader, &mut evidence).await;
        cluster::named(reader, &mut evidence).await;
        if let Some(namespace) = &subject.provider_namespace {
            dex::look(reader, &mut evidence, namespace).await;
        }
    }
    let address = subject.address.clone().or_else(|| outside::address(&evidence));
    let web = address.map(|address| Options { argocd: address, ..subject.web.clone() });
    provider::discover(&mut evidence, &subject.web, subject.cluster.as_ref()).await;
    provider::preflight(&mut evidence, &subject.web).await;
    if let Some(web) = &web {
        outside::look(&mut evidence, web, subject.address.is_some(), subject.user.as_ref()).await;
    }
    if subject.cluster.is_none() {
        // Without the settings, what Argo CD tells everybody has to do.
        let public = evidence.outside.as_ref().and_then(|outside| outside.public.there());
        if let Some(public) = public {
            evidence.client_id.clone_from(&public.client_id);
            evidence.provider.issuer = public.issuer.clone().unwrap_or_default();
            provider::discover(&mut evidence, &subject.web, None).await;
        }
    }
    if let Some(reader) = &subject.cluster {
        replicas::meet(reader, &mut evidence).await;
        cluster::logs(reader, &mut evidence).await;
    }
    if subject.user.is_none() {
        note_once(
            &mut evidence,
            "a login of a user (credentials, tokens, rights)",
            "no user was named (--user, --password-env)".to_owned(),
        );
    }
    Ok(evidence)
}

fn note_once(evidence: &mut Evidence, what: &str, because: String) {
    if !evidence.could_not.iter().any(|it| it.what == what) {
        evidence.could_not.push(CouldNot { what: what.to_owned(), because, right: None });
    }
}
