use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::*;
use local_cluster::routes::{Gone, Lag};
use local_cluster::serve::{Limits, full, serve, text};
use local_cluster::store::{Key, WriteError};

/// An ingress over a store of its own.
struct Gate {
    store: Store,
    ingress: Ingress,
    address: SocketAddr,
    stop: CancellationToken,
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

const QUICK: Settings = Settings {
    connect: Duration::from_millis(200),
    silence: Duration::from_millis(200),
    body_bytes: 1000,
    ..Settings::DEFAULT
};

impl Gate {
    async fn open(settings: Settings) -> Self {
        let store = Store::new();
        let routes = Routes::new(&store);
        Self::over(store, routes, settings).await
    }

    async fn over(store: Store, routes: Routes, settings: Settings) -> Self {
        let ingress = Ingress::with_settings(store.clone(), routes, &Tasks::default(), settings);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(serve(Arc::new(listener), None, ingress.clone(), Limits::default(), stop.clone()));
        Self { store, ingress, address, stop }
    }

    /// An Ingress that leads `host` and `path` to a Service `name` on these ports.
    async fn route(&self, name: &str, host: &str, path: &str, ports: &[u16]) {
        self.service(name, ports);
        let path = json!({"path": path, "pathType": "Prefix",
            "backend": {"service": {"name": name, "port": {"number": 80}}}});
        self.ingress(name, json!({"rules": [{"host": host, "http": {"paths": [path]}}]})).await;
    }

    fn service(&self, name: &str, ports: &[u16]) {
        let subsets: Vec<_> = ports
            .iter()
            .map(|port| json!({"addresses": [{"ip": "127.0.0.1"}], "ports": [{"port": port}]}))
            .collect();
        self.put("services", name, json!({"spec": {"ports": [{"port": 80}]}}));
        self.put("endpoints", name, json!({"subsets": subsets}));
    }

    async fn ingress(&self, name: &str, spec: Value) {
        let mut table = self.ingress.table.clone();
        table.borrow_and_update();
        self.put("ingresses.networking.k8s.io", name, json!({"spec": spec}));
        table.changed().await.unwrap();
        let key = Key::new(INGRESSES, "n", name);
        let mut follow = self.store.follow(INGRESSES);
        while self
            .store
            .get(&key)
            .is_none_or(|it| it["status"]["loadBalancer"]["ingress"][0]["ip"] != "127.0.0.1")
        {
            follow.next().await;
        }
    }

    fn put(&self, resource: &str, name: &str, mut object: Value) {
        object["metadata"] = json!({"name": name, "namespace": "n"});
        let key = Key::new(resource, "n", name);
        if self.store.create(&key, object.clone()).is_err() {
            self.store.update(&key, |_| Ok::<_, WriteError>(object.clone())).unwrap();
        }
    }

    /// Sends bytes on a connection of their own, and reads to its end.
    async fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = vec![];
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    }

    async fn get(&self, host: &str, path: &str) -> (u16, String) {
        let answer =
            self.raw(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }
}

/// A server that says its name, and counts its connections.
#[derive(Clone)]
struct Named {
    name: &'static str,
    connections: Arc<AtomicUsize>,
}

impl Handler for Named {
    fn connection(&self) -> Self {
        self.connections.fetch_add(1, Ordering::SeqCst);
        self.clone()
    }

