//! Workloads: Deployments become ReplicaSets, ReplicaSets become pods, pods run
//! programs of this machine, and Services know where those listen.
//!
//! Everything follows the store's watches and acts on what stands there now, as the
//! controllers of a cluster do; nothing looks again by the clock but what has a clock
//! in it (probes, back-offs, deadlines). What goes with a deleted owner or namespace is
//! the cluster's business, not theirs.

mod controllers;
mod deployment;
mod endpoints;
mod events;
mod host;
mod kubelet;
mod pods;
mod replicaset;
mod selector;
mod services;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::logs::Logs;
use crate::program::{ClusterAccess, Images};
use crate::store::Store;
use events::Recorder;
pub use host::{HOST_PROCESS_IMAGE, Supervisor, host_process, supervise, sweep};

/// The one node: this machine.
pub const NODE: &str = "local";
/// Every pod's address.
pub const ADDRESS: &str = "127.0.0.1";
/// The annotation on a pod that says where its container ports really listen, as JSON:
/// `{"8080":"127.0.0.1:41234"}`.
pub const LISTENING: &str = "oidc-lab/listening";

/// Starts the controllers and the kubelet. When `stop` is set, all containers are told
/// to end, killed if they do not, and the task ends after the last of them.
pub fn start(
    store: Store,
    logs: Logs,
    images: Images,
    cluster: ClusterAccess,
    ingress: SocketAddr,
    stop: CancellationToken,
) -> JoinHandle<()> {
    let recorder = Recorder::new(store.clone(), "kubelet");
    let controllers = controllers::run(store.clone(), recorder.clone(), stop.clone());
    // Programs reach each other until the last of them has ended.
    let ended = CancellationToken::new();
    let services = services::Services::new(store.clone(), ended.clone());
    let node = Arc::new(kubelet::Node { store, logs, images, cluster, ingress, recorder, services, stop });
    tokio::spawn(async move {
        let controllers = tokio::spawn(controllers);
        kubelet::run(node).await;
        ended.cancel();
        let _ = controllers.await;
    })
}
