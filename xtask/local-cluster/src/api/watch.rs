//! Watches: what changes, as it changes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::serve::Response;
use crate::store::{Change, Event, Watch, object};

use super::call::Call;
use super::read::{selector, shaper};
use super::reply::{self, Shaper};
use super::selector::Selector;
use super::status::Refusal;

/// How long a watch goes on whose client does not say.
const TIMEOUT: u64 = 1800;

/// How long one goes on at most: more would overflow somebody's clock.
const LONGEST: u64 = 366 * 24 * 3600;

/// Answers a watch. A client that does not read costs no more than its connection and what was
/// there when it began: the watch is a cursor, and no change is written ahead.
pub fn watch(call: &Call<'_>) -> Result<Response, Refusal> {
    let (selector, shaper, query) = (selector(call)?, shaper(call)?, &call.query);
    let given = |name| Ok::<_, Refusal>(query.number(name)?.filter(|it: &u64| *it > 0));
    let timeout = given("timeoutSeconds")?.unwrap_or(TIMEOUT).min(LONGEST);
    let (resource, namespace) = (call.kind.resource.id(), call.target.namespace.as_deref());
    let store = &call.api.store;
    // Without a version a watch begins with what is there; so does one that asks for it.
    let asks = query.flag("sendInitialEvents");
    let (initial, since) = match given("resourceVersion")? {
        Some(since) if !asks => (vec![], since),
        _ => store.list(&resource, namespace),
    };
    let initial = initial.iter().filter(|object| selector.matches(object));
    let mut pending: VecDeque<Bytes> = VecDeque::new();
    let mut headings = true;
    for object in initial {
        pending.push_back(event("ADDED", &shaper.one(object, std::mem::take(&mut headings))));
    }
    if asks && query.flag("allowWatchBookmarks") {
        pending.push_back(event("BOOKMARK", &shaper.bookmark(since)));
    }
    let watch = match store.watch(&[&resource], namespace, since) {
        Ok(watch) => Some(watch),
        // Clients expect to learn of it inside the stream.
        Err(expired) => {
            pending = VecDeque::from([event("ERROR", &Refusal::from(expired).status())]);
            None
        }
    };
    let state = State {
        pending,
        watch,
        shaper,
        selector,
        deadline: Instant::now() + Duration::from_secs(timeout),
        headings,
    };
    let events = stream::unfold(state, |mut state| async move {
        let line = state.next().await?;
        Some((line, state))
    });
    Ok(reply::respond(StatusCode::OK, "application/json", reply::stream(events)))
}

struct State {
    /// What is said first.
    pending: VecDeque<Bytes>,
    /// `None` when the watch has failed.
    watch: Option<Watch>,
    shaper: Shaper,
    selector: Selector,
    deadline: Instant,
    /// A table's columns are said once.
    headings: bool,
}

impl State {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(line) = self.pending.pop_front() {
            return Some(line);
        }
        loop {
            let watch = self.watch.as_mut()?;
            tokio::select! {
                biased;
                changed = watch.next() => match changed {
                    Ok(changed) => {
                        if let Some((kind, object)) = seen(&self.selector, &changed) {
                            return Some(self.line(kind, &object));
                        }
                    }
                    Err(expired) => {
                        self.watch = None;
                        return Some(event("ERROR", &Refusal::from(expired).status()));
                    }
                },
                () = tokio::time::sleep_until(self.deadline) => return None,
            }
        }
    }

    fn line(&mut self, kind: &str, object: &Value) -> Bytes {
        event(kind, &self.shaper.one(object, std::mem::take(&mut self.headings)))
    }
}

/// What a change is to a watcher with this selector, if it is anything: an object
/// that begins to match is new to it, one that stops is gone.
fn seen(selector: &Selector, event: &Event) -> Option<(&'static str, Arc<Value>)> {
    let before = event.previous.as_ref().filter(|it| selector.matches(it));
    let after = Some(&event.object).filter(|it| event.change != Change::Deleted && selector.matches(it));
    match (before, after) {
        (None, None) => None,
        (None, Some(object)) => Some(("ADDED", object.clone())),
        (Some(_), Some(object)) => Some(("MODIFIED", object.clone())),
        (Some(_), None) if event.change == Change::Deleted => Some(("DELETED", event.object.clone())),
        (Some(previous), None) => {
            // As it was when it still matched, at the version that ended that.
            let mut last = Value::clone(previous);
            if let Some(metadata) = object::metadata_mut(&mut last) {
                metadata.insert("resourceVersion".into(), event.version.to_string().into());
            }
            Some(("DELETED", Arc::new(last)))
        }
    }
}

fn event(kind: &str, object: &impl Serialize) -> Bytes {
    #[derive(Serialize)]
    struct Line<'a, T> {
        r#type: &'a str,
        object: &'a T,
    }
    let mut line = serde_json::to_vec(&Line { r#type: kind, object }).unwrap_or_default();
    line.push(b'\n');
    line.into()
}
