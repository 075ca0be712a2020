//! A cluster API over TLS on loopback, for tests that talk to it as clients do.

#![allow(dead_code, reason = "each test binary uses its part of this")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use local_lab::api::{self, Api, Audit};
use local_lab::logs::Logs;
use local_lab::serve::{Limits, serve};
use local_lab::store::Store;
use local_lab::tls;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The token of all test clusters.
pub const TOKEN: &str = "test-token-of-the-cluster-api";

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
            let api = Api::new(store.clone(), logs.clone(), TOKEN, audit);
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

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
