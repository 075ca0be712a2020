//! The login form, the approval page, and the redirect with the code.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, StatusCode};
use ring::hmac;

use super::config::Password;
use super::pages;
use super::server::{CONNECTOR, Dex, Incoming};
use super::storage::{AuthCode, AuthRequest, Claims};
use crate::go_http::{self, Values};
use local_cluster::serve::Response;

/// How long a code is good, in seconds.
const CODE_SECONDS: i64 = 30 * 60;
/// bcrypt costs that Dex accepts.
const COSTS: std::ops::RangeInclusive<u32> = 10..=16;

/// `/auth/local/login`: shows the form, or checks what was typed.
pub(super) async fn login(dex: &Dex, connector: &str, request: &Incoming) -> Response {
    let state = request.query.get("state");
    if state.is_empty() {
        return pages::error(StatusCode::BAD_REQUEST, "User session error.");
    }
    let id = ("request_id", request.id.as_str());
    let Some(wish) = dex.storage.request(state) else {
        dex.log.error("invalid 'state' parameter provided", &[("err", "not found"), id]);
        return pages::error(StatusCode::BAD_REQUEST, "Requested resource does not exist.");
    };
    if connector != CONNECTOR {
        dex.log.error(
            "connector mismatch: password login triggered for different connector from authentication start",
            &[("start_connector_id", CONNECTOR), ("password_connector_id", connector), id],
        );
        return pages::error(StatusCode::INTERNAL_SERVER_ERROR, "Requested resource does not exist.");
    }
    let back = request.query.get("back");
    if request.method == Method::GET {
        return pages::login_form(&request.target, "", false, back);
    }
    if request.method != Method::POST {
        return pages::error(StatusCode::BAD_REQUEST, "Unsupported request method.");
    }
    let username = request.value("login");
    match check(dex, username, request.value("password")).await {
        Err(error) => {
            dex.log.error("failed to login user", &[("err", &error), id]);
            let message = "Login error. Please contact your administrator or try again later.";
            pages::error(StatusCode::INTERNAL_SERVER_ERROR, message)
        }
        Ok(None) => {
            dex.log.error("failed login attempt: Invalid credentials.", &[("user", username), id]);
            pages::login_form(&request.target, username, true, back)
        }
        Ok(Some(claims)) => logged_in(dex, request, &wish, claims),
    }
}

/// Who this is, or `None` for a wrong name or password.
async fn check(dex: &Dex, email: &str, password: &str) -> Result<Option<Claims>, String> {
    let Some(user) = dex.config.password(email) else { return Ok(None) };
    if !COSTS.contains(&user.cost) {
        let bound = if user.cost < *COSTS.start() { COSTS.start() } else { COSTS.end() };
        return Err(format!("given hash cost = {} is out of bounds, the bound is {bound}", user.cost));
    }
    let (hash, password) = (user.hash.clone(), password.to_owned());
    let _slot = dex.bcrypts.acquire().await.map_err(|error| error.to_string())?;
    let matches = tokio::task::spawn_blocking(move || bcrypt::verify(password, &hash))
        .await
        .map_err(|error| error.to_string())?;
    // A hash was checked when it was read; what bcrypt still refuses is the password.
    Ok(matches.unwrap_or(false).then(|| claims(user)))
}

pub(super) fn claims(user: &Password) -> Claims {
    Claims {
        user_id: user.user_id.clone(),
        username: user.name.clone(),
        preferred_username: user.preferred_username.clone(),
        email: user.email.clone(),
        email_verified: user.email_verified,
        groups: user.groups.clone(),
    }
}

