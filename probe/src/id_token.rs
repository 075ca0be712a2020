//! The ID token that Argo CD keeps in cookies: how large it is, and the claims in it.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::Value;
use url::Url;

use crate::jar::Jar;

/// The cookie of Argo CD's token; a long one goes on in `argocd.token-1` and so on.
const TOKEN: &str = "argocd.token";

/// What a request to `url` carries: `a Cookie header of 11400 bytes; the token is in 3 cookies and has 200 groups`.
pub(crate) fn sent(jar: &Jar, url: &Url) -> String {
    let now = Timestamp::now();
    let header = jar.header(url, now).unwrap_or_default().len();
    let parts = jar.values(url, TOKEN, now);
    let cookies = if parts.len() == 1 { "1 cookie".to_owned() } else { format!("{} cookies", parts.len()) };
    let groups = match groups(&parts.concat()) {
        Some(groups) => format!(" and has {groups} groups"),
        None => String::new(),
    };
    format!("a Cookie header of {header} bytes; the token is in {cookies}{groups}")
}

/// How many groups a token names, if it can be read.
fn groups(token: &str) -> Option<usize> {
    Some(claims(token)?["groups"].as_array()?.len())
}

/// What the token that is sent to `url` says of its user; nothing if it cannot be read.
pub(crate) fn sent_claims(jar: &Jar, url: &Url) -> Value {
    claims(&jar.values(url, TOKEN, Timestamp::now()).concat()).unwrap_or_default()
}

/// What a token says of its user; None if it cannot be read.
pub fn claims(token: &str) -> Option<Value> {
    // Of several cookies, the first begins with their number.
    let token = token.split_once(':').map_or(token, |(_, token)| token);
    let claims = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&claims).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_counted_in_a_token_that_was_cut() {
        let claims = serde_json::json!({"sub": "x", "groups": vec!["a group"; 200]}).to_string();
        let token = format!("eyJhbGciOiJSUzI1NiJ9.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(claims));
        let (first, second) = token.split_at(1000);
        let url: Url = "http://argocd.host/auth/callback".parse().unwrap();
        let mut jar = Jar::new();
        jar.store(&url, &format!("argocd.token=2:{first}; path=/"), Timestamp::now());
        jar.store(&url, &format!("argocd.token-1={second}; path=/"), Timestamp::now());
        let said = sent(&jar, &url);
        assert!(said.ends_with("bytes; the token is in 2 cookies and has 200 groups"), "{said}");
        assert!(!said.contains("a group"));
        for other in ["", "abc", "eyJ.e30.x", "a.!.b"] {
            assert_eq!(groups(other), None, "{other}");
        }
    }
}
