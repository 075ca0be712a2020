//! One run of an argocd-server on the wire: which handler answers which request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::{Method, StatusCode};

use super::client_app::ClientApp;
use super::oidc_config::DEX_PATH;
use super::server::Server;
use super::{api, dex_proxy, logout, pages};
use crate::go_http;
use crate::incoming::Incoming;
use local_cluster::serve::{Handler, Limits, Request, Response};

/// Serves one run of a server. Several of them may serve at once, and each keeps
/// the client app that it was made with. Cheap to clone.
#[derive(Clone)]
pub(super) struct Site {
    pub(super) server: Arc<Server>,
    /// `None` where no login was configured when this run began.
    pub(super) app: Option<Arc<ClientApp>>,
    pub(super) limits: Limits,
}

impl Handler for Site {
    async fn handle(&self, _peer: SocketAddr, request: Request) -> Response {
        go_http::in_go_order(self.answer(request).await)
    }
}

impl Site {
    async fn answer(&self, request: Request) -> Response {
        let mut request = match Incoming::read(request, &self.limits).await {
            Ok(request) => request,
            Err(response) => return *response,
        };
        if !self.server.flags.insecure {
            let to = format!("https://{}{}", request.host, request.target);
            return go_http::redirect(&request.method, StatusCode::TEMPORARY_REDIRECT, &to);
        }
        let root = self.server.flags.root_path.trim_matches('/');
        // Without a root path, logging out is looked for before the router is asked.
        if (!root.is_empty() || request.path != "/auth/logout")
            && let Some(clean) = go_http::unclean(&request.path).filter(|_| request.method != Method::CONNECT)
        {
            let query =
                request.target.split_once('?').map_or_else(String::new, |(_, query)| format!("?{query}"));
            let status = match self.server.details.go_1_26 {
                true => StatusCode::TEMPORARY_REDIRECT,
                false => StatusCode::MOVED_PERMANENTLY,
            };
            return go_http::redirect(&request.method, status, &format!("{clean}{query}"));
        }
        if !root.is_empty() && request.path != "/healthz" {
            let below = request.path.strip_prefix('/').and_then(|path| path.strip_prefix(root));
            match below.filter(|path| path.starts_with('/')).map(ToOwned::to_owned) {
                Some(path) => request.path = path,
                None => return go_http::not_found(),
            }
        }
        self.route(&request).await
    }

    async fn route(&self, request: &Incoming) -> Response {
        let server = &*self.server;
        match (request.path.as_str(), &self.app) {
            ("/auth/logout", _) => logout::answer(server, request).await,
            ("/healthz", _) => healthz(server),
            ("/auth/login", Some(app)) => app.login(request).await.unwrap_or_else(|refused| *refused),
            ("/auth/callback", Some(app)) => app.callback(request).await.unwrap_or_else(|refused| *refused),
            (path, Some(_)) if below_dex(path) => dex_proxy::pass(server, request).await,
            (path, _) if path.starts_with("/api/") => api::answer(server, request).await,
            _ => pages::static_assets(server, request, self.app.is_some()).await,
        }
    }
}

fn below_dex(path: &str) -> bool {
    path.strip_prefix(DEX_PATH).is_some_and(|rest| rest.starts_with('/'))
}

fn healthz(server: &Server) -> Response {
    let problem = if !server.details.knows_availability {
        None
    } else if server.ending.load(Ordering::Acquire) {
        Some("API Server is terminating and unable to serve requests")
    } else if !server.available.load(Ordering::Acquire) {
        Some("API Server is not available: it either hasn't started or is restarting")
    } else {
        None
    };
    match problem {
        None => go_http::sniffed(go_http::reply(StatusCode::OK, go_http::TEXT, "ok\n")),
        Some(problem) => {
            server.log.line(
                "error",
                "Error serving health check request",
                &[("component", "healthcheck"), ("error", problem)],
            );
            go_http::bare(StatusCode::SERVICE_UNAVAILABLE)
        }
    }
}
