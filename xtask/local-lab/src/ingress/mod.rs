//! The ingress: routes by host and path from Ingress objects to Services, and is the
//! workloads' forward proxy to the same hosts.
//!
//! It answers as ingress-nginx does with its defaults: its pages for 404 (no rule), 503
//! (no ready pod), 502 (the pod refuses or breaks off), 504 (it says nothing) and 413
//! (a body over 1 MiB), its headers towards the server, its next try where a
//! connection could not be made or a harmless request got no answer. It has nginx' limits
//! of headers ([`settings`]): 502 to an answer whose head is larger than one buffer, 400
//! and 414 to a request with a line that is. What differs: connections to servers are
//! never shared between clients ([`Upstreams`]), bodies are passed on as they come and not
//! gathered first, there are no websockets, no wildcard hosts and no default backends (an
//! event says so of an Ingress that has one), `ImplementationSpecific` paths are `Prefix`
//! ones, and of an Ingress's annotations only `proxy-buffer-size`, `proxy-connect-timeout`
//! and `ssl-redirect` are read.
//!
//! As a forward proxy (`GET http://host/…`) it stands in for the cluster's DNS: it
//! knows the hosts of Ingress objects and the names of Services. Where it ends TLS too
//! ([`tls`]), it opens tunnels to itself. It is no way out to the internet.

mod headers;
mod pages;
mod paths;
mod proxy;
mod settings;
mod table;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;

use http::header::{CONTENT_LENGTH, HOST, HeaderValue, LOCATION};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, StatusCode, Uri, Version};
use serde_json::json;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use self::headers::Way;
use self::pages::{Refusal, page};
use self::proxy::{Exchange, Upstreams};
use self::settings::Settings;
use self::table::{Builder, INGRESSES, Route, Table};
use self::tls::Certificates;
use local_cluster::routes::Routes;
use local_cluster::serve::{Handler, Request, Response};
use local_cluster::store::object::{items, text};
use local_cluster::store::{Key, Store};
use local_cluster::tasks::Tasks;
use local_cluster::tls::{TlsError, acceptor};
use local_cluster::workloads::Recorder;

/// The ports that a URL without one means, and that an ingress of a cluster has.
const HTTP: u16 = 80;
const HTTPS: u16 = 443;

/// The ingress as a server's handler. Cheap to clone; all clones are one ingress.
#[derive(Clone)]
pub struct Ingress {
    table: watch::Receiver<Arc<Table>>,
    routes: Routes,
    upstreams: Upstreams,
    /// What is spoken on this listener.
    scheme: Scheme,
    /// The port that the scheme means, and the listener's own.
    ports: [u16; 2],
    /// Where TLS is ended, on a listener for plain http.
    tunnels: Option<SocketAddr>,
}

impl Ingress {
    /// An ingress for the Ingress objects and Services in `store`, which it follows for
    /// as long as a clone of it lives. Call it inside a Tokio runtime.
    pub fn new(store: Store, routes: Routes, tasks: &Tasks) -> Self {
        Self::with_settings(store, routes, tasks, Settings::DEFAULT)
    }

    fn with_settings(store: Store, routes: Routes, tasks: &Tasks, settings: Settings) -> Self {
        let mut builder = Builder::new(store.clone(), routes.clone(), settings);
        let (sender, table) = watch::channel(Arc::new(builder.build()));
        tasks.spawn("the ingress", follow(store, routes.clone(), builder, sender));
        let upstreams = Upstreams::default();
        Self { table, routes, upstreams, scheme: Scheme::HTTP, ports: [HTTP; 2], tunnels: None }
    }

    /// The same ingress, which clients of the forward proxy reach by `port` too and not
    /// by port 80 alone.
    #[must_use]
    pub fn on_port(mut self, port: u16) -> Self {
        self.ports[1] = port;
        self
    }

    /// The same ingress with tunnels to the listener at `address`, which ends TLS.
    #[must_use]
    pub fn with_tunnels(mut self, address: SocketAddr) -> Self {
        self.tunnels = Some(address);
        self
    }

