//! The lab's process: everything together, from an empty folder to SIGTERM.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::home::{Home, build_id};
use crate::ingress::Ingress;
use base::folder::FolderError;
use local_cluster::api::{self, Api, Audit};
use local_cluster::logs::Logs;
use local_cluster::program::{ClusterAccess, Images};
use local_cluster::serve::{Limits, serve as serve_http};
use local_cluster::store::Store;
use local_cluster::workloads::Supervisor;
use local_cluster::{tls, workloads};

/// The context in the lab's kubeconfig.
pub const CONTEXT: &str = "oidc-lab";

/// The argument by which this program knows that it is to call [`workloads::supervise`].
pub const SUPERVISE: &str = "supervise-process";

/// Why a lab does not run.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The folder is somebody's own, or another lab's.
    #[error(transparent)]
    Claim(#[from] FolderError),
    /// The folder cannot be written.
    #[error("{folder}: {error}")]
    Folder {
        /// The folder.
        folder: String,
        /// What the system says.
        error: io::Error,
    },
    /// No port to listen on.
    #[error(
        "{address} cannot be listened on: {error} (hint: another program has the port; leave out --port for a free one)"
    )]
    Port {
        /// The wished address.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// No certificate.
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
    /// No signals, no random numbers.
    #[error("the system refuses a basic service: {0}")]
    System(io::Error),
}

/// Runs a lab with the ingress on `ingress` (port 0: a free one), calls `ready` when
/// it can be used, and returns when SIGTERM or SIGINT has stopped it.
///
/// # Errors
/// [`LabError`], all before `ready`.
pub async fn serve(home: Home, ingress: SocketAddr, ready: impl FnOnce()) -> Result<(), LabError> {
    let folder = |error| LabError::Folder { folder: home.folder().path().display().to_string(), error };
    let mut terminate = signal(SignalKind::terminate()).map_err(LabError::System)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(LabError::System)?;
    home.create()?;
    let alive = home.live()?;

    let supervisor = Supervisor::this_program(SUPERVISE).map_err(LabError::System)?;
    let identity = tls::identity()?;
    let token = token().map_err(LabError::System)?;
    let api_listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let ingress_listener = listen(ingress).await?;
    let api_address = api_listener.local_addr().map_err(LabError::System)?;
    let ingress_address = ingress_listener.local_addr().map_err(LabError::System)?;
    let cluster = ClusterAccess { server: format!("https://{api_address}"), ca_pem: identity.ca_pem, token };

    let stop = CancellationToken::new();
    let store = Store::new();
    api::bootstrap(&store);
    let logs = Logs::new(home.logs());
    let audit = Audit::to_file(&home.audit()).map_err(folder)?;
    let api = Api::new(store.clone(), logs.clone(), &cluster.token, audit);
    let images = Images::default()
        .with(stand_ins::dex::IMAGE, stand_ins::dex::program())
        .with(stand_ins::argocd::IMAGE, stand_ins::argocd::program())
        .with(stand_ins::redis::IMAGE, stand_ins::redis::program())
        .with(workloads::HOST_PROCESS_IMAGE, workloads::host_process(supervisor, home.processes()));
    let limits = Limits::default();
    let servers = CancellationToken::new();
    let serving_api =
        tokio::spawn(serve_http(api_listener, Some(identity.acceptor), api, limits, servers.clone()));
    let door = Ingress::new(store.clone()).on_port(ingress_address.port());
    let serving_ingress = tokio::spawn(serve_http(ingress_listener, None, door, limits, servers.clone()));
    let workloads = workloads::start(store, logs, images, cluster.clone(), ingress_address, stop.clone());

    home.write(&home.kubeconfig(), cluster.kubeconfig(CONTEXT, None).as_bytes()).map_err(folder)?;
    let description = home.describe(&build_id(), api_address, ingress_address).map_err(folder)?;
    ready();

    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    // It ends all the same if the folder is gone.
    let _ = home.withdraw(description);
    // Programs end first, while the cluster that they talk to is still there.
    stop.cancel();
    let _ = workloads.await;
    servers.cancel();
    let _ = tokio::join!(serving_api, serving_ingress);
    // Held until the process has ended: whoever waits for the lock waits for that.
    std::mem::forget(alive);
    Ok(())
}

async fn listen(address: SocketAddr) -> Result<Arc<TcpListener>, LabError> {
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(Arc::new(listener)),
        Err(error) => Err(LabError::Port { address, error }),
    }
}

fn token() -> io::Result<String> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| io::Error::other("no random numbers"))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}
