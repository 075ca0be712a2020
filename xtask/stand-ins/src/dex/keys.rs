//! The signing key: RSA 2048, made anew at each start, since memory storage keeps
//! nothing. That is why a token from before a restart is good for nothing.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use getrandom::SysRng;
use ring::signature::{
    KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents,
};
use rsa::pkcs1::EncodeRsaPrivateKey as _;

use crate::go_http::{hex, random};
use crate::go_json::Object;

/// A key and its name.
pub(super) struct SigningKey {
    /// `kid` in the header of tokens.
    pub(super) id: String,
    pair: RsaKeyPair,
}

/// A key that is being made, or why it could not be.
pub(super) type PendingKey = Shared<BoxFuture<'static, Result<Arc<SigningKey>, String>>>;

/// Starts making a key on a thread for slow work. Nobody waits for it until a token has to be
/// signed or the keys are asked for.
pub(super) fn start() -> PendingKey {
    let made = tokio::task::spawn_blocking(SigningKey::generate);
    async move { made.await.map_err(|error| error.to_string())?.map(Arc::new) }.boxed().shared()
}

impl SigningKey {
    fn generate() -> Result<Self, String> {
        let key = rsa::PrivateKey::new(&mut SysRng, 2048).map_err(|error| error.to_string())?;
        let der = key.to_pkcs1_der().map_err(|error| error.to_string())?;
        let pair = RsaKeyPair::from_der(der.as_bytes()).map_err(|error| error.to_string())?;
        let id = random::<20>().ok_or("the system gives no random numbers")?;
        Ok(Self { id: hex(&id), pair })
    }

    /// Signs with RS256.
    ///
    /// # Errors
    /// In practice none.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let mut signature = vec![0; self.pair.public().modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &ring::rand::SystemRandom::new(), message, &mut signature)
            .map_err(|_| "signing failed")?;
        Ok(signature)
    }

    /// Whether this key made the signature.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let public = RsaPublicKeyComponents::<Vec<u8>>::from(self.pair.public_key());
        public.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok()
    }

    /// The public part as it stands in a key set.
    pub(super) fn jwk(&self) -> Object {
        let public = RsaPublicKeyComponents::<Vec<u8>>::from(self.pair.public_key());
        Object::default()
            .with("use", "sig")
            .with("kty", "RSA")
            .with("kid", self.id.as_str())
            .with("alg", "RS256")
            .with("n", URL_SAFE_NO_PAD.encode(public.n))
            .with("e", URL_SAFE_NO_PAD.encode(public.e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn signs_what_only_it_verifies() {
        let (one, two) = (start(), start());
        let (one, two) = (one.await.unwrap(), two.await.unwrap());
        assert_ne!(one.id, two.id);
        assert_eq!(one.id.len(), 40);
        let signature = one.sign(b"message").unwrap();
        assert_eq!(signature.len(), 256);
        assert!(one.verify(b"message", &signature));
        assert!(!one.verify(b"massage", &signature));
        assert!(!two.verify(b"message", &signature));
    }
}
