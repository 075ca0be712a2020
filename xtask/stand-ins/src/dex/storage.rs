//! Dex's memory storage: requests for a login and codes, until they are used, expire, or
//! the process ends.

use crate::expiring::Expiring;
use crate::go_http::random_text;

/// All of it.
#[derive(Default)]
pub(super) struct Storage {
    pub(super) requests: Expiring<AuthRequest>,
    pub(super) codes: Expiring<AuthCode>,
}

/// Who logged in.
#[derive(Clone, Default)]
pub(super) struct Claims {
    pub(super) user_id: String,
    pub(super) username: String,
    pub(super) preferred_username: String,
    pub(super) email: String,
    pub(super) email_verified: bool,
    pub(super) groups: Vec<String>,
}

/// Proof that who redeems a code is who asked for it (RFC 7636).
#[derive(Clone, Default)]
pub(super) struct Pkce {
    pub(super) challenge: String,
    pub(super) method: String,
}

/// A login that was asked for.
#[derive(Clone)]
pub(super) struct AuthRequest {
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) scopes: Vec<String>,
    pub(super) state: String,
    pub(super) nonce: String,
    pub(super) pkce: Pkce,
}

/// A code that was sent to the client.
#[derive(Clone)]
pub(super) struct AuthCode {
    pub(super) wish: AuthRequest,
    pub(super) claims: Claims,
}

/// 25 characters: a letter, then 120 random bits.
pub(super) fn new_id() -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    // Without random numbers no key could be made either, so nothing is signed.
    let text = |alphabet, length| random_text(alphabet, length).unwrap_or_default();
    text(&ALPHABET[..26], 1) + &text(ALPHABET, 24)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_look_like_dexs() {
        let id = new_id();
        assert_eq!(id.len(), 25);
        assert!(id.bytes().all(|b| b.is_ascii_lowercase() || (b'2'..=b'7').contains(&b)), "{id}");
        assert!(id.as_bytes()[0].is_ascii_lowercase());
        assert_ne!(id, new_id());
    }
}
