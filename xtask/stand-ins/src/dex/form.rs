//! The login form, and the redirect with the code.

use std::collections::BTreeSet;
use std::sync::Mutex;

use base::mutex::lock;
use http::{Method, StatusCode};
use ring::digest::{SHA256, digest};

use super::pages;
use super::state::Dex;
use super::storage::{AuthCode, Claims, new_id};
use crate::go_http::{self, Values};
use crate::incoming::Incoming;
use local_cluster::serve::Response;

/// How long a code is good, in seconds.
const CODE_SECONDS: i64 = 30 * 60;
/// bcrypt costs that Dex accepts.
const COSTS: std::ops::RangeInclusive<u32> = 10..=16;

/// Digests of hashes with the passwords that fit them, so that whoever logs in again and again
/// costs one bcrypt: four fifths of a login. A wrong password is checked each time.
static FITTING: Mutex<BTreeSet<Vec<u8>>> = Mutex::new(BTreeSet::new());

/// `/auth/CONNECTOR/login`: shows the form, or checks what was typed.
pub(super) async fn login(dex: &Dex, connector: &str, request: &Incoming) -> Response {
    let state = request.query.get("state");
    if state.is_empty() {
        return pages::error(StatusCode::BAD_REQUEST, "User session error.");
    }
    let Some(wish) = dex.requests.get(state) else {
        dex.error(request, "invalid 'state' parameter provided", &[("err", "not found")]);
        return pages::error(StatusCode::BAD_REQUEST, "Requested resource does not exist.");
    };
    if connector != dex.connector() {
        let message =
            "connector mismatch: password login triggered for different connector from authentication start";
        let fields = [("start_connector_id", dex.connector()), ("password_connector_id", connector)];
        dex.error(request, message, &fields);
        return pages::error(StatusCode::INTERNAL_SERVER_ERROR, "Requested resource does not exist.");
    }
    if request.method == Method::GET {
        return pages::form(dex, request, &wish, None);
    }
    if request.method != Method::POST {
        return pages::error(StatusCode::BAD_REQUEST, "Unsupported request method.");
    }
    let username = request.value("login");
    match check(dex, username, request.value("password")).await {
        Err(error) => {
            dex.error(request, "failed to login user", &[("err", &error)]);
            let message = "Login error. Please contact your administrator or try again later.";
            pages::error(StatusCode::INTERNAL_SERVER_ERROR, message)
        }
        Ok(None) => {
            dex.error(request, "failed login attempt: Invalid credentials.", &[("user", username)]);
            pages::form(dex, request, &wish, Some(username))
        }
        Ok(Some(claims)) => logged_in(dex, request, state, claims),
    }
}

/// Who this is, or `None` for a wrong name or password.
async fn check(dex: &Dex, email: &str, password: &str) -> Result<Option<Claims>, String> {
    if let Some(mock) = &dex.config.connector.mock {
        let known = (&*mock.username, &*mock.password) == (email, password);
        return Ok(known.then(kilgore_trout));
    }
    let Some(user) = dex.config.password(email) else { return Ok(None) };
    if !COSTS.contains(&user.cost) {
        let bound = if user.cost < *COSTS.start() { COSTS.start() } else { COSTS.end() };
        return Err(format!("given hash cost = {} is out of bounds, the bound is {bound}", user.cost));
    }
    let _slot = dex.bcrypts.acquire().await.map_err(|error| error.to_string())?;
    let both = digest(&SHA256, format!("{}{password}", user.hash).as_bytes()).as_ref().to_vec();
    if lock(&FITTING).contains(&both) {
        return Ok(Some(user.claims()));
    }
    let (hash, password) = (user.hash.clone(), password.to_owned());
    let matches = tokio::task::spawn_blocking(move || bcrypt::verify(password, &hash))
        .await
        .map_err(|error| error.to_string())?;
    // A hash was checked when it was read; what bcrypt still refuses is the password.
    if !matches.unwrap_or(false) {
        return Ok(None);
    }
    lock(&FITTING).insert(both);
    Ok(Some(user.claims()))
}

/// Whoever logs in at a `mockPassword` is him.
fn kilgore_trout() -> Claims {
    Claims {
        user_id: "0-385-28089-0".into(),
        username: "Kilgore Trout".into(),
        email: "kilgore@kilgore.trout".into(),
        email_verified: true,
        ..Claims::default()
    }
}

/// Uses the request up and sends the browser back with a code.
fn logged_in(dex: &Dex, request: &Incoming, wish: &str, claims: Claims) -> Response {
    // Somebody else may have used it up since the form was read.
    let Some(wish) = dex.requests.take(wish) else {
        let why = "failed to update auth request: not found";
        dex.error(request, "failed to finalize login", &[("err", why)]);
        return pages::error(StatusCode::INTERNAL_SERVER_ERROR, "Login error.");
    };
    let email =
        if claims.email_verified { claims.email.clone() } else { format!("{} (unverified)", claims.email) };
    dex.log.info(
        "login successful",
        &[
            ("connector_id", dex.connector()),
            ("username", &claims.username),
            ("preferred_username", &claims.preferred_username),
            ("email", &email),
            ("groups", &format!("[{}]", claims.groups.join(" "))),
            ("request_id", &request.id),
        ],
    );
    let code = new_id();
    let mut values = Values::default();
    values.add("code", &code);
    values.add("state", &wish.state);
    let to = go_http::with_query(&wish.redirect_uri, values);
    dex.codes.put(&code, dex.now() + CODE_SECONDS, AuthCode { wish, claims });
    go_http::redirect(&request.method, StatusCode::SEE_OTHER, &to)
}

/// `/callback`: where other connectors come back to; those of this one never do.
pub(super) fn callback(dex: &Dex, request: &Incoming) -> Response {
    let state = match request.method {
        Method::GET => request.query.get("state"),
        Method::POST => request.form.get("RelayState"),
        _ => return pages::error(StatusCode::BAD_REQUEST, "Method not supported"),
    };
    if state.is_empty() {
        return pages::error(StatusCode::BAD_REQUEST, "User session error.");
    }
    if dex.requests.get(state).is_none() {
        dex.error(request, "invalid 'state' parameter provided", &[("err", "not found")]);
        return pages::error(StatusCode::BAD_REQUEST, "Requested resource does not exist.");
    }
    pages::error(StatusCode::INTERNAL_SERVER_ERROR, "Requested resource does not exist.")
}
