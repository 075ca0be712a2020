//! The pages of the stand-in for Dex: our own words around the fields, ids and
//! targets that a browser or a client finds on the real ones.

use http::StatusCode;

use super::storage::AuthRequest;
use crate::go_http::{HTML, escape_html, reply};
use crate::page::{page, steps};
use local_cluster::serve::Response;

fn answer(status: StatusCode, title: &str, body: &str) -> Response {
    reply(status, HTML, page("Dex", title, body))
}

/// What the form is for, and what was typed into it.
pub(super) struct Form<'a> {
    /// Where it is posted to.
    pub(super) target: &'a str,
    /// What its first field is called.
    pub(super) prompt: &'a str,
    /// Where other means to log in are, if anywhere.
    pub(super) back: &'a str,
    /// The login that it belongs to.
    pub(super) wish: &'a AuthRequest,
}

impl Form<'_> {
    /// The page; after a wrong password with the name that was typed, and a 401.
    pub(super) fn page(&self, wrong: Option<&str>) -> Response {
        let Self { target, prompt, back, wish } = self;
        let error = match wrong {
            Some(_) => format!(
                "<p id=\"login-error\" class=\"bad\" role=\"alert\">Invalid {prompt} and password.</p>\n"
            ),
            None => String::new(),
        };
        let back = match back.is_empty() {
            true => String::new(),
            false => format!("\n<p><a href=\"{}\">Log in by other means</a></p>", escape_html(back)),
        };
        let form = format!(
            "<h1>Log in</h1>\n{error}<form method=\"post\" action=\"{}\">\n\
             <label for=\"login\">{prompt}</label>\n\
             <input id=\"login\" name=\"login\" type=\"text\" required value=\"{}\">\n\
             <label for=\"password\">Password</label>\n\
             <input id=\"password\" name=\"password\" type=\"password\" required>\n\
             <button id=\"submit-login\" type=\"submit\">Log in</button>\n</form>{back}\n{}",
            escape_html(target),
            escape_html(wrong.unwrap_or_default()),
            steps(
                "What is going on",
                &[
                    format!(
                        "The client <code>{}</code> sent this browser here, to learn who you are.",
                        escape_html(&wish.client_id)
                    ),
                    "What is typed here goes to Dex alone. A user of this lab is shown by <code>cargo xtask open</code>."
                        .to_owned(),
                    format!(
                        "If it is right, Dex sends the browser to <code>{}</code> with a code, good for one use.",
                        escape_html(&wish.redirect_uri)
                    ),
                ]
            ),
        );
        answer(if wrong.is_some() { StatusCode::UNAUTHORIZED } else { StatusCode::OK }, "Log in", &form)
    }
}

/// An error for people. Marked as one are the words that the real page has, and no others:
/// they are what a client takes for the message.
pub(super) fn error(status: StatusCode, message: &str) -> Response {
    let title = status.canonical_reason().unwrap_or("Error");
    let body = format!(
        "<div class=\"bad\" role=\"alert\">\n<h1>{title}</h1>\n<p>{}</p>\n</div>\n\
         <p>Dex ended this login here, with status {}, and sent the browser nowhere: Argo CD does not learn of it. \
         <code>cargo xtask doctor</code> looks for the cause.</p>",
        escape_html(message),
        status.as_u16(),
    );
    answer(status, title, &body)
}

/// The page at the root.
pub(super) fn root(discovery: &str) -> Response {
    let body = format!(
        "<h1>Dex</h1>\n<p>An OpenID Connect provider. What clients ask first: <a href=\"{0}\">{0}</a></p>",
        escape_html(discovery)
    );
    answer(StatusCode::OK, "Dex", &body)
}
