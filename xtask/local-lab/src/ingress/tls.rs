//! TLS, ended at the ingress: certificates from the Secrets that Ingress objects name, chosen
//! by the name that a client asks for, and the tunnels that lead clients of the forward proxy
//! there. A host without a certificate is refused in the handshake, where ingress-nginx shows
//! one of its own; HTTP/2 and `Strict-Transport-Security` there are none.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::table::Table;
use local_cluster::serve::{Request, Response, empty};

/// The certificates of the table of the moment.
pub(super) struct Certificates(pub(super) watch::Receiver<Arc<Table>>);

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificates")
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.borrow().certificate(&hello.server_name()?.to_ascii_lowercase())
    }
}

/// Leads a client's CONNECT to the listener that ends TLS.
///
/// # Errors
/// The listener takes no connection.
pub(super) async fn tunnel(request: Request, listener: SocketAddr) -> io::Result<Response> {
    let mut server = TcpStream::connect(listener).await?;
    tokio::spawn(async move {
        // A client that goes away before, or breaks off later, has no use for an error.
        if let Ok(client) = hyper::upgrade::on(request).await {
            let _ = tokio::io::copy_bidirectional(&mut TokioIo::new(client), &mut server).await;
        }
    });
    Ok(Response::new(empty()))
}
