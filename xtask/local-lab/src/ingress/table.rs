//! The routing table: Ingress objects, Services and Endpoints, made into lookups.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use serde_json::Value;

use super::paths;
use super::settings::{CONFIG_MAP, Settings};
use local_cluster::addresses;
use local_cluster::routes::Routes;
use local_cluster::store::object::{self, items, text};
use local_cluster::store::{Key, Store};

/// What requests are led by.
pub(super) const INGRESSES: &str = "ingresses.networking.k8s.io";

/// A Service by namespace and name.
type Service = (String, String);

/// Where requests go, by host and path.
pub(super) struct Table {
    /// As the controller's ConfigMap has them.
    pub(super) settings: Settings,
    /// Rules by host, in the order in which they are tried; those for any host are under "".
    hosts: HashMap<String, Vec<Rule>>,
    /// The ports of Services, for clients that name one as in the cluster's DNS.
    services: HashMap<Service, Vec<Port>>,
    /// Hosts whose TLS is ended here, each with its certificate where there is one.
    tls: HashMap<String, Option<Arc<CertifiedKey>>>,
}

struct Port {
    number: u16,
    /// Empty if it has none.
    name: String,
    backend: Arc<Backend>,
}

struct Rule {
    exact: bool,
    path: String,
    route: Route,
}

/// A way to a backend.
#[derive(Clone)]
pub(super) struct Route {
    pub(super) backend: Arc<Backend>,
    /// As the Ingress has them that leads there.
    pub(super) settings: Settings,
}

/// A Service's port: the addresses behind it, and whose turn it is.
#[derive(Default)]
pub(super) struct Backend {
    addresses: Vec<SocketAddr>,
    turn: Arc<AtomicUsize>,
}

impl Backend {
    /// The next address, all in turn; `None` if there is none.
    pub(super) fn next(&self) -> Option<SocketAddr> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        self.addresses.get(turn.checked_rem(self.addresses.len())?).copied()
    }
}

/// Makes tables, and keeps what lasts from one to the next.
pub(super) struct Builder {
    store: Store,
    routes: Routes,
    settings: Settings,
    /// Whose turn it is, by Service and port.
    turns: HashMap<(Service, u16), Arc<AtomicUsize>>,
}

impl Builder {
    /// `settings` are those that nobody has changed.
    pub(super) fn new(store: Store, routes: Routes, settings: Settings) -> Self {
        Self { store, routes, settings, turns: HashMap::new() }
    }

    /// The table of what stands in the store now.
    pub(super) fn build(&mut self) -> Table {
        let (namespace, name) = CONFIG_MAP;
        let config = self.store.get(&Key::new("configmaps", namespace, name)).unwrap_or_default();
        let services = self.store.list("services", None).0.into_iter().map(|it| self.ports(&it)).collect();
        let settings = self.settings.by_controller(&config);
        let mut table = Table { settings, hosts: HashMap::new(), services, tls: HashMap::new() };
        self.turns.retain(|(service, _), _| table.services.contains_key(service));
        let (mut ingresses, _) = self.store.list(INGRESSES, None);
        // Of two that claim the same place, the older one has it.
        ingresses.sort_by_cached_key(|it| text(&it["metadata"]["creationTimestamp"]).to_owned());
        for ingress in ingresses.iter().filter(|it| !object::is_terminating(it)) {
            self.add(&mut table, ingress);
        }
        for rules in table.hosts.values_mut() {
            // Stable, so that age decides among equals.
            rules.sort_by_key(|rule| (!rule.exact, std::cmp::Reverse(rule.path.len())));
        }
        table
    }

    fn add(&self, table: &mut Table, ingress: &Value) {
        let (settings, namespace) = (table.settings.by_ingress(ingress), object::namespace(ingress));
        for rule in items(&ingress["spec"]["rules"]) {
            let rules = items(&rule["http"]["paths"]).map(|path| Rule {
                exact: path["pathType"] == "Exact",
                path: Some(text(&path["path"])).filter(|path| !path.is_empty()).unwrap_or("/").to_owned(),
                route: Route { backend: table.backend(namespace, &path["backend"]["service"]), settings },
            });
            let rules: Vec<_> = rules.collect();
            table.hosts.entry(text(&rule["host"]).to_ascii_lowercase()).or_default().extend(rules);
        }
        for entry in items(&ingress["spec"]["tls"]) {
            let secret = self.store.get(&Key::new("secrets", namespace, text(&entry["secretName"])));
            let certificate = secret.and_then(|secret| certificate(&secret));
            for host in items(&entry["hosts"]).filter_map(Value::as_str) {
                table.tls.entry(host.to_ascii_lowercase()).or_insert_with(|| certificate.clone());
            }
        }
    }

