//! What the stand-in for Dex answers, and where.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use http::StatusCode;

use super::state::Dex;
use super::{auth, form, pages, token};
use crate::go_http;
use crate::go_json::Object;
use crate::incoming::Incoming;
use local_cluster::serve::{Handler, Request, Response};

/// Serves the web port. Cheap to clone.
#[derive(Clone)]
pub(super) struct Web(pub(super) Arc<Dex>);

impl Handler for Web {
    async fn handle(&self, _peer: SocketAddr, request: Request) -> Response {
        go_http::in_go_order(self.answer(request).await)
    }
}

impl Web {
    async fn answer(&self, request: Request) -> Response {
        let dex = &self.0;
        if !request.uri().path().starts_with(&dex.config.prefix) {
            return go_http::not_found();
        }
        match Incoming::read(request, &dex.limits).await {
            Ok(request) => dex.route(&request).await,
            Err(response) => *response,
        }
    }
}

/// The answer to a query or form that cannot be read, where that matters: each place has
/// its own. The login form goes on with what could be read.
fn malformed(dex: &Dex, route: &str) -> Option<Response> {
    match route {
        "/token" => Some(token::error("invalid_request", "", StatusCode::BAD_REQUEST)),
        "/auth" => {
            dex.log.error("failed to parse arguments", &[("err", "invalid URL escape")]);
            Some(pages::error(StatusCode::BAD_REQUEST, "Invalid request. Please try again."))
        }
        _ => {
            let connector = route.strip_prefix("/auth/").is_some_and(|rest| !rest.contains('/'));
            connector.then(|| pages::error(StatusCode::BAD_REQUEST, "Failed to parse request."))
        }
    }
}

impl Dex {
    async fn route(&self, request: &Incoming) -> Response {
        let route = request.path.strip_prefix(&self.config.prefix).unwrap_or(&request.path);
        if let Some(response) = (!request.whole).then(|| malformed(self, route)).flatten() {
            return response;
        }
        match route {
            "/.well-known/openid-configuration" => self.discovery(),
            "/keys" => self.keys().await,
            "/auth" => auth::authorize(self, request),
            "/token" => token::token(self, request).await,
            "/userinfo" => token::userinfo(self, request).await,
            "/callback" => form::callback(self, request),
            "" | "/" => pages::root(&self.url("/.well-known/openid-configuration")),
            "/healthz" => go_http::reply(StatusCode::OK, go_http::TEXT, "Health check passed"),
            _ => match route.strip_prefix("/auth/").map(|rest| rest.split_once('/').unwrap_or((rest, ""))) {
                Some((connector, "")) if !connector.is_empty() && !route.ends_with('/') => {
                    auth::start(self, connector, request)
                }
                Some((connector, "login")) if !connector.is_empty() => {
                    form::login(self, connector, request).await
                }
                _ => go_http::not_found(),
            },
        }
    }

    fn discovery(&self) -> Response {
        let discovery = Object::default()
            .with("issuer", self.config.issuer.as_str())
            .with("authorization_endpoint", self.url("/auth"))
            .with("token_endpoint", self.url("/token"))
            .with("jwks_uri", self.url("/keys"))
            .with("userinfo_endpoint", self.url("/userinfo"))
            .with("grant_types_supported", token::GRANT_TYPES)
            .with("response_types_supported", ["code"])
            .with("subject_types_supported", ["public"])
            .with("id_token_signing_alg_values_supported", ["RS256"])
            .with("code_challenge_methods_supported", ["S256", "plain"])
            .with("scopes_supported", ["openid", "email", "groups", "profile", "offline_access"])
            .with("token_endpoint_auth_methods_supported", ["client_secret_basic", "client_secret_post"])
            .with(
                "claims_supported",
                [
                    "iss",
                    "sub",
                    "aud",
                    "iat",
                    "exp",
                    "email",
                    "email_verified",
                    "locale",
                    "name",
                    "preferred_username",
                    "at_hash",
                ],
            );
        let body = serde_json::to_vec_pretty(&discovery).unwrap_or_default();
        go_http::reply(StatusCode::OK, go_http::JSON, body)
    }

    async fn keys(&self) -> Response {
        match self.key.clone().await {
            Ok(key) => {
                let body =
                    serde_json::to_vec_pretty(&BTreeMap::from([("keys", [key.jwk()])])).unwrap_or_default();
                let response = go_http::reply(StatusCode::OK, go_http::JSON, body);
                go_http::with(response, http::header::CACHE_CONTROL, "max-age=600, must-revalidate")
            }
            Err(error) => {
                self.log.error("failed to get keys", &[("err", &error)]);
                pages::error(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error.")
            }
        }
    }
}

/// Serves the telemetry port: what probes ask.
#[derive(Clone)]
pub(super) struct Telemetry;

impl Handler for Telemetry {
    async fn handle(&self, _peer: SocketAddr, request: Request) -> Response {
        match request.uri().path() {
            "/healthz/live" => go_http::reply(StatusCode::OK, go_http::TEXT, "ok"),
            "/healthz" | "/healthz/ready" => go_http::json(&serde_json::json!({
                "storage": { "message": "in memory", "contiguousFailures": 0 }
            })),
            _ => go_http::not_found(),
        }
    }
}
