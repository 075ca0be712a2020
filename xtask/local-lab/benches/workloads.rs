//! What the lab itself costs beside its programs: from a Deployment to a ready pod, and a
//! request through the ingress. `cargo bench -p local-lab --bench workloads`. It prints;
//! it judges nothing. Wants an idle machine.
#![allow(missing_docs, clippy::print_stdout, reason = "it talks to whoever runs it")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use local_cluster::logs::Logs;
use local_cluster::program::{ClusterAccess, Exit, Images, Launch};
use local_cluster::routes::Routes;
use local_cluster::serve::{Handler, Limits, Request, Response, full, serve};
use local_cluster::store::{Key, Store, WriteError};
use local_cluster::tasks::Tasks;
use local_cluster::workloads::{self, Machine};
use local_lab::ingress::Ingress;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

const DEPLOYMENTS: &str = "deployments.apps";
const ANSWER: &[u8] = b"an answer";

#[tokio::main(worker_threads = 2)]
async fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (store, stop) = (Store::new(), CancellationToken::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let ingress = listener.local_addr().expect("its address");
    let (routes, tasks) = (Routes::new(&store), Tasks::default());
    let handler = Ingress::new(store.clone(), routes.clone(), &tasks);
    tokio::spawn(serve(Arc::new(listener), None, handler, Limits::default(), stop.clone()));
    let cluster = ClusterAccess { server: String::new(), ca_pem: String::new(), token: String::new() };
    let images = Images::default().with("bench/instant", instant);
    let logs = Logs::new(folder.path());
    let machine = Machine { images, cluster, ingress, routes, tasks };
    let task = workloads::start(store.clone(), logs, machine, stop.clone());

    let mut created = vec![];
    for number in 0..50 {
        let name = format!("d{number}");
        let started = Instant::now();
        put(&store, DEPLOYMENTS, deployment(&name));
        rolled_out(&store, &name, 1).await;
        created.push(started.elapsed());
    }
    report("Deployment created → Available", created);

    let mut restarted = vec![];
    for number in 0..50 {
        let started = Instant::now();
        let key = Key::new(DEPLOYMENTS, "n", "d0");
        let change = store.update(&key, |old| {
            let mut new = old.clone();
            new["spec"]["template"]["metadata"]["annotations"] = json!({"at": number.to_string()});
            Ok::<_, WriteError>(new)
        });
        let generation = change.expect("a Deployment")["metadata"]["generation"].as_u64().expect("a number");
        rolled_out(&store, "d0", generation).await;
        restarted.push(started.elapsed());
    }
    report("rollout restart → rolled out", restarted);

    let path = json!({"path": "/", "pathType": "Prefix",
        "backend": {"service": {"name": "s", "port": {"number": 80}}}});
    let rules = json!([{"host": "bench.host", "http": {"paths": [path]}}]);
    put(
        &store,
        "services",
        json!({"metadata": {"name": "s", "namespace": "n"},
        "spec": {"selector": {"app": "d0"}, "ports": [{"port": 80, "targetPort": 8080}]}}),
    );
    put(
        &store,
        "ingresses.networking.k8s.io",
        json!({"metadata": {"name": "i", "namespace": "n"}, "spec": {"rules": rules}}),
    );
    let server = server(&store).await;
    while !answer(ingress).await.0.starts_with("HTTP/1.1 200") {
        tokio::task::yield_now().await;
    }
    for (what, address) in [("a request, straight", server), ("a request, through the ingress", ingress)] {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        let (mut kept, mut fresh) = (vec![], vec![]);
        for _ in 0..2000 {
            kept.push(ask(&mut stream).await.1);
        }
        for _ in 0..1000 {
            fresh.push(answer(address).await.1);
        }
        report(&format!("{what}, connection kept"), kept);
        report(&format!("{what}, connection of its own"), fresh);
    }
    stop.cancel();
    task.await.expect("the workloads end");
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1e3;
    println!("{what:<56} min {:7.3}  median {:7.3}  p95 {:7.3} ms", at(0), at(50), at(95));
}

async fn instant(launch: Launch) -> Exit {
    let servers = launch.ports.into_values().map(|listener| {
        listener.set_nonblocking(true).expect("a socket");
        let listener = TcpListener::from_std(listener).expect("a socket");
        serve(Arc::new(listener), None, Instantly, Limits::default(), launch.stop.clone())
    });
    futures::future::join_all(servers).await;
    Exit::success()
}

#[derive(Clone)]
struct Instantly;

impl Handler for Instantly {
    async fn handle(&self, _peer: SocketAddr, _request: Request) -> Response {
        Response::new(full(ANSWER))
    }
}

fn put(store: &Store, resource: &str, object: Value) {
    let name = object["metadata"]["name"].as_str().expect("a name").to_owned();
    store.create(&Key::new(resource, "n", &name), object).expect("a new name");
}

fn deployment(name: &str) -> Value {
    let container = json!({
        "name": "c", "image": "bench/instant", "ports": [{"containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}},
    });
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "n"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}},
        },
    })
}

async fn rolled_out(store: &Store, name: &str, generation: u64) {
    let mut follow = store.follow(DEPLOYMENTS);
    loop {
        let status = store.get(&Key::new(DEPLOYMENTS, "n", name)).expect("a Deployment")["status"].clone();
        let done = ["replicas", "updatedReplicas", "availableReplicas"].iter().all(|it| status[*it] == 1);
        if done && status["observedGeneration"] == generation {
            return;
        }
        follow.next().await;
    }
}

/// Where the pod behind the Service really listens.
async fn server(store: &Store) -> SocketAddr {
    let mut follow = store.follow("endpoints");
    loop {
        if let Some(endpoints) = store.get(&Key::new("endpoints", "n", "s"))
            && let Some(port) = endpoints["subsets"][0]["ports"][0]["port"].as_u64()
        {
            return format!("127.0.0.1:{port}").parse().expect("an address");
        }
        follow.next().await;
    }
}

/// One request on a connection of its own.
async fn answer(address: SocketAddr) -> (String, Duration) {
    let started = Instant::now();
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let (answer, _) = ask(&mut stream).await;
    (answer, started.elapsed())
}

async fn ask(stream: &mut TcpStream) -> (String, Duration) {
    let started = Instant::now();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: bench.host\r\n\r\n").await.expect("a request");
    let mut answer = vec![];
    while !answer.ends_with(ANSWER) && !answer.ends_with(b"</html>\r\n") {
        assert_ne!(stream.read_buf(&mut answer).await.expect("an answer"), 0);
    }
    (String::from_utf8(answer).expect("text"), started.elapsed())
}
