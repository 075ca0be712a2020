//! The claims of a user's token.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;

/// What every token has and no policy names.
pub const TECHNICAL: [&str; 12] =
    ["iss", "aud", "exp", "iat", "nbf", "jti", "nonce", "azp", "at_hash", "c_hash", "sid", "auth_time"];

/// The values of the claims that Argo CD takes for groups.
pub fn groups(claims: &Value, scopes: &[String]) -> Vec<String> {
    let of = |scope: &String| match &claims[scope.as_str()] {
        Value::Array(values) => values.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Value::String(value) => vec![value.clone()],
        _ => vec![],
    };
    scopes.iter().flat_map(of).collect()
}

/// Whether the provider put a link in place of the groups.
pub fn is_overage(claims: &Value) -> bool {
    claims["_claim_names"]["groups"].is_string() || claims["hasgroups"] == true || claims["groups"] == "src1"
}

/// Dex's `sub` is the base64 of a protobuf message: field 1 is the user's ID at the connector.
pub fn behind_sub(sub: &str) -> Option<String> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(sub).ok()?;
    let (&[tag, length], rest) = bytes.split_first_chunk::<2>()?;
    let id = rest.get(..usize::from(length))?;
    (tag == 0x0a).then(|| String::from_utf8(id.to_vec()).ok())?
}

/// The same `sub` with another ID in it; `None` if it is not one of Dex's, or the ID is too long for one.
pub fn with_id(sub: &str, id: &str) -> Option<String> {
    let before = behind_sub(sub)?;
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(sub).ok()?;
    // One byte says how long it is.
    let length = u8::try_from(id.len()).ok().filter(u8::is_ascii)?;
    let changed = [&[0x0a, length], id.as_bytes(), bytes.get(2 + before.len()..)?].concat();
    Some(BASE64_URL_SAFE_NO_PAD.encode(changed))
}

/// A user with the claims that no report has: for the file of evidence alone, which says of whom they are only
/// where it is told to.
pub mod user {
    use probe::User;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::Value;

    #[derive(Deserialize, Serialize)]
    struct Written {
        username: String,
        groups: Vec<String>,
        claims: Value,
        may_look: Option<bool>,
    }

    /// Writes one.
    ///
    /// # Errors
    /// The serializer's own.
    pub fn serialize<S: Serializer>(user: &Option<User>, serializer: S) -> Result<S::Ok, S::Error> {
        let written =
            |User { username, groups, claims, may_look }| Written { username, groups, claims, may_look };
        user.clone().map(written).serialize(serializer)
    }

    /// Reads one.
    ///
    /// # Errors
    /// It is none.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<User>, D::Error> {
        let user =
            |Written { username, groups, claims, may_look }| User { username, groups, claims, may_look };
        Ok(Option::deserialize(deserializer)?.map(user))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dexs_subject_is_read() {
        assert_eq!(
            behind_sub("CiQwOGE4Njg0Yi1kYjg4LTRiNzMtOTBhOS0zY2QxNjYxZjU0NjYSBWxvY2Fs").as_deref(),
            Some("08a8684b-db88-4b73-90a9-3cd1661f5466")
        );
        for text in ["", "x", "jane@example.com", "CiQw"] {
            assert_eq!(behind_sub(text), None, "{text}");
        }
    }

    #[test]
    fn a_subject_is_given_another_id() {
        let sub = "CiQwOGE4Njg0Yi1kYjg4LTRiNzMtOTBhOS0zY2QxNjYxZjU0NjYSBWxvY2Fs";
        let other = with_id(sub, "user-1").unwrap();
        assert_eq!(other, "CgZ1c2VyLTESBWxvY2Fs");
        assert_eq!(behind_sub(&other).as_deref(), Some("user-1"));
        assert_eq!((with_id("jane", "x"), with_id(sub, &"x".repeat(128))), (None, None));
    }
}
