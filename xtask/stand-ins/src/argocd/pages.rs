//! Pages of our own. None of them is Argo CD's: what a browser gets says that this is a
//! stand-in, who is logged in, and has the button that a login begins with.

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, EXPIRES, HeaderName, LOCATION, PRAGMA, VARY, X_FRAME_OPTIONS,
    X_XSS_PROTECTION,
};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::api;
use super::server::Server;
use super::session;
use super::token_cookie::TOKEN_COOKIE;
use crate::go_http::{self, Values};
use crate::incoming::Incoming;
use crate::page::page;
use local_cluster::serve::Response;

/// By what a client spoke to the ingress in front.
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Whatever is not a route: the pages of the user interface.
///
/// A browser gets the one page for every address, since the interface finds its way
/// by itself; a program gets files, of which there is one.
pub(super) async fn static_assets(server: &Server, request: &Incoming, sso: bool) -> Response {
    let Server { flags, .. } = server;
    let accept = request.header(http::header::ACCEPT);
    let accepts_html = accept.split(',').any(|kind| kind == "text/html" || kind == "html");
    let reads = request.method == Method::GET || request.method == Method::HEAD;
    let page = async || go_http::reply(StatusCode::OK, go_http::HTML, index(server, request, sso).await);
    let response = if accepts_html && reads {
        // The order is Go's: a map has none, and its headers are sorted.
        let response = go_http::with(page().await, CACHE_CONTROL, "no-cache, private, max-age=0");
        let response = go_http::with(response, EXPIRES, "Thu, 01 Jan 1970 00:00:00 UTC");
        let response = go_http::with(response, PRAGMA, "no-cache");
        go_http::with(response, HeaderName::from_static("x-accel-expires"), "0")
    } else if request.path == "/" {
        page().await
    } else if request.path.ends_with("/index.html") {
        go_http::with(go_http::bare(StatusCode::MOVED_PERMANENTLY), LOCATION, "./")
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

/// The one page: who is logged in, how to log in, and what has happened. `sso` says whether
/// this run of the server began with a login.
async fn index(server: &Server, request: &Incoming, sso: bool) -> String {
    let mut content = match api::authenticate(server, request).await {
        Some(Ok(claims)) => json!({
            "user": session::username(&claims),
            "provider": claims["iss"].as_str().unwrap_or_default(),
            "groups": session::groups(&claims, &server.policy_scopes()).join(", "),
        }),
        Some(Err(bad)) => with_login(server, request, json!({ "refused": bad.answer().2 })),
        None => with_login(server, request, json!({})),
    };
    content["sso"] = sso.into();
    content["cookie"] = TOKEN_COOKIE.into();
    content["base"] = server.flags.base_href.trim_end_matches('/').into();
    content["version"] = server.version.as_str().into();
    page("Argo CD", "Argo CD", include_str!("../pages/argocd.html"), content)
}

/// What a login begins with, or why there is none; as the real page, by the settings as they
/// are now.
fn with_login(server: &Server, request: &Incoming, mut content: Value) -> Value {
    match server.manager.complete_settings() {
        Ok(settings) => content["login"] = api::login_name(server, &settings).into(),
        Err(why) => content["unreadable"] = why.into(),
    }
    // The address that the browser shows, as the page's own script says it.
    let scheme = Some(request.header(FORWARDED_PROTO)).filter(|scheme| !scheme.is_empty()).unwrap_or("http");
    let base = server.flags.base_href.trim_end_matches('/');
    let mut query = Values::default();
    query.add("return_url", &format!("{scheme}://{}{base}/applications", request.host));
    content["query"] = query.encode().into();
    content
}
