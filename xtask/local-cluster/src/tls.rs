//! The lab's own certificate authority.
//!
//! Over plain HTTP, client-go and kubectl leave a kubeconfig's token out, so the
//! cluster API speaks TLS even on loopback. The CA's key lives only in memory
//! while one certificate is made; nobody else can use it.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::ResolvesServerCert;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::TlsAcceptor;

/// A server certificate for loopback and the CA that clients check it against.
pub struct Identity {
    /// The CA's certificate in PEM, for a kubeconfig.
    pub ca_pem: String,
    /// Accepts TLS connections with the server certificate.
    pub acceptor: TlsAcceptor,
}

/// Why no certificate could be made, or the TLS library refuses it.
pub type TlsError = Box<dyn std::error::Error + Send + Sync>;

/// Makes a CA and, signed by it, a certificate for `localhost`, `127.0.0.1` and `::1`.
///
/// # Errors
/// [`TlsError`], in practice only when the system gives no random numbers.
pub fn identity() -> Result<Identity, TlsError> {
    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::default();
    ca.distinguished_name.push(DnType::CommonName, "oidc-lab CA");
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let ca_certificate = ca.self_signed(&ca_key)?;
    let issuer = Issuer::from_params(&ca, &ca_key);

    let key = KeyPair::generate()?;
    let mut server = CertificateParams::new(
        ["localhost", "127.0.0.1", "::1", "kubernetes.default.svc"].map(String::from),
    )?;
    server.distinguished_name.push(DnType::CommonName, "oidc-lab cluster API");
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = server.signed_by(&key, &issuer)?;

    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let certified = CertifiedKey::from_der(vec![certificate.der().clone()], private, &default_provider())?;
    let acceptor = acceptor(Arc::new(SingleCertAndKey::from(certified)))?;
    Ok(Identity { ca_pem: ca_certificate.pem(), acceptor })
}

/// Accepts TLS connections for HTTP/1.1 with the certificates that `certificates` chooses.
///
/// # Errors
/// The TLS library refuses its own defaults.
pub fn acceptor(certificates: Arc<dyn ResolvesServerCert>) -> Result<TlsAcceptor, TlsError> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
