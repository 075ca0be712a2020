//! Where the stack runs. A lab brings a cluster up, takes it down, and says how to
//! reach it: a kubeconfig and an address. All else goes through [`crate::cluster`].

mod local;
mod lock;

use std::net::SocketAddr;
use std::path::PathBuf;

pub use local::{LocalLab, serve};
pub use lock::Lock;

/// How to reach a lab that is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// A kubeconfig of the lab's own.
    pub kubeconfig: PathBuf,
    /// The context in it.
    pub context: &'static str,
    /// The ingress.
    pub ingress: SocketAddr,
}
