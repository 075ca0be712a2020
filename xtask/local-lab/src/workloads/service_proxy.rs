//! Services by address, for programs that speak no HTTP: what kube-proxy and the
//! kubelet's service variables are to a cluster.
//!
//! No network leads to a ClusterIP on this machine. So each port of a Service that a
//! pod may ask for gets a socket on loopback, which hands every connection on to one of
//! the Service's ready pods, and the pod finds its address in its environment as in a
//! cluster: `REDIS_SERVICE_HOST`, `REDIS_SERVICE_PORT`. The socket stays as long as the
//! lab does; the pods behind it come and go.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::{ADDRESS, NODE};
use crate::store::{Key, Store, object};

/// How long after an error of the system the next connection is waited for.
const PAUSE: Duration = Duration::from_millis(50);

/// The sockets of all Services that were asked for.
pub(super) struct ServiceProxy {
    store: Store,
    stop: CancellationToken,
    /// By Service and port.
    sockets: Mutex<BTreeMap<(Key, u16), SocketAddr>>,
}

impl ServiceProxy {
    /// None yet. All sockets close when `stop` is set.
    pub(super) fn new(store: Store, stop: CancellationToken) -> Self {
        Self { store, stop, sockets: Mutex::default() }
    }

    /// The variables that a pod of a namespace gets about the Services there are.
    pub(super) fn variables(&self, namespace: &str) -> BTreeMap<String, String> {
        let (services, _) = self.store.list("services", Some(namespace));
        services.iter().flat_map(|service| self.of_service(service)).collect()
    }

    fn of_service(&self, service: &Value) -> Vec<(String, String)> {
        let spec = &service["spec"];
        // A headless Service has no address, in a cluster neither.
        if spec["clusterIP"] == "None" || spec["type"] == "ExternalName" {
            return vec![];
        }
        let name = object::name(service).to_uppercase().replace('-', "_");
        let mut variables = vec![];
        for port in spec["ports"].as_array().into_iter().flatten() {
            let Some(socket) = self.socket(service, port) else { continue };
            if variables.is_empty() {
                variables.push((format!("{name}_SERVICE_HOST"), ADDRESS.to_owned()));
                variables.push((format!("{name}_SERVICE_PORT"), socket.port().to_string()));
            }
            if let Some(port) = port["name"].as_str() {
                let port = port.to_uppercase().replace('-', "_");
                variables.push((format!("{name}_SERVICE_PORT_{port}"), socket.port().to_string()));
            }
        }
        variables
    }

    /// The socket of a Service's port, opened if it is not yet. A system that has none
    /// left leaves the variable out.
    fn socket(&self, service: &Value, port: &Value) -> Option<SocketAddr> {
        let number = u16::try_from(port["port"].as_u64()?).ok()?;
        let key = Key::new("endpoints", object::namespace(service), object::name(service));
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (key.clone(), number);
        if let Some(address) = sockets.get(&place) {
            return Some(*address);
        }
        let listener = listen().ok()?;
        let address = listener.local_addr().ok()?;
        let name = port["name"].as_str().map(str::to_owned);
        let route = Arc::new(Route { store: self.store.clone(), key, name, turn: AtomicUsize::new(0) });
        tokio::spawn(serve(listener, route, self.stop.clone()));
        sockets.insert(place, address);
        Some(address)
    }
}

fn listen() -> io::Result<TcpListener> {
    let listener = StdListener::bind((ADDRESS, 0))?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// Where connections to one port of a Service go.
struct Route {
    store: Store,
    /// The Service's Endpoints.
    key: Key,
    name: Option<String>,
    turn: AtomicUsize,
}

impl Route {
    /// The pods that can be asked, the one whose turn it is first.
    fn backends(&self) -> Vec<SocketAddr> {
        let Some(endpoints) = self.store.get(&self.key) else { return vec![] };
        let subsets = endpoints["subsets"].as_array().into_iter().flatten();
        let mut all: Vec<SocketAddr> = subsets.flat_map(|subset| self.of_subset(subset)).collect();
        if !all.is_empty() {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed) % all.len();
            all.rotate_left(turn);
        }
        all
    }

    fn of_subset(&self, subset: &Value) -> Vec<SocketAddr> {
        let ports = subset["ports"].as_array().into_iter().flatten();
        let mut ports = ports.filter(|port| port["name"].as_str() == self.name.as_deref());
        let port = ports.find_map(|port| u16::try_from(port["port"].as_u64()?).ok());
        let Some(port) = port.filter(|port| *port != 0) else { return vec![] };
        let addresses = subset["addresses"].as_array().into_iter().flatten();
        let addresses = addresses.filter(|address| address["nodeName"].as_str().is_none_or(|it| it == NODE));
        addresses
            .filter_map(|address| Some(SocketAddr::new(address["ip"].as_str()?.parse().ok()?, port)))
            .collect()
    }
}