    fn ports(&mut self, service: &Value) -> (Service, Vec<Port>) {
        let id = (object::namespace(service).to_owned(), object::name(service).to_owned());
        let endpoints = self.routes.endpoints(&id.0, &id.1).unwrap_or_default();
        let ports = items(&service["spec"]["ports"]).filter_map(|port| {
            let number = object::port(&port["port"])?;
            let turn = self.turns.entry((id.clone(), number)).or_default().clone();
            let addresses = addresses(&endpoints, &port["name"]);
            let backend = Arc::new(Backend { addresses, turn });
            Some(Port { number, name: text(&port["name"]).to_owned(), backend })
        });
        let ports = ports.collect();
        (id, ports)
    }
}

impl Table {
    /// The backend that an Ingress names. One whose Service or port is not there has no
    /// addresses, as in nginx.
    fn backend(&self, namespace: &str, wanted: &Value) -> Arc<Backend> {
        let id = (namespace.to_owned(), text(&wanted["name"]).to_owned());
        let (number, name) = (object::port(&wanted["port"]["number"]), text(&wanted["port"]["name"]));
        let is_wanted =
            |it: &&Port| number.map_or(!name.is_empty() && it.name == name, |number| it.number == number);
        let mut ports = self.services.get(&id).into_iter().flatten();
        ports.find(is_wanted).map(|it| it.backend.clone()).unwrap_or_default()
    }

    /// Whether an Ingress names this host (in lower case).
    pub(super) fn knows(&self, host: &str) -> bool {
        self.hosts.contains_key(host)
    }

    /// Whether an Ingress has TLS for this host (in lower case), and rules for it.
    pub(super) fn ends_tls(&self, host: &str) -> bool {
        self.knows(host) && self.tls.contains_key(host)
    }

    /// The certificate of a host (in lower case).
    pub(super) fn certificate(&self, host: &str) -> Option<Arc<CertifiedKey>> {
        self.tls.get(host)?.clone()
    }

    /// The way for a host (in lower case) and a path from [`paths::normal`]; `None` where
    /// no rule takes it.
    pub(super) fn find(&self, host: &str, path: &str) -> Option<Route> {
        let mut rules = self.hosts.get(host).or_else(|| self.hosts.get(""))?.iter();
        rules.find(|rule| paths::matches(rule.exact, &rule.path, path)).map(|rule| rule.route.clone())
    }

    /// The way to a name of the cluster's DNS: `service.namespace`, with or
    /// without `.svc` and `.svc.cluster.local`.
    pub(super) fn service(&self, host: &str, port: u16) -> Option<Route> {
        let host = host.strip_suffix(".cluster.local").unwrap_or(host);
        let (name, namespace) = host.strip_suffix(".svc").unwrap_or(host).split_once('.')?;
        let ports = self.services.get(&(namespace.to_owned(), name.to_owned()))?;
        let port = ports.iter().find(|it| it.number == port)?;
        Some(Route { backend: port.backend.clone(), settings: self.settings })
    }
}

/// The certificate in a Secret of type `kubernetes.io/tls`, if it can be used.
fn certificate(secret: &Value) -> Option<Arc<CertifiedKey>> {
    let pem = |key: &str| BASE64_STANDARD.decode(secret["data"][key].as_str()?).ok();
    let (chain, key) = (pem("tls.crt")?, pem("tls.key")?);
    let chain = CertificateDer::pem_slice_iter(&chain).collect::<Result<_, _>>().ok()?;
    let key = PrivateKeyDer::from_pem_slice(&key).ok()?;
    CertifiedKey::from_der(chain, key, &ring::default_provider()).ok().map(Arc::new)
}
