//! Services for programs that cannot ask a proxy: what kube-proxy and the kubelet's
//! service variables are in a cluster.
//!
//! A Service's ClusterIP leads nowhere on this machine. Instead, each of its ports has a
//! loopback port that leads to its ready pods, and containers learn it from the
//! variables that a kubelet sets: `ARGOCD_REDIS_SERVICE_HOST`,
//! `ARGOCD_REDIS_SERVICE_PORT` … As in a cluster, only Services that are there when a
//! container starts are in its environment.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdTcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::mutex::lock;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::machine::ADDRESS;
use crate::endpoints::addresses;
use crate::routes::{Gone, Routes};
use crate::store::{Key, Store, object};
use crate::tasks::Tasks;

/// A Service's port: its uid and the number.
type Id = (String, u16);

/// The loopback ports of Services. Clones share them.
#[derive(Clone)]
pub(super) struct Services {
    store: Store,
    routes: Routes,
    tasks: Tasks,
    ports: Arc<Mutex<HashMap<Id, u16>>>,
    stop: CancellationToken,
}

impl Services {
    /// No ports yet; each is opened when the first container is told of it, and closed
    /// with its Service or by `stop`.
    pub(super) fn new(store: Store, routes: Routes, tasks: Tasks, stop: CancellationToken) -> Self {
        Self { store, routes, tasks, ports: Arc::default(), stop }
    }

    /// The variables about the Services of a namespace.
    pub(super) fn variables(&self, namespace: &str) -> BTreeMap<String, String> {
        let (services, _) = self.store.list("services", Some(namespace));
        let mut variables = BTreeMap::new();
        for service in services.iter().filter(|it| it["spec"]["clusterIP"] != "None") {
            let prefix = object::name(service).to_ascii_uppercase().replace(['-', '.'], "_");
            let mut set = |name: String, value: String| variables.insert(format!("{prefix}_{name}"), value);
            for (index, port) in object::items(&service["spec"]["ports"]).enumerate() {
                let Some(number) = object::port(&port["port"]) else { continue };
                // Without a port of its own, a Service is not known, and nothing worse.
                let Ok(loopback) = self.port(service, number) else { continue };
                if index == 0 {
                    set("SERVICE_HOST".into(), ADDRESS.into());
                    set("SERVICE_PORT".into(), loopback.to_string());
                }
                if let Some(name) = port["name"].as_str() {
                    set(
                        format!("SERVICE_PORT_{}", name.to_ascii_uppercase().replace('-', "_")),
                        loopback.to_string(),
                    );
                }
            }
        }
        variables
    }

    /// The loopback port of a Service's port, opened if it is not yet.
    fn port(&self, service: &Value, number: u16) -> io::Result<u16> {
        let id = (object::uid_of(service).to_owned(), number);
        let mut ports = lock(&self.ports);
        if let Some(loopback) = ports.get(&id) {
            return Ok(*loopback);
        }
        let listener = StdTcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let loopback = listener.local_addr()?.port();
        let listener = TcpListener::from_std(listener)?;
        ports.insert(id.clone(), loopback);
        let key = Key::of("services", service);
        let task = format!("the address of {}/{}", key.namespace, key.name);
        self.tasks.spawn(task, self.clone().lead(listener, key, id));
        Ok(loopback)
    }

    /// Leads connections to the Service's pods, in turn, until the Service is gone.
    async fn lead(self, listener: TcpListener, service: Key, id: Id) {
        let mut turn: usize = 0;
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.gone(&service, &id.0) => break,
                () = self.stop.cancelled() => break,
            };
            let Ok((client, _)) = accepted else {
                // Out of file descriptors, most likely: accepting again at once would spin.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let mut all = self.addresses(&service, id.1).unwrap_or_default();
            // Nobody is there: the connection is closed, as kube-proxy refuses it.
            if let Some(first) = turn.checked_rem(all.len()) {
                all.rotate_left(first);
                turn = turn.wrapping_add(1);
                tokio::spawn(join(client, all, self.routes.clone(), self.stop.clone()));
            }
        }
        lock(&self.ports).remove(&id);
    }

    /// Who is behind a Service's port, by the name that the port has now.
    fn addresses(&self, service: &Key, number: u16) -> Option<Vec<SocketAddr>> {
        let object = self.store.get(service)?;
        let port = object::items(&object["spec"]["ports"]).find(|it| it["port"] == number)?;
        let endpoints = self.routes.endpoints(&service.namespace, &service.name)?;
        Some(addresses(&endpoints, &port["name"]))
    }

    async fn gone(&self, service: &Key, uid: &str) {
        let mut services = self.store.follow("services");
        while self.store.get(service).is_some_and(|it| object::uid_of(&it) == uid) {
            services.next().await;
        }
    }
}

/// Joins a client with the first of `servers` that takes it.
async fn join(mut client: TcpStream, servers: Vec<SocketAddr>, routes: Routes, stop: CancellationToken) {
    for address in servers {
        match routes.gone(address) {
            Some(Gone::Hangs) => {
                let mut nobody = tokio::io::sink();
                tokio::select! {
                    _ = tokio::io::copy(&mut client, &mut nobody) => {}
                    () = stop.cancelled() => {}
                }
                return;
            }
            // Of bytes nobody knows how they would say 502.
            Some(Gone::Answers502) => return,
            Some(Gone::Refuses) | None => {}
        }
        let Ok(mut server) = TcpStream::connect(address).await else { continue };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
            () = stop.cancelled() => {}
        }
        return;
    }
}