    /// The same ingress for a listener on `port` that ends TLS, and what accepts it there.
    ///
    /// # Errors
    /// The TLS library refuses its own defaults.
    pub fn over_tls(&self, port: u16) -> Result<(Self, TlsAcceptor), TlsError> {
        let acceptor = acceptor(Arc::new(Certificates(self.table.clone())))?;
        let ports = [HTTPS, port];
        Ok((Self { scheme: Scheme::HTTPS, ports, tunnels: None, ..self.clone() }, acceptor))
    }
}

/// Keeps the table up to date.
async fn follow(store: Store, routes: Routes, mut builder: Builder, table: watch::Sender<Arc<Table>>) {
    let mut objects = store.follow_all(&[INGRESSES, "configmaps", "secrets", "services"]);
    let mut endpoints = routes.known().follow("endpoints");
    let recorder = Recorder::new(store.clone(), pages::NAME);
    loop {
        tokio::select! {
            () = table.closed() => return,
            _ = objects.next() => {}
            _ = endpoints.next() => {}
        }
        while objects.try_next().is_some() || endpoints.try_next().is_some() {}
        table.send_replace(Arc::new(builder.build()));
        publish_address(&store, &recorder);
    }
}

/// Says in the status of each Ingress that it is served, and where; in an event, what of it
/// is not.
fn publish_address(store: &Store, recorder: &Recorder) {
    for ingress in store.list(INGRESSES, None).0 {
        if items(&ingress["spec"]["rules"]).any(|it| text(&it["host"]).starts_with('*'))
            || ingress["spec"]["defaultBackend"].is_object()
        {
            let message = "this lab's ingress has no wildcard hosts and no default backends: requests for them are answered with 404";
            recorder.warning(&ingress, "Unsupported", message);
        }
        // One that is gone by now needs no status.
        let status = json!({"loadBalancer": {"ingress": [{"ip": "127.0.0.1"}]}});
        store.change(&Key::of(INGRESSES, &ingress), |it| it["status"] = status.clone());
    }
}

/// Where a request wants to go.
struct Target {
    /// The host as the client wrote it, for the server.
    host: HeaderValue,
    /// The host without its port, in lower case.
    name: String,
    /// The port that the client meant.
    port: u16,
    /// The path as rules see it.
    path: String,
    /// The client speaks to a proxy: the host is not this ingress for sure.
    proxied: bool,
}

impl Target {
    fn of(request: &Request, scheme: &Scheme, default: u16) -> Result<Self, Refusal> {
        let bad = || Refusal::Page(StatusCode::BAD_REQUEST);
        let uri = request.uri();
        let mut hosts = request.headers().get_all(HOST).iter();
        let (host, another) = (hosts.next(), hosts.next());
        if another.is_some() {
            return Err(bad());
        }
        let proxied = uri.scheme().is_some();
        if uri.scheme().is_some_and(|named| named != scheme) {
            return Err(Refusal::no_way("the ingress speaks plain http only"));
        }
        // Of two hosts, the request line's is the one that is meant.
        let host = match (uri.authority(), host) {
            (Some(authority), _) => HeaderValue::from_str(authority.as_str()).map_err(|_| bad())?,
            (None, Some(host)) => host.clone(),
            (None, None) if request.version() == Version::HTTP_10 => HeaderValue::from_static("_"),
            (None, None) => return Err(bad()),
        };
        let authority: Authority = host.to_str().ok().and_then(|it| it.parse().ok()).ok_or_else(bad)?;
        if authority.as_str().contains('@') {
            return Err(bad());
        }
        let name = authority.host().trim_end_matches('.').to_ascii_lowercase();
        let path = paths::normal(uri.path()).ok_or_else(bad)?;
        Ok(Self { name, port: authority.port_u16().unwrap_or(default), path, proxied, host })
    }

