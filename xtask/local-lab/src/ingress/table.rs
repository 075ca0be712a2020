//! The routing table: Ingress objects, Services and Endpoints, made into lookups.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::sign::CertifiedKey;
use serde_json::Value;

use super::settings::{CONFIG_MAP, Overrides};
use super::{certificate, paths};
use local_cluster::addresses;
use local_cluster::routes::Routes;
use local_cluster::store::{Key, Store, object};

/// What requests are led by.
pub(super) const INGRESSES: &str = "ingresses.networking.k8s.io";

/// Where requests go, by host and path.
#[derive(Default)]
pub(super) struct Table {
    /// What the controller's ConfigMap sets.
    pub(super) controller: Overrides,
    /// Rules by host, in the order in which they are tried; those for any host are under "".
    hosts: HashMap<String, Vec<Rule>>,
    /// Services by namespace and name, for clients that name one as in the cluster's DNS.
    services: HashMap<(String, String), Ports>,
    /// Hosts whose TLS is ended here, each with its certificate where there is one.
    tls: HashMap<String, Option<Arc<CertifiedKey>>>,
}

/// A Service's ports.
type Ports = Vec<(u16, Route)>;

struct Rule {
    exact: bool,
    path: String,
    route: Route,
}

/// A way to a backend.
#[derive(Clone, Default)]
pub(super) struct Route {
    pub(super) backend: Arc<Backend>,
    /// What the Ingress sets that leads there.
    pub(super) overrides: Overrides,
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

/// Whose turn it is, by namespace, Service and port, across rebuilt tables.
type Turns = HashMap<(String, String, u16), Arc<AtomicUsize>>;

/// Makes tables, and keeps what lasts from one to the next.
pub(super) struct Builder {
    store: Store,
    routes: Routes,
    turns: Turns,
}

impl Builder {
    pub(super) fn new(store: Store, routes: Routes) -> Self {
        Self { store, routes, turns: Turns::new() }
    }

    /// The table of what stands in the store now.
    pub(super) fn build(&mut self) -> Table {
        let mut table = Table::default();
        let (namespace, name) = CONFIG_MAP;
        if let Some(config) = self.store.get(&Key::new("configmaps", namespace, name)) {
            table.controller = Overrides::of_controller(&config);
        }
        let (services, _) = self.store.list("services", None);
        for service in &services {
            let id = (object::namespace(service).to_owned(), object::name(service).to_owned());
            let backends = self.backends(service);
            table.services.insert(id, backends);
        }
        self.turns.retain(|(namespace, name, _), _| {
            table.services.contains_key(&(namespace.clone(), name.clone()))
        });
        let (mut ingresses, _) = self.store.list(INGRESSES, None);
        // Of two that claim the same place, the older one has it.
        ingresses.sort_by(|a, b| {
            let age =
                |it: &Value| it["metadata"]["creationTimestamp"].as_str().unwrap_or_default().to_owned();
            age(a).cmp(&age(b))
        });
        for ingress in ingresses.iter().filter(|it| !object::is_terminating(it)) {
            self.add(&mut table, ingress, &services);
        }
        for rules in table.hosts.values_mut() {
            // Stable, so that age decides among equals.
            rules.sort_by_key(|rule| (!rule.exact, std::cmp::Reverse(rule.path.len())));
        }
        table
    }

    fn add(&self, table: &mut Table, ingress: &Value, services: &[Arc<Value>]) {
        let overrides = Overrides::of_ingress(ingress);
        for rule in ingress["spec"]["rules"].as_array().into_iter().flatten() {
            let host = rule["host"].as_str().unwrap_or_default().to_ascii_lowercase();
            let paths = rule["http"]["paths"].as_array().into_iter().flatten();
            let rules: Vec<_> = paths
                .map(|path| Rule {
                    exact: path["pathType"] == "Exact",
                    path: path["path"].as_str().filter(|path| !path.is_empty()).unwrap_or("/").to_owned(),
                    route: Route { overrides, ..find_backend(table, ingress, &path["backend"], services) },
                })
                .collect();
            table.hosts.entry(host).or_default().extend(rules);
        }
        for entry in ingress["spec"]["tls"].as_array().into_iter().flatten() {
            let name = entry["secretName"].as_str().unwrap_or_default();
            let secret = self.store.get(&Key::new("secrets", object::namespace(ingress), name));
            let certificate = secret.and_then(|secret| certificate::certificate(&secret));
            for host in entry["hosts"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                table.tls.entry(host.to_ascii_lowercase()).or_insert_with(|| certificate.clone());
            }
        }
    }

    fn backends(&mut self, service: &Value) -> Ports {
        let (namespace, name) = (object::namespace(service), object::name(service));
        let endpoints = self.routes.endpoints(namespace, name);
        let ports = service["spec"]["ports"].as_array().into_iter().flatten();
        let ports = ports.filter_map(|port| {
            let number = u16::try_from(port["port"].as_u64()?).ok()?;
            let turn = self.turns.entry((namespace.to_owned(), name.to_owned(), number)).or_default().clone();
            let addresses = endpoints.as_deref().map(|it| addresses(it, &port["name"])).unwrap_or_default();
            let backend = Arc::new(Backend { addresses, turn });
            Some((number, Route { backend, overrides: Overrides::default() }))
        });
        ports.collect()
    }
}

/// The backend that an Ingress names. One whose Service or port is not there has no
/// addresses, as in nginx.
fn find_backend(table: &Table, ingress: &Value, backend: &Value, services: &[Arc<Value>]) -> Route {
    let namespace = object::namespace(ingress);
    let name = backend["service"]["name"].as_str().unwrap_or_default();
    let port = &backend["service"]["port"];
    let number = port["number"].as_u64().and_then(|it| u16::try_from(it).ok()).or_else(|| {
        let service =
            services.iter().find(|it| object::namespace(it) == namespace && object::name(it) == name)?;
        let mut ports = service["spec"]["ports"].as_array()?.iter();
        let named = ports.find(|it| it["name"].is_string() && it["name"] == port["name"])?;
        u16::try_from(named["port"].as_u64()?).ok()
    });
    let ports = table.services.get(&(namespace.to_owned(), name.to_owned()));
    let found = ports.into_iter().flatten().find(|(port, _)| Some(*port) == number);
    found.map(|(_, route)| route.clone()).unwrap_or_default()
}

impl Table {
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
        ports.iter().find(|(number, _)| *number == port).map(|(_, route)| route.clone())
    }
}
