//! `/api/…`: what grpc-gateway answers with, as far as a login can notice.

use http::header::{HeaderName, VARY};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::policy;
use super::server::Server;
use super::session::{self, BadToken, INTERNAL, UNAUTHENTICATED};
use super::settings;
use super::token_cookie;
use super::user_info;
use crate::go_http;
use crate::go_json::Object;
use crate::incoming::Incoming;
use local_cluster::serve::Response;

/// A code of gRPC.
const CANCELLED: i32 = 1;

/// What of `dex.config` the page names its button by.
#[derive(Serialize, Deserialize)]
struct Dex {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    connectors: Vec<Connector>,
}

#[derive(Serialize, Deserialize)]
struct Connector {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(default, rename = "type", skip_serializing_if = "String::is_empty")]
    kind: String,
}

/// The answer to a request below `/api/`.
pub(super) async fn answer(server: &Server, request: &Incoming) -> Response {
    if server.gateway.is_cancelled() {
        // 408 is what grpc-gateway makes of a cancelled call.
        return error(StatusCode::REQUEST_TIMEOUT, CANCELLED, "grpc: the client connection is closing");
    }
    let response = route(server, request).await.unwrap_or_else(|refused| *refused);
    if server.details.varies_encoding { go_http::with(response, VARY, "Accept-Encoding") } else { response }
}