fn logged_in(dex: &Dex, request: &Incoming, wish: &AuthRequest, claims: Claims) -> Response {
    let id = ("request_id", request.id.as_str());
    let email =
        if claims.email_verified { claims.email.clone() } else { format!("{} (unverified)", claims.email) };
    let groups = format!("[{}]", claims.groups.join(" "));
    let username = claims.username.clone();
    let preferred = claims.preferred_username.clone();
    if dex.storage.log_in(&wish.id, claims).is_none() {
        dex.log.error("failed to finalize login", &[("err", "failed to update auth request: not found"), id]);
        return pages::error(StatusCode::INTERNAL_SERVER_ERROR, "Login error.");
    }
    dex.log.info(
        "login successful",
        &[
            ("connector_id", CONNECTOR),
            ("username", &username),
            ("preferred_username", &preferred),
            ("email", &email),
            ("groups", &groups),
            id,
        ],
    );
    if dex.config.skip_approval && !wish.force_approval {
        return send_code(dex, request, &wish.id);
    }
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &wish.hmac_key), wish.id.as_bytes());
    let to = format!("{}?req={}&hmac={}", dex.path("/approval"), wish.id, URL_SAFE_NO_PAD.encode(tag));
    go_http::redirect(&request.method, StatusCode::SEE_OTHER, &to)
}

/// `/approval`: the user says yes or no.
pub(super) fn approval(dex: &Dex, request: &Incoming) -> Response {
    let refused = || pages::error(StatusCode::UNAUTHORIZED, "Unauthorized request");
    let Ok(tag) = URL_SAFE_NO_PAD.decode(request.value("hmac")) else { return refused() };
    if tag.is_empty() {
        return refused();
    }
    let Some(wish) = dex.storage.request(request.value("req")) else {
        dex.log.error("failed to get auth request", &[("err", "not found"), ("request_id", &request.id)]);
        return pages::error(StatusCode::INTERNAL_SERVER_ERROR, "Database error.");
    };
    if wish.claims.is_none() {
        dex.log.error("auth request does not have an identity for approval", &[("request_id", &request.id)]);
        return pages::error(StatusCode::INTERNAL_SERVER_ERROR, "Login process not yet finalized.");
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, &wish.hmac_key);
    if hmac::verify(&key, wish.id.as_bytes(), &tag).is_err() {
        return refused();
    }
    match request.method {
        Method::POST if request.value("approval") != "approve" => {
            pages::error(StatusCode::INTERNAL_SERVER_ERROR, "Approval rejected.")
        }
        Method::POST => send_code(dex, request, &wish.id),
        _ => {
            let client = dex.config.client(&wish.client_id).map_or("", |client| client.name.as_str());
            pages::approval(&wish.id, client, &wish.scopes)
        }
    }
}

/// `/callback`: where other connectors come back to; the local one never does.
pub(super) fn callback(dex: &Dex, request: &Incoming) -> Response {
    let state = match request.method {
        Method::GET => request.query.get("state"),
        Method::POST => request.form.get("RelayState"),
        _ => return pages::error(StatusCode::BAD_REQUEST, "Method not supported"),
    };
    if state.is_empty() {
        return pages::error(StatusCode::BAD_REQUEST, "User session error.");
    }
    if dex.storage.request(state).is_none() {
        let fields = [("err", "not found"), ("request_id", request.id.as_str())];
        dex.log.error("invalid 'state' parameter provided", &fields);
        return pages::error(StatusCode::BAD_REQUEST, "Requested resource does not exist.");
    }
    pages::error(StatusCode::INTERNAL_SERVER_ERROR, "Requested resource does not exist.")
}

fn send_code(dex: &Dex, request: &Incoming, id: &str) -> Response {
    let Some((wish, claims)) =
        dex.storage.take_request(id).and_then(|wish| wish.claims.clone().map(|claims| (wish, claims)))
    else {
        return pages::error(StatusCode::BAD_REQUEST, "User session error.");
    };
    let now = dex.now();
    if now > wish.expires_at {
        return pages::error(StatusCode::BAD_REQUEST, "User session has expired.");
    }
    let code = dex.storage.create_code(AuthCode {
        client_id: wish.client_id,
        redirect_uri: wish.redirect_uri.clone(),
        scopes: wish.scopes,
        nonce: wish.nonce,
        claims,
        pkce: wish.pkce,
        expires_at: now + CODE_SECONDS,
    });
    let mut values = Values::default();
    values.add("code", &code);
    values.add("state", &wish.state);
    go_http::redirect(
        &request.method,
        StatusCode::SEE_OTHER,
        &go_http::with_query(&wish.redirect_uri, values),
    )
}
