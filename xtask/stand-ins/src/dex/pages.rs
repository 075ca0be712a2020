//! The pages of the stand-in for Dex: our own words around the fields, ids and
//! targets that a browser or a client finds on the real ones.

use http::StatusCode;

use crate::go_http::{HTML, escape_html, reply};
use local_cluster::serve::Response;

fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let title = escape_html(title);
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} (stand-in for Dex)</title>\n</head>\n<body>\n<h1>{title}</h1>\n{body}\n\
         <p><small>This is a stand-in for Dex, part of a lab on your machine.</small></p>\n</body>\n</html>\n"
    );
    reply(status, HTML, page)
}

/// The login form, posting back to `target`; after a wrong password with what was
/// typed and a 401.
pub(super) fn login_form(target: &str, prompt: &str, username: &str, wrong: bool, back: &str) -> Response {
    let error = match wrong {
        true => format!("<p id=\"login-error\">Invalid {prompt} and password.</p>\n"),
        false => String::new(),
    };
    let back = if back.is_empty() {
        String::new()
    } else {
        format!("\n<p><a href=\"{}\">Log in by other means</a></p>", escape_html(back))
    };
    let form = format!(
        "<form method=\"post\" action=\"{}\">\n\
         <p><label for=\"login\">{prompt}</label>\n\
         <input id=\"login\" name=\"login\" type=\"text\" required value=\"{}\"></p>\n\
         <p><label for=\"password\">Password</label>\n\
         <input id=\"password\" name=\"password\" type=\"password\" required></p>\n{error}\
         <p><button id=\"submit-login\" type=\"submit\">Log in</button></p>\n</form>{back}",
        escape_html(target),
        escape_html(username),
    );
    page(if wrong { StatusCode::UNAUTHORIZED } else { StatusCode::OK }, "Log in", &form)
}

/// An error for people; the message is what clients match.
pub(super) fn error(status: StatusCode, message: &str) -> Response {
    let title = status.canonical_reason().unwrap_or("Error");
    page(status, title, &format!("<p>{}</p>", escape_html(message)))
}

/// The page at the root.
pub(super) fn root(discovery: &str) -> Response {
    let body = format!("<p>An OpenID Connect provider: <a href=\"{0}\">{0}</a></p>", escape_html(discovery));
    page(StatusCode::OK, "Dex", &body)
}
