//! What is in Dex's memory storage: requests for a login and codes.

use crate::go_http::random_text;

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

/// A login that was asked for.
#[derive(Clone)]
pub(super) struct AuthRequest {
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) scopes: Vec<String>,
    pub(super) state: String,
    pub(super) nonce: String,
    /// What whoever redeems the code has to prove, and by which method (RFC 7636).
    pub(super) code_challenge: String,
    pub(super) code_challenge_method: String,
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
