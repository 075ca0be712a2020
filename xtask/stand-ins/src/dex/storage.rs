//! Dex's memory storage: requests for a login, codes and refresh tokens, until
//! they are used, expire, or the process ends.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::go_http::random;

/// The most entries of a kind. The real Dex keeps all for a day; here the oldest
/// go, so that a client that never ends what it begins cannot fill the memory.
const MOST: usize = 2048;

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
    pub(super) id: String,
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) scopes: Vec<String>,
    pub(super) state: String,
    pub(super) nonce: String,
    pub(super) force_approval: bool,
    pub(super) pkce: Pkce,
    /// Seconds since 1970.
    pub(super) expires_at: i64,
    /// Binds the approval page to who logged in.
    pub(super) hmac_key: [u8; 32],
    pub(super) claims: Option<Claims>,
}

/// A code that was sent to the client.
#[derive(Clone)]
pub(super) struct AuthCode {
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) scopes: Vec<String>,
    pub(super) nonce: String,
    pub(super) claims: Claims,
    pub(super) pkce: Pkce,
    pub(super) expires_at: i64,
}

/// A refresh token.
#[derive(Clone)]
pub(super) struct Refresh {
    /// Changes with each use.
    pub(super) token: String,
    pub(super) client_id: String,
    pub(super) scopes: Vec<String>,
    pub(super) nonce: String,
    pub(super) claims: Claims,
}

#[derive(Default)]
struct Tables {
    requests: Table<AuthRequest>,
    codes: Table<AuthCode>,
    refresh: Table<Refresh>,
}

/// Entries by id, with the order in which they came.
struct Table<T> {
    entries: HashMap<String, (u64, T)>,
    next: u64,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { entries: HashMap::new(), next: 0 }
    }
}

impl<T> Table<T> {
    fn put(&mut self, id: String, entry: T) {
        if self.entries.len() >= MOST && !self.entries.contains_key(&id) {
            // Dropping an eighth at once makes the search for the oldest rare.
            let mut ages: Vec<u64> = self.entries.values().map(|(age, _)| *age).collect();
            ages.sort_unstable();
            let limit = ages[MOST / 8];
            self.entries.retain(|_, (age, _)| *age > limit);
        }
        self.entries.insert(id, (self.next, entry));
        self.next += 1;
    }

    fn get(&self, id: &str) -> Option<&T> {
        self.entries.get(id).map(|(_, entry)| entry)
    }
}

/// All of it.
#[derive(Default)]
pub(super) struct Storage {
    tables: Mutex<Tables>,
}

impl Storage {
    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn create_request(&self, request: AuthRequest) {
        self.lock().requests.put(request.id.clone(), request);
    }

    pub(super) fn request(&self, id: &str) -> Option<AuthRequest> {
        self.lock().requests.get(id).cloned()
    }

    /// Remembers who logged in; `None` if the request is gone.
    pub(super) fn log_in(&self, id: &str, claims: Claims) -> Option<AuthRequest> {
        let mut tables = self.lock();
        let (_, request) = tables.requests.entries.get_mut(id)?;
        request.claims = Some(claims);
        Some(request.clone())
    }

    /// Takes a request out; only one caller gets it.
    pub(super) fn take_request(&self, id: &str) -> Option<AuthRequest> {
        self.lock().requests.entries.remove(id).map(|(_, request)| request)
    }

    /// Stores a code and returns it.
    pub(super) fn create_code(&self, code: AuthCode) -> String {
        let id = new_id();
        self.lock().codes.put(id.clone(), code);
        id
    }

    pub(super) fn code(&self, id: &str) -> Option<AuthCode> {
        self.lock().codes.get(id).cloned()
    }

    /// Uses a code up; `false` if somebody was faster.
    pub(super) fn use_code(&self, id: &str) -> bool {
        self.lock().codes.entries.remove(id).is_some()
    }

    /// Stores a refresh token and returns its id. A user has one for each client.
    pub(super) fn create_refresh(&self, refresh: Refresh) -> String {
        let id = new_id();
        let mut tables = self.lock();
        tables.refresh.entries.retain(|_, (_, old)| {
            old.client_id != refresh.client_id || old.claims.user_id != refresh.claims.user_id
        });
        tables.refresh.put(id.clone(), refresh);
        id
    }

    pub(super) fn refresh(&self, id: &str) -> Option<Refresh> {
        self.lock().refresh.get(id).cloned()
    }

    /// Replaces a refresh token's changing part, if it still is `old`.
    pub(super) fn rotate_refresh(&self, id: &str, old: &str, claims: Claims) -> Option<String> {
        let mut tables = self.lock();
        let (_, refresh) = tables.refresh.entries.get_mut(id).filter(|(_, refresh)| refresh.token == old)?;
        refresh.token = new_id();
        refresh.claims = claims;
        Some(refresh.token.clone())
    }

    /// Forgets what expired before `now`.
    pub(super) fn collect(&self, now: i64) {
        let mut tables = self.lock();
        tables.requests.entries.retain(|_, (_, request)| request.expires_at > now);
        tables.codes.entries.retain(|_, (_, code)| code.expires_at > now);
    }
}

/// 25 characters: a letter, then 120 random bits.
pub(super) fn new_id() -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    // Without random numbers no key could be made either, so nothing is signed.
    let bytes = random::<16>().unwrap_or_default();
    let mut id = String::with_capacity(25);
    id.push(char::from(b'a' + bytes[0] % 26));
    for chunk in bytes[1..].chunks_exact(5) {
        let bits = chunk.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        for position in (0..8).rev() {
            let digit = usize::try_from(bits >> (position * 5) & 31).unwrap_or(0);
            id.push(char::from(ALPHABET[digit]));
        }
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code() -> AuthCode {
        AuthCode {
            client_id: String::new(),
            redirect_uri: String::new(),
            scopes: vec![],
            nonce: String::new(),
            claims: Claims::default(),
            pkce: Pkce::default(),
            expires_at: 10,
        }
    }

    #[test]
    fn ids_look_like_dexs() {
        let id = new_id();
        assert_eq!(id.len(), 25);
        assert!(id.bytes().all(|b| b.is_ascii_lowercase() || (b'2'..=b'7').contains(&b)), "{id}");
        assert!(id.as_bytes()[0].is_ascii_lowercase());
        assert_ne!(id, new_id());
    }

    #[test]
    fn a_code_is_good_once() {
        let storage = Storage::default();
        let id = storage.create_code(code());
        assert!(storage.use_code(&id));
        assert!(!storage.use_code(&id));
        let id = storage.create_code(code());
        storage.collect(9);
        assert!(storage.code(&id).is_some());
        storage.collect(10);
        assert!(storage.code(&id).is_none());
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many() {
        let storage = Storage::default();
        let first = storage.create_code(code());
        let rest: Vec<_> = (0..MOST).map(|_| storage.create_code(code())).collect();
        assert!(storage.code(&first).is_none());
        assert!(storage.code(rest.last().unwrap()).is_some());
        assert!(storage.lock().codes.entries.len() <= MOST);
    }
}
