//! The cluster API: the part of Kubernetes' that real clients ask of this lab.
//!
//! A request goes through [`path`], is let in by its token, becomes a [`call`] and is
//! answered by [`read`], [`watch`], [`mod@write`], [`patch`] or [`delete`]. Whatever is refused is a [`status`] object. What in a cluster
//! controllers do with objects as such (garbage, namespaces) is done by the
//! [`janitor`].

mod access;
mod admission;
mod audit;
mod body;
mod bootstrap;
mod call;
mod defaults;
mod delete;
mod discovery;
mod janitor;
mod kinds;
mod log;
mod managed;
mod names;
mod patch;
mod path;
mod proxy;
mod query;
mod read;
mod reply;
mod review;
mod scale;
mod selector;
mod status;
mod validate;
mod watch;
mod write;

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, StatusCode};
use hyper::body::{Body as _, Incoming};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::logs::Logs;
use crate::schema::{VERSION, openapi};
use crate::serve::{Handler, Limits, Request, Response, drain, text};
use crate::store::Store;
use crate::tasks::Tasks;

pub use audit::Audit;
pub use bootstrap::bootstrap;

use access::User;
use call::{Call, Shared};
use path::{Route, Target, route};
use query::Query;
use status::Refusal;

/// The cluster API of one store. Cheap to clone; all clones are one API.
#[derive(Clone)]
pub struct Api {
    shared: Arc<Shared>,
}

impl Api {
    /// An API over `store` for whoever bears `token`, who may do everything, and for `others`,
    /// each with a name and a token, who may do what Roles grant them. The logs are those of
    /// the store's pods.
    ///
    /// It starts a task that collects garbage and empties namespaces, so it is
    /// called inside a Tokio runtime; the task ends with the last clone.
    pub fn new(
        store: Store,
        logs: Logs,
        token: &str,
        others: &[(&str, &str)],
        audit: Audit,
        tasks: &Tasks,
    ) -> Self {
        let others = others.iter().map(|(name, token)| (*token, User::named(name)));
        let tokens = [(token, User::admin())].into_iter().chain(others);
        let stop = CancellationToken::new();
        tasks.spawn("the janitor", janitor::run(store.clone(), stop.clone()));
        let shared = Shared {
            store,
            logs,
            tokens: tokens.map(|(token, user)| (digest(&SHA256, token.as_bytes()), user)).collect(),
            audit,
            limits: Limits::default(),
            _janitor: stop.drop_guard(),
        };
        Self { shared: Arc::new(shared) }
    }
}

impl Handler for Api {
    async fn handle(&self, _peer: SocketAddr, request: Request) -> Response {
        let route = route(request.uri().path());
        let query = Query::parse(request.uri().query());
        let entry = audit::entry(&request, &route, &query);
        let (parts, body) = request.into_parts();
        let mut body = Some(body);
        let response = match answer(&self.shared, &parts, &mut body, route, query).await {
            Ok(response) => response,
            Err(refusal) => reply::refusal(&refusal),
        };
        // The connection serves the next request only if this one is heard to its end.
        if let Some(unread) = body.filter(|it| !it.is_end_stream()) {
            drain(unread, &self.shared.limits).await;
        }
        self.shared.audit.record(entry, response.status().as_u16());
        response
    }
}

async fn answer(
    api: &Shared,
    parts: &Parts,
    body: &mut Option<Incoming>,
    route: Route,
    query: Query,
) -> Result<Response, Refusal> {
    let reads = matches!(parts.method, Method::GET | Method::HEAD);
    let open = matches!(route, Route::Health | Route::Version) && reads;
    let user = if open { User::default() } else { User::of(&api.tokens, &api.store, &parts.headers)? };
    let document = match route {
        Route::Nothing => return Err(Refusal::no_such_path()),
        Route::Objects(target) => return objects(api, &user, parts, body, target, query).await,
        _ if !reads => return Err(Refusal::method_not_allowed()),
        Route::Health => return Ok(text(StatusCode::OK, "ok")),
        Route::Version => return Ok(reply::object(StatusCode::OK, &version())),
        Route::Core => discovery::core_versions(&parts.headers),
        Route::Groups => discovery::groups(&api.store),
        Route::GroupVersion(group, version) => discovery::resources(&api.store, &group, &version)?,
        Route::OpenApiV2 => {
            return Ok(reply::respond(StatusCode::OK, openapi::V2_TYPE, crate::serve::full(openapi::V2)));
        }
        Route::OpenApi => openapi::index(&discovery::versions(&api.store)),
        Route::OpenApiOf(group, version) => {
            openapi::document(&discovery::served(&api.store, &group, &version)?)
        }
    };
    reply::negotiate(&parts.headers)?;
    Ok(reply::object(StatusCode::OK, &document))
}

async fn objects(
    api: &Shared,
    user: &User,
    parts: &Parts,
    body: &mut Option<Incoming>,
    target: Target,
    query: Query,
) -> Result<Response, Refusal> {
    user.check(&api.store, &audit::verb(&parts.method, Some(&target), &query), &target)?;
    let kind = kinds::find(&api.store, &target.group, &target.version, &target.plural)
        .ok_or_else(Refusal::no_such_path)?;
    let outside = target.namespace.is_none() && target.name.is_some();
    if kind.resource.namespaced && outside || !kind.resource.namespaced && target.namespace.is_some() {
        return Err(Refusal::no_such_path());
    }
    let call = Call { api, kind, target, query, parts };
    let resource = &call.kind.resource;
    if patch::applies(&call) && call.found().is_err() {
        user.check(&api.store, "create", &call.target)?;
    }
    let subresource = call.target.subresource.clone();
    if subresource.as_deref() == Some("proxy") {
        return proxy::forward(&call, body).await;
    }
    let body = if call.reads() { Bytes::new() } else { api.read(body).await? };
    match (subresource.as_deref(), parts.method.as_str(), call.target.name.is_some()) {
        (None, "POST", false) if resource.review => review::answer(&call, user, &body),
        _ if resource.review => Err(Refusal::method_not_allowed()),
        (None, "GET" | "HEAD", false) if call.query.flag("watch") => watch::watch(&call),
        (None, "GET" | "HEAD", false) => read::list(&call),
        (None, "POST", false) => write::create(&call, &body),
        (None, "DELETE", true) => delete::delete(&call, &body),
        (Some("scale"), _, _) if resource.has_scale => scale::answer(&call, &body),
        (Some("log"), "GET" | "HEAD", _) if call.kind.is_core("Pod") => log::read(&call).await,
        (Some(what @ ("exec" | "attach" | "portforward")), _, _) if call.kind.is_core("Pod") => {
            proxy::no_stream(&call, what)
        }
        (Some(other), _, _) if other != "status" || !resource.has_status => Err(Refusal::no_such_path()),
        (_, "GET" | "HEAD", true) => read::get(&call),
        (_, "PUT", true) => write::replace(&call, &body),
        (_, "PATCH", true) => patch::patch(&call, &body),
        _ => Err(Refusal::method_not_allowed()),
    }
}

fn version() -> Value {
    json!({
        "major": "1", "minor": "34",
        "gitVersion": VERSION,
        "gitCommit": "", "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none", "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, bootstrap::arch()),
    })
}
