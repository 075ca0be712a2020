//! What the tests of the stand-ins share: containers without a cluster around
//! them, and a proxy that routes by host name.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

pub mod argocd;
pub mod cluster;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::header::{HOST, HeaderName};
use http::{HeaderValue, StatusCode};
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use local_cluster::logs::{LogKey, Logs};
use local_cluster::program::{ClusterAccess, Exit, Launch, Program};
use local_cluster::serve::{self, Handler, Limits, Request, Response, serve};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub const SECRET: &str = "s3cret-of-the-lab";
pub const USER: &str = "admin@example.com";
pub const PASSWORD: &str = "password";

pub const DEX_CONFIG: &str = r#"
issuer: http://dex.host
storage:
  type: memory
web:
  http: 0.0.0.0:5556
oauth2:
  skipApprovalScreen: true
enablePasswordDB: true
staticClients:
- id: argo-cd
  name: Argo CD
  secretEnv: ARGO_CD_CLIENT_SECRET
  redirectURIs: ["http://argocd.host/auth/callback"]
staticPasswords:
- email: admin@example.com
  hash: "$2a$10$sfbKblGyTQkdZTo6YGZ4BOJLBsZK3ePW5r77PlAjWZWd9qpc7BiOi"
  username: admin
  userID: 08a8684b-db88-4b73-90a9-3cd1661f5466
"#;

/// A place for containers: logs, and a proxy in front of them.
pub struct Place {
    folder: tempfile::TempDir,
    logs: Logs,
    routes: Routes,
    pub proxy: SocketAddr,
    stop: CancellationToken,
    next: AtomicU32,
}

/// A container that runs.
pub struct Container {
    pub stop: CancellationToken,
    pub ports: BTreeMap<u16, SocketAddr>,
    pub task: JoinHandle<Exit>,
    log: LogKey,
    logs: Logs,
}

pub struct Spec {
    pub image: String,
    pub namespace: &'static str,
    pub args: Vec<String>,
    pub env: BTreeMap<String, String>,
    pub files: BTreeMap<String, Vec<u8>>,
    pub ports: Vec<u16>,
    pub cluster: ClusterAccess,
}

impl Place {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let logs = Logs::new(folder.path());
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let proxy = listener.local_addr().unwrap();
        let routes = Routes::default();
        let stop = CancellationToken::new();
        tokio::spawn(serve(Arc::new(listener), None, routes.clone(), Limits::default(), stop.clone()));
        Self { folder, logs, routes, proxy, stop, next: AtomicU32::new(0) }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn route(&self, host: &str, to: SocketAddr) {
        self.routes.0.lock().unwrap().insert(host.to_owned(), to);
    }

    /// Where the logs of containers are.
    pub fn logs(&self) -> Logs {
        self.logs.clone()
    }

    /// A server that answers as the host of this name does, whatever it is asked for.
    pub fn front(&self, host: &'static str) -> impl Handler + use<> {
        Front { routes: self.routes.clone(), host }
    }

    pub fn run(&self, program: &impl Program, spec: Spec) -> Container {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let log = LogKey {
            namespace: spec.namespace.into(),
            pod: format!("pod-{number}"),
            container: "c".into(),
            restart: 0,
        };
        let stop = CancellationToken::new();
        let (mut ports, mut addresses) = (BTreeMap::new(), BTreeMap::new());
        for port in spec.ports {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            addresses.insert(port, listener.local_addr().unwrap());
            ports.insert(port, listener);
        }
        let mut env = spec.env;
        env.insert("HTTP_PROXY".into(), format!("http://{}", self.proxy));
        let launch = Launch {
            namespace: spec.namespace.into(),
            pod: log.pod.clone(),
            container: "c".into(),
            image: spec.image,
            command: vec![],
            args: spec.args,
            env,
            files: spec.files,
            ports,
            log: self.logs.start(log.clone()).unwrap(),
            stop: stop.clone(),
            cluster: spec.cluster,
        };
        let task = tokio::spawn(program.run(launch));
        Container { stop, ports: addresses, task, log, logs: self.logs.clone() }
    }

    /// Dex with the usual configuration, routed as `dex.host`.
    pub fn dex(&self, config: &str, secret: &str) -> Container {
        let container = self.run(
            &stand_ins::dex::program(),
            Spec {
                image: "oidc-lab/stand-in-dex:v2.45.1".into(),
                namespace: "dex",
                args: ["dex", "serve", "--web-http-addr", "0.0.0.0:5556", "/etc/dex/config.yaml"]
                    .map(Into::into)
                    .into(),
                env: BTreeMap::from([("ARGO_CD_CLIENT_SECRET".into(), secret.into())]),
                files: BTreeMap::from([("/etc/dex/config.yaml".into(), config.as_bytes().to_vec())]),
                ports: vec![5556, 5558],
                cluster: ClusterAccess { server: String::new(), ca_pem: String::new(), token: String::new() },
            },
        );
        self.route("dex.host", container.ports[&5556]);
        container
    }

