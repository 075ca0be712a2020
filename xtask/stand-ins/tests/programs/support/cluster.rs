//! The cluster API over HTTPS, with a namespace for Argo CD.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use local_cluster::api::{Api, Audit, bootstrap};
use local_cluster::logs::Logs;
use local_cluster::program::ClusterAccess;
use local_cluster::serve::{Limits, serve};
use local_cluster::store::{Key, Store};
use local_cluster::tasks::Tasks;
use local_cluster::tls::{self, Identity};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const TOKEN: &str = "token-of-the-lab";

/// A cluster that answers until it is dropped.
pub struct Cluster {
    pub store: Store,
    pub access: ClusterAccess,
    api: Api,
    identity: Identity,
    address: SocketAddr,
    serving: Option<(CancellationToken, JoinHandle<()>)>,
}

impl Cluster {
    pub async fn new(logs: Logs) -> Self {
        let identity = tls::identity().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let access = ClusterAccess {
            server: format!("https://{address}"),
            ca_pem: identity.ca_pem.clone(),
            token: TOKEN.into(),
        };
        let store = Store::new();
        bootstrap(&store);
        let namespace = serde_json::json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "argocd" },
        });
        store.create(&Key::new("namespaces", "", "argocd"), namespace).unwrap();
        let api = Api::new(store.clone(), logs, TOKEN, &[], Audit::none(), &Tasks::default());
        let mut cluster = Self { store, access, api, identity, address, serving: None };
        cluster.serve(listener);
        cluster
    }

    fn serve(&mut self, listener: TcpListener) {
        let stop = CancellationToken::new();
        let limits = Limits { grace: Duration::ZERO, ..Limits::default() };
        let acceptor = Some(self.identity.acceptor.clone());
        let serving = serve(Arc::new(listener), acceptor, self.api.clone(), limits, stop.clone());
        self.serving = Some((stop, tokio::spawn(serving)));
    }

    /// Breaks every connection and answers nobody, until it is back.
    pub async fn away(&mut self) {
        let (stop, serving) = self.serving.take().unwrap();
        stop.cancel();
        serving.await.unwrap();
    }

    pub async fn back(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.serve(listener);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some((stop, _)) = &self.serving {
            stop.cancel();
        }
    }
}
