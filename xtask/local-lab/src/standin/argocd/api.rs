//! `/api/…`: what grpc-gateway answers with, as far as a login can notice.

use http::header::{HeaderName, VARY};
use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

use super::incoming::Incoming;
use super::server::Server;
use super::session::{self, BadToken};
use super::token_cookie;
use crate::serve::Response;
use crate::standin::wire;

/// Codes of gRPC.
const CANCELLED: i32 = 1;
const NOT_FOUND: i32 = 5;
const INTERNAL: i32 = 13;
const UNAUTHENTICATED: i32 = 16;

#[derive(Serialize)]
struct Error<'a> {
    error: &'a str,
    code: i32,
    message: &'a str,
}

#[derive(Serialize)]
struct UserInfo<'a> {
    #[serde(rename = "loggedIn", skip_serializing_if = "std::ops::Not::not")]
    logged_in: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    username: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    iss: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    groups: Vec<&'a str>,
}

/// The answer to a request below `/api/`.
pub(super) async fn answer(server: &Server, request: &Incoming) -> Response {
    let get = request.method == Method::GET;
    if server.details.enforces_content_type
        && !get
        && !request.header(http::header::CONTENT_TYPE).eq_ignore_ascii_case("application/json")
    {
        return wire::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Invalid content type");
    }
    match (request.path.as_str(), &request.method) {
        ("/api/version", &Method::GET) => ok(&json!({ "Version": server.version })),
        ("/api/v1/session/userinfo", &Method::GET) => userinfo(server, request).await,
        ("/api/v1/session", &Method::POST) => {
            // No account is behind a stand-in, so no password is right.
            error(StatusCode::UNAUTHORIZED, UNAUTHENTICATED, "Invalid username or password")
        }
        ("/api/v1/session", &Method::DELETE) => {
            // No token, so no cookie is set either.
            ok(&json!({}))
        }
        ("/api/v1/settings", &Method::GET) => settings(server, request).await,
        ("/api/v1/applications", &Method::GET) => match claims(server, request).await {
            Err(response) => *response,
            Ok(_) => ok(&json!({ "metadata": {}, "items": null })),
        },
        ("/api/v1/stream/applications", &Method::GET) => match claims(server, request).await {
            Err(response) => *response,
            Ok(_) => stream(server).await,
        },
        _ => error(StatusCode::NOT_FOUND, NOT_FOUND, "Not Found"),
    }
}

/// What a gateway says whose connection to its own server was closed.
pub(super) fn gateway_closed() -> Response {
    // 408 is what grpc-gateway makes of a cancelled call.
    error(StatusCode::REQUEST_TIMEOUT, CANCELLED, "grpc: the client connection is closing")
}

fn ok(body: &impl Serialize) -> Response {
    gateway(wire::json(body))
}

fn error(status: StatusCode, code: i32, message: &str) -> Response {
    let body = serde_json::to_vec(&Error { error: message, code, message }).unwrap_or_default();
    gateway(wire::reply(status, wire::JSON, body))
}

fn gateway(response: Response) -> Response {
    let name = HeaderName::from_static("grpc-metadata-content-type");
    wire::with(wire::with(response, name, "application/grpc"), VARY, "Accept-Encoding")
}

/// The token that a request shows: a bearer's, or a cookie's.
fn token(request: &Incoming) -> Option<String> {
    let looks_valid = |token: &String| token.splitn(3, '.').count() == 3;
    let bearer = request.header(http::header::AUTHORIZATION).strip_prefix("Bearer ").map(ToOwned::to_owned);
    bearer.filter(looks_valid).or_else(|| token_cookie::join(&request.headers).ok().filter(looks_valid))
}

async fn authenticate(server: &Server, request: &Incoming) -> Option<Result<Value, BadToken>> {
    let token = token(request)?;
    Some(server.sessions.verify(&token).await)
}

/// The claims of whoever asks, where only those who are logged in may.
async fn claims(server: &Server, request: &Incoming) -> Result<Value, Box<Response>> {
    let refused = |why: &str| Box::new(error(StatusCode::UNAUTHORIZED, UNAUTHENTICATED, why));
    match authenticate(server, request).await {
        Some(Ok(claims)) => Ok(claims),
        Some(Err(bad)) => Err(refused(&format!("invalid session: {}", bad.why))),
        None => Err(refused("no session information")),
    }
}

async fn userinfo(server: &Server, request: &Incoming) -> Response {
    let (claims, good) = match authenticate(server, request).await {
        Some(Ok(claims)) => (claims, true),
        Some(Err(bad)) => (bad.claims.unwrap_or_default(), false),
        None => (Value::Null, false),
    };
    ok(&UserInfo {
        logged_in: good && !session::user(&claims).is_empty(),
        username: session::username(&claims),
        iss: claims["iss"].as_str().unwrap_or_default(),
        groups: session::groups(&claims, &server.policy_scopes()),
    })
}

/// What the login page needs to know, of the settings as they are now.
async fn settings(server: &Server, request: &Incoming) -> Response {
    let settings = match server.manager.complete_settings() {
        Ok(settings) => settings,
        Err(why) => return error(StatusCode::INTERNAL_SERVER_ERROR, INTERNAL, &why),
    };
    let data = |key: &str| settings.data.get(key).cloned().unwrap_or_default();
    let mut body = json!({
        "url": settings.url,
        "appLabelKey": "app.kubernetes.io/instance",
        "kustomizeOptions": {},
        "googleAnalytics": { "anonymizeUsers": true },
        "help": {},
        "userLoginsDisabled": data("admin.enabled") == "false",
    });
    if let Some(config) = settings.oidc_config(&server.details, &server.log) {
        let mut oidc = json!({ "name": config.name, "issuer": config.issuer, "clientID": config.client_id });
        if !config.cli_client_id.is_empty() {
            oidc["cliClientID"] = config.cli_client_id.into();
        }
        if !config.requested_scopes.is_empty() {
            oidc["scopes"] = config.requested_scopes.into();
        }
        if config.enable_pkce {
            oidc["enablePKCEAuthentication"] = true.into();
        }
        body["oidcConfig"] = oidc;
    }
    if let Some(Ok(_)) = authenticate(server, request).await {
        body["controllerNamespace"] = server.manager.namespace.clone().into();
    }
    ok(&body)
}

/// The stream of applications: there are none, so there is never a word. What an
/// open one does to a server that wants to restart is what matters.
async fn stream(server: &Server) -> Response {
    server.life.cancelled().await;
    gateway_closed()
}
