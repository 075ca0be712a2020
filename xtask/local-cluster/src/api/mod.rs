//! The cluster API: the part of Kubernetes' that real clients ask of this lab.
//!
//! A request goes through [`path`], is let in by its token, finds its kind in
//! [`kinds`] and is answered by [`read`], [`watch`], [`mod@write`], [`patch`] or
//! [`delete`]. Whatever is refused is a [`status`] object. What in a cluster
//! controllers do with objects as such (garbage, namespaces) is done by the
//! [`janitor`].

mod accept;
mod admission;
mod audit;
pub mod body;
mod bootstrap;
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
mod strategy;
mod validate;
mod watch;
mod write;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use hyper::body::{Body as _, Incoming};
use ring::digest::{Digest, SHA256, digest};
use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::logs::Logs;
use crate::schema::openapi;
use crate::serve::{BodyError, Handler, Limits, Request, Response, drain, read_body, text};
use crate::store::Store;
use crate::tasks::Tasks;

pub use audit::Audit;
pub use bootstrap::bootstrap;

pub use crate::schema::VERSION;

use accept::{View, negotiate};
use kinds::{Kind, Kinds};
use path::{Route, Target, route};
use query::Query;
use status::Refusal;

/// The cluster API of one store. Cheap to clone; all clones are one API.
#[derive(Clone)]
pub struct Api {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    logs: Logs,
    /// Not the token itself: what is not kept cannot leak.
    token: Digest,
    audit: Audit,
    kinds: Kinds,
    limits: Limits,
    /// Held while an address is chosen, until its Service is stored.
    allocating: Mutex<()>,
    _janitor: DropGuard,
}

/// A request with all that its answer depends on.
struct Call<'a> {
    api: &'a Shared,
    kind: Kind,
    target: Target,
    query: Query,
    headers: HeaderMap,
    method: Method,
}

impl Api {
    /// An API over `store` for whoever bears `token`. The logs are those of the
    /// store's pods.
    ///
    /// It starts a task that collects garbage and empties namespaces, so it is
    /// called inside a Tokio runtime; the task ends with the last clone.
    pub fn new(store: Store, logs: Logs, token: &str, audit: Audit, tasks: &Tasks) -> Self {
        let stop = CancellationToken::new();
        let kinds = Kinds::default();
        tasks.spawn("the janitor", janitor::run(store.clone(), kinds.clone(), stop.clone()));
        let shared = Shared {
            store,
            logs,
            token: digest(&SHA256, token.as_bytes()),
            audit,
            kinds,
            limits: Limits::default(),
            allocating: Mutex::default(),
            _janitor: stop.drop_guard(),
        };
        Self { shared: Arc::new(shared) }
    }
}

impl Handler for Api {
    async fn handle(&self, _peer: SocketAddr, request: Request) -> Response {
        let route = route(request.uri().path());
        let query = Query::parse(request.uri().query());
        let entry = audit::Entry::new(&request, &route, &query);
        let pretty = reply::is_pretty(request.headers(), query.flag("pretty"));
        let (parts, body) = request.into_parts();
        let mut body = Some(body);
        let response = match self.shared.answer(&parts, &mut body, route, query, pretty).await {
            Ok(response) => response,
            Err(refusal) => reply::refusal(&refusal, pretty),
        };
        // The connection serves the next request only if this one is heard to its end.
        if let Some(unread) = body.filter(|it| !it.is_end_stream()) {
            drain(unread, &self.shared.limits).await;
        }
        self.shared.audit.record(&entry, response.status().as_u16());
        response
    }
}

impl Shared {
    async fn answer(
        &self,
        parts: &Parts,
        body: &mut Option<Incoming>,
        route: Route,
        query: Query,
        pretty: bool,
    ) -> Result<Response, Refusal> {
        let reads = matches!(parts.method, Method::GET | Method::HEAD);
        match &route {
            Route::Health if reads => return Ok(text(StatusCode::OK, "ok")),
            Route::Version if reads => return Ok(reply::object(StatusCode::OK, &version(), false, pretty)),
            _ => {}
        }
        if !self.is_let_in(&parts.headers) {
            return Err(Refusal::unauthorized());
        }
        if let Some(user) = parts.headers.get("Impersonate-User") {
            return Err(Refusal::no_impersonation(user.to_str().unwrap_or_default()));
        }
        let document = |value: Value| {
            if !reads {
                return Err(Refusal::method_not_allowed());
            }
            let accepted = negotiate(&parts.headers, |view| view == View::Plain)?;
            Ok(reply::object(StatusCode::OK, &value, accepted.yaml, pretty))
        };
        match route {
            Route::Health | Route::Version => Err(Refusal::method_not_allowed()),
            Route::Core | Route::Groups => {
                let core = route == Route::Core;
                let accepted =
                    negotiate(&parts.headers, |view| matches!(view, View::Plain | View::Discovery(_)))?;
                match accepted.view {
                    View::Discovery(version) if reads => Ok(discovery::aggregated(self, core, version)),
                    _ if core => document(discovery::core_versions(&parts.headers)),
                    _ => document(discovery::groups(self)),
                }
            }
            Route::Group(group) => document(discovery::group(self, &group)?),
            Route::GroupVersion(group, version) => document(discovery::resources(self, &group, &version)?),
            Route::OpenApi => document(openapi::index(&self.openapi_versions())),
            Route::OpenApiOf(group, version) => {
                let kinds = self.kinds_of(&group, &version);
                if kinds.is_empty() {
                    return Err(Refusal::no_such_path());
                }
                let mut response = document(openapi::document(&group, &version, &kinds))?;
                if query.get("hash").is_some_and(|asked| asked == openapi::hash(&kinds)) {
                    reply::keep_forever(&mut response);
                }
                Ok(response)
            }
            Route::Objects(target) => self.objects(parts, body, target, query, pretty).await,
            Route::Nothing => Err(Refusal::no_such_path()),
        }
    }

