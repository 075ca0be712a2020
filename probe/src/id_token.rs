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

/// The token in what people copy: its value, `Bearer VALUE`, or cookies as a browser or curl shows them, where a
/// long one goes on in a second and a third.
pub fn token_of(pasted: &str) -> String {
    let quoted = |c: char| c.is_whitespace() || "\"';".contains(c);
    let cookies = pasted.split(';').filter_map(|cookie| {
        let (name, value) = cookie.split_once('=')?;
        // The first may stand behind `Cookie:`.
        let (_, number) = name.rsplit_once(TOKEN)?;
        let number =
            if number.is_empty() { Some(0) } else { number.strip_prefix('-')?.parse::<usize>().ok() };
        Some((number?, value.trim_matches(quoted)))
    });
    let mut parts: Vec<(usize, &str)> = cookies.collect();
    parts.sort_by_key(|(number, _)| *number);
    let whole = match parts.is_empty() {
        true => {
            pasted.rsplit_once("Bearer ").map_or(pasted, |(_, value)| value).trim_matches(quoted).to_owned()
        }
        false => parts.into_iter().map(|(_, value)| value).collect(),
    };
    // Of several cookies, the first begins with their number.
    whole.split_once(':').map(|(_, token)| token.to_owned()).unwrap_or(whole)
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
    fn a_token_is_found_in_what_people_copy() {
        for pasted in [
            "eyJ.e30.x",
            " 'eyJ.e30.x' ",
            "Bearer eyJ.e30.x",
            "Authorization: Bearer eyJ.e30.x",
            "argocd.token=eyJ.e30.x",
            "1:eyJ.e30.x",
            "Cookie: a=b; argocd.token=eyJ.e30.x; c=d",
            "argocd.token=2:eyJ.; argocd.token-1=e30.x",
            "argocd.token-1=e30.x; other=1; argocd.token=2:eyJ.",
            "Set-Cookie: argocd.token=eyJ.e30.x; path=/; SameSite=lax",
        ] {
            assert_eq!(token_of(pasted), "eyJ.e30.x", "{pasted}");
        }
        assert_eq!(token_of("x"), "x");
    }

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