    /// The way in `table`.
    fn route(&self, table: &Table, ports: [u16; 2]) -> Result<Route, Refusal> {
        let (name, port) = (&self.name, self.port);
        if self.proxied && !table.knows(name) {
            return table.service(name, port).ok_or_else(|| {
                Refusal::no_way(format!(
                    "{name}:{port} is no host of an Ingress and no Service of this lab, and the ingress leads nowhere else"
                ))
            });
        }
        if self.proxied && !ports.contains(&port) {
            return Err(Refusal::no_way(format!("{name} answers on port {}, not on {port}", ports[0])));
        }
        table.find(name, &self.path).ok_or(Refusal::Page(StatusCode::NOT_FOUND))
    }
}

impl Handler for Ingress {
    fn connection(&self) -> Self {
        Self { upstreams: Upstreams::default(), ..self.clone() }
    }

    async fn handle(&self, peer: SocketAddr, request: Request) -> Response {
        let answered = match request.method() {
            &Method::CONNECT => self.tunnel(request).await,
            _ => self.pass_on(peer, request).await,
        };
        answered.unwrap_or_else(Refusal::answer)
    }
}

/// Sends a client to https.
fn to_https(host: &str, uri: &Uri) -> Response {
    let mut response = page(StatusCode::PERMANENT_REDIRECT);
    let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    if let Ok(to) = HeaderValue::from_str(&format!("https://{host}{path}")) {
        response.headers_mut().insert(LOCATION, to);
    }
    response
}

impl Ingress {
    async fn pass_on(&self, peer: SocketAddr, request: Request) -> Result<Response, Refusal> {
        let table = self.table.borrow().clone();
        table.settings.buffers.check(request.method(), request.uri(), request.headers())?;
        let target = Target::of(&request, &self.scheme, self.ports[0])?;
        let announced =
            request.headers().get(CONTENT_LENGTH).and_then(|it| it.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|length| length > table.settings.body_bytes) {
            return Err(Refusal::Page(StatusCode::PAYLOAD_TOO_LARGE));
        }
        // Each try looks at the table of its moment.
        let route = || target.route(&self.table.borrow(), self.ports);
        let settings = route()?.settings;
        if self.scheme == Scheme::HTTP && settings.ssl_redirect && table.ends_tls(&target.name) {
            return Ok(to_https(&target.name, request.uri()));
        }
        let way = Way { client: peer.ip(), scheme: &self.scheme, host: &target.host, port: target.port };
        let mut exchange = Exchange::new(request, &way, settings);
        let next = || {
            let address = route()?.backend.next().ok_or(Refusal::Page(StatusCode::SERVICE_UNAVAILABLE))?;
            Ok((address, self.routes.gone(address)))
        };
        exchange.run(&self.upstreams, next).await
    }

    /// A tunnel leads to this ingress's own TLS, for a host that has any, and nowhere else.
    async fn tunnel(&self, request: Request) -> Result<Response, Refusal> {
        let authority = request.uri().authority();
        let host = authority.map(|it| it.host().to_ascii_lowercase()).unwrap_or_default();
        let port = authority.and_then(Authority::port_u16).unwrap_or(HTTPS);
        let (knows, tls) = {
            let table = self.table.borrow();
            (table.knows(&host), self.tunnels.filter(|_| table.ends_tls(&host)))
        };
        match tls {
            Some(listener) if [HTTPS, listener.port()].contains(&port) => {
                let failed = |_| Refusal::Page(StatusCode::BAD_GATEWAY);
                tls::tunnel(request, listener).await.map_err(failed)
            }
            Some(_) => Err(Refusal::no_way(format!("{host} answers on port {HTTPS}, not on {port}"))),
            None if knows => Err(Refusal::no_way(format!(
                "{host} speaks plain http only: ask for http://{host}/ without a tunnel"
            ))),
            None => Err(Refusal::Sentence(
                StatusCode::FORBIDDEN,
                "the ingress opens no tunnels out of this lab".to_owned(),
            )),
        }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;
