//! What all pods of this machine share.

use std::net::SocketAddr;

use tokio_util::sync::CancellationToken;

use crate::logs::Logs;
use crate::program::{ClusterAccess, Images};
use crate::store::Store;
use crate::tasks::Tasks;
use crate::workloads::events::Recorder;
use crate::workloads::services::Services;

/// The node, as its pods need it.
pub(in crate::workloads) struct Node {
    pub(in crate::workloads) store: Store,
    pub(in crate::workloads) logs: Logs,
    pub(in crate::workloads) images: Images,
    pub(in crate::workloads) cluster: ClusterAccess,
    pub(in crate::workloads) ingress: SocketAddr,
    pub(in crate::workloads) recorder: Recorder,
    pub(in crate::workloads) services: Services,
    pub(in crate::workloads) tasks: Tasks,
    /// The lab stops: containers end, but their pods stay in the store.
    pub(in crate::workloads) stop: CancellationToken,
}
