//! Certificates in Secrets.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use serde_json::Value;

/// The certificate in a Secret of type `kubernetes.io/tls`, if it can be used.
pub(super) fn certificate(secret: &Value) -> Option<Arc<CertifiedKey>> {
    let pem = |key: &str| BASE64_STANDARD.decode(secret["data"][key].as_str()?).ok();
    let (chain, key) = (pem("tls.crt")?, pem("tls.key")?);
    let chain = CertificateDer::pem_slice_iter(&chain).collect::<Result<_, _>>().ok()?;
    let key = PrivateKeyDer::from_pem_slice(&key).ok()?;
    CertifiedKey::from_der(chain, key, &ring::default_provider()).ok().map(Arc::new)
}
