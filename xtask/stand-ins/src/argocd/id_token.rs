//! ID tokens: who signed them, for whom, and until when.

use std::sync::{Arc, Mutex};

use base::mutex::lock;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use serde::Deserialize;
use serde_json::Value;

use super::oidc_config::OidcConfig;
use super::outbound::Outbound;
use crate::go_http::quote;

/// How a signature is checked.
pub(super) enum Algorithm {
    Rsa(&'static RsaParameters),
    Ec(&'static dyn VerificationAlgorithm),
}

/// The algorithms that are known, by their names in tokens.
pub(super) const ALGORITHMS: &[(&str, Algorithm)] = &[
    ("RS256", Algorithm::Rsa(&RSA_PKCS1_2048_8192_SHA256)),
    ("RS384", Algorithm::Rsa(&RSA_PKCS1_2048_8192_SHA384)),
    ("RS512", Algorithm::Rsa(&RSA_PKCS1_2048_8192_SHA512)),
    ("PS256", Algorithm::Rsa(&RSA_PSS_2048_8192_SHA256)),
    ("PS384", Algorithm::Rsa(&RSA_PSS_2048_8192_SHA384)),
    ("PS512", Algorithm::Rsa(&RSA_PSS_2048_8192_SHA512)),
    ("ES256", Algorithm::Ec(&ECDSA_P256_SHA256_FIXED)),
    ("ES384", Algorithm::Ec(&ECDSA_P384_SHA384_FIXED)),
];

/// Why a token is not good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum VerifyError {
    /// It was good once.
    #[error("oidc: token is expired (Token Expiry: {0})")]
    Expired(String),
    /// It was not signed with a key of the provider.
    #[error("failed to verify signature: {0}")]
    Signature(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// Checks tokens of one provider, with its keys, which are fetched when a token needs one that is
/// not there.
pub(super) struct Verifier {
    pub(super) issuer: String,
    pub(super) algorithms: Vec<String>,
    /// The signature is looked at before the claims.
    pub(super) signature_first: bool,
    /// Where the keys are.
    pub(super) url: String,
    pub(super) client: Outbound,
    pub(super) keys: Mutex<Arc<Vec<Jwk>>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Keys {
    keys: Vec<Jwk>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Jwk {
    kid: String,
    kty: String,
    n: String,
    e: String,
    x: String,
    y: String,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: String,
}

impl Verifier {
    /// Checks signature and claims of a token, in the order of the release.
    ///
    /// # Errors
    /// The first thing that is not as wanted.
    pub(super) async fn verify(&self, token: &str, config: &OidcConfig) -> Result<Value, VerifyError> {
        let malformed = || VerifyError::Other("oidc: malformed jwt".into());
        let (signed, signature) = token.rsplit_once('.').ok_or_else(malformed)?;
        let (header, _) = signed.split_once('.').ok_or_else(malformed)?;
        let claims = unverified_claims(token).ok_or_else(malformed)?;
        if !self.signature_first {
            check_claims(&claims, &self.issuer, config, now())?;
        }
        let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| malformed())?;
        let header: Header = serde_json::from_slice(&header).map_err(|_| malformed())?;
        if !self.algorithms.contains(&header.alg) {
            return Err(VerifyError::Other(format!(
                "oidc: id token signed with unsupported algorithm, expected {:?} got {}",
                self.algorithms,
                quote(&header.alg)
            )));
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed())?;
        self.check_signature(&header, signed, &signature).await.map_err(VerifyError::Signature)?;
        if self.signature_first {
            check_claims(&claims, &self.issuer, config, now())?;
        }
        Ok(claims)
    }

    /// With the keys at hand, and if that fails with those that the provider shows now.
    async fn check_signature(&self, header: &Header, signed: &str, signature: &[u8]) -> Result<(), String> {
        let good = |keys: &[Jwk]| {
            keys.iter()
                .filter(|key| header.kid.is_empty() || key.kid == header.kid)
                .any(|key| key.verifies(&header.alg, signed.as_bytes(), signature))
        };
        let at_hand = lock(&self.keys).clone();
        if good(&at_hand) {
            return Ok(());
        }
        let keys = self.fetch().await.map_err(|error| format!("fetching keys {error}"))?;
        if good(&keys) { Ok(()) } else { Err("failed to verify id token signature".into()) }
    }

    async fn fetch(&self) -> Result<Arc<Vec<Jwk>>, String> {
        let answer = self.client.get(&self.url, None).await;
        let answer = answer.map_err(|error| format!("oidc: get keys failed {error}"))?;
        if answer.status != http::StatusCode::OK {
            return Err(format!("oidc: get keys failed: {} {}", answer.status_text(), answer.text()));
        }
        let keys: Keys = serde_json::from_slice(&answer.body)
            .map_err(|error| format!("oidc: failed to decode keys: {error}"))?;
        let keys = Arc::new(keys.keys);
        *lock(&self.keys) = keys.clone();
        Ok(keys)
    }
}

impl Jwk {
    fn verifies(&self, algorithm: &str, signed: &[u8], signature: &[u8]) -> bool {
        let number = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
        let Some((_, algorithm)) = ALGORITHMS.iter().find(|(name, _)| *name == algorithm) else {
            return false;
        };
        match (algorithm, self.kty.as_str()) {
            (Algorithm::Rsa(parameters), "RSA") => {
                let (Some(n), Some(e)) = (number(&self.n), number(&self.e)) else { return false };
                RsaPublicKeyComponents { n, e }.verify(parameters, signed, signature).is_ok()
            }
            (Algorithm::Ec(algorithm), "EC") => {
                let (Some(x), Some(y)) = (number(&self.x), number(&self.y)) else { return false };
                let point = [&[4], x.as_slice(), y.as_slice()].concat();
                UnparsedPublicKey::new(*algorithm, point).verify(signed, signature).is_ok()
            }
            _ => false,
        }
    }
}

/// The claims of a token, unchecked.
pub(super) fn unverified_claims(token: &str) -> Option<Value> {
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    let claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    parts.next().is_none().then_some(claims)
}

/// The texts of a claim, which may be one or a list of them.
pub(super) fn texts(claim: &Value) -> Vec<&str> {
    match claim {
        Value::String(one) => vec![one],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    }
}

fn check_claims(claims: &Value, wanted: &str, config: &OidcConfig, now: i64) -> Result<(), VerifyError> {
    let other = |text: String| Err(VerifyError::Other(text));
    let issuer = claims["iss"].as_str().unwrap_or_default();
    if issuer != wanted {
        return other(format!(
            "oidc: id token issued by a different provider, expected {} got {}",
            quote(wanted),
            quote(issuer)
        ));
    }
    let audience = texts(&claims["aud"]);
    if audience.is_empty() && !config.skip_audience_check {
        return other("oidc: expected audience, got []".into());
    }
    let audiences = config.audiences();
    if !audience.is_empty() && !audiences.iter().any(|wanted| audience.contains(wanted)) {
        let errors: Vec<_> = audiences
            .iter()
            .map(|wanted| {
                let wanted = quote(wanted);
                format!("error for aud {wanted}: oidc: expected audience {wanted} got {audience:?}")
            })
            .collect();
        return other(format!("token verification failed for all audiences: {}", errors.join(", ")));
    }
    let seconds = |claim: &str| {
        let number = &claims[claim];
        #[allow(clippy::cast_possible_truncation)] // Times of day, not of the universe.
        number.as_i64().or_else(|| number.as_f64().map(|seconds| seconds as i64))
    };
    let expiry = seconds("exp").unwrap_or(0);
    if now > expiry {
        let time = jiff::Timestamp::from_second(expiry);
        let time = time.map(|time| time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string());
        return Err(VerifyError::Expired(time.unwrap_or_else(|_| expiry.to_string())));
    }
    // Clocks differ: a token from the next five minutes is as good as one from now.
    match seconds("nbf") {
        Some(before) if now + 5 * 60 < before => {
            other(format!("oidc: current time {} before the nbf (not before) time: {before}", now))
        }
        _ => Ok(()),
    }
}

/// The second that is not over yet, since 1970. Go compares to the nanosecond, and a token's
/// expiry is the start of a second: a moment later it is over.
pub(super) fn now() -> i64 {
    jiff::Timestamp::now().as_second() + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(claims: Value, skip_missing_audience: bool) -> Result<(), VerifyError> {
        let config = OidcConfig {
            client_id: "argo-cd".into(),
            cli_client_id: "cli".into(),
            skip_audience_check: skip_missing_audience,
            ..OidcConfig::default()
        };
        check_claims(&claims, "http://dex.host", &config, 1000)
    }

    #[test]
    fn claims_are_checked_one_after_another() {
        let good = json!({"iss": "http://dex.host", "aud": "argo-cd", "exp": 1000});
        assert_eq!(check(good.clone(), false), Ok(()));
        let with = |key: &str, value: Value| {
            let mut claims = good.clone();
            claims[key] = value;
            check(claims, false)
        };
        assert_eq!(with("aud", json!(["x", "cli"])), Ok(()));
        assert_eq!(with("exp", json!(1000.9)), Ok(()));
        assert_eq!(
            with("exp", json!(999)),
            Err(VerifyError::Expired("1970-01-01 00:16:39 +0000 UTC".into()))
        );
        assert_eq!(with("nbf", json!(1300)), Ok(()));
        for (key, value, words) in [
            ("iss", json!("http://dex.host/"), "issued by a different provider"),
            ("iss", json!(1), "issued by a different provider"),
            ("aud", json!("x"), r#"error for aud "argo-cd": oidc: expected audience "argo-cd" got ["x"]"#),
            ("aud", json!([]), "expected audience"),
            ("nbf", json!(1301), "before the nbf"),
        ] {
            let error = with(key, value.clone()).unwrap_err().to_string();
            assert!(error.contains(words), "{key} {value}: {error}");
        }
        assert_eq!(check(json!({"iss": "http://dex.host", "exp": 1000}), true), Ok(()));
        assert!(check(json!([]), false).is_err());
    }

    #[test]
    fn garbage_has_no_claims() {
        for token in ["", "a", "a.b", "a.b.c", "a.e30.c.d", "..", "a.W10K!.c"] {
            assert!(unverified_claims(token).is_none(), "{token}");
        }
        assert_eq!(unverified_claims("a.e30.c"), Some(json!({})));
    }
}
