//! Workloads: Deployments become ReplicaSets, ReplicaSets become pods, pods run
//! programs of this machine, and Services know where those listen.
//!
//! Everything follows the store's watches and acts on what stands there now, as the
//! controllers of a cluster do; nothing looks again by the clock but what has a clock
//! in it (probes, back-offs). What goes with a deleted owner or namespace is
//! the cluster's business, not theirs.

mod context;
mod controllers;
mod deployment;
mod endpoints;
mod events;
mod host;
mod kubelet;
mod machine;
mod owners;
mod replicaset;
mod services;

use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::logs::Logs;
use crate::store::Store;
pub use events::Recorder;
pub use host::{HOST_PROCESS_IMAGE, Supervisor, host_process, supervise, sweep};
pub use machine::Machine;

/// Starts the controllers and the kubelet. When `stop` is set, all containers are told
/// to end, killed if they do not, and the task ends after the last of them.
pub fn start(store: Store, logs: Logs, machine: Machine, stop: CancellationToken) -> JoinHandle<()> {
    let (routes, tasks) = (machine.routes.clone(), machine.tasks.clone());
    let recorder = Recorder::new(store.clone(), "kubelet");
    let controllers = controllers::run(store.clone(), recorder.clone(), stop.clone());
    let controllers = tasks.spawn("the controllers", controllers);
    // Programs reach each other until the last of them has ended.
    let ended = CancellationToken::new();
    let services = services::Services::new(store.clone(), routes, tasks.clone(), ended.clone());
    let node = kubelet::Node { store, logs, machine, recorder, services, stop };
    tasks.spawn("the kubelet", async move {
        kubelet::run(Arc::new(node)).await;
        ended.cancel();
        let _ = controllers.await;
    })
}
