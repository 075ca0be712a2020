//! The answer of a token endpoint, as Go's `oauth2` package reads it: its errors are
//! what a browser is shown when the client secret is wrong.

use serde::Deserialize;

use super::outbound::Answer;
use crate::go_http::quote;

/// What a provider gave for a code, or why not. It holds tokens, so it cannot be printed.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Tokens {
    pub(super) access_token: String,
    pub(super) id_token: Option<String>,
    error: String,
    error_description: String,
    error_uri: String,
}

/// The tokens in an answer; it may have no ID token.
///
/// # Errors
/// The provider's error; releases that do not know its code show the whole answer.
pub(super) fn tokens(answer: &Answer, shows_code: bool) -> Result<Tokens, String> {
    let failed = !answer.status.is_success();
    let whole =
        || format!("oauth2: cannot fetch token: {}\nResponse: {}", answer.status_text(), answer.text());
    let tokens: Tokens = match serde_json::from_slice(&answer.body) {
        Ok(tokens) => tokens,
        Err(_) if failed => return Err(whole()),
        Err(error) => return Err(format!("oauth2: cannot parse json: {error}")),
    };
    if shows_code && !tokens.error.is_empty() {
        let said = [&tokens.error, &tokens.error_description, &tokens.error_uri];
        let said: Vec<_> = said.iter().filter(|text| !text.is_empty()).map(|text| quote(text)).collect();
        return Err(format!("oauth2: {}", said.join(" ")));
    }
    if failed {
        return Err(whole());
    }
    if tokens.access_token.is_empty() {
        return Err("oauth2: server response missing access_token".into());
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;

    fn read(status: StatusCode, body: &str, shows_code: bool) -> Result<Option<String>, String> {
        tokens(&Answer { status, body: body.into() }, shows_code).map(|tokens| tokens.id_token)
    }

    #[test]
    fn errors_are_told_as_each_release_does() {
        let body = r#"{"error":"invalid_client","error_description":"Invalid client credentials."}"#;
        assert_eq!(
            read(StatusCode::UNAUTHORIZED, body, true).unwrap_err(),
            r#"oauth2: "invalid_client" "Invalid client credentials.""#
        );
        assert_eq!(
            read(StatusCode::UNAUTHORIZED, body, false).unwrap_err(),
            format!("oauth2: cannot fetch token: 401 Unauthorized\nResponse: {body}")
        );
        assert_eq!(
            read(StatusCode::BAD_GATEWAY, "<html>", true).unwrap_err(),
            "oauth2: cannot fetch token: 502 Bad Gateway\nResponse: <html>"
        );
        assert_eq!(read(StatusCode::OK, r#"{"error":"x"}"#, true).unwrap_err(), r#"oauth2: "x""#);
        assert!(read(StatusCode::OK, "", true).unwrap_err().starts_with("oauth2: cannot parse json"));
        assert!(read(StatusCode::OK, "{}", true).unwrap_err().contains("missing access_token"));
        assert_eq!(read(StatusCode::OK, r#"{"access_token":"a"}"#, true), Ok(None));
        assert_eq!(
            read(StatusCode::OK, r#"{"access_token":"a","id_token":"b"}"#, true),
            Ok(Some("b".into()))
        );
    }
}
