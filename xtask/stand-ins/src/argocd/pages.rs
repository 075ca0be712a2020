//! Pages of our own. None of them is Argo CD's: what a browser gets is a note that
//! this is a stand-in, and the button that a login begins with.

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, EXPIRES, HeaderName, LOCATION, PRAGMA, VARY, X_FRAME_OPTIONS,
    X_XSS_PROTECTION,
};
use http::{Method, StatusCode};

use super::incoming::Incoming;
use super::server::Server;
use crate::go_http;
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
    let page = || go_http::reply(StatusCode::OK, go_http::HTML, index(version, sso));
    let response = if accepts_html && reads {
        // The order is Go's: a map has none, and its headers are sorted.
        let response = go_http::with(page(), CACHE_CONTROL, "no-cache, private, max-age=0");
        let response = go_http::with(response, EXPIRES, "Thu, 01 Jan 1970 00:00:00 UTC");
        let response = go_http::with(response, PRAGMA, "no-cache");
        go_http::with(response, HeaderName::from_static("x-accel-expires"), "0")
    } else if request.path == "/" {
        page()
    } else if request.path.ends_with("/index.html") {
        let mut response = Response::new(empty());
        *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
        go_http::with(response, LOCATION, "./")
    } else {
        go_http::not_found()
    };
    let response = match flags.frame_options.as_str() {
        "" => response,
        value => go_http::with(response, X_FRAME_OPTIONS, value),
    };
    let response = match flags.content_security_policy.as_str() {
        value if server.details.has_security_policy && !value.is_empty() => {
            go_http::with(response, CONTENT_SECURITY_POLICY, value)
        }
        _ => response,
    };
    let response = go_http::with(response, X_XSS_PROTECTION, "1");
    if server.details.varies_encoding { go_http::with(response, VARY, "Accept-Encoding") } else { response }
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
        go_http::escape_html(version)
    )
}
