//! Pages of our own. None of them is Argo CD's: what a browser gets says that this is a
//! stand-in, who is logged in, and has the button that a login begins with.

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, EXPIRES, HeaderName, LOCATION, PRAGMA, VARY, X_FRAME_OPTIONS,
    X_XSS_PROTECTION,
};
use http::{Method, StatusCode};
use serde_json::Value;

use super::api;
use super::server::Server;
use super::session::{self, BadToken};
use super::token_cookie::TOKEN_COOKIE;
use crate::go_http::{self, Values, escape_html};
use crate::incoming::Incoming;
use crate::page::{page, steps};
use local_cluster::serve::{Response, empty};

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

/// Who looks at the page.
enum Visitor {
    /// Whose token is good: its claims.
    LoggedIn(Value),
    /// Whose token is not good, and why.
    Refused(String),
    /// Who shows none.
    Nobody,
}

impl Visitor {
    async fn of(server: &Server, request: &Incoming) -> Self {
        match api::authenticate(server, request).await {
            Some(Ok(claims)) => Self::LoggedIn(claims),
            Some(Err(BadToken { instead: Some((_, _, message)), .. })) => Self::Refused(message.to_owned()),
            Some(Err(bad)) => Self::Refused(format!("invalid session: {}", bad.why)),
            None => Self::Nobody,
        }
    }
}

/// The one page: who is logged in, how to log in, and what has happened. `sso` says whether
/// this run of the server began with a login.
async fn index(server: &Server, request: &Incoming, sso: bool) -> String {
    let body = match Visitor::of(server, request).await {
        Visitor::LoggedIn(claims) => logged_in(server, &claims),
        Visitor::Refused(why) => format!(
            "<h1>Not logged in</h1>\n<p class=\"bad\">This browser shows a session that is not taken: {}</p>\n{}\n{}",
            escape_html(&why),
            button(server, request, sso),
            link(server, "auth/logout", "Forget that session"),
        ),
        Visitor::Nobody => format!(
            "<h1>Not logged in</h1>\n<p>This browser shows no session.</p>\n{}",
            button(server, request, sso)
        ),
    };
    let version = format!(
        "<p><small>Answers as argocd-server <code>{}</code> does</small></p>",
        escape_html(&server.version)
    );
    page("Argo CD", "Argo CD", &format!("{body}\n{version}"))
}

fn logged_in(server: &Server, claims: &Value) -> String {
    let groups = session::groups(claims, &server.policy_scopes()).join(", ");
    let issuer = claims["iss"].as_str().unwrap_or_default();
    let groups = if groups.is_empty() { "none" } else { &groups };
    let facts: String = [("User", session::username(claims)), ("Provider", issuer), ("Groups", groups)]
        .iter()
        .map(|(what, text)| format!("<dt>{what}</dt><dd>{}</dd>\n", escape_html(text)))
        .collect();
    let happened = steps(
        "What has happened",
        &[
            "The provider checked who you are and sent this browser back with a code.".to_owned(),
            "argocd-server showed the provider that code and its client secret, and got a token for them."
                .to_owned(),
            format!("The token is good, and in this browser's cookie <code>{TOKEN_COOKIE}</code>."),
        ],
    );
    format!(
        "<h1 class=\"good\">Logged in</h1>\n<dl>\n{facts}</dl>\n<p>There are no applications behind a stand-in.</p>\n{}\n{}\n{happened}",
        link(server, "auth/logout", "Log out"),
        link(server, "api/v1/session/userinfo", "What the API says of you"),
    )
}

/// What a login begins with, or why there is none; as the real page, by the settings as they
/// are now.
fn button(server: &Server, request: &Incoming, sso: bool) -> String {
    let name = match server.manager.complete_settings() {
        Ok(settings) => api::login_name(server, &settings),
        Err(why) => return format!("<p class=\"bad\">Unable to load data: {}</p>", escape_html(&why)),
    };
    let Some(name) = name else {
        return "<p>No login is configured: argocd-cm has neither <code>oidc.config</code> nor <code>dex.config</code>.</p>"
            .to_owned();
    };
    let unaware = match sso {
        true => "",
        false => {
            "<p class=\"bad\">argocd-server started before a login was configured, and has to restart to know of it.</p>\n"
        }
    };
    let name = if name.is_empty() { "SSO" } else { &name };
    // The address that the browser shows, as the page's own script says it.
    let scheme = Some(request.header(FORWARDED_PROTO)).filter(|scheme| !scheme.is_empty()).unwrap_or("http");
    let mut query = Values::default();
    query.add("return_url", &format!("{scheme}://{}{}", request.host, at(server, "applications")));
    let to = format!("{}?{}", at(server, "auth/login"), query.encode());
    format!(
        "{unaware}<p><a class=\"button\" href=\"{}\">Log in via {}</a></p>\n<p>It leads to the provider, which asks who you are.</p>",
        escape_html(&to),
        escape_html(name)
    )
}

fn link(server: &Server, path: &str, words: &str) -> String {
    format!("<p><a href=\"{}\">{words}</a></p>", escape_html(&at(server, path)))
}

/// A path below where the pages are.
fn at(server: &Server, path: &str) -> String {
    format!("{}/{path}", server.flags.base_href.trim_end_matches('/'))
}
