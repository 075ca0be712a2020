//! Tokens: the claims that Dex puts in, in the order in which it writes them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::config::Config;
use super::keys::SigningKey;
use super::storage::AuthCode;
use crate::go_json::Object;

/// Signs a token for who logged in, from `now` (seconds since 1970), that belongs to an access
/// token, and to a code, if any.
///
/// # Errors
/// In practice none.
pub(super) fn sign(
    key: &SigningKey,
    config: &Config,
    AuthCode { wish, claims }: &AuthCode,
    now: i64,
    access_token: &str,
    code: Option<&str>,
) -> Result<String, String> {
    let has = |wanted: &str| wish.scopes.iter().any(|scope| scope == wanted);
    let connector_id = &config.connector.id;
    let seconds = i64::try_from(config.id_tokens.as_secs()).unwrap_or(i64::MAX);
    let payload = Object::default()
        .with("iss", config.issuer.as_str())
        .with("sub", pair(&claims.user_id, connector_id))
        .with("aud", wish.client_id.as_str())
        .with("exp", now.saturating_add(seconds))
        .with("iat", now)
        .unless_empty("nonce", wish.nonce.as_str())
        .with("at_hash", half_hash(access_token))
        .if_some("c_hash", code.map(half_hash))
        .unless_empty("email", has("email").then_some(claims.email.as_str()))
        .if_some("email_verified", has("email").then_some(claims.email_verified))
        .unless_empty("groups", has("groups").then_some(claims.groups.as_slice()))
        .unless_empty("name", has("profile").then_some(claims.username.as_str()))
        .unless_empty("preferred_username", has("profile").then_some(claims.preferred_username.as_str()))
        .if_some(
            "federated_claims",
            has("federated:id").then(|| json!({ "connector_id": connector_id, "user_id": claims.user_id })),
        );
    let header = json!({ "alg": "RS256", "kid": key.id }).to_string();
    let payload = serde_json::to_vec(&payload).map_err(|error| error.to_string())?;
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = key.sign(signed.as_bytes())?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// The claims of a token that this key signed, as it signs all, and that has not expired.
pub(super) fn verify(key: &SigningKey, now: i64, token: &str) -> Option<Value> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (_, payload) = signed.split_once('.')?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
    let claims: Value = serde_json::from_slice(&decode(payload)?).ok()?;
    let good = key.verify(signed.as_bytes(), &decode(signature)?) && claims["exp"].as_i64()? > now;
    good.then_some(claims)
}

/// Left half of the SHA-256, as `at_hash` and `c_hash` want it.
fn half_hash(text: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    URL_SAFE_NO_PAD.encode(&digest.as_ref()[..16])
}

/// Two strings as fields 1 and 2 of a protobuf message, in base64: how Dex writes
/// a user of a connector, and the two parts of a refresh token.
pub(super) fn pair(first: &str, second: &str) -> String {
    let mut message = vec![];
    for (tag, text) in [(0x0a, first), (0x12, second)] {
        if text.is_empty() {
            continue;
        }
        message.push(tag);
        let mut length = text.len();
        while length >= 0x80 {
            message.push(u8::try_from(length & 0x7f).unwrap_or(0) | 0x80);
            length >>= 7;
        }
        message.push(u8::try_from(length).unwrap_or(0));
        message.extend(text.as_bytes());
    }
    URL_SAFE_NO_PAD.encode(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_those_of_the_real_dex() {
        assert_eq!(
            pair("08a8684b-db88-4b73-90a9-3cd1661f5466", "local"),
            "CiQwOGE4Njg0Yi1kYjg4LTRiNzMtOTBhOS0zY2QxNjYxZjU0NjYSBWxvY2Fs"
        );
    }
}