    /// Reads a body. Of one that is too long the rest goes unread, but not unheard.
    async fn read(&self, body: &mut Option<Incoming>) -> Result<Bytes, Refusal> {
        let Some(mut incoming) = body.take() else { return Ok(Bytes::new()) };
        let read = read_body(&mut incoming, &self.limits).await;
        if matches!(read, Err(BodyError::TooLarge(_))) {
            *body = Some(incoming);
        }
        Ok(read?)
    }

    /// Compares digests: how long it takes tells nothing about the token.
    fn is_let_in(&self, headers: &HeaderMap) -> bool {
        let given = headers
            .get(AUTHORIZATION)
            .and_then(|it| it.to_str().ok())
            .and_then(|it| it.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map_or("", |(_, token)| token.trim());
        digest(&SHA256, given.as_bytes()).as_ref() == self.token.as_ref()
    }

    fn kinds_of(&self, group: &str, version: &str) -> Vec<openapi::Served> {
        self.kinds
            .all(&self.store)
            .into_iter()
            .filter(|kind| kind.resource.group == group && kind.resource.version == version)
            .map(Into::into)
            .collect()
    }

    fn openapi_versions(&self) -> Vec<(String, String, Vec<openapi::Served>)> {
        discovery::versions(self)
            .into_iter()
            .map(|(group, version)| {
                let kinds = self.kinds_of(&group, &version);
                (group, version, kinds)
            })
            .filter(|(_, _, kinds)| !kinds.is_empty())
            .collect()
    }

    async fn objects(
        &self,
        parts: &Parts,
        body: &mut Option<Incoming>,
        target: Target,
        query: Query,
        pretty: bool,
    ) -> Result<Response, Refusal> {
        if let Some(review) = review::find(&target) {
            return review.answer(self, parts, body, pretty).await;
        }
        let kind = self
            .kinds
            .find(&self.store, &target.group, &target.version, &target.plural)
            .ok_or_else(Refusal::no_such_path)?;
        let outside = target.namespace.is_none() && target.name.is_some();
        if kind.resource.namespaced && outside || !kind.resource.namespaced && target.namespace.is_some() {
            return Err(Refusal::no_such_path());
        }
        let call = Call {
            api: self,
            kind,
            target,
            query,
            headers: parts.headers.clone(),
            method: parts.method.clone(),
        };
        let subresource = call.target.subresource.clone();
        if subresource.as_deref() == Some("proxy") {
            return proxy::forward(&call, parts.clone(), body).await;
        }
        let reads = matches!(call.method, Method::GET | Method::HEAD);
        let body = if reads { Bytes::new() } else { self.read(body).await? };
        let resource = &call.kind.resource;
        let response = match subresource.as_deref() {
            None => match (&call.method, call.target.name.is_some()) {
                (&Method::GET | &Method::HEAD, false) if call.query.flag("watch") == Some(true) => {
                    watch::watch(&call).await?
                }
                (&Method::GET | &Method::HEAD, false) => read::list(&call, pretty).await?,
                (&Method::GET | &Method::HEAD, true) => read::get(&call, pretty)?,
                (&Method::POST, false) => write::create(&call, &body, pretty)?,
                (&Method::PUT, true) => write::replace(&call, &body, pretty)?,
                (&Method::PATCH, true) => patch::patch(&call, &body, pretty)?,
                (&Method::DELETE, true) => delete::delete(&call, &body, pretty)?,
                (&Method::DELETE, false) => delete::delete_collection(&call, &body, pretty)?,
                _ => return Err(Refusal::method_not_allowed()),
            },
            Some("status") if resource.has_status => match call.method {
                Method::GET | Method::HEAD => read::get(&call, pretty)?,
                Method::PUT => write::replace(&call, &body, pretty)?,
                Method::PATCH => patch::patch(&call, &body, pretty)?,
                _ => return Err(Refusal::method_not_allowed()),
            },
            Some("scale") if resource.has_scale => scale::answer(&call, &body, pretty)?,
            Some("log") if call.kind.is_core("Pod") && reads => log::read(&call).await?,
            Some("eviction") if call.kind.is_core("Pod") && call.method == Method::POST => {
                delete::evict(&call, &body, pretty)?
            }
            Some(what @ ("exec" | "attach" | "portforward")) if call.kind.is_core("Pod") => {
                return Err(proxy::no_stream(&call, what));
            }
            Some("finalize") if call.kind.is_core("Namespace") && call.method == Method::PUT => {
                write::replace(&call, &body, pretty)?
            }
            _ => return Err(Refusal::no_such_path()),
        };
        Ok(response)
    }
}

impl From<Kind> for openapi::Served {
    fn from(kind: Kind) -> Self {
        let schema = kind.schema().cloned();
        Self { resource: kind.resource, schema }
    }
}

fn version() -> Value {
    json!({
        "major": "1", "minor": "34",
        "emulationMajor": "1", "emulationMinor": "34", "minCompatibilityMajor": "1", "minCompatibilityMinor": "33",
        "gitVersion": VERSION,
        "gitCommit": "", "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none", "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, bootstrap::arch()),
    })
}
