//! Keys and values, in bounded memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::glob;

/// All keys and values together.
pub(super) const MOST_BYTES: usize = 32 * 1024 * 1024;
/// What a key costs beyond its bytes, roughly.
const OVERHEAD: usize = 100;

/// A key of one of the databases.
type Name = (u8, Bytes);

/// The databases. What has expired is not there, and is forgotten when room is needed.
#[derive(Default)]
pub(super) struct Data {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    entries: BTreeMap<Name, Entry>,
    bytes: usize,
    /// Counts writes: every value has a number of its own.
    writes: u64,
}

struct Entry {
    value: Bytes,
    expires: Option<Instant>,
    write: u64,
}

/// There is no room for a value.
#[derive(Debug)]
pub(super) struct Full;

/// What is to become of a key's expiry.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expiry {
    None,
    Keep,
    At(Instant),
}

impl Entry {
    fn has_expired(&self, now: Instant) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

fn cost(key: &[u8], value: &[u8]) -> usize {
    key.len() + value.len() + OVERHEAD
}

impl Inner {
    fn find(&self, name: &Name) -> Option<&Entry> {
        self.entries.get(name).filter(|entry| !entry.has_expired(Instant::now()))
    }

    fn remove(&mut self, name: &Name) -> Option<Entry> {
        let entry = self.entries.remove(name)?;
        self.bytes -= cost(&name.1, &entry.value);
        Some(entry)
    }

    fn forget_expired(&mut self) {
        let now = Instant::now();
        let mut freed = 0;
        self.entries.retain(|name, entry| {
            let keep = !entry.has_expired(now);
            if !keep {
                freed += cost(&name.1, &entry.value);
            }
            keep
        });
        self.bytes -= freed;
    }
}

impl Data {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value of a key.
    pub(super) fn get(&self, db: u8, key: &Bytes) -> Option<Bytes> {
        self.lock().find(&(db, key.clone())).map(|entry| entry.value.clone())
    }

    /// Sets a key, if `when` says yes to whether it is there now. Gives back whether it
    /// did, and the value before.
    pub(super) fn set(
        &self,
        db: u8,
        key: &Bytes,
        value: &Bytes,
        expiry: Expiry,
        when: impl FnOnce(bool) -> bool,
    ) -> Result<(bool, Option<Bytes>), Full> {
        let mut inner = self.lock();
        let name = (db, Bytes::copy_from_slice(key));
        let before = inner.find(&name).map(|entry| (entry.value.clone(), entry.expires));
        if !when(before.is_some()) {
            return Ok((false, before.map(|(value, _)| value)));
        }
        let added = cost(key, value);
        if inner.bytes + added > MOST_BYTES {
            inner.forget_expired();
        }
        if inner.bytes + added > MOST_BYTES {
            return Err(Full);
        }
        inner.remove(&name);
        inner.writes += 1;
        let expires = match expiry {
            Expiry::None => None,
            Expiry::Keep => before.as_ref().and_then(|(_, expires)| *expires),
            Expiry::At(at) => Some(at),
        };
        // A copy: the request's buffer may be much larger than the value.
        let entry = Entry { value: Bytes::copy_from_slice(value), expires, write: inner.writes };
        inner.bytes += added;
        inner.entries.insert(name, entry);
        Ok((true, before.map(|(value, _)| value)))
    }

    /// Removes a key; its value if it was there.
    pub(super) fn remove(&self, db: u8, key: &Bytes) -> Option<Bytes> {
        let removed = self.lock().remove(&(db, key.clone()))?;
        (!removed.has_expired(Instant::now())).then_some(removed.value)
    }

    /// Gives a key another name. `false` if it is not there.
    pub(super) fn rename(&self, db: u8, from: &Bytes, to: &Bytes) -> bool {
        let mut inner = self.lock();
        let (from, to) = ((db, from.clone()), (db, Bytes::copy_from_slice(to)));
        if inner.find(&from).is_none() {
            return false;
        }
        let Some(mut entry) = inner.remove(&from) else { return false };
        inner.remove(&to);
        inner.writes += 1;
        entry.write = inner.writes;
        inner.bytes += cost(&to.1, &entry.value);
        inner.entries.insert(to, entry);
        true
    }

    /// Changes when a key expires. `false` if it is not there, or there is nothing to
    /// change.
    pub(super) fn expire(&self, db: u8, key: &Bytes, at: Option<Instant>) -> bool {
        let mut inner = self.lock();
        let name = (db, key.clone());
        if inner.find(&name).is_none() {
            return false;
        }
        let Some(entry) = inner.entries.get_mut(&name) else { return false };
        let changed = at.is_some() || entry.expires.is_some();
        entry.expires = at;
        changed
    }

    /// How long a key has: `None` if it is not there, `Some(None)` if it stays.
    pub(super) fn time_left(&self, db: u8, key: &Bytes) -> Option<Option<Duration>> {
        let inner = self.lock();
        let entry = inner.find(&(db, key.clone()))?;
        Some(entry.expires.map(|at| at.saturating_duration_since(Instant::now())))
    }

    /// A number that is another whenever the key's value was written; 0 if it is not there.
    pub(super) fn version(&self, db: u8, key: &Bytes) -> u64 {
        self.lock().find(&(db, key.clone())).map_or(0, |entry| entry.write)
    }

    /// The keys of a database that match a pattern.
    pub(super) fn keys(&self, db: u8, pattern: &[u8]) -> Vec<Bytes> {
        let inner = self.lock();
        let now = Instant::now();
        let of_db = inner.entries.range((db, Bytes::new())..).take_while(|((of, _), _)| *of == db);
        let there = of_db.filter(|(_, entry)| !entry.has_expired(now));
        there.map(|((_, key), _)| key).filter(|key| glob::matches(pattern, key)).cloned().collect()
    }

    /// Removes all keys, of one database or of all.
    pub(super) fn clear(&self, db: Option<u8>) {
        let mut inner = self.lock();
        let mut freed = 0;
        inner.entries.retain(|name, entry| {
            let keep = db.is_some_and(|db| db != name.0);
            if !keep {
                freed += cost(&name.1, &entry.value);
            }
            keep
        });
        inner.bytes -= freed;
    }

    /// Bytes in use.
    pub(super) fn bytes(&self) -> usize {
        self.lock().bytes
    }
}
