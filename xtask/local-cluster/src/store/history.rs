//! What changed, in order, as far back as it is kept.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::Value;

use super::key::Key;
use super::object;

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

    /// The first event after `since` that `wanted` accepts, and how far it looked.
    pub(super) fn next(&self, since: u64, wanted: impl Fn(&Event) -> bool) -> (Option<Event>, u64) {
        // Versions are consecutive, so the place follows from the version.
        let start = usize::try_from(since.saturating_sub(self.base)).unwrap_or(usize::MAX);
        let mut seen = since;
        for (event, _) in self.events.range(start.min(self.events.len())..) {
            seen = event.version;
            if wanted(event) {
                return (Some(event.clone()), seen);
            }
        }
        (None, seen)
    }
}