    async fn handle(&self, _peer: SocketAddr, request: Request) -> Response {
        match request.uri().path() {
            "/slow" => {
                tokio::time::sleep(Duration::from_secs(3600)).await;
                text(StatusCode::OK, "never")
            }
            "/echo" => match request.into_body().collect().await {
                Ok(body) => Response::new(full(body.to_bytes())),
                Err(_) => text(StatusCode::BAD_REQUEST, "broken"),
            },
            "/head" => {
                let mut response = text(StatusCode::OK, self.name);
                let length = request.uri().query().unwrap().parse::<usize>().unwrap();
                let filler = "x".repeat(length - settings::head_length(&response) - HEAD_REST);
                response.headers_mut().insert("x-filler", filler.parse().unwrap());
                response
            }
            _ => text(StatusCode::OK, self.name),
        }
    }
}

/// What servers add to a head that is made by hand, with the filler's own line.
const HEAD_REST: usize = "x-filler: \r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\ncontent-length: 1\r\n".len();

async fn named(name: &'static str) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    let handler = Named { name, connections: connections.clone() };
    tokio::spawn(serve(Arc::new(listener), None, handler, Limits::default(), CancellationToken::new()));
    (port, connections)
}

/// A server that hands each connection to the test.
async fn by_hand() -> (u16, mpsc::UnboundedReceiver<BufReader<TcpStream>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if sender.send(BufReader::new(stream)).is_err() {
                return;
            }
        }
    });
    (port, receiver)
}

/// The lines of a message's head.
async fn head(stream: &mut BufReader<TcpStream>) -> Vec<String> {
    let mut lines = vec![];
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        match line.trim_end() {
            "" => return lines,
            line => lines.push(line.to_owned()),
        }
    }
}

/// A port on which nobody listens, and nobody else can while the socket is there.
fn closed_port() -> (TcpSocket, u16) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

#[tokio::test]
async fn requests_go_by_host_and_path() {
    let gate = Gate::open(Settings::DEFAULT).await;
    let ((a, _), (b, _)) = (named("a").await, named("b").await);
    gate.route("a", "one.host", "/", &[a]).await;
    gate.route("b", "one.host", "/api", &[b]).await;
    for (host, path, expected) in [
        ("one.host", "/", (200, "a")),
        ("ONE.Host:8080", "/x?q=/api", (200, "a")),
        ("one.host.", "/apis", (200, "a")),
        ("one.host", "/api", (200, "b")),
        ("one.host", "/api/x", (200, "b")),
        ("one.host", "//x/../api", (200, "b")),
    ] {
        let (status, body) = gate.get(host, path).await;
        assert_eq!((status, body.as_str()), expected, "{host} {path}");
    }
    for host in ["other.host", "x.one.host", "127.0.0.1:80", "[::1]:80"] {
        let (status, body) = gate.get(host, "/").await;
        assert_eq!(status, 404, "{host}");
        assert!(
            body.contains("<center><h1>404 Not Found</h1></center>\r\n<hr><center>oidc-lab-ingress</center>")
        );
    }
}

#[tokio::test]
async fn named_ports_and_rules_for_any_host() {
    let gate = Gate::open(Settings::DEFAULT).await;
    let ((a, _), (rest, _)) = (named("a").await, named("rest").await);
    gate.put("services", "a", json!({"spec": {"ports": [{"name": "web", "port": 8080}]}}));
    gate.put(
        "endpoints",
        "a",
        json!({"subsets": [{"addresses": [{"ip": "127.0.0.1"}], "ports": [{"name": "web", "port": a}]}]}),
    );
    let path = json!({"path": "/a", "pathType": "Exact", "backend": {"service": {"name": "a", "port": {"name": "web"}}}});
    gate.ingress("a", json!({"rules": [{"host": "one.host", "http": {"paths": [path]}}]})).await;
    gate.service("rest", &[rest]);
    let path = json!({"path": "/", "pathType": "ImplementationSpecific",
        "backend": {"service": {"name": "rest", "port": {"number": 80}}}});
    gate.ingress("rest", json!({"rules": [{"http": {"paths": [path]}}]})).await;
    for (host, path, status, body) in
        [("one.host", "/a", 200, "a"), ("one.host", "/b", 404, "<html>"), ("any.host", "/", 200, "rest")]
    {
        let (got, answer) = gate.get(host, path).await;
        assert!(got == status && answer.starts_with(body), "{host} {path} {got} {answer}");
    }
}

