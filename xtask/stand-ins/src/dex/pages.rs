//! The pages of the stand-in for Dex: our own words around the fields, ids and
//! targets that a browser or a client finds on the real ones.

use http::StatusCode;
use serde_json::{Value, json};

use super::state::Dex;
use super::storage::AuthRequest;
use crate::go_http::{HTML, reply};
use crate::incoming::Incoming;
use crate::page::page;
use local_cluster::serve::Response;

fn answer(status: StatusCode, title: &str, template: &str, content: Value) -> Response {
    reply(status, HTML, page("Dex", title, template, content))
}

/// The form of a login; after a wrong password with the name that was typed, and a 401.
pub(super) fn form(dex: &Dex, request: &Incoming, wish: &AuthRequest, wrong: Option<&str>) -> Response {
    let status = if wrong.is_some() { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
    let content = json!({
        "target": request.target,
        // Where other means to log in are, if anywhere.
        "back": request.query.get("back"),
        "prompt": dex.config.connector.prompt,
        "wrong": wrong.is_some(),
        "typed": wrong.unwrap_or_default(),
        "client": wish.client_id,
        "redirect_uri": wish.redirect_uri,
    });
    answer(status, "Log in", include_str!("../pages/login.html"), content)
}

/// An error for people. Marked as one are the words that the real page has, and no others:
/// they are what a client takes for the message.
pub(super) fn error(status: StatusCode, message: &str) -> Response {
    let title = status.canonical_reason().unwrap_or("Error");
    let content = json!({ "title": title, "message": message, "status": status.as_u16() });
    answer(status, title, include_str!("../pages/error.html"), content)
}

/// The page at the root.
pub(super) fn root(discovery: &str) -> Response {
    answer(StatusCode::OK, "Dex", include_str!("../pages/dex.html"), json!({ "discovery": discovery }))
}
