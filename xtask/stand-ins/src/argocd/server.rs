//! One argocd-server: what the handlers of a process share, and what each of them
//! has of its own.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http::{Method, StatusCode};
use tokio_util::sync::CancellationToken;

use super::api;
use super::client_app::ClientApp;
use super::details::Details;
use super::flags::Flags;
use super::incoming::Incoming;
use super::log::Log;
use super::logout;
use super::manager::Manager;
use super::pages;
use super::session::Sessions;
use super::settings::Settings;
use crate::go_http;
use local_cluster::serve::{Handler, Limits, Request, Response};

/// What outlives a change of settings.
pub(super) struct Server {
    pub(super) flags: Flags,
    pub(super) version: String,
    pub(super) details: Details,
    pub(super) log: Log,
    pub(super) manager: Arc<Manager>,
    pub(super) sessions: Sessions,
    /// The settings that this server runs with: as they were at its start, then as
    /// they were told to it last.
    settings: Mutex<Arc<Settings>>,
    /// The client app of the run that began last.
    client_app: Mutex<Option<Arc<ClientApp>>>,
    available: AtomicBool,
    ending: AtomicBool,
}

/// What a server is made of.
pub(super) struct Parts {
    pub(super) flags: Flags,
    pub(super) version: String,
    pub(super) manager: Arc<Manager>,
    pub(super) settings: Arc<Settings>,
    pub(super) proxy: SocketAddr,
}

impl Server {
    /// A server that does not serve yet.
    ///
    /// # Errors
    /// The line that argocd-server prints before it exits.
    pub(super) fn new(parts: Parts) -> Result<Arc<Self>, String> {
        let Parts { flags, version, manager, settings, proxy } = parts;
        Ok(Arc::new(Self {
            flags,
            version,
            details: manager.details,
            log: manager.log.clone(),
            sessions: Sessions::new(manager.clone(), proxy)?,
            manager,
            settings: Mutex::new(settings),
            client_app: Mutex::default(),
            available: AtomicBool::new(false),
            ending: AtomicBool::new(false),
        }))
    }

    /// The settings that it runs with.
    pub(super) fn settings(&self) -> Arc<Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Runs with these from now on.
    pub(super) fn set_settings(&self, settings: Arc<Settings>) {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    /// The client app of the run that began last, if a login was configured then.
    pub(super) fn client_app(&self) -> Option<Arc<ClientApp>> {
        self.client_app.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A run with this client app begins.
    pub(super) fn set_client_app(&self, app: Option<Arc<ClientApp>>) {
        *self.client_app.lock().unwrap_or_else(PoisonError::into_inner) = app;
    }

    /// Whether `/healthz` says that it can be used.
    pub(super) fn set_available(&self, available: bool) {
        self.available.store(available, Ordering::Release);
    }

    /// It was told to end.
    pub(super) fn set_ending(&self) {
        self.ending.store(true, Ordering::Release);
    }

    /// Whether a login is configured.
    pub(super) fn sso_configured(&self) -> bool {
        self.settings().oidc_config(&self.details, &self.log).is_some()
    }

    /// The claims that policies look at, from argocd-rbac-cm.
    pub(super) fn policy_scopes(&self) -> Vec<String> {
        let config_map = self.manager.config_map("argocd-rbac-cm");
        let scopes = config_map.ok().and_then(|map| map.data.as_ref()?.get("scopes").cloned());
        scopes
            .and_then(|scopes| serde_yaml::from_str(&scopes).ok())
            .unwrap_or_else(|| vec!["groups".to_owned()])
    }

    fn healthz(&self) -> Response {
        let problem = if !self.details.knows_availability {
            None
        } else if self.ending.load(Ordering::Acquire) {
            Some("API Server is terminating and unable to serve requests")
        } else if !self.available.load(Ordering::Acquire) {
            Some("API Server is not available: it either hasn't started or is restarting")
        } else {
            None
        };
        match problem {
            None => go_http::sniffed(go_http::reply(StatusCode::OK, go_http::TEXT, "ok\n")),
            Some(problem) => {
                self.log.line(
                    "error",
                    "Error serving health check request",
                    &[("component", "healthcheck"), ("error", problem)],
                );
                let mut response = Response::new(local_cluster::serve::empty());
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                response
            }
        }
    }
}

/// Serves one run of a server. Several of them may serve at once, and each keeps
/// the client app that it was made with. Cheap to clone.
#[derive(Clone)]
pub(super) struct Site {
    pub(super) server: Arc<Server>,
    /// `None` where no login was configured when this run began.
    pub(super) app: Option<Arc<ClientApp>>,
    /// Set when the way from HTTP to the server's own gRPC is closed.
    pub(super) gateway: CancellationToken,
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
}

impl Site {
    async fn route(&self, request: &Incoming) -> Response {
        let server = &*self.server;
        match (request.path.as_str(), &self.app) {
            ("/auth/logout", _) => logout::answer(server, request).await,
            ("/healthz", _) => server.healthz(),
            ("/auth/login", Some(app)) => app.login(request).await,
            ("/auth/callback", Some(app)) => app.callback(request).await,
            (path, _) if path.starts_with("/api/") => {
                if self.gateway.is_cancelled() {
                    return api::gateway_closed();
                }
                api::answer(server, request).await
            }
            _ => pages::static_assets(server, request, self.app.is_some()),
        }
    }
}
