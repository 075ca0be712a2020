//! What changed, in order, as far back as it is kept.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::watch;

use super::{Key, Store, object};

/// How many changes are kept. A client that reconnects after a network hiccup
/// needs a few; one that slept through a thousand lists again.
const KEPT: usize = 1024;

/// How much may be kept, roughly, in bytes of memory: changes of a Secret of a
/// megabyte are not kept by the thousand.
const WEIGHT: usize = 8 * 1024 * 1024;

/// How many are kept whatever they weigh.
const AT_LEAST: usize = 16;

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Added,
    /// It was there and is another now.
    Modified,
    /// It is gone; the event carries its last state.
    Deleted,
}

/// One write.
#[derive(Clone, Debug)]
pub struct Event {
    /// The version that this write made.
    pub version: u64,
    /// What happened.
    pub change: Change,
    /// To which object.
    pub key: Key,
    /// The object after the write (before it, if deleted), at `version`.
    pub object: Arc<Value>,
    /// The object before the write. A watch with a selector needs it: an object
    /// that no longer matches is a deletion to that watcher.
    pub previous: Option<Arc<Value>>,
}

/// The history no longer holds what came after the asked version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too old resource version: {asked} ({oldest})")]
pub struct Expired {
    /// The version that was asked for.
    pub asked: u64,
    /// The oldest version that a watch can start from now.
    pub oldest: u64,
}

pub(super) struct History {
    events: VecDeque<(Event, usize)>,
    weight: usize,
    /// The version just before the first kept event.
    base: u64,
}

impl History {
    pub(super) fn new(base: u64) -> Self {
        Self { events: VecDeque::new(), weight: 0, base }
    }

    pub(super) fn push(&mut self, event: Event) {
        let weight = object::weight(&event.object);
        self.weight += weight;
        self.events.push_back((event, weight));
        while self.events.len() > KEPT || self.weight > WEIGHT && self.events.len() > AT_LEAST {
            let Some((oldest, weight)) = self.events.pop_front() else { break };
            self.base = oldest.version;
            self.weight -= weight;
        }
    }

    pub(super) fn check(&self, since: u64) -> Result<(), Expired> {
        if since < self.base { Err(Expired { asked: since, oldest: self.base }) } else { Ok(()) }
    }

    /// What came after a version, oldest first.
    pub(super) fn after(&self, since: u64) -> impl DoubleEndedIterator<Item = &Event> {
        // Versions are consecutive, so the place follows from the version.
        let start = usize::try_from(since.saturating_sub(self.base)).unwrap_or(usize::MAX);
        self.events.range(start.min(self.events.len())..).map(|(event, _)| event)
    }

    /// The first event after `since` that `wanted` accepts, and how far it looked.
    fn next(&self, since: u64, wanted: impl Fn(&Event) -> bool) -> (Option<Event>, u64) {
        let mut seen = since;
        for event in self.after(since) {
            seen = event.version;
            if wanted(event) {
                return (Some(event.clone()), seen);
            }
        }
        (None, seen)
    }
}

/// A cursor over the changes of one resource.
pub struct Watch {
    store: Store,
    wake: watch::Receiver<u64>,
    /// `None` is every resource.
    resource: Option<Arc<str>>,
    namespace: Option<Arc<str>>,
    cursor: u64,
}

impl Watch {
    pub(super) fn new(
        store: Store,
        wake: watch::Receiver<u64>,
        resource: Option<&str>,
        namespace: Option<&str>,
        cursor: u64,
    ) -> Self {
        Self { store, wake, resource: resource.map(Into::into), namespace: namespace.map(Into::into), cursor }
    }

    /// The next change. Waits for it; dropping the future loses nothing.
    ///
    /// # Errors
    /// [`Expired`] if this watcher slept while more was written than is kept.
    pub async fn next(&mut self) -> Result<Event, Expired> {
        loop {
            self.wake.borrow_and_update();
            if let Some(event) = self.try_next()? {
                return Ok(event);
            }
            // The sender lives in the store that this watch holds.
            if self.wake.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// The next change if it has happened already.
    ///
    /// # Errors
    /// As [`Watch::next`].
    pub fn try_next(&mut self) -> Result<Option<Event>, Expired> {
        let inner = self.store.lock();
        inner.history.check(self.cursor)?;
        let (event, seen) = inner.history.next(self.cursor, |event| {
            self.resource.as_ref().is_none_or(|wanted| event.key.resource == *wanted)
                && self.namespace.as_ref().is_none_or(|wanted| event.key.namespace == *wanted)
        });
        drop(inner);
        self.cursor = seen;
        Ok(event)
    }

    /// Everything up to this version has been seen: what a bookmark says.
    pub fn version(&self) -> u64 {
        self.cursor
    }
}
