//! A cluster API over TLS on loopback, for tests that talk to it as clients do.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;

use local_cluster::api::{self, Api, Audit};
use local_cluster::logs::Logs;
use local_cluster::serve::{Limits, serve};
use local_cluster::store::Store;
use local_cluster::tasks::Tasks;
use local_cluster::tls;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// The token of all test clusters.
pub const TOKEN: &str = "test-token-of-the-cluster-api";

/// Somebody who may do what Roles grant them.
pub const READER: &str = "reader";
pub const READERS_TOKEN: &str = "test-token-of-the-reader";

/// A running cluster API.
pub struct Cluster {
    pub store: Store,
    pub logs: Logs,
    pub address: SocketAddr,
    pub ca_pem: String,
    folder: tempfile::TempDir,
    stop: CancellationToken,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Cluster {
    /// Starts one with what a cluster has at birth.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (store, logs) = (Store::new(), Logs::new(folder.path().join("logs")));
        std::fs::create_dir(folder.path().join("logs")).unwrap();
        api::bootstrap(&store);
        let identity = tls::identity().unwrap();
        let stop = CancellationToken::new();
        let audit = Audit::to_file(&folder.path().join("audit.log")).unwrap();
        let address = runtime.block_on(async {
            let listener = Arc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
            let address = listener.local_addr().unwrap();
            let api = Api::new(
                store.clone(),
                logs.clone(),
                TOKEN,
                &[(READER, READERS_TOKEN)],
                audit,
                &Tasks::default(),
            );
            tokio::spawn(serve(listener, Some(identity.acceptor), api, Limits::default(), stop.clone()));
            address
        });
        let cluster =
            Self { store, logs, address, ca_pem: identity.ca_pem, folder, stop, runtime: Some(runtime) };
        std::fs::write(cluster.kubeconfig(), cluster.kubeconfig_text()).unwrap();
        cluster
    }

    /// A folder that goes with the cluster.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    pub fn kubeconfig_text(&self) -> String {
        use base64::Engine as _;
        let authority = base64::prelude::BASE64_STANDARD.encode(&self.ca_pem);
        format!(
            "apiVersion: v1
kind: Config
current-context: lab
clusters:
- name: lab
  cluster: {{server: 'https://{}', certificate-authority-data: {authority}}}
users:
- name: lab
  user: {{token: {TOKEN}}}
contexts:
- name: lab
  context: {{cluster: lab, user: lab}}
",
            self.address
        )
    }

    /// The record of requests, as lines of JSON.
    pub fn audit(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.folder.path().join("audit.log")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Runs a future on the cluster's runtime.
    pub fn block_on<F: std::future::Future>(&self, future: F) -> F::Output {
        self.runtime.as_ref().unwrap().block_on(future)
    }

    /// A kube client.
    pub fn client(&self) -> kube::Client {
        let kubeconfig = kube::config::Kubeconfig::from_yaml(&self.kubeconfig_text()).unwrap();
        self.block_on(async {
            let options = kube::config::KubeConfigOptions::default();
            let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
            kube::Client::try_from(config).unwrap()
        })
    }
}

/// What a server answered.
pub struct Answer {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// `message` of a status.
    pub fn message(&self) -> String {
        self.json()["message"].as_str().unwrap_or_default().to_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default()
    }
}

/// A request on its way.
pub struct Ask<'a> {
    cluster: &'a Cluster,
    request: http::request::Builder,
    body: Bytes,
}

impl Ask<'_> {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub fn body(mut self, kind: &str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.header("Content-Type", kind)
    }

    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// Sends it and reads the whole answer.
    pub fn send(self) -> Answer {
        self.try_send().unwrap()
    }

    /// Sends it and reads what comes before the answer's body, which may have no end.
    pub fn head(self) -> http::response::Parts {
        let Ask { cluster, request, body } = self;
        let request = request.body(Full::new(body)).unwrap();
        cluster.block_on(async { cluster.exchange(request).await.into_parts().0 })
    }

    /// As [`Ask::send`], for an answer that may be broken off.
    pub fn try_send(self) -> hyper::Result<Answer> {
        let Ask { cluster, request, body } = self;
        let request = request.body(Full::new(body)).unwrap();
        cluster.block_on(async {
            let (parts, body) = cluster.exchange(request).await.into_parts();
            let bytes = body.collect().await?.to_bytes();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, text })
        })
    }

    /// Sends it and hands back the lines of the answer as they come. The answer is
    /// given up when the receiver is dropped.
    pub fn lines(self) -> Lines {
        let Ask { cluster, request, body } = self;
        let request = request.body(Full::new(body)).unwrap();
        let mut body = cluster.block_on(async { cluster.exchange(request).await }).into_body();
        let (sender, receiver) = std::sync::mpsc::channel();
        let task = cluster.runtime.as_ref().unwrap().spawn(async move {
            let mut rest = vec![];
            while let Some(Ok(frame)) = body.frame().await {
                rest.extend_from_slice(frame.data_ref().unwrap());
                while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = rest.drain(..=end).collect();
                    if sender.send(String::from_utf8_lossy(&line[..end]).into_owned()).is_err() {
                        return;
                    }
                }
            }
        });
        Lines { receiver, task }
    }
}

