//! Edits of Secrets.

use crate::fault::Edit;
use crate::lab::Certificate;
use crate::session::Session;
use base::{Error, Result};
use cluster::names::{
    ARGOCD_SECRET, DEX_HOST, DEX_KEY, DEX_SECRET, DEX_TLS, OIDC_KEY, OIDC_SECRET, SECOND_HOST,
};
use cluster::{ArgocdKeys, ClientSecret, Cluster};

/// The key under which the value is put where the right one is to be missing.
const OTHER_KEY: &str = "client-secret";
const PART_OF: &str = "app.kubernetes.io/part-of";
const SERVER_KEY: &str = "server.secretkey";

/// Makes the change.
///
/// # Errors
/// A Secret is missing or not the lab's.
pub async fn make(session: &Session, cluster: &Cluster, edit: Edit) -> Result<()> {
    match edit {
        Edit::OtherCertificate => certify(session, cluster, SECOND_HOST, false).await,
        Edit::OldCertificate => certify(session, cluster, DEX_HOST, true).await,
        Edit::Rotate => cluster.rotate_client_secret().await,
        Edit::EmptyArgocdSecret => cluster.empty_argocd_secret().await,
        Edit::OtherSecret => {
            let secret = ClientSecret::random()?;
            cluster.set_secret_keys(OIDC_SECRET, &[(OIDC_KEY, Some(secret.reveal().as_bytes()))]).await
        }
        Edit::Unlabel => cluster.set_secret_label(OIDC_SECRET, PART_OF, None).await,
        Edit::RenameKey => {
            let value = value(cluster).await?;
            cluster.set_secret_keys(OIDC_SECRET, &[(OIDC_KEY, None), (OTHER_KEY, Some(&value))]).await
        }
        // As `echo` writes one.
        Edit::LineBreaks => {
            let value = [value(cluster).await?.trim_ascii(), b"\n"].concat();
            cluster.set_secret_keys(OIDC_SECRET, &[(OIDC_KEY, Some(&value))]).await?;
            cluster.set_secret_keys(DEX_SECRET, &[(DEX_KEY, Some(&value))]).await
        }
        Edit::OtherServerKey => {
            let key = ArgocdKeys::random()?.secretkey;
            cluster.set_secret_keys(ARGOCD_SECRET, &[(SERVER_KEY, Some(key.as_bytes()))]).await
        }
        Edit::NoServerKey => cluster.set_secret_keys(ARGOCD_SECRET, &[(SERVER_KEY, None)]).await,
        _ => Ok(()),
    }
}

/// Undoes the change.
///
/// # Errors
/// A Secret is missing or not the lab's.
pub async fn undo(session: &Session, cluster: &Cluster, edit: Edit) -> Result<()> {
    match edit {
        Edit::OtherCertificate | Edit::OldCertificate => certify(session, cluster, DEX_HOST, false).await,
        // The server has filled it again, or is given what is missing.
        Edit::EmptyArgocdSecret | Edit::NoServerKey | Edit::OtherServerKey => fill(cluster).await,
        Edit::OtherSecret | Edit::Unlabel | Edit::RenameKey | Edit::LineBreaks => restore(cluster).await,
        // Both Secrets agree; a restart is all that is missing.
        _ => Ok(()),
    }
}

/// Gives the ingress another certificate for Dex's host.
async fn certify(session: &Session, cluster: &Cluster, host: &str, expired: bool) -> Result<()> {
    let Certificate { chain, key } = session.authority().sign(&[host], expired)?;
    let data = [("tls.crt", Some(chain.as_bytes())), ("tls.key", Some(key.as_bytes()))];
    cluster.set_secret_keys(DEX_TLS, &data).await
}

/// argocd-secret with whatever is missing in it.
async fn fill(cluster: &Cluster) -> Result<()> {
    let keys = ArgocdKeys::random()?;
    let all = [
        ("admin.password", &keys.password_hash),
        ("admin.passwordMtime", &keys.password_mtime),
        (SERVER_KEY, &keys.secretkey),
    ];
    for (key, value) in all {
        let there = cluster.secret_key(ARGOCD_SECRET, key).await?;
        if there.is_none_or(|there| there.is_empty()) {
            cluster.set_secret_keys(ARGOCD_SECRET, &[(key, Some(value.as_bytes()))]).await?;
        }
    }
    Ok(())
}

/// Both Secrets with one value, Dex's, without white space around it.
pub async fn restore(cluster: &Cluster) -> Result<()> {
    let value = cluster.secret_key(DEX_SECRET, DEX_KEY).await?.unwrap_or_default();
    let value = value.trim_ascii();
    if value.is_empty() {
        return Err(Error::environment("Secret dex/dex-clients has no client secret to go by")
            .hint("`cargo xtask down working` makes a new lab"));
    }
    cluster.set_secret_keys(DEX_SECRET, &[(DEX_KEY, Some(value))]).await?;
    cluster.set_secret_keys(OIDC_SECRET, &[(OIDC_KEY, Some(value)), (OTHER_KEY, None)]).await?;
    cluster.set_secret_label(OIDC_SECRET, PART_OF, Some("argocd")).await
}

async fn value(cluster: &Cluster) -> Result<Vec<u8>> {
    let missing = || {
        Error::environment("Secret argocd/argocd-oidc has no key clientSecret")
            .hint("`cargo xtask fix` heals what an earlier fault left")
    };
    cluster.secret_key(OIDC_SECRET, OIDC_KEY).await?.ok_or_else(missing)
}
