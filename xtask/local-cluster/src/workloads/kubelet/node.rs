//! What all pods of this machine share.

use tokio_util::sync::CancellationToken;

use crate::logs::Logs;
use crate::store::Store;
use crate::workloads::events::Recorder;
use crate::workloads::machine::Machine;
use crate::workloads::services::Services;

/// The node, as its pods need it.
pub(in crate::workloads) struct Node {
    pub(in crate::workloads) store: Store,
    pub(in crate::workloads) logs: Logs,
    pub(in crate::workloads) machine: Machine,
    pub(in crate::workloads) recorder: Recorder,
    pub(in crate::workloads) services: Services,
    /// The lab stops: containers end, but their pods stay in the store.
    pub(in crate::workloads) stop: CancellationToken,
}
