//! Logs of pods and requests passed on to them.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::support::{Cluster, PATIENCE, TOKEN};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use local_cluster::logs::{LogKey, LogWriter};
use local_cluster::serve::{self, Handler, Limits, Request, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const PODS: &str = "/api/v1/namespaces/default/pods";

fn pod(cluster: &Cluster, name: &str, containers: &[&str]) {
    let containers: Vec<Value> = containers
        .iter()
        .map(|name| json!({"name": name, "image": "i", "ports": [{"name": "web", "containerPort": 8080}]}))
        .collect();
    let pod = json!({"metadata": {"name": name}, "spec": {"containers": containers}});
    assert_eq!(cluster.post(PODS, &pod).status, 201);
}

fn log(cluster: &Cluster, container: &str, restart: u32) -> LogWriter {
    let key = LogKey { namespace: "default".into(), pod: "p".into(), container: container.into(), restart };
    cluster.logs.start(key).unwrap()
}

#[test]
fn logs_are_cut_as_asked() {
    let cluster = Cluster::start();
    pod(&cluster, "p", &["c"]);
    let waiting = cluster.get(&format!("{PODS}/p/log"));
    assert_eq!(
        (waiting.status, waiting.message().as_str()),
        (400, "container \"c\" in pod \"p\" is waiting to start: ContainerCreating")
    );
    let writer = log(&cluster, "c", 0);
    for line in ["one", "two", "three"] {
        writer.line(line);
    }
    let read = |query: &str| cluster.get(&format!("{PODS}/p/log?{query}"));
    assert_eq!(read("").text, "one\ntwo\nthree\n");
    assert_eq!(read("").header("Content-Type"), "text/plain");
    assert_eq!(read("tailLines=2&container=c").text, "two\nthree\n");
    assert_eq!(read("tailLines=0").text, "");
    assert_eq!(read("limitBytes=5").text, "one\nt");
    assert_eq!(read("sinceSeconds=3600").text, "one\ntwo\nthree\n");
    assert_eq!(read("sinceTime=2999-01-01T00:00:00Z").text, "");
    let stamped = read("timestamps=true&tailLines=1").text;
    let (time, text) = stamped.split_once(' ').unwrap();
    assert!(time.parse::<jiff::Timestamp>().is_ok() && text == "three\n", "{stamped}");
    for wrong in ["container=x", "previous=true", "sinceTime=x", "tailLines=x", "tailLines=-1"] {
        assert_eq!(read(wrong).status, 400, "{wrong}");
    }
    assert_eq!(cluster.get(&format!("{PODS}/none/log")).status, 404);
}

#[test]
fn a_log_is_followed_until_its_container_ends() {
    let cluster = Cluster::start();
    pod(&cluster, "p", &["c"]);
    let writer = log(&cluster, "c", 0);
    writer.line("before");
    let mut lines = cluster.ask("GET", &format!("{PODS}/p/log?follow=true")).lines();
    assert_eq!(lines.next().as_deref(), Some("before"));
    writer.line("after");
    assert_eq!(lines.next().as_deref(), Some("after"));
    writer.line("last");
    drop(writer);
    assert_eq!(lines.next().as_deref(), Some("last"));
    assert_eq!(lines.next(), None);
}

#[test]
fn containers_and_runs_have_logs_of_their_own() {
    let cluster = Cluster::start();
    pod(&cluster, "p", &["a", "b"]);
    let which = cluster.get(&format!("{PODS}/p/log"));
    assert_eq!(which.message(), "a container name must be specified for pod p, choose one of: [a b]");
    log(&cluster, "b", 0).line("first run");
    log(&cluster, "b", 1).line("second run");
    let status = json!({"status": {"containerStatuses": [
        {"name": "b", "restartCount": 1, "ready": true, "image": "i", "imageID": ""},
    ]}});
    assert_eq!(cluster.merge(&format!("{PODS}/p/status"), &status).status, 200);
    assert_eq!(cluster.get(&format!("{PODS}/p/log?container=b")).text, "second run\n");
    assert_eq!(cluster.get(&format!("{PODS}/p/log?container=b&previous=true")).text, "first run\n");
}

/// Says what it was asked, or sends away.
#[derive(Clone)]
struct Echo;

impl Handler for Echo {
    async fn handle(&self, _peer: SocketAddr, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let body = serve::read_body(body, &Limits::default()).await.unwrap();
        let header = |name: &str| parts.headers.get(name).map(|it| it.to_str().unwrap().to_owned());
        let seen = json!({
            "method": parts.method.as_str(), "uri": parts.uri.to_string(),
            "body": String::from_utf8_lossy(&body), "authorization": header("authorization"),
            "connection": header("connection"), "x-own": header("x-own"), "host": header("host"),
        });
        if let Some(length) = parts.uri.path().strip_prefix("/bytes/") {
            return Response::new(bytes(length.parse().unwrap(), parts.uri.query().is_some()));
        }
        Response::new(serve::full(seen.to_string()))
    }
}

/// So many bytes, said beforehand or not.
fn bytes(length: usize, unsaid: bool) -> serve::Body {
    let all = Bytes::from(vec![b'x'; length]);
    if !unsaid {
        return serve::full(all);
    }
    let pieces: Vec<_> = all.chunks(1 << 16).map(Bytes::copy_from_slice).collect();
    let frames = pieces.into_iter().map(|it| Ok::<_, std::io::Error>(hyper::body::Frame::data(it)));
    http_body_util::StreamBody::new(futures::stream::iter(frames)).boxed()
}

fn echo(cluster: &Cluster) -> SocketAddr {
    cluster.block_on(async {
        let listener = Arc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve::serve(listener, None, Echo, Limits::default(), CancellationToken::new()));
        address
    })
}

