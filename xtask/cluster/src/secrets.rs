//! The Secrets of a lab: made once, kept, rotated, emptied.
//!
//! The client secret lives in the cluster only. It is read from one Secret to be
//! written into the other and into nothing else.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use kube::api::{DeleteParams, Patch};
use kube::runtime::conditions;
use kube::runtime::wait::await_condition;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::json;

use super::edits::{own, patch};
use super::{Cluster, failed};
use crate::names::{ARGOCD_SECRET, DEX_KEY, DEX_SECRET, OIDC_KEY, OIDC_SECRET, SecretName, Workload};
use base::{Error, Result};

/// A secret value. It cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientSecret(String);

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(********)")
    }
}

impl ClientSecret {
    /// 32 random bytes in URL-safe base64: no character that YAML, a URL or a form
    /// would change.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn random() -> Result<Self> {
        random(32).map(|bytes| Self(BASE64_URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// One that is known already.
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// The value itself, for a document that goes into the cluster.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// What argocd-secret has to hold before the server first starts.
pub struct ArgocdKeys {
    /// bcrypt of a random password: nobody logs in by it.
    pub password_hash: String,
    /// When the password was set.
    pub password_mtime: String,
    /// The key of sessions and state cookies.
    pub secretkey: String,
}

impl ArgocdKeys {
    /// New keys.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn random() -> Result<Self> {
        let password = BASE64_STANDARD.encode(random(32)?);
        // The password is 256 random bits, so the cheapest hash is as good as any.
        let hash =
            bcrypt::hash(password, 4).map_err(|error| Error::environment(format!("bcrypt: {error}")))?;
        Ok(Self {
            password_hash: hash,
            password_mtime: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            secretkey: BASE64_STANDARD.encode(random(32)?),
        })
    }
}

fn random(length: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Error::environment("the system gives no random numbers"))?;
    Ok(bytes)
}

impl Cluster {
    /// A client secret, as a Secret holds it under a key.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub async fn client_secret(&self, name: SecretName, key: &str) -> Result<Option<ClientSecret>> {
        let secret = self.secrets(name).get_opt(name.name).await.map_err(failed)?;
        let value = secret.and_then(|secret| secret.data?.remove(key));
        Ok(value
            .and_then(|bytes| String::from_utf8(bytes.0).ok())
            .filter(|it| !it.is_empty())
            .map(ClientSecret))
    }

    /// The client secret as Dex expects it.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub async fn dex_client_secret(&self) -> Result<Option<ClientSecret>> {
        self.client_secret(DEX_SECRET, DEX_KEY).await
    }

    /// Whether argocd-secret holds what a server would otherwise fill in.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub async fn argocd_secret_is_filled(&self) -> Result<bool> {
        let Some(secret) = self.secrets(ARGOCD_SECRET).get_opt(ARGOCD_SECRET.name).await.map_err(failed)?
        else {
            return Ok(false);
        };
        let data = secret.data.unwrap_or_default();
        Ok(["admin.password", "admin.passwordMtime", "server.secretkey"]
            .iter()
            .all(|key| data.get(*key).is_some_and(|value| !value.0.is_empty())))
    }

    /// Deletes Argo CD's client secret and waits until it is gone. Done if there is none.
    ///
    /// # Errors
    /// The cluster does not answer, the Secret is not the lab's, or it is still there after
    /// `limit`: a finalizer holds it.
    pub async fn delete_oidc_secret(&self, limit: Duration) -> Result<()> {
        let api = self.secrets(OIDC_SECRET);
        if api.get_opt(OIDC_SECRET.name).await.map_err(failed)?.is_none() {
            return Ok(());
        }
        let secret = own(&api, OIDC_SECRET.name).await?;
        let uid = secret.metadata.uid.unwrap_or_default();
        api.delete(OIDC_SECRET.name, &DeleteParams::default()).await.map_err(failed)?;
        let gone = await_condition(api.clone(), OIDC_SECRET.name, conditions::is_deleted(&uid));
        if let Ok(gone) = tokio::time::timeout(limit, gone).await {
            let waiting =
                |error| Error::environment(format!("waiting for Secret argocd-oidc to go: {error}"));
            return gone.map(drop).map_err(waiting);
        }
        let held = api
            .get_opt(OIDC_SECRET.name)
            .await
            .map_err(failed)?
            .and_then(|secret| secret.metadata.finalizers);
        let held = held
            .filter(|held| !held.is_empty())
            .map_or(String::new(), |held| format!(": it waits for {}, its finalizers", held.join(", ")));
        let seconds = limit.as_secs();
        Err(Error::environment(format!(
            "Secret argocd/argocd-oidc was deleted and is still there after {seconds} s{held}"
        ))
        .hint(
            "whoever put them in has to take them out; `cargo xtask kubectl -- -n argocd patch secret argocd-oidc --type=merge -p '{\"metadata\":{\"finalizers\":null}}'` does without",
        ))
    }

    /// Writes a new client secret into both Secrets: Argo CD's first, so that it is
    /// there before a new Dex asks for it.
    ///
    /// # Errors
    /// One of the Secrets is missing or not the lab's.
    pub async fn rotate_client_secret(&self) -> Result<()> {
        let secret = ClientSecret::random()?;
        for (name, key) in [(OIDC_SECRET, OIDC_KEY), (DEX_SECRET, DEX_KEY)] {
            self.set_secret_keys(name, &[(key, Some(secret.reveal().as_bytes()))]).await?;
        }
        Ok(())
    }

    /// Takes every key out of argocd-secret, as a chart's first install leaves it.
    ///
    /// # Errors
    /// The Secret is missing or not the lab's.
    pub async fn empty_argocd_secret(&self) -> Result<()> {
        let nothing = Patch::Merge(json!({"data": null}));
        patch(&self.secrets(ARGOCD_SECRET), ARGOCD_SECRET.name, &nothing).await
    }

    /// Names the versions of a workload's Secrets, for its pod template: the pods
    /// that run were started with these.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub async fn secret_versions(&self, workload: Workload) -> Result<String> {
        let mut versions = BTreeMap::new();
        for &name in workload.secrets() {
            let secret = self.secrets(name).get_opt(name.name).await.map_err(failed)?;
            let version = secret.and_then(|secret| secret.metadata.resource_version);
            versions.insert(name.name, version.unwrap_or_else(|| "absent".into()));
        }
        let named: Vec<String> =
            versions.into_iter().map(|(name, version)| format!("{name}={version}")).collect();
        Ok(named.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_secret_is_random_and_unprintable() {
        let (one, other) = (ClientSecret::random().unwrap(), ClientSecret::random().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.reveal().len(), 43);
        assert!(!format!("{one:?}").contains(one.reveal()));
    }
}
