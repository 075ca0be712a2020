//! What all connections share: keys and values in bounded memory, and who listens to what.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use base::mutex::lock;
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::resp::Reply;

/// All keys and values together.
const MOST_BYTES: usize = 32 * 1024 * 1024;
/// What a key costs beyond its bytes, roughly.
const OVERHEAD: usize = 100;
/// How much a subscriber may leave unread before it is cut off.
const UNREAD: usize = 1024;
/// Channels that a connection may listen to.
const MOST_CHANNELS: usize = 1024;

/// The server. It holds a password, so it cannot be printed.
pub(super) struct Server {
    pub(super) version: String,
    pub(super) password: Option<String>,
    state: Mutex<State>,
}

impl Server {
    pub(super) fn new(version: String, password: Option<String>) -> Self {
        Self { version, password, state: Mutex::default() }
    }

    /// Locked for one command: they are done one after the other, as Redis does them.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

#[derive(Default)]
pub(super) struct State {
    entries: BTreeMap<Bytes, Entry>,
    /// What the entries cost.
    bytes: usize,
    /// By connection.
    listeners: BTreeMap<u64, Listener>,
}

struct Entry {
    value: Bytes,
    expires: Option<Instant>,
}

impl Entry {
    fn lives(&self) -> bool {
        self.expires.is_none_or(|expires| expires > Instant::now())
    }
}

struct Listener {
    sender: mpsc::Sender<Reply>,
    channels: BTreeSet<Bytes>,
}

impl State {
    /// The value of a key. What has expired is not there.
    pub(super) fn get(&self, key: &Bytes) -> Option<Bytes> {
        self.entries.get(key).filter(|entry| entry.lives()).map(|entry| entry.value.clone())
    }

    /// Sets a key. `false` if there is no room for the value.
    pub(super) fn set(&mut self, key: &Bytes, value: &Bytes, expires: Option<Instant>) -> bool {
        let added = cost(key, value);
        if self.bytes + added > MOST_BYTES {
            let expired = self.entries.iter().filter(|(_, entry)| !entry.lives());
            for key in expired.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
                self.take(&key);
            }
        }
        let before = self.entries.get(key).map_or(0, |entry| cost(key, &entry.value));
        if self.bytes - before + added > MOST_BYTES {
            return false;
        }
        self.take(key);
        // Copies: the request's buffer may be much larger than the value.
        let value = Bytes::copy_from_slice(value);
        self.put(key, Entry { value, expires });
        true
    }

    /// Removes a key. `false` if it is not there.
    pub(super) fn remove(&mut self, key: &Bytes) -> bool {
        self.take(key).is_some_and(|entry| entry.lives())
    }

    /// Gives a key another name. `false` if it is not there.
    pub(super) fn rename(&mut self, from: &Bytes, to: &Bytes) -> bool {
        let Some(entry) = self.take(from).filter(Entry::lives) else { return false };
        self.take(to);
        self.put(to, entry);
        true
    }

    /// The keys that begin so.
    pub(super) fn keys(&self, start: &[u8]) -> Vec<Bytes> {
        let living = self.entries.iter().filter(|(_, entry)| entry.lives());
        living.filter(|(key, _)| key.starts_with(start)).map(|(key, _)| key.clone()).collect()
    }

    fn put(&mut self, key: &Bytes, entry: Entry) {
        self.bytes += cost(key, &entry.value);
        self.entries.insert(Bytes::copy_from_slice(key), entry);
    }

    fn take(&mut self, key: &Bytes) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        self.bytes -= cost(key, &entry.value);
        Some(entry)
    }

    /// A connection begins to listen: it is told by what it gets here, whose end is its own.
    pub(super) fn listen(&mut self, id: u64) -> mpsc::Receiver<Reply> {
        let (sender, receiver) = mpsc::channel(UNREAD);
        self.listeners.insert(id, Listener { sender, channels: BTreeSet::new() });
        receiver
    }

    /// A listener listens to one more; how many it has then. `None`: it has too many.
    pub(super) fn subscribe(&mut self, id: u64, channel: &Bytes) -> Option<usize> {
        // It was cut off in this moment: it will learn so.
        let Some(Listener { channels, .. }) = self.listeners.get_mut(&id) else { return Some(0) };
        channels.insert(Bytes::copy_from_slice(channel));
        (channels.len() <= MOST_CHANNELS).then_some(channels.len())
    }

    /// A connection listens no more.
    pub(super) fn leave(&mut self, id: u64) {
        self.listeners.remove(&id);
    }

    /// Tells all who listen; how many they are. Who has left too much unread is cut off:
    /// the end of what it is told by ends its connection.
    pub(super) fn publish(&mut self, channel: &Bytes, message: &Bytes) -> usize {
        let mut told = 0;
        let bulk = |bytes: &Bytes| Reply::Bulk(Bytes::copy_from_slice(bytes));
        self.listeners.retain(|_, listener| {
            if !listener.channels.contains(channel) {
                return true;
            }
            told += 1;
            let parts = vec![Reply::text("message"), bulk(channel), bulk(message)];
            listener.sender.try_send(Reply::Push(parts)).is_ok()
        });
        told
    }
}

fn cost(key: &[u8], value: &[u8]) -> usize {
    key.len() + value.len() + OVERHEAD
}
