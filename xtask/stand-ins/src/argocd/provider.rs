//! The identity provider as a client sees it: found by discovery when it is first
//! needed, and kept.

use std::sync::{Arc, Mutex};

use base::mutex::lock;
use serde::Deserialize;

use super::details::Details;
use super::id_token::{self, Verifier, VerifyError};
use super::log::Log;
use super::oidc_config::OidcConfig;
use super::outbound::Outbound;
use crate::go_http::quote;

/// A provider. An issuer that changes later is not this one.
pub(super) struct Provider {
    issuer: String,
    client: Outbound,
    details: Details,
    log: Log,
    found: Mutex<Option<Arc<Found>>>,
}

/// What discovery found.
pub(super) struct Found {
    pub(super) said: Discovery,
    verifier: Verifier,
}

/// What a provider says of itself.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Discovery {
    issuer: String,
    pub(super) authorization_endpoint: String,
    pub(super) token_endpoint: String,
    jwks_uri: String,
    pub(super) response_types_supported: Vec<String>,
    scopes_supported: Vec<String>,
    id_token_signing_alg_values_supported: Vec<String>,
}

impl Provider {
    pub(super) fn new(issuer: &str, client: Outbound, details: Details, log: Log) -> Self {
        Self { issuer: issuer.to_owned(), client, details, log, found: Mutex::default() }
    }

    /// The provider, found now if it was not found before.
    ///
    /// # Errors
    /// The sentence that a browser is shown.
    pub(super) async fn get(&self) -> Result<Arc<Found>, String> {
        let found = lock(&self.found).clone();
        match found {
            Some(found) => Ok(found),
            None => {
                let found = self.discover().await?;
                Ok(lock(&self.found).insert(found).clone())
            }
        }
    }

    async fn discover(&self) -> Result<Arc<Found>, String> {
        self.log.info(format!("Initializing OIDC provider (issuer: {})", self.issuer));
        let discovery = self.query().await.map_err(|error| {
            format!("{} to query provider {}: {error}", self.details.failed_to_query, quote(&self.issuer))
        })?;
        self.log.info(format!("OIDC supported scopes: [{}]", discovery.scopes_supported.join(" ")));
        let known = |name: &String| id_token::ALGORITHMS.iter().any(|(known, _)| known == name);
        let mut algorithms = discovery.id_token_signing_alg_values_supported.clone();
        algorithms.retain(known);
        if algorithms.is_empty() {
            algorithms.push("RS256".into());
        }
        Ok(Arc::new(Found {
            verifier: Verifier {
                issuer: self.issuer.clone(),
                algorithms,
                signature_first: self.details.newer_go_oidc,
                url: discovery.jwks_uri.clone(),
                client: self.client.clone(),
                keys: Mutex::default(),
            },
            said: discovery,
        }))
    }

    async fn query(&self) -> Result<Discovery, String> {
        let issuer = self.issuer.strip_suffix('/').unwrap_or(&self.issuer);
        let answer = self.client.get(&format!("{issuer}/.well-known/openid-configuration"), None).await?;
        if answer.status != http::StatusCode::OK {
            return Err(format!("{}: {}", answer.status_text(), answer.text()));
        }
        let discovery: Discovery = serde_json::from_slice(&answer.body)
            .map_err(|error| format!("oidc: failed to decode provider discovery object: {error}"))?;
        if discovery.issuer != self.issuer {
            let (ours, its) = (quote(&self.issuer), quote(&discovery.issuer));
            return Err(match self.details.newer_go_oidc {
                true => format!(
                    "oidc: issuer URL provided to client ({ours}) did not match the issuer URL returned by provider ({its})"
                ),
                false => format!(
                    "oidc: issuer did not match the issuer returned by provider, expected {ours} got {its}"
                ),
            });
        }
        Ok(discovery)
    }

    /// Checks a token that was made for one of those that the settings name, and returns its claims.
    /// If the signature is not good, the provider is asked once more who it is: it
    /// may have restarted with new keys.
    ///
    /// # Errors
    /// Why it is not good.
    pub(super) async fn verify(
        &self,
        token: &str,
        config: &OidcConfig,
    ) -> Result<serde_json::Value, VerifyError> {
        let found = self.get().await.map_err(VerifyError::Other)?;
        match found.verifier.verify(token, config).await {
            Err(VerifyError::Signature(why)) => {
                let Ok(found) = self.discover().await else { return Err(VerifyError::Signature(why)) };
                let claims = found.verifier.verify(token, config).await?;
                self.log.info("New OIDC settings detected");
                *lock(&self.found) = Some(found);
                Ok(claims)
            }
            other => other,
        }
    }
}