/// The lines of an answer that goes on.
pub struct Lines {
    receiver: std::sync::mpsc::Receiver<String>,
    task: tokio::task::JoinHandle<()>,
}

impl Lines {
    /// The next line, or `None` when the answer has ended.
    pub fn next(&mut self) -> Option<String> {
        match self.receiver.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => None,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("no line came within {PATIENCE:?}"),
        }
    }

    /// The next event of a watch: its type and the object's name.
    pub fn event(&mut self) -> (String, Value) {
        let event: Value = serde_json::from_str(&self.next().expect("the watch goes on")).unwrap();
        (event["type"].as_str().unwrap().to_owned(), event["object"].clone())
    }

    /// As [`Lines::event`], as `ADDED name`.
    pub fn change(&mut self) -> String {
        let (kind, object) = self.event();
        format!("{kind} {}", object["metadata"]["name"].as_str().unwrap_or_default())
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Whether a program is on PATH. A test that goes without says so by name.
pub fn on_path(program: &str, test: &str) -> bool {
    let there = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|folder| folder.join(program).is_file());
    if !there {
        eprintln!("skipped: {test}: no {program} on PATH");
    }
    there
}

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(20);

impl Cluster {
    /// A request with the token.
    pub fn ask(&self, method: &str, path: &str) -> Ask<'_> {
        self.ask_without_token(method, path).header("Authorization", &format!("Bearer {TOKEN}"))
    }

    /// A request without it.
    pub fn ask_without_token(&self, method: &str, path: &str) -> Ask<'_> {
        let request =
            http::Request::builder().method(method).uri(path).header("Host", self.address.to_string());
        Ask { cluster: self, request, body: Bytes::new() }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path).send()
    }

    pub fn post(&self, path: &str, object: &Value) -> Answer {
        self.ask("POST", path).json(object).send()
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.ask("DELETE", path).send()
    }

    /// A merge patch.
    pub fn merge(&self, path: &str, patch: &Value) -> Answer {
        self.ask("PATCH", path).body("application/merge-patch+json", patch.to_string()).send()
    }

    /// Server-side apply.
    pub fn apply(&self, path: &str, manager: &str, config: &Value) -> Answer {
        self.ask("PATCH", &format!("{path}?fieldManager={manager}"))
            .body("application/apply-patch+yaml", config.to_string())
            .send()
    }

    /// Waits until a condition holds.
    pub fn wait(&self, what: &str, condition: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = self.store.version();
        while !condition() {
            assert!(Instant::now() < deadline, "{what} did not come to be");
            // Whatever it is, it comes with a write.
            let next = self.store.reached(seen + 1);
            let _ = self.block_on(async { tokio::time::timeout(Duration::from_millis(200), next).await });
            seen = self.store.version();
        }
    }

    /// A TLS connection to the API.
    pub async fn connect(&self) -> tokio_rustls::client::TlsStream<TcpStream> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.ca_pem.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
    }

    /// A connection that takes one request after the other.
    pub fn keep(&self) -> Kept<'_> {
        let sender = self.block_on(async {
            let stream = TokioIo::new(self.connect().await);
            let (sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
            tokio::spawn(connection);
            sender
        });
        Kept { cluster: self, sender }
    }

    async fn exchange(&self, request: http::Request<Full<Bytes>>) -> http::Response<Incoming> {
        let stream = TokioIo::new(self.connect().await);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    }
}

/// See [`Cluster::keep`].
pub struct Kept<'a> {
    cluster: &'a Cluster,
    sender: hyper::client::conn::http1::SendRequest<Full<Bytes>>,
}

impl Kept<'_> {
    /// The status of a request, and its answer.
    pub fn send(&mut self, method: &str, path: &str, kind: &str, body: &str) -> (u16, String) {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("Host", "localhost")
            .header("Authorization", format!("Bearer {TOKEN}"))
            .header("Content-Type", kind)
            .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
            .unwrap();
        let sender = &mut self.sender;
        self.cluster.block_on(async {
            sender.ready().await.expect("the connection is kept");
            let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
            let bytes = body.collect().await.unwrap().to_bytes();
            (parts.status.as_u16(), String::from_utf8_lossy(&bytes).into_owned())
        })
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