async fn route(server: &Server, request: &Incoming) -> Result<Response, Box<Response>> {
    if server.details.enforces_content_type
        && request.method != Method::GET
        && !request.header(http::header::CONTENT_TYPE).eq_ignore_ascii_case("application/json")
    {
        return Ok(go_http::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Invalid content type"));
    }
    Ok(match (request.path.as_str(), &request.method) {
        ("/api/version", &Method::GET) => {
            // It looks whether everybody may see everything, and so reads the settings.
            settings(server)?;
            ok(&json!({ "Version": server.version }))
        }
        ("/api/v1/session/userinfo", &Method::GET) => userinfo(server, request).await,
        ("/api/v1/account/can-i/applications/get/*/*", &Method::GET) => {
            let claims = claims(server, request).await?;
            let groups = session::groups(&claims, &server.policy_scopes());
            let may = policy::may_look(&server.policies(), session::user(&claims), &groups);
            ok(&json!({ "value": if may { "yes" } else { "no" } }))
        }
        ("/api/v1/session", &Method::POST) => {
            // No account is behind a stand-in, so no password is right.
            error(StatusCode::UNAUTHORIZED, UNAUTHENTICATED, "Invalid username or password")
        }
        // The browser forgets its cookie by itself: there is no token to set.
        ("/api/v1/session", &Method::DELETE) => ok(&json!({})),
        ("/api/v1/settings", &Method::GET) => page_settings(server, request).await?,
        ("/api/v1/applications", &Method::GET) => {
            claims(server, request).await?;
            ok(&json!({ "metadata": {}, "items": null }))
        }
        ("/api/v1/stream/applications", &Method::GET) => {
            claims(server, request).await?;
            // There are no applications, so there is never a word. What an open stream does to a
            // server that wants to restart is what matters.
            std::future::pending().await
        }
        _ => go_http::error(StatusCode::NOT_FOUND, "Not Found"),
    })
}

/// The settings as they are now, where an answer needs them.
fn settings(server: &Server) -> Result<settings::Settings, Box<Response>> {
    let refused = |why: String| Box::new(error(StatusCode::INTERNAL_SERVER_ERROR, INTERNAL, &why));
    server.manager.complete_settings().map_err(refused)
}

fn ok(body: &impl Serialize) -> Response {
    let name = HeaderName::from_static("grpc-metadata-content-type");
    go_http::with(go_http::json(body), name, "application/grpc")
}

fn error(status: StatusCode, code: i32, message: &str) -> Response {
    let body = Object::default().with("error", message).with("code", code).with("message", message);
    go_http::reply(status, go_http::JSON, serde_json::to_vec(&body).unwrap_or_default())
}

/// The token that a request shows: a bearer's, or a cookie's.
fn token(request: &Incoming) -> Option<String> {
    let looks_valid = |token: &String| token.splitn(3, '.').count() == 3;
    let bearer = request.header(http::header::AUTHORIZATION).strip_prefix("Bearer ").map(ToOwned::to_owned);
    bearer.filter(looks_valid).or_else(|| token_cookie::join(&request.headers).ok().filter(looks_valid))
}

/// The claims of the token that a request shows, if it shows one.
pub(super) async fn authenticate(server: &Server, request: &Incoming) -> Option<Result<Value, BadToken>> {
    let token = token(request)?;
    Some(match server.sessions.verify(&token).await {
        Ok(claims) => user_info::with_groups(server, claims).await,
        bad => bad,
    })
}

/// The claims of whoever asks, where only those who are logged in may.
async fn claims(server: &Server, request: &Incoming) -> Result<Value, Box<Response>> {
    let (status, code, message) = match authenticate(server, request).await {
        Some(Ok(claims)) => return Ok(claims),
        Some(Err(bad)) => bad.answer(),
        None => (StatusCode::UNAUTHORIZED, UNAUTHENTICATED, "no session information".to_owned()),
    };
    Err(Box::new(error(status, code, &message)))
}

async fn userinfo(server: &Server, request: &Incoming) -> Response {
    let (claims, good) = match authenticate(server, request).await {
        Some(Ok(claims)) => (claims, true),
        Some(Err(bad)) => (bad.claims.unwrap_or_default(), false),
        None => (Value::Null, false),
    };
    ok(&Object::default()
        .unless_empty("loggedIn", good && !session::user(&claims).is_empty())
        .unless_empty("username", session::username(&claims))
        .unless_empty("iss", claims["iss"].as_str())
        .unless_empty("groups", session::groups(&claims, &server.policy_scopes())))
}

/// What the login page needs to know, of the settings as they are now.
async fn page_settings(server: &Server, request: &Incoming) -> Result<Response, Box<Response>> {
    let settings = settings(server)?;
    let data = |key: &str| settings.data.get(key).filter(|value| !value.is_empty()).cloned();
    let details = &server.details;
    let oidc = settings.oidc_config(details, &server.log).map(|config| {
        Object::default()
            .unless_empty("name", config.name)
            .unless_empty("issuer", config.issuer)
            .unless_empty("clientID", config.client_id)
            .unless_empty("cliClientID", config.cli_client_id)
            .unless_empty("scopes", config.requested_scopes)
            .unless_empty("enablePKCEAuthentication", config.enable_pkce)
    });
    let logged_in = matches!(authenticate(server, request).await, Some(Ok(_)));
    let dex = Some(&settings.dex_config_raw).filter(|text| !text.is_empty());
    let dex: Option<Dex> = dex.and_then(|text| serde_yaml::from_str(text).ok());
    let kustomize = Object::default()
        .with("BuildOptions", data("kustomize.buildOptions").unwrap_or_default())
        .with("BinaryPath", "")
        // `null` in newer releases, not there in older ones.
        .if_some("Versions", details.shows_tracking_method.then_some(Value::Null));
    let tracking = data("application.resourceTrackingMethod").unwrap_or_else(|| "annotation".into());
    Ok(ok(&Object::default()
        .with("url", settings.url)
        .if_some("dexConfig", dex.map(|dex| json!(dex)))
        .if_some("oidcConfig", oidc)
        .with("appLabelKey", "app.kubernetes.io/instance")
        .with("googleAnalytics", json!({ "anonymizeUsers": true }))
        .with("kustomizeOptions", kustomize)
        .with("help", json!({}))
        .unless_empty("userLoginsDisabled", data("admin.enabled").is_some_and(|enabled| enabled == "false"))
        .if_some("trackingMethod", details.shows_tracking_method.then_some(tracking))
        .if_some("controllerNamespace", logged_in.then(|| server.manager.namespace.clone()))
        .unless_empty("syncWithReplaceAllowed", details.shows_replace)))
}

/// What the page's button names the login by, if there is a login.
pub(super) fn login_name(server: &Server, settings: &settings::Settings) -> Option<String> {
    if let Some(oidc) = settings.oidc_config(&server.details, &server.log) {
        return Some(oidc.name);
    }
    let dex: Dex = serde_yaml::from_str(&settings.dex_config_raw).ok()?;
    Some(dex.connectors.into_iter().next()?.name)
}