#[tokio::test]
async fn what_an_ingress_asks_for_in_vain_is_said() {
    let backend = json!({"service": {"name": "a", "port": {"number": 80}}});
    let path = json!({"path": "/", "pathType": "Prefix", "backend": backend});
    for spec in [
        json!({"rules": [{"host": "*.wild.host", "http": {"paths": [path]}}]}),
        json!({"defaultBackend": backend}),
    ] {
        let gate = Gate::open(Settings::DEFAULT).await;
        gate.service("a", &[named("a").await.0]);
        gate.ingress("a", spec).await;
        assert_eq!(gate.get("x.wild.host", "/").await.0, 404);
        let events = gate.store.list("events", Some("n")).0;
        let message = events[0]["message"].as_str().unwrap();
        assert!(message.contains("no wildcard hosts and no default backends"), "{message}");
        assert_eq!(
            (&events[0]["type"], &events[0]["involvedObject"]["name"]),
            (&json!("Warning"), &json!("a"))
        );
    }
}

#[tokio::test]
async fn another_protocol_is_not_asked_for_and_not_taken() {
    let gate = Gate::open(Settings::DEFAULT).await;
    let (port, mut server) = by_hand().await;
    gate.route("a", "one.host", "/", &[port]).await;
    let answering = async {
        let mut stream = server.recv().await.unwrap();
        let lines = head(&mut stream).await;
        let answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
        stream.write_all(answer.as_bytes()).await.unwrap();
        lines
    };
    let request =
        "GET /ws HTTP/1.1\r\nHost: one.host\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n";
    let (answer, lines) = tokio::join!(gate.raw(request), answering);
    assert!(
        !lines.iter().any(|line| line.starts_with("Upgrade") || line.starts_with("Connection")),
        "{lines:?}"
    );
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
}