    /// A client that follows nothing, keeps nothing, and connects anew each time. It speaks plain
    /// HTTP, and the system's authorities take longer to read than a login.
    pub fn client(&self) -> reqwest::Client {
        // Another test of this process may have been faster.
        let _ = rustls::crypto::ring::default_provider().install_default();
        reqwest::Client::builder()
            .proxy(reqwest::Proxy::http(format!("http://{}", self.proxy)).unwrap())
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .tls_certs_only([])
            .timeout(Duration::from_secs(20))
            .build()
            .unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Container {
    /// Its log so far, without the times in front.
    pub fn log(&self) -> Vec<String> {
        let mut reader = self.logs.open(&self.log).unwrap();
        let mut lines = vec![];
        while let Some(line) = reader.line() {
            lines.push(line.split_once(' ').unwrap().1.to_owned());
        }
        lines
    }

    /// How many lines contain this text by now.
    pub fn count(&self, text: &str) -> usize {
        self.log().iter().filter(|line| line.contains(text)).count()
    }

    /// Waits until a line contains this text.
    pub async fn logged(&self, text: &str) -> String {
        self.logged_times(text, 1).await
    }

    /// Waits until so many lines contain this text; the last of them.
    pub async fn logged_times(&self, text: &str, times: usize) -> String {
        let mut reader = self.logs.open(&self.log).unwrap();
        let mut seen = 0;
        let found = async {
            loop {
                while let Some(line) = reader.line() {
                    if line.contains(text) {
                        seen += 1;
                        if seen == times {
                            return line;
                        }
                    }
                }
                if !reader.more().await {
                    panic!("the log ended without {text:?}:\n{}", self.log().join("\n"));
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), found)
            .await
            .unwrap_or_else(|_| panic!("no {text:?} in the log:\n{}", self.log().join("\n")))
    }

    /// Stops it and says how it ended.
    pub async fn end(self) -> Exit {
        self.stop.cancel();
        tokio::time::timeout(Duration::from_secs(30), self.task).await.expect("it ends").unwrap()
    }
}

/// Where hosts are: a front that answers 502 for what is not there.
#[derive(Clone, Default)]
struct Routes(Arc<Mutex<BTreeMap<String, SocketAddr>>>);

impl Handler for Routes {
    async fn handle(&self, _peer: SocketAddr, mut request: Request) -> Response {
        let host =
            request.uri().host().map(str::to_owned).or_else(|| {
                request.headers().get(HOST).and_then(|host| host.to_str().ok()).map(str::to_owned)
            });
        let host = host.unwrap_or_default();
        let to = self.0.lock().unwrap().get(&host).copied();
        let Some(to) = to else { return bad_gateway() };
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
        *request.uri_mut() = path.parse().unwrap();
        request.headers_mut().insert(HOST, HeaderValue::from_str(&host).unwrap());
        request.headers_mut().remove(HeaderName::from_static("proxy-connection"));
        let Ok(stream) = tokio::net::TcpStream::connect(to).await else { return bad_gateway() };
        let Ok((mut sender, connection)) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await
        else {
            return bad_gateway();
        };
        tokio::spawn(connection);
        match sender.send_request(request).await {
            Ok(response) => response.map(|body| body.map_err(std::io::Error::other).boxed()),
            Err(_) => bad_gateway(),
        }
    }
}

#[derive(Clone)]
struct Front {
    routes: Routes,
    host: &'static str,
}

impl Handler for Front {
    async fn handle(&self, peer: SocketAddr, mut request: Request) -> Response {
        request.headers_mut().insert(HOST, HeaderValue::from_static(self.host));
        self.routes.handle(peer, request).await
    }
}

fn bad_gateway() -> Response {
    serve::text(StatusCode::BAD_GATEWAY, "nobody answers")
}

/// What this workspace's reqwest leaves out.
pub trait Form {
    /// Sends a form.
    fn form(self, fields: &[(&str, &str)]) -> Self;
}

impl Form for reqwest::RequestBuilder {
    fn form(self, fields: &[(&str, &str)]) -> Self {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.header("content-type", "application/x-www-form-urlencoded").body(body)
    }
}

/// What this workspace's reqwest leaves out.
pub trait Json {
    /// Reads the body as JSON.
    fn json(self) -> impl Future<Output = serde_json::Value> + Send;
}

impl Json for reqwest::Response {
    async fn json(self) -> serde_json::Value {
        serde_json::from_slice(&self.bytes().await.unwrap()).unwrap()
    }
}
