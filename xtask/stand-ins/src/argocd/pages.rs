//! Pages of our own. None of them is Argo CD's: what a browser gets is a note that
//! this is a stand-in, and the button that a login begins with.

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, EXPIRES, HeaderName, LOCATION, PRAGMA, VARY, X_FRAME_OPTIONS,
    X_XSS_PROTECTION,
};
use http::{Method, StatusCode};

use super::incoming::Incoming;
use super::server::Server;
use crate::wire;
use local_cluster::serve::{Response, empty};

/// Whatever is not a route: the pages of the user interface.
///
/// A browser gets the one page for every address, since the interface finds its way
/// by itself; a program gets files, of which there is one.
pub(super) fn static_assets(server: &Server, request: &Incoming, sso: bool) -> Response {
    let Server { flags, version, .. } = server;
    let accept = request.header(http::header::ACCEPT);
    let accepts_html = accept.split(',').any(|kind| kind == "text/html" || kind == "html");
    let reads = request.method == Method::GET || request.method == Method::HEAD;
    let page = || wire::reply(StatusCode::OK, wire::HTML, index(version, sso));
    let response = if accepts_html && reads {
        // The order is Go's: a map has none, and its headers are sorted.
        let response = wire::with(page(), CACHE_CONTROL, "no-cache, private, max-age=0");
        let response = wire::with(response, EXPIRES, "Thu, 01 Jan 1970 00:00:00 UTC");
        let response = wire::with(response, PRAGMA, "no-cache");
        wire::with(response, HeaderName::from_static("x-accel-expires"), "0")
    } else if request.path == "/" {
        page()
    } else if request.path.ends_with("/index.html") {
        let mut response = Response::new(empty());
        *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
        wire::with(response, LOCATION, "./")
    } else {
        wire::not_found()
    };
    let response = match flags.frame_options.as_str() {
        "" => response,
        value => wire::with(response, X_FRAME_OPTIONS, value),
    };
    let response = match flags.content_security_policy.as_str() {
        value if server.details.has_security_policy && !value.is_empty() => {
            wire::with(response, CONTENT_SECURITY_POLICY, value)
        }
        _ => response,
    };
    let response = wire::with(response, X_XSS_PROTECTION, "1");
    if server.details.varies_encoding { wire::with(response, VARY, "Accept-Encoding") } else { response }
}

fn index(version: &str, sso: bool) -> String {
    let button = if sso {
        r#"<p><a href="/auth/login">Log in via SSO</a></p>"#
    } else {
        "<p>SSO is not configured.</p>"
    };
    format!(
        r#"<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Stand-in for Argo CD</title></head>
<body>
<h1>This is a stand-in for Argo CD</h1>
<p>{}: a small program that answers like argocd-server where a login can notice. There is nothing else behind it.</p>
{button}
<p><a href="/api/v1/session/userinfo">Who am I?</a> · <a href="/auth/logout">Log out</a></p>
</body>
</html>
"#,
        wire::escape_html(version)
    )
}

/// A callback without a code: the implicit flow, which happens in the browser.
pub(super) fn no_code() -> Response {
    wire::reply(
        StatusCode::OK,
        wire::HTML,
        "<!DOCTYPE html>\n<title>Stand-in for Argo CD</title>\n<p>The provider sent no code. Argo CD would look for a token in the address now (the implicit flow); this stand-in does not.</p>\n",
    )
}
