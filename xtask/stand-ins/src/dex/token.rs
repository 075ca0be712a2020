//! `/token` and `/userinfo`: codes for tokens, tokens for claims.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::header::{AUTHORIZATION, CACHE_CONTROL, PRAGMA, WWW_AUTHENTICATE};
use http::{Method, StatusCode};
use ring::digest;
use serde_json::json;

use super::config::Client;
use super::jwt;
use super::state::Dex;
use super::storage::{AuthCode, AuthRequest, new_id};
use crate::go_http;
use crate::go_json::Object;
use crate::incoming::Incoming;
use local_cluster::serve::Response;

/// What can be asked for here. The real Dex has device codes and token exchange too.
pub(super) const GRANT_TYPES: &[&str] = &["authorization_code", "refresh_token"];

/// An error of the token endpoint, for programs.
pub(super) fn error(error: &str, description: &str, status: StatusCode) -> Response {
    let mut body = json!({ "error": error });
    if !description.is_empty() {
        body["error_description"] = description.into();
    }
    go_http::reply(status, go_http::JSON, body.to_string())
}

fn bad(description: &str) -> Response {
    error("invalid_request", description, StatusCode::BAD_REQUEST)
}

fn invalid_grant(description: &str) -> Response {
    error("invalid_grant", description, StatusCode::BAD_REQUEST)
}

fn server_error() -> Response {
    error("server_error", "", StatusCode::INTERNAL_SERVER_ERROR)
}

/// `/token`.
pub(super) async fn token(dex: &Dex, request: &Incoming) -> Response {
    if request.method != Method::POST {
        return bad("method not allowed");
    }
    let grant = request.form.get("grant_type");
    if !GRANT_TYPES.contains(&grant) {
        dex.error(request, "unsupported grant type", &[("grant_type", grant)]);
        return error("unsupported_grant_type", "", StatusCode::BAD_REQUEST);
    }
    match client(dex, request) {
        Err(response) => *response,
        // A refresh token is issued to whoever asks for one and kept by nobody: whoever brings
        // it is told what Dex tells after a restart with its storage in memory.
        Ok(_) if grant == "refresh_token" => bad(match request.form.get("refresh_token") {
            "" => "No refresh token is found in request.",
            _ => "Refresh token is invalid or has already been claimed by another client.",
        }),
        Ok(client) => redeem(dex, request, client).await,
    }
}

/// Who asks: by basic authentication, or else by the form.
fn client<'a>(dex: &'a Dex, request: &Incoming) -> Result<&'a Client, Box<Response>> {
    let (id, secret) = match basic(request) {
        Some((id, secret)) => (
            go_http::query_unescape(&id).ok_or_else(|| Box::new(bad("client_id improperly encoded")))?,
            go_http::query_unescape(&secret)
                .ok_or_else(|| Box::new(bad("client_secret improperly encoded")))?,
        ),
        None => (request.form.get("client_id").to_owned(), request.form.get("client_secret").to_owned()),
    };
    let refused =
        || Box::new(error("invalid_client", "Invalid client credentials.", StatusCode::UNAUTHORIZED));
    let client = dex.config.client(&id).ok_or_else(refused)?;
    // Hashes are compared, so that how long it takes says nothing about the secret.
    let hash = |text: &str| digest::digest(&digest::SHA256, text.as_bytes());
    if hash(&client.secret).as_ref() != hash(&secret).as_ref() {
        let what = if secret.is_empty() { "missing" } else { "invalid" };
        let message = format!("{what} client_secret on token request");
        dex.log.info(&message, &[("client_id", &client.id), ("request_id", &request.id)]);
        return Err(refused());
    }
    Ok(client)
}

fn basic(request: &Incoming) -> Option<(String, String)> {
    let header = request.headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = header.split_once(' ')?;
    let text = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    scheme.eq_ignore_ascii_case("basic").then(|| (id.to_owned(), secret.to_owned()))
}

async fn redeem(dex: &Dex, request: &Incoming, client: &Client) -> Response {
    let code = request.form.get("code");
    if code.is_empty() {
        return bad("Required param: code.");
    }
    let Some(grant) = dex.codes.get(code) else {
        return invalid_grant("Invalid or expired code parameter.");
    };
    // As the real one: a code that is not for this client is its own fault.
    if grant.wish.client_id != client.id {
        dex.error(request, "failed to get auth code", &[("err", "<nil>")]);
        return server_error();
    }
    if let Some(response) = refused_by_pkce(&grant.wish, request.form.get("code_verifier")) {
        return response;
    }
    if grant.wish.redirect_uri != request.form.get("redirect_uri") {
        return bad("redirect_uri did not match URI from initial request.");
    }
    let tokens = match issue(dex, &grant, code).await {
        Ok(tokens) => tokens,
        Err(message) => {
            dex.error(request, "failed to create new access token", &[("err", &message)]);
            return server_error();
        }
    };
    if dex.codes.take(code).is_none() {
        return invalid_grant("Invalid or expired code parameter.");
    }
    let response = go_http::with(go_http::json(&tokens), CACHE_CONTROL, "no-store");
    go_http::with(response, PRAGMA, "no-cache")
}

/// Why a verifier does not fit what the login began with, if it does not.
fn refused_by_pkce(wish: &AuthRequest, verifier: &str) -> Option<Response> {
    match (verifier, wish.code_challenge.as_str()) {
        ("", "") => None,
        (_, "") => Some(bad("No PKCE flow started. Cannot check code_verifier.")),
        ("", _) => Some(invalid_grant("Expecting parameter code_verifier in PKCE flow.")),
        (verifier, challenge) => {
            let computed = match wish.code_challenge_method.as_str() {
                "S256" => URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes())),
                _ => verifier.to_owned(),
            };
            (computed != challenge).then(|| invalid_grant("Invalid code_verifier."))
        }
    }
}

async fn issue(dex: &Dex, grant: &AuthCode, code: &str) -> Result<Object, String> {
    let key = dex.key.clone().await?;
    let now = dex.now();
    // An ID token too, whose `at_hash` is of something random.
    let access_token = jwt::sign(&key, &dex.config, grant, now, &new_id(), None)?;
    let id_token = jwt::sign(&key, &dex.config, grant, now, &access_token, Some(code))?;
    // Go truncates the little time that has passed since: one second less.
    let expires_in = dex.config.id_tokens.as_secs().saturating_sub(1);
    let offline = grant.wish.scopes.iter().any(|scope| scope == "offline_access");
    Ok(Object::default()
        .with("access_token", access_token)
        .with("token_type", "bearer")
        .with("expires_in", expires_in)
        .if_some("refresh_token", offline.then(|| jwt::pair(&new_id(), &new_id())))
        .with("id_token", id_token))
}

/// `/userinfo`: the claims of a token that this process signed.
pub(super) async fn userinfo(dex: &Dex, request: &Incoming) -> Response {
    let header = request.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = header.split_at_checked(7).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer "));
    let Some((_, token)) = token else {
        let response = error("access_denied", "Invalid bearer token.", StatusCode::UNAUTHORIZED);
        return go_http::with(response, WWW_AUTHENTICATE, "Bearer");
    };
    let Ok(key) = dex.key.clone().await else { return server_error() };
    match jwt::verify(&key, dex.now(), token) {
        Some(claims) => go_http::json(&claims),
        None => {
            dex.error(request, "failed to verify ID token", &[]);
            error("access_denied", "Invalid bearer token.", StatusCode::FORBIDDEN)
        }
    }
}
