//! Publish and subscribe.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::glob;
use super::wire::Reply;

/// How much a subscriber may leave unread before it is cut off.
pub(super) const UNREAD: usize = 1024;

/// Who listens to what, by connection.
#[derive(Default)]
pub(super) struct News {
    listeners: Mutex<BTreeMap<u64, Listener>>,
}

struct Listener {
    sender: mpsc::Sender<Reply>,
    channels: Vec<Bytes>,
    patterns: Vec<Bytes>,
}

/// By name, or by pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Channel,
    Pattern,
}

impl Listener {
    fn list(&mut self, kind: Kind) -> &mut Vec<Bytes> {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
        }
    }

    fn count(&self) -> usize {
        self.channels.len() + self.patterns.len()
    }
}

impl News {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Listener>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection is told by `sender` from now on.
    pub(super) fn join(&self, id: u64, sender: mpsc::Sender<Reply>) {
        self.lock().insert(id, Listener { sender, channels: vec![], patterns: vec![] });
    }

    /// A connection that has joined listens to one more; how many it has then.
    pub(super) fn subscribe(&self, id: u64, kind: Kind, name: &Bytes) -> usize {
        let mut listeners = self.lock();
        // It was cut off in this moment: it will learn so.
        let Some(listener) = listeners.get_mut(&id) else { return 0 };
        if !listener.list(kind).contains(name) {
            listener.list(kind).push(Bytes::copy_from_slice(name));
        }
        listener.count()
    }

    /// A connection listens to one less; how many it has then.
    pub(super) fn unsubscribe(&self, id: u64, kind: Kind, name: &Bytes) -> usize {
        let mut listeners = self.lock();
        let Some(listener) = listeners.get_mut(&id) else { return 0 };
        listener.list(kind).retain(|it| it != name);
        listener.count()
    }

    /// How much a connection listens to.
    pub(super) fn count(&self, id: u64) -> usize {
        self.lock().get(&id).map_or(0, Listener::count)
    }

    /// What a connection listens to.
    pub(super) fn of(&self, id: u64, kind: Kind) -> Vec<Bytes> {
        self.lock().get_mut(&id).map(|it| it.list(kind).clone()).unwrap_or_default()
    }

    /// A connection listens no more.
    pub(super) fn leave(&self, id: u64) {
        self.lock().remove(&id);
    }

    /// Tells all who listen; how many times it was told. Who has left too much unread
    /// is cut off: the end of its channel ends its connection.
    pub(super) fn publish(&self, channel: &Bytes, message: &Bytes) -> usize {
        let mut told = 0;
        let bulk = |bytes: &Bytes| Reply::Bulk(Bytes::copy_from_slice(bytes));
        self.lock().retain(|_, listener| {
            let mut parts = vec![];
            if listener.channels.contains(channel) {
                parts.push(vec![Reply::text("message"), bulk(channel), bulk(message)]);
            }
            for pattern in listener.patterns.iter().filter(|it| glob::matches(it, channel)) {
                parts.push(vec![Reply::text("pmessage"), bulk(pattern), bulk(channel), bulk(message)]);
            }
            told += parts.len();
            parts.into_iter().all(|it| listener.sender.try_send(Reply::Push(it)).is_ok())
        });
        told
    }

    /// The channels that somebody listens to by name.
    pub(super) fn channels(&self, pattern: &[u8]) -> Vec<Bytes> {
        let listeners = self.lock();
        let all = listeners.values().flat_map(|it| &it.channels);
        let mut all: Vec<_> = all.filter(|it| glob::matches(pattern, it)).cloned().collect();
        all.sort();
        all.dedup();
        all
    }

    /// How many listen to a channel by name.
    pub(super) fn listeners(&self, channel: &Bytes) -> usize {
        self.lock().values().filter(|it| it.channels.contains(channel)).count()
    }

    /// How many patterns are listened to.
    pub(super) fn patterns(&self) -> usize {
        self.lock().values().map(|it| it.patterns.len()).sum()
    }
}
