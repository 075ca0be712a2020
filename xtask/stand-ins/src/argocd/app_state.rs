//! What a login has to remember between leaving for the provider and coming back:
//! a random state, where the browser wanted to go, and the PKCE verifier.

use jiff::Timestamp;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest::{SHA256, digest};

use super::details::StateKept;
use crate::go_http::{hex, random, random_text, unhex};

/// The name of the cookie.
pub(super) const STATE_COOKIE: &str = "argocd.oauthstate";
/// How long a login may take.
const MAX_AGE: i64 = 5 * 60;
/// What came back from a login.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Returned {
    pub(super) state: String,
    /// Where to go; empty if nothing was said.
    pub(super) return_url: String,
    pub(super) verifier: String,
}

/// Encrypts the state into a cookie, as argo-cd does: AES-GCM with the nonce in
/// front, in hexadecimal. How the key is made from `server.secretkey` no client
/// can see, so it is a plain hash here, not 16 MB of scrypt.
pub(super) struct StateCookie {
    key: LessSafeKey,
    with_verifier: bool,
}

impl StateCookie {
    /// With a key made from `server.secretkey`.
    pub(super) fn new(signature: &[u8], kept: StateKept) -> Option<Self> {
        let key = digest(&SHA256, signature);
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_ref()).ok()?);
        Some(Self { key, with_verifier: kept == StateKept::CookieWithVerifier })
    }

    /// The cookie's value.
    pub(super) fn seal(&self, state: &str, return_url: &str, verifier: &str) -> Option<String> {
        let text = if self.with_verifier {
            format!("{state}\n{return_url}\n{verifier}")
        } else {
            format!("{state}:{return_url}")
        };
        let nonce: [u8; NONCE_LEN] = random()?;
        let mut sealed = text.into_bytes();
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut sealed)
            .ok()?;
        Some(hex(&[&nonce, sealed.as_slice()].concat()))
    }

    /// What is in a cookie.
    ///
    /// # Errors
    /// Go's words for what is wrong with it.
    pub(super) fn open(&self, value: &str) -> Result<Returned, String> {
        let bytes = decode_hex(value)?;
        let Some((nonce, sealed)) = bytes.split_first_chunk::<NONCE_LEN>() else {
            return Err("data length is less than nonce size".into());
        };
        let mut sealed = sealed.to_vec();
        let opened = self
            .key
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::empty(), &mut sealed)
            .map_err(|_| "cipher: message authentication failed".to_owned())?;
        let text = String::from_utf8_lossy(opened);
        let mut parts = if self.with_verifier { text.splitn(3, '\n') } else { text.splitn(2, ':') };
        let mut next = || parts.next().unwrap_or_default().to_owned();
        Ok(Returned { state: next(), return_url: next(), verifier: next() })
    }
}

/// As `hex.DecodeString`.
fn decode_hex(text: &str) -> Result<Vec<u8>, String> {
    match text.bytes().find(|byte| !byte.is_ascii_hexdigit()) {
        Some(byte) => {
            let c = char::from(byte);
            Err(format!("encoding/hex: invalid byte: U+{:04X} '{c}'", u32::from(c)))
        }
        None => unhex(text).ok_or_else(|| "encoding/hex: odd length hex string".into()),
    }
}

/// `Set-Cookie` with the state, good for five minutes. There is no path, so that
/// the browser takes the one that it is at: `/auth`.
pub(super) fn set_cookie(value: &str, secure: bool, now: Timestamp) -> String {
    let expires = Timestamp::from_second(now.as_second() + MAX_AGE).unwrap_or(now);
    let expires = expires.strftime("%a, %d %b %Y %H:%M:%S GMT");
    cookie(&format!("{value}; Expires={expires}"), secure)
}

/// `Set-Cookie` that empties it.
pub(super) fn clear_cookie(secure: bool) -> String {
    cookie("", secure)
}

fn cookie(value: &str, secure: bool) -> String {
    let secure = if secure { "; Secure" } else { "" };
    format!("{STATE_COOKIE}={value}; HttpOnly{secure}; SameSite=Lax")
}

/// The words for a state that belongs to another login. They name the wrong cookie,
/// as argo-cd does.
pub(super) const WRONG_STATE: &str = "invalid state in 'argocd.token' cookie";

/// 24 random letters.
pub(super) fn new_state() -> Option<String> {
    random_text(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", 24)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_come_back_and_are_as_long_as_argo_cds() {
        let state = "LpVaEhcGGtZWcrOZEyNohqVo";
        for (kept, verifier, length) in
            [(StateKept::Cookie, "", 108), (StateKept::CookieWithVerifier, "v", 112)]
        {
            let cookie = StateCookie::new(b"key", kept).unwrap();
            let value = cookie.seal(state, "/", verifier).unwrap();
            assert_eq!(value.len(), length);
            let returned =
                Returned { state: state.into(), return_url: "/".into(), verifier: verifier.into() };
            assert_eq!(cookie.open(&value), Ok(returned));
            assert_ne!(cookie.seal(state, "/", verifier).unwrap(), value);
            let other = StateCookie::new(b"other", kept).unwrap();
            assert_eq!(other.open(&value).unwrap_err(), "cipher: message authentication failed");
        }
    }

    #[test]
    fn what_is_no_cookie_is_refused_in_gos_words() {
        let cookie = StateCookie::new(b"key", StateKept::Cookie).unwrap();
        for (value, words) in [
            ("", "data length is less than nonce size"),
            ("00", "data length is less than nonce size"),
            ("0", "encoding/hex: odd length hex string"),
            ("zz", "encoding/hex: invalid byte: U+007A 'z'"),
            ("000000000000000000000000", "cipher: message authentication failed"),
        ] {
            assert_eq!(cookie.open(value).unwrap_err(), words, "{value}");
        }
    }

    #[test]
    fn the_cookie_has_no_path() {
        let now = Timestamp::from_second(1_795_473_400).unwrap();
        assert_eq!(
            set_cookie("ab", false, now),
            "argocd.oauthstate=ab; Expires=Mon, 23 Nov 2026 22:41:40 GMT; HttpOnly; SameSite=Lax"
        );
        assert_eq!(clear_cookie(true), "argocd.oauthstate=; HttpOnly; Secure; SameSite=Lax");
    }

    #[test]
    fn states_are_letters() {
        let state = new_state().unwrap();
        assert!(state.len() == 24 && state.bytes().all(|b| b.is_ascii_alphabetic()), "{state}");
    }
}
