//! Edits of Secrets.

use crate::cluster::{ArgocdKeys, ClientSecret, Cluster};
use crate::names::{ARGOCD_SECRET, DEX_KEY, DEX_SECRET, OIDC_KEY, OIDC_SECRET};
use base::{Error, Result};

/// The key under which `rename_key` puts the value.
const OTHER_KEY: &str = "client-secret";
const PART_OF: &str = "app.kubernetes.io/part-of";
const SERVER_KEY: &str = "server.secretkey";

/// A client secret in Argo CD's Secret that nobody else has.
pub async fn other(cluster: &Cluster) -> Result<()> {
    let secret = ClientSecret::random()?;
    cluster.set_secret_keys(OIDC_SECRET, &[(OIDC_KEY, Some(secret.reveal().as_bytes()))]).await
}

/// Argo CD's Secret without the label by which Argo CD sees it.
pub async fn unlabel(cluster: &Cluster) -> Result<()> {
    cluster.set_secret_label(OIDC_SECRET, PART_OF, None).await
}

/// The value under another key.
pub async fn rename_key(cluster: &Cluster) -> Result<()> {
    let value = value(cluster).await?;
    cluster.set_secret_keys(OIDC_SECRET, &[(OIDC_KEY, None), (OTHER_KEY, Some(&value))]).await
}

/// A line break at the end of both values, as `echo` writes one.
pub async fn line_breaks(cluster: &Cluster) -> Result<()> {
    let value = [trimmed(&value(cluster).await?), b"\n"].concat();
    cluster.set_secret_keys(OIDC_SECRET, &[(OIDC_KEY, Some(&value))]).await?;
    cluster.set_secret_keys(DEX_SECRET, &[(DEX_KEY, Some(&value))]).await
}

/// Another key of the server's own.
pub async fn other_server_key(cluster: &Cluster) -> Result<()> {
    let key = ArgocdKeys::random()?.secretkey;
    cluster.set_secret_keys(ARGOCD_SECRET, &[(SERVER_KEY, Some(key.as_bytes()))]).await
}

/// No key of the server's own.
pub async fn no_server_key(cluster: &Cluster) -> Result<()> {
    cluster.set_secret_keys(ARGOCD_SECRET, &[(SERVER_KEY, None)]).await
}

/// argocd-secret with whatever is missing in it.
pub async fn fill(cluster: &Cluster) -> Result<()> {
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
    let value = trimmed(&value);
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

fn trimmed(value: &[u8]) -> &[u8] {
    value.trim_ascii()
}
