//! The way into a lab: the listener of its ingress for what the lab is spoken to by.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use base::{Error, Result};
use cluster::names::Scheme;

/// A connection into a lab.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A listener, and how to speak to it.
#[derive(Clone)]
pub struct Door {
    address: SocketAddr,
    tls: Option<TlsConnector>,
}

impl Door {
    /// One for plain http.
    pub fn plain(address: SocketAddr) -> Self {
        Self { address, tls: None }
    }

    /// One for https, whose certificates are to be of this authority, in PEM, and no other.
    ///
    /// # Errors
    /// It is no authority.
    pub fn over_tls(address: SocketAddr, authority: &str) -> Result<Self> {
        let failed =
            |error: &dyn std::fmt::Display| Error::environment(format!("the lab's authority: {error}"));
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(authority.as_bytes()) {
            roots.add(certificate.map_err(|error| failed(&error))?).map_err(|error| failed(&error))?;
        }
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { address, tls: Some(TlsConnector::from(Arc::new(config))) })
    }

    /// A URL below a host, as a browser would ask for it.
    pub fn url(&self, host: &str, path: &str) -> String {
        format!("{}{path}", Scheme::of(self.tls.is_some()).url(host))
    }

    /// A connection of its own to a host.
    ///
    /// # Errors
    /// None can be made, or what answers there is not the host.
    pub async fn connect(&self, host: &'static str) -> io::Result<Box<dyn Stream>> {
        let stream = TcpStream::connect(self.address).await?;
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let name = ServerName::try_from(host).map_err(io::Error::other)?;
        Ok(Box::new(tls.connect(name, stream).await?))
    }
}
