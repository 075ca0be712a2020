//! This machine as a node: what pods are run with, and what it is called.

use std::net::SocketAddr;

use crate::program::{ClusterAccess, Images};
use crate::routes::Routes;
use crate::tasks::Tasks;

/// The one node: this machine.
pub(super) const NODE: &str = "local";
/// Every pod's address.
pub(super) const ADDRESS: &str = "127.0.0.1";

/// What pods are run with.
pub struct Machine {
    /// What there is to run.
    pub images: Images,
    /// The cluster API, for programs.
    pub cluster: ClusterAccess,
    /// The ingress, for programs.
    pub ingress: SocketAddr,
    /// The way to pods behind Services.
    pub routes: Routes,
    /// Who hears of a panic.
    pub tasks: Tasks,
}