#[test]
fn a_request_is_passed_on_to_where_the_pod_listens() {
    let cluster = Cluster::start();
    pod(&cluster, "p", &["c"]);
    let refused = cluster.get(&format!("{PODS}/p:8080/proxy/x"));
    assert_eq!(refused.status, 503);
    assert!(refused.message().starts_with("error trying to reach service: dial tcp "), "{}", refused.text);
    let address = echo(&cluster);
    let listening = json!({"8080": address.to_string()}).to_string();
    cluster.merge(
        &format!("{PODS}/p"),
        &json!({"metadata": {"annotations": {"oidc-lab/listening": listening}}}),
    );
    for name in ["p:8080", "p:web", "http:p:8080", "p"] {
        let seen = cluster.get(&format!("{PODS}/{name}/proxy/a%20b/c?q=1")).json();
        assert_eq!((&seen["method"], &seen["uri"]), (&json!("GET"), &json!("/a%20b/c?q=1")), "{name}");
        assert_eq!(seen["host"], address.to_string());
    }
    let posted = cluster
        .ask("POST", &format!("{PODS}/p:8080/proxy/form"))
        .header("Connection", "x-hop")
        .header("X-Hop", "1")
        .header("X-Own", "kept")
        .body("application/x-www-form-urlencoded", "a=b")
        .send();
    let seen = posted.json();
    assert_eq!(
        (&seen["method"], &seen["body"], &seen["x-own"]),
        (&json!("POST"), &json!("a=b"), &json!("kept"))
    );
    assert_eq!(seen["authorization"], Value::Null, "the token is for the API");
    assert!(!posted.text.contains(TOKEN));

    assert_eq!(cluster.get(&format!("{PODS}/none:8080/proxy/")).status, 404);
    assert_eq!(cluster.get(&format!("{PODS}/p:81/proxy/")).status, 503);
    assert_eq!(cluster.get(&format!("{PODS}/https:p:8080/proxy/")).status, 503);
    assert_eq!(cluster.get(&format!("{PODS}/ftp:p:8080/proxy/")).status, 400);
    let recorded = cluster.audit();
    let post =
        recorded.iter().find(|line| line["verb"] == "create" && line["resource"] == "pods/proxy").unwrap();
    assert_eq!(post["name"], "p:8080");
}

