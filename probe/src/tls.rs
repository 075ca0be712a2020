//! Whom to trust over HTTPS. Nothing here costs anything until the first https URL turns up.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// Whom to trust over HTTPS: the system's authorities, and more or less on request.
#[derive(Clone, Default)]
pub struct Tls {
    authorities: Vec<CertificateDer<'static>>,
    insecure: bool,
    made: Arc<OnceLock<Result<ClientConfig, TlsError>>>,
}

/// Why the certificates given could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// The text has a certificate that cannot be read.
    #[error("the CA file is not PEM: {0}")]
    Pem(String),
    /// The text has no certificate at all.
    #[error("the CA file has no certificate in it")]
    Empty,
    /// The TLS library refuses what it was given.
    #[error("the certificate authorities cannot be used: {0}")]
    Unusable(String),
}

impl Tls {
    /// Trusts the authorities of the PEM text `ca` besides the system's own.
    ///
    /// # Errors
    /// When there is no certificate in it, or one that cannot be read.
    pub fn with_ca(ca: &[u8]) -> Result<Self, TlsError> {
        Self::default().and_ca(ca)
    }

    /// The same, and trusts the authorities of another PEM text too.
    ///
    /// # Errors
    /// As [`Tls::with_ca`].
    pub fn and_ca(&self, ca: &[u8]) -> Result<Self, TlsError> {
        let mut authorities: Vec<_> = CertificateDer::pem_slice_iter(ca)
            .collect::<Result<_, _>>()
            .map_err(|error| TlsError::Pem(error.to_string()))?;
        if authorities.is_empty() {
            return Err(TlsError::Empty);
        }
        authorities.extend_from_slice(&self.authorities);
        Ok(Self { authorities, insecure: self.insecure, made: Arc::default() })
    }

    /// Trusts whatever certificate it is shown.
    pub fn insecure() -> Self {
        Self { insecure: true, ..Self::default() }
    }

    /// The configuration for https, made on the first call and shared from then on: reading the
    /// system's authorities takes far longer than a login.
    pub(crate) fn config(&self) -> Result<ClientConfig, TlsError> {
        self.made.get_or_init(|| self.make()).clone()
    }

    /// A configuration that trusts nobody, for clients that only ever see http URLs.
    pub(crate) fn unused() -> ClientConfig {
        static UNUSED: OnceLock<ClientConfig> = OnceLock::new();
        let make = || {
            let builder = ClientConfig::builder_with_provider(provider());
            let versions = builder.with_protocol_versions(&[&rustls::version::TLS13]);
            versions
                .expect("ring offers TLS 1.3")
                .with_root_certificates(RootCertStore::empty())
                .with_no_client_auth()
        };
        UNUSED.get_or_init(make).clone()
    }

    fn make(&self) -> Result<ClientConfig, TlsError> {
        let unusable = |error: rustls::Error| TlsError::Unusable(error.to_string());
        let verifier: Arc<dyn ServerCertVerifier> = if self.insecure {
            Arc::new(TrustAnyone(provider()))
        } else {
            let authorities = self.authorities.iter().cloned();
            Arc::new(
                rustls_platform_verifier::Verifier::new_with_extra_roots(authorities, provider())
                    .map_err(unusable)?,
            )
        };
        Ok(ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth())
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("authorities", &self.authorities.len())
            .field("insecure", &self.insecure)
            .finish()
    }
}

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider())).clone()
}

/// Accepts every certificate, but still checks that the peer holds its key.
#[derive(Debug)]
struct TrustAnyone(Arc<CryptoProvider>);

impl ServerCertVerifier for TrustAnyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_refused() {
        assert_eq!(Tls::with_ca(b"").unwrap_err(), TlsError::Empty);
        assert_eq!(Tls::with_ca(b"hello").unwrap_err(), TlsError::Empty);
        let broken = b"-----BEGIN CERTIFICATE-----\n???\n-----END CERTIFICATE-----\n";
        assert!(matches!(Tls::with_ca(broken), Err(TlsError::Pem(_))));
    }

    #[test]
    fn no_configuration_is_made_before_it_is_asked_for() {
        let tls = Tls::insecure();
        assert!(tls.made.get().is_none());
        assert!(tls.config().is_ok());
        assert!(tls.made.get().is_some());
    }
}
