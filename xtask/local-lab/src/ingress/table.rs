//! The routing table: Ingress objects, Services and Endpoints, made into lookups.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use super::paths::{self, Kind};
use super::settings::{CONFIG_MAP, Changes};
use local_cluster::addresses;
use local_cluster::routes::Routes;
use local_cluster::store::{Key, Store, object};

/// Where requests go, by host and path.
#[derive(Default)]
pub(super) struct Table {
    /// What the controller's ConfigMap sets.
    pub(super) controller: Changes,
    hosts: HashMap<String, Site>,
    /// Sites of `*.rest`, by `rest`.
    wildcards: HashMap<String, Site>,
    /// Rules without a host.
    any: Site,
    /// Services by namespace and name, for clients that name one as in the cluster's DNS.
    services: HashMap<(String, String), Ports>,
}

/// A Service's ports.
type Ports = Vec<(u16, Route)>;

/// The rules of one host.
#[derive(Default)]
struct Site {
    /// In the order in which they are tried.
    rules: Vec<Rule>,
    /// `spec.defaultBackend` of an Ingress with rules for this host.
    default: Option<Route>,
}

struct Rule {
    kind: Kind,
    path: String,
    route: Route,
}

/// A way to a backend.
#[derive(Clone, Default)]
pub(super) struct Route {
    pub(super) backend: Arc<Backend>,
    /// What the Ingress sets that leads there.
    pub(super) changes: Changes,
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
            table.controller = Changes::of_controller(&config);
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
        let (mut ingresses, _) = self.store.list(super::INGRESSES, None);
        // Of two that claim the same place, the older one has it.
        ingresses.sort_by(|a, b| {
            let age =
                |it: &Value| it["metadata"]["creationTimestamp"].as_str().unwrap_or_default().to_owned();
            age(a).cmp(&age(b))
        });
        for ingress in ingresses.iter().filter(|it| !object::is_terminating(it)) {
            self.add(&mut table, ingress, &services);
        }
        for site in table.hosts.values_mut().chain(table.wildcards.values_mut()).chain([&mut table.any]) {
            // Stable, so that age decides among equals.
            site.rules.sort_by_key(|rule| (rule.kind != Kind::Exact, std::cmp::Reverse(rule.path.len())));
        }
        table
    }

    fn add(&self, table: &mut Table, ingress: &Value, services: &[Arc<Value>]) {
        let spec = &ingress["spec"];
        let changes = Changes::of_ingress(ingress);
        let route = |backend: &Value| Route { changes, ..find_backend(table, ingress, backend, services) };
        let default = spec["defaultBackend"].as_object().map(|_| route(&spec["defaultBackend"]));
        let mut places = vec![];
        for rule in spec["rules"].as_array().into_iter().flatten() {
            let host = rule["host"].as_str().unwrap_or_default().to_ascii_lowercase();
            let paths = rule["http"]["paths"].as_array().into_iter().flatten().map(|path| Rule {
                kind: Kind::read(path["pathType"].as_str().unwrap_or_default()),
                path: path["path"].as_str().filter(|path| !path.is_empty()).unwrap_or("/").to_owned(),
                route: route(&path["backend"]),
            });
            places.push((host, paths.collect::<Vec<_>>()));
        }
        if places.is_empty() {
            places.push((String::new(), vec![]));
        }
        for (host, rules) in places {
            let site = match host.strip_prefix("*.") {
                Some(rest) => table.wildcards.entry(rest.to_owned()).or_default(),
                None if host.is_empty() => &mut table.any,
                None => table.hosts.entry(host).or_default(),
            };
            site.rules.extend(rules);
            site.default = site.default.take().or_else(|| default.clone());
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
            Some((number, Route { backend, changes: Changes::default() }))
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
    fn site(&self, host: &str) -> Option<&Site> {
        // A wildcard stands for one label.
        let above = || self.wildcards.get(host.split_once('.')?.1);
        self.hosts.get(host).or_else(above)
    }

    /// Whether an Ingress names this host (in lower case).
    pub(super) fn knows(&self, host: &str) -> bool {
        self.site(host).is_some()
    }

    /// The way for a host (in lower case) and a path from [`paths::normal`]; `None` where
    /// no rule takes it.
    pub(super) fn find(&self, host: &str, path: &str) -> Option<Route> {
        let site = self.site(host).unwrap_or(&self.any);
        let rule = site.rules.iter().find(|rule| paths::matches(rule.kind, &rule.path, path));
        let found = rule.map(|rule| &rule.route);
        found.or(site.default.as_ref()).or(self.any.default.as_ref()).cloned()
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
