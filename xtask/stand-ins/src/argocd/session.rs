//! Whether a token that a browser shows is good: argo-cd's session manager.
//!
//! It has a provider of its own, found when the first token is checked and kept as
//! long as the server is: an issuer or a CA that changes later is not noticed, by
//! any release.

use std::sync::{Arc, Mutex};

use base::mutex::lock;
use http::StatusCode;
use serde_json::{Value, json};

use super::id_token::{VerifyError, texts, unverified_claims};
use super::manager::Manager;
use super::outbound::Outbound;
use super::provider::Provider;
use super::proxies::Proxies;
use crate::expiring::Expiring;

/// The issuer of Argo CD's own tokens.
const ARGO_CD: &str = "argocd";

/// Codes of gRPC.
pub(super) const UNKNOWN: i32 = 2;
pub(super) const INTERNAL: i32 = 13;
pub(super) const UNAUTHENTICATED: i32 = 16;

/// Checks tokens.
pub(super) struct Sessions {
    manager: Arc<Manager>,
    outbound: Outbound,
    provider: Mutex<Option<Arc<Provider>>>,
    /// Tokens that were logged out, until they would have ended by themselves. Argo CD
    /// keeps them in Redis, this program as long as it runs.
    revoked: Expiring<()>,
}

/// A token that is not good.
pub(super) struct BadToken {
    /// What the client is told behind `invalid session: `.
    pub(super) why: String,
    /// What is still known of it.
    pub(super) claims: Option<Value>,
    /// What the client is told instead: HTTP's status, gRPC's code, the message.
    pub(super) instead: Option<(StatusCode, i32, &'static str)>,
}

impl BadToken {
    fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), claims: None, instead: None }
    }

    /// What the client is told: HTTP's status, gRPC's code, the message.
    pub(super) fn answer(&self) -> (StatusCode, i32, String) {
        match self.instead {
            Some((status, code, message)) => (status, code, message.to_owned()),
            None => (StatusCode::UNAUTHORIZED, UNAUTHENTICATED, format!("invalid session: {}", self.why)),
        }
    }
}

impl Sessions {
    /// Trusts the certificates that the settings name now.
    ///
    /// # Errors
    /// The settings cannot be read or used.
    pub(super) fn new(manager: Arc<Manager>, proxies: &Proxies, dex: &str) -> Result<Self, String> {
        let settings = manager.complete_settings()?;
        let config = settings.oidc_config(&manager.details, &manager.log);
        // Whoever is the issuer: with both configurations, the keys are those of the Dex inside.
        let dex = Some(dex).filter(|_| !settings.dex_config_raw.is_empty());
        let outbound = Outbound::new(proxies, config.as_ref(), settings.skip_verify, dex, &manager.log)?;
        Ok(Self { manager, outbound, provider: Mutex::default(), revoked: Expiring::default() })
    }

    fn provider(&self) -> Result<Arc<Provider>, String> {
        let mut kept = lock(&self.provider);
        if let Some(provider) = &*kept {
            return Ok(provider.clone());
        }
        let Manager { details, log, .. } = &*self.manager;
        let config = self.manager.complete_settings()?.sso_config(details, log);
        let config = config.ok_or("SSO is not configured")?;
        let provider = Provider::new(&config.issuer, self.outbound.clone(), *details, log.clone());
        Ok(kept.insert(Arc::new(provider)).clone())
    }

    /// The claims of a token.
    ///
    /// # Errors
    /// It is not good.
    pub(super) async fn verify(&self, token: &str) -> Result<Value, BadToken> {
        let claims = unverified_claims(token)
            .ok_or_else(|| BadToken::new("token is malformed: could not decode segments"))?;
        if claims["iss"] == ARGO_CD {
            // Nobody logs in to a stand-in with a password, so nothing was signed.
            return Err(BadToken::new("signature is invalid"));
        }
        let provider = self.provider().map_err(BadToken::new)?;
        let Manager { details, log, .. } = &*self.manager;
        let settings = self.manager.complete_settings().map_err(|error| {
            BadToken::new(format!("cannot access settings while verifying the token: {error}"))
        })?;
        let config = settings.sso_config(details, log).unwrap_or_default();
        let claims = provider.verify(token, &config).await.map_err(|error| {
            let claims = matches!(error, VerifyError::Expired(_)).then(|| json!({"iss": "sso"}));
            if !details.hides_token_errors {
                return BadToken { claims, ..BadToken::new(error.to_string()) };
            }
            log.warn(format!("Failed to verify session token: failed to verify provider token: {error}"));
            BadToken { claims, ..BadToken::new("failed to verify the token") }
        })?;
        if !details.revokes_provider_tokens {
            return Ok(claims);
        }
        if identity(&claims).is_some_and(|id| self.revoked.get(id).is_some()) {
            return Err(BadToken::new("token is revoked, please re-login"));
        }
        Ok(claims)
    }

    /// Makes a token worthless from now on.
    pub(super) fn revoke(&self, claims: &Value) {
        if let (Some(id), Some(expiry)) = (identity(claims), claims["exp"].as_i64()) {
            self.revoked.put(id, expiry, ());
        }
    }
}

/// What tells a token from all others. Dex gives none an identity of its own.
fn identity(claims: &Value) -> Option<&str> {
    ["jti", "at_hash"].iter().find_map(|key| claims[key].as_str()).filter(|id| !id.is_empty())
}

/// Who somebody is, for answers and policies.
pub(super) fn user(claims: &Value) -> &str {
    claims["federated_claims"]["user_id"]
        .as_str()
        .filter(|id| !id.is_empty())
        .or_else(|| claims["sub"].as_str())
        .unwrap_or_default()
}

/// The name that is shown.
pub(super) fn username(claims: &Value) -> &str {
    claims["email"].as_str().filter(|email| !email.is_empty()).unwrap_or_else(|| user(claims))
}

/// The values of the claims that policies look at.
pub(super) fn groups<'a>(claims: &'a Value, scopes: &[String]) -> Vec<&'a str> {
    scopes.iter().flat_map(|scope| texts(&claims[scope])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_tell_who_it_is() {
        let claims = json!({"sub": "s", "email": "e", "groups": ["a", 1, "b"], "at_hash": "h"});
        assert_eq!((user(&claims), username(&claims), identity(&claims)), ("s", "e", Some("h")));
        assert_eq!(groups(&claims, &["email".into(), "groups".into(), "none".into()]), ["e", "a", "b"]);
        let federated = json!({"sub": "s", "federated_claims": {"user_id": "f"}});
        assert_eq!((user(&federated), username(&federated)), ("f", "f"));
        assert_eq!(user(&json!([])), "");
    }
}
