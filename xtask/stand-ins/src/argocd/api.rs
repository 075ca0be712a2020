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
use crate::incoming::Incoming;
use local_cluster::serve::Response;

/// A code of gRPC.
const CANCELLED: i32 = 1;

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

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Settings {
    url: String,
    #[serde(rename = "dexConfig", skip_serializing_if = "Option::is_none")]
    dex: Option<Dex>,
    #[serde(rename = "oidcConfig", skip_serializing_if = "Option::is_none")]
    oidc: Option<Oidc>,
    app_label_key: &'static str,
    google_analytics: Value,
    kustomize_options: Kustomize,
    help: Value,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    user_logins_disabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracking_method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    controller_namespace: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    sync_with_replace_allowed: bool,
}

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

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Kustomize {
    build_options: String,
    binary_path: &'static str,
    /// `null` in newer releases, not there in older ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    versions: Option<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Oidc {
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    issuer: String,
    #[serde(rename = "clientID", skip_serializing_if = "String::is_empty")]
    client_id: String,
    #[serde(rename = "cliClientID", skip_serializing_if = "String::is_empty")]
    cli_client_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scopes: Vec<String>,
    #[serde(rename = "enablePKCEAuthentication", skip_serializing_if = "std::ops::Not::not")]
    enable_pkce: bool,
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
    let body = serde_json::to_vec(&Error { error: message, code, message }).unwrap_or_default();
    go_http::reply(status, go_http::JSON, body)
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
    ok(&UserInfo {
        logged_in: good && !session::user(&claims).is_empty(),
        username: session::username(&claims),
        iss: claims["iss"].as_str().unwrap_or_default(),
        groups: session::groups(&claims, &server.policy_scopes()),
    })
}

/// What the login page needs to know, of the settings as they are now.
async fn page_settings(server: &Server, request: &Incoming) -> Result<Response, Box<Response>> {
    let settings = settings(server)?;
    let data = |key: &str| settings.data.get(key).filter(|value| !value.is_empty()).cloned();
    let details = &server.details;
    let oidc = settings.oidc_config(details, &server.log).map(|config| Oidc {
        name: config.name,
        issuer: config.issuer,
        client_id: config.client_id,
        cli_client_id: config.cli_client_id,
        scopes: config.requested_scopes,
        enable_pkce: config.enable_pkce,
    });
    let logged_in = matches!(authenticate(server, request).await, Some(Ok(_)));
    let dex = Some(&settings.dex_config_raw).filter(|text| !text.is_empty());
    Ok(ok(&Settings {
        dex: dex.and_then(|text| serde_yaml::from_str(text).ok()),
        oidc,
        app_label_key: "app.kubernetes.io/instance",
        google_analytics: json!({ "anonymizeUsers": true }),
        kustomize_options: Kustomize {
            build_options: data("kustomize.buildOptions").unwrap_or_default(),
            binary_path: "",
            versions: details.shows_tracking_method.then_some(Value::Null),
        },
        help: json!({}),
        user_logins_disabled: data("admin.enabled").is_some_and(|enabled| enabled == "false"),
        tracking_method: details
            .shows_tracking_method
            .then(|| data("application.resourceTrackingMethod").unwrap_or_else(|| "annotation".into())),
        controller_namespace: logged_in.then(|| server.manager.namespace.clone()),
        sync_with_replace_allowed: details.shows_replace,
        url: settings.url,
    }))
}

/// What the page's button names the login by, if there is a login.
pub(super) fn login_name(server: &Server, settings: &settings::Settings) -> Option<String> {
    if let Some(oidc) = settings.oidc_config(&server.details, &server.log) {
        return Some(oidc.name);
    }
    let dex: Dex = serde_yaml::from_str(&settings.dex_config_raw).ok()?;
    Some(dex.connectors.into_iter().next()?.name)
}