async fn serve(listener: TcpListener, route: Arc<Route>, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((client, _)) => {
                let (route, stop) = (route.clone(), stop.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = hand_on(client, &route) => {}
                    }
                });
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Joins a connection with a pod. Where no pod can be reached it is closed: a Service
/// without ready pods refuses.
async fn hand_on(mut client: TcpStream, route: &Route) {
    for backend in route.backends() {
        if let Ok(mut pod) = TcpStream::connect(backend).await {
            let _ = (client.set_nodelay(true), pod.set_nodelay(true));
            // An end of either side is the end of the connection, and nobody's error.
            let _ = copy_bidirectional(&mut client, &mut pod).await;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn service(name: &str, ports: &Value) -> Value {
        json!({"kind": "Service", "metadata": {"name": name, "namespace": "n"}, "spec": {"ports": ports}})
    }

    /// A pod that answers every connection with one letter.
    async fn pod(letter: u8) -> u16 {
        let listener = TcpListener::bind((ADDRESS, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.write_all(&[letter]).await;
            }
        });
        port
    }

    fn endpoints(store: &Store, ports: &[u16]) {
        let subsets: Vec<Value> = ports
            .iter()
            .map(|port| json!({"addresses": [{"ip": ADDRESS}], "ports": [{"name": "tcp-redis", "port": port}]}))
            .collect();
        let key = Key::new("endpoints", "n", "redis");
        let _ = store.remove(&key);
        store
            .create(&key, json!({"kind": "Endpoints", "metadata": {"name": "redis"}, "subsets": subsets}))
            .unwrap();
    }

    async fn ask(port: &str) -> Option<u8> {
        let mut stream = TcpStream::connect((ADDRESS, port.parse().unwrap())).await.ok()?;
        let mut letter = [0];
        stream.read_exact(&mut letter).await.ok()?;
        Some(letter[0])
    }

    #[tokio::test]
    async fn a_service_is_reached_by_its_variables_whatever_pods_it_has() {
        let store = Store::new();
        let redis = service("redis", &json!([{"name": "tcp-redis", "port": 6379}]));
        store.create(&Key::new("services", "n", "redis"), redis).unwrap();
        let headless = json!({"metadata": {"name": "h", "namespace": "n"},
                              "spec": {"clusterIP": "None", "ports": [{"port": 1}]}});
        store.create(&Key::new("services", "n", "h"), headless).unwrap();
        let stop = CancellationToken::new();
        let proxy = ServiceProxy::new(store.clone(), stop.clone());
        let variables = proxy.variables("n");
        let names: Vec<&str> = variables.keys().map(String::as_str).collect();
        assert_eq!(names, ["REDIS_SERVICE_HOST", "REDIS_SERVICE_PORT", "REDIS_SERVICE_PORT_TCP_REDIS"]);
        assert_eq!(proxy.variables("n"), variables, "a socket stays");
        assert!(proxy.variables("other").is_empty());

        let port = &variables["REDIS_SERVICE_PORT"];
        assert_eq!(ask(port).await, None, "without pods it refuses");
        let (one, two) = (pod(b'1').await, pod(b'2').await);
        endpoints(&store, &[one, two]);
        let mut seen = [ask(port).await, ask(port).await];
        seen.sort();
        assert_eq!(seen, [Some(b'1'), Some(b'2')], "in turn");
        endpoints(&store, &[1, two]);
        assert_eq!([ask(port).await, ask(port).await], [Some(b'2'); 2], "a dead one is passed over");
        stop.cancel();
        while ask(port).await.is_some() {
            tokio::task::yield_now().await;
        }
    }
}