#[test]
fn what_is_passed_back_has_a_limit() {
    const LIMIT: usize = 16 << 20;
    let cluster = Cluster::start();
    pod(&cluster, "p", &["c"]);
    let listening = json!({"8080": echo(&cluster).to_string()}).to_string();
    cluster.merge(
        &format!("{PODS}/p"),
        &json!({"metadata": {"annotations": {"oidc-lab/listening": listening}}}),
    );
    let path = |length: usize| format!("{PODS}/p:8080/proxy/bytes/{length}");
    assert_eq!(cluster.get(&path(LIMIT)).text.len(), LIMIT);
    let said = cluster.get(&path(LIMIT + 1));
    assert_eq!(
        (said.status, said.message().as_str()),
        (503, "error trying to reach service: the answer is longer than 16777216 bytes")
    );
    // What was not said beforehand is broken off.
    let unsaid = cluster.ask("GET", &format!("{}?unsaid", path(LIMIT + (1 << 20)))).try_send();
    assert!(unsaid.is_err());
    assert_eq!(cluster.get(&format!("{}?unsaid", path(LIMIT))).text.len(), LIMIT);
}

#[test]
fn a_log_that_cannot_be_read_at_once_keeps_nobody_else_waiting() {
    let cluster = Cluster::start();
    pod(&cluster, "p", &["c"]);
    let _writer = log(&cluster, "c", 0);
    // A pipe has nothing to read until somebody opens it to write.
    let file = cluster.folder().join("logs/default_p_c_0.log");
    std::fs::remove_file(&file).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
    // More of them than the cluster has threads.
    let (asking, answered) = (std::sync::Barrier::new(5), std::sync::mpsc::channel());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut kept = cluster.keep();
                asking.wait();
                kept.send("GET", &format!("{PODS}/p/log"), "text/plain", "")
            });
        }
        scope.spawn(|| {
            let mut kept = cluster.keep();
            asking.wait();
            let ask = |_| kept.send("GET", "/api/v1/namespaces/default", "text/plain", "").0;
            answered.0.send((0..50).map(ask).filter(|status| *status == 200).count()).unwrap();
        });
        let answers = answered.1.recv_timeout(PATIENCE);
        // Whoever reads gets a line and the end.
        std::thread::spawn(move || {
            loop {
                std::fs::write(&file, "2026-01-01T00:00:00Z late\n").unwrap();
            }
        });
        assert_eq!(answers, Ok(50));
    });
}

#[test]
fn what_cannot_be_streamed_says_what_can_be_done() {
    let cluster = Cluster::start();
    pod(&cluster, "p", &["c"]);
    let listening =
        json!({"metadata": {"annotations": {"oidc-lab/listening": "{\"8080\":\"127.0.0.1:4000\"}"}}});
    cluster.merge(&format!("{PODS}/p"), &listening);
    let forward = cluster.ask("POST", &format!("{PODS}/p/portforward")).send();
    assert_eq!(forward.status, 405);
    assert!(forward.message().contains("127.0.0.1:4000"), "{}", forward.text);
    assert_eq!(cluster.ask("POST", &format!("{PODS}/p/exec?command=ls")).send().status, 405);
    assert_eq!(cluster.ask("POST", &format!("{PODS}/none/exec?command=ls")).send().status, 404);
}

#[test]
fn a_service_leads_to_where_its_endpoints_are() {
    let cluster = Cluster::start();
    let service = json!({"metadata": {"name": "s"}, "spec": {"ports": [{"name": "http", "port": 80, "targetPort": 8080}]}});
    cluster.post("/api/v1/namespaces/default/services", &service);
    let path = "/api/v1/namespaces/default/services/s:http/proxy/x";
    assert_eq!(cluster.get(path).message(), "no endpoints available for service \"s\"");
    let address = echo(&cluster);
    let endpoints = json!({"metadata": {"name": "s"}, "subsets": [{
        "addresses": [{"ip": address.ip().to_string()}], "ports": [{"name": "http", "port": address.port()}],
    }]});
    cluster.post("/api/v1/namespaces/default/endpoints", &endpoints);
    assert_eq!(cluster.get(path).json()["uri"], "/x");
    assert_eq!(cluster.get("/api/v1/namespaces/default/services/s:80/proxy/").json()["uri"], "/");
    assert_eq!(cluster.get(path).json()["host"], address.to_string());
}
