//! Connections to servers.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::client::conn::http1::SendRequest;

use super::body::Upload;

/// The connections to servers that belong to one connection of a client.
///
/// nginx keeps its connections to servers for whoever comes next, so a client with a
/// new connection may be led onto an old one. A server whose connections are answered
/// by different handlers then looks as if it had only one of them. Here, what a client
/// asks on one connection goes to a server on one connection, and nobody else's.
#[derive(Clone, Default)]
pub(super) struct Upstreams {
    open: Arc<Mutex<HashMap<SocketAddr, SendRequest<Upload>>>>,
}

impl Upstreams {
    /// The connection to `address` that this client's connection has used before, if it
    /// is still good.
    pub(super) async fn reuse(&self, address: SocketAddr) -> Option<SendRequest<Upload>> {
        let mut sender = self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&address)?;
        // The answer before has been passed on to its end, or this fails.
        sender.ready().await.ok()?;
        Some(sender)
    }

    /// Keeps a connection for this client's next request.
    pub(super) fn keep(&self, address: SocketAddr, sender: SendRequest<Upload>) {
        if !sender.is_closed() {
            self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(address, sender);
        }
    }
}
