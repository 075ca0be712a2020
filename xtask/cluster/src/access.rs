//! How a lab is reached.

use std::net::SocketAddr;
use std::path::PathBuf;

/// How to reach a lab that is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// A kubeconfig of the lab's own.
    pub kubeconfig: PathBuf,
    /// The context in it.
    pub context: String,
    /// The ingress, where it speaks http.
    pub ingress: SocketAddr,
    /// The ingress, where it ends TLS, if it does.
    pub tls: Option<SocketAddr>,
}

impl Access {
    /// The ingress, where it speaks what the lab is spoken to by.
    pub fn front(&self) -> SocketAddr {
        self.tls.unwrap_or(self.ingress)
    }
}