#[tokio::test]
async fn bad_requests_are_answered_and_nothing_panics() {
    let gate = Gate::open(Settings::DEFAULT).await;
    let (a, _) = named("a").await;
    gate.route("a", "one.host", "/", &[a]).await;
    for (request, status) in [
        ("GET / HTTP/1.1\r\nConnection: close\r\n\r\n", "400"),
        ("GET / HTTP/1.0\r\n\r\n", "404"),
        ("GET / HTTP/1.1\r\nHost: one.host\r\nHost: two.host\r\nConnection: close\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: one host\r\nConnection: close\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a@one.host\r\nConnection: close\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: \u{fc}.host\r\nConnection: close\r\n\r\n", "400"),
        ("GET /../x HTTP/1.1\r\nHost: one.host\r\nConnection: close\r\n\r\n", "400"),
        ("GET /%0 HTTP/1.1\r\nHost: one.host\r\nConnection: close\r\n\r\n", "400"),
        ("OPTIONS * HTTP/1.1\r\nHost: one.host\r\nConnection: close\r\n\r\n", "400"),
        ("\u{0}\u{1}garbage\r\n\r\n", "400"),
        ("GET http://one.host/ HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n", "200"),
        ("GET http://one.host:80/ HTTP/1.1\r\nHost: one.host\r\nConnection: close\r\n\r\n", "200"),
        ("GET http://one.host:81/ HTTP/1.1\r\nHost: one.host\r\nConnection: close\r\n\r\n", "502"),
        ("GET https://one.host/ HTTP/1.1\r\nHost: one.host\r\nConnection: close\r\n\r\n", "502"),
        ("GET http://example.com/ HTTP/1.1\r\nHost: one.host\r\nConnection: close\r\n\r\n", "502"),
        ("GET http://a.n.svc.cluster.local/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "200"),
        ("GET http://a.n/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "200"),
        ("GET http://a.n.svc:81/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "502"),
        ("CONNECT one.host:443 HTTP/1.1\r\nHost: one.host:443\r\nConnection: close\r\n\r\n", "502"),
        ("CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\nConnection: close\r\n\r\n", "403"),
    ] {
        let answer = gate.raw(request).await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{request:?} {answer:?}");
    }
    let answer = gate.raw("GET http://example.com/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(answer.ends_with("oidc-lab-ingress: example.com:80 is no host of an Ingress and no Service of this lab, and the ingress leads nowhere else\n"), "{answer}");
}

#[tokio::test]
async fn the_failures_of_a_backend_are_named_as_nginx_does() {
    let gate = Gate::open(QUICK).await;
    gate.route("none", "none.host", "/", &[]).await;
    let (_kept, closed) = closed_port();
    gate.route("refused", "refused.host", "/", &[closed]).await;
    let (slow, _) = named("slow").await;
    gate.route("slow", "slow.host", "/", &[slow]).await;
    gate.ingress(
        "lost",
        json!({"rules": [{"host": "lost.host", "http": {"paths": [
        {"backend": {"service": {"name": "nobody", "port": {"number": 80}}}}]}}]}),
    )
    .await;
    for (host, path, status, words) in [
        ("none.host", "/", 503, "503 Service Temporarily Unavailable"),
        ("lost.host", "/", 503, "503 Service Temporarily Unavailable"),
        ("refused.host", "/", 502, "502 Bad Gateway"),
        ("slow.host", "/slow", 504, "504 Gateway Time-out"),
    ] {
        let (got, body) = gate.get(host, path).await;
        assert_eq!(got, status, "{host}");
        assert!(body.contains(words), "{body}");
    }
}

#[tokio::test]
async fn bodies_have_a_limit_announced_or_not() {
    let gate = Gate::open(QUICK).await;
    let (a, _) = named("a").await;
    gate.route("a", "one.host", "/", &[a]).await;
    let (small, large) = ("x".repeat(1000), "x".repeat(1001));
    let sized = |body: &str| {
        format!(
            "POST /echo HTTP/1.1\r\nHost: one.host\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    };
    let chunked = |body: &str| {
        format!(
            "POST /echo HTTP/1.1\r\nHost: one.host\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
            body.len()
        )
    };
    for (request, status) in
        [(sized(&small), "200"), (sized(&large), "413"), (chunked(&small), "200"), (chunked(&large), "413")]
    {
        let answer = gate.raw(&request).await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{answer}");
        assert_eq!(answer.ends_with(&small), status == "200");
    }
}

#[tokio::test]
async fn pods_take_turns_and_a_dead_one_is_passed_over() {
    let gate = Gate::open(Settings::DEFAULT).await;
    let ((a, _), (b, _)) = (named("a").await, named("b").await);
    gate.route("s", "one.host", "/", &[a, b]).await;
    let mut seen = vec![];
    for _ in 0..4 {
        seen.push(gate.get("one.host", "/").await.1);
    }
    assert!(seen == ["a", "b", "a", "b"] || seen == ["b", "a", "b", "a"], "{seen:?}");
    let (_kept, closed) = closed_port();
    gate.route("s", "one.host", "/", &[closed, b]).await;
    for _ in 0..4 {
        let answer = gate
            .raw("POST / HTTP/1.1\r\nHost: one.host\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx")
            .await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\nb"), "{answer}");
    }
}

#[tokio::test]
async fn a_clients_connection_has_its_own_to_the_server() {
    let gate = Gate::open(Settings::DEFAULT).await;
    let (a, connections) = named("a").await;
    gate.route("a", "one.host", "/", &[a]).await;
    for client in 1..=3 {
        let stream = TcpStream::connect(gate.address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        for _ in 0..3 {
            sender.ready().await.unwrap();
            let request =
                http::Request::get("/").header("host", "one.host").body(Full::new(Bytes::new())).unwrap();
            let answer = sender.send_request(request).await.unwrap();
            assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "a");
        }
        assert_eq!(connections.load(Ordering::SeqCst), client);
    }
}

#[tokio::test]
async fn messages_pass_as_they_were_written() {
    let gate = Gate::open(Settings::DEFAULT).await;
    let (port, mut server) = by_hand().await;
    gate.route("a", "one.host", "/", &[port]).await;
    let request = "GET /a%2Fb//c?d=e%20f HTTP/1.1\r\nHost: One.host\r\nX-oDD-Name: 1\r\nCookie: a=1\r\n\
                   Proxy-Connection: keep-alive\r\nConnection: close\r\n\r\n";
    let answering = async {
        let mut stream = server.recv().await.unwrap();
        let lines = head(&mut stream).await;
        stream
            .write_all(
                b"HTTP/1.1 303 See Other\r\nX-oDD-Answer: 1\r\nSet-Cookie: a=1; Path=/\r\nset-cookie: b=2\r\n\
                  Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: 2\r\n\r\nhi",
            )
            .await
            .unwrap();
        lines
    };
    let (answer, lines) = tokio::join!(gate.raw(request), answering);
    let id = lines.iter().find_map(|line| line.strip_prefix("X-Request-Id: ")).unwrap();
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let lines: Vec<_> = lines.iter().filter(|line| !line.starts_with("X-Request-Id")).collect();
    assert_eq!(
        lines,
        [
            "GET /a%2Fb//c?d=e%20f HTTP/1.1",
            "Host: One.host",
            "X-oDD-Name: 1",
            "Cookie: a=1",
            "X-Real-Ip: 127.0.0.1",
            "X-Forwarded-For: 127.0.0.1",
            "X-Forwarded-Host: One.host",
            "X-Forwarded-Port: 80",
            "X-Forwarded-Proto: http",
            "X-Forwarded-Scheme: http",
            "X-Scheme: http",
        ]
    );
    assert_eq!(
        answer,
        "HTTP/1.1 303 See Other\r\nX-oDD-Answer: 1\r\nSet-Cookie: a=1; Path=/\r\nset-cookie: b=2\r\n\
         Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"
    );
}

#[tokio::test]
async fn streams_pass_as_they_come_and_a_silent_one_is_cut() {
    let gate = Gate::open(QUICK).await;
    let (port, mut server) = by_hand().await;
    gate.route("a", "one.host", "/", &[port]).await;
    let mut client = BufReader::new(TcpStream::connect(gate.address).await.unwrap());
    client.write_all(b"GET / HTTP/1.1\r\nHost: one.host\r\n\r\n").await.unwrap();
    let mut stream = server.recv().await.unwrap();
    head(&mut stream).await;
    stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
    head(&mut client).await;
    for part in ["1\r\na\r\n", "2\r\nbc\r\n"] {
        stream.write_all(part.as_bytes()).await.unwrap();
        let mut read = vec![0; part.len()];
        client.read_exact(&mut read).await.unwrap();
        assert_eq!(read, part.as_bytes());
    }
    let mut rest = vec![];
    client.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty(), "cut, not ended");
}

#[tokio::test]
async fn a_client_that_goes_takes_its_servers_connection_along() {
    let gate = Gate::open(Settings::DEFAULT).await;
    let (port, mut server) = by_hand().await;
    gate.route("a", "one.host", "/", &[port]).await;
    let mut client = TcpStream::connect(gate.address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: one.host\r\n\r\n").await.unwrap();
    let mut stream = server.recv().await.unwrap();
    head(&mut stream).await;
    drop(client);
    let mut rest = vec![];
    stream.read_to_end(&mut rest).await.unwrap();
}

#[tokio::test]
async fn a_server_that_breaks_off_is_asked_again_only_if_that_does_no_harm() {
    let gate = Gate::open(Settings::DEFAULT).await;
    let (port, mut server) = by_hand().await;
    gate.route("a", "one.host", "/", &[port]).await;
    let breaking = async {
        let mut first = server.recv().await.unwrap();
        head(&mut first).await;
        drop(first);
        let mut second = server.recv().await.unwrap();
        head(&mut second).await;
        second.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
    };
    let (answer, ()) = tokio::join!(gate.get("one.host", "/"), breaking);
    assert_eq!(answer, (200, "ok".to_owned()));
    let breaking = async {
        let mut first = server.recv().await.unwrap();
        head(&mut first).await;
        drop(first);
    };
    let request = "POST / HTTP/1.1\r\nHost: one.host\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx";
    let (answer, ()) = tokio::join!(gate.raw(request), breaking);
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
}

#[tokio::test]
async fn an_answer_whose_head_is_larger_than_the_buffer_is_a_502_and_nothing_is_tried_again() {
    let gate = Gate::open(Settings::DEFAULT).await;
    let (port, connections) = named("a").await;
    gate.route("a", "a.host", "/", &[port]).await;
    assert_eq!(gate.get("a.host", "/head?4096").await, (200, "a".into()));
    let before = connections.load(Ordering::SeqCst);
    let (status, body) = gate.get("a.host", "/head?4097").await;
    assert_eq!((status, connections.load(Ordering::SeqCst)), (502, before + 1));
    assert!(body.contains("<h1>502 Bad Gateway</h1>"), "{body}");
    let annotate = |value: &str| {
        let key = Key::new(INGRESSES, "n", "a");
        let mut table = gate.ingress.table.clone();
        table.borrow_and_update();
        let change = |old: &Value| {
            let mut new = old.clone();
            new["metadata"]["annotations"] = json!({"nginx.ingress.kubernetes.io/proxy-buffer-size": value});
            Ok::<_, WriteError>(new)
        };
        gate.store.update(&key, change).unwrap();
        async move { table.changed().await.unwrap() }
    };
    annotate("8k").await;
    assert_eq!(gate.get("a.host", "/head?8192").await, (200, "a".into()));
    assert_eq!(gate.get("a.host", "/head?8193").await.0, 502);
    annotate("as large as you like").await;
    assert_eq!(gate.get("a.host", "/head?4097").await.0, 502);
}

#[tokio::test]
async fn a_request_with_a_line_that_is_larger_than_the_buffer_is_refused() {
    let gate = Gate::open(Settings::DEFAULT).await;
    gate.route("a", "a.host", "/", &[named("a").await.0]).await;
    let cookie = |length: usize| {
        let cookie = "c".repeat(length - "Cookie: \r\n".len());
        format!("GET / HTTP/1.1\r\nHost: a.host\r\nConnection: close\r\nCookie: {cookie}\r\n\r\n")
    };
    assert!(gate.raw(&cookie(8192)).await.starts_with("HTTP/1.1 200"));
    let refused = gate.raw(&cookie(8193)).await;
    assert!(refused.starts_with("HTTP/1.1 400 Bad Request"), "{refused}");
    assert!(refused.contains("<title>400 Request Header Or Cookie Too Large</title>"), "{refused}");
    let (status, body) = gate.get("a.host", &format!("/{}", "p".repeat(8192))).await;
    assert_eq!(status, 414);
    assert!(body.contains("<h1>414 Request-URI Too Large</h1>"), "{body}");

    // The controller's ConfigMap is for all.
    let mut table = gate.ingress.table.clone();
    table.borrow_and_update();
    let config = json!({"metadata": {"name": "ingress-nginx-controller", "namespace": "ingress"},
        "data": {"large-client-header-buffers": "4 16k"}});
    gate.store.create(&Key::new("configmaps", "ingress", "ingress-nginx-controller"), config).unwrap();
    table.changed().await.unwrap();
    assert!(gate.raw(&cookie(8193)).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn the_address_of_a_pod_that_is_gone_does_what_was_asked_of_it() {
    for (gone, status) in [(Gone::Refuses, 502), (Gone::Hangs, 504), (Gone::Answers502, 502)] {
        let (store, tasks) = (Store::new(), Tasks::default());
        let lag = Lag { by: Duration::from_secs(3600), gone };
        let routes = Routes::late(&store, lag, &tasks);
        let known = routes.known().clone();
        let gate = Gate::over(store, routes, QUICK).await;
        gate.route("a", "a.host", "/", &[]).await;
        let key = Key::new("endpoints", "n", "a");
        let mut table = gate.ingress.table.clone();
        table.borrow_and_update();
        let (_kept, closed) = closed_port();
        let old = json!({"metadata": {"name": "a", "namespace": "n"},
            "subsets": [{"addresses": [{"ip": "127.0.0.1"}], "ports": [{"port": closed}]}]});
        known.create(&key, old).unwrap();
        table.changed().await.unwrap();
        assert_eq!(gate.get("a.host", "/").await.0, status, "{gone:?}");
    }
}
