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
use super::query::ListOptions;
use super::read::shaper;
use super::reply::{self, Shaper};
use super::selector::Selector;
use super::status::Refusal;

/// How often a quiet watch says how far it has come, if its watcher likes to know.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);

/// How long a watch goes on whose client does not say.
const TIMEOUT: u64 = 1800;

/// How long one goes on at most: more would overflow somebody's clock.
const LONGEST: u64 = 366 * 24 * 3600;

/// Answers a watch. A client that does not read costs nothing but its connection:
/// the watch is a cursor, and nothing is written ahead.
pub fn watch(call: &Call<'_>) -> Result<Response, Refusal> {
    let options = ListOptions::parse(&call.query)?;
    let selector = Selector::parse(&call.kind.resource, &options.labels, &options.fields)?;
    let shaper = shaper(call)?;
    let (resource, namespace) = (call.kind.resource.id(), call.target.namespace.as_deref());
    let store = &call.api.store;
    // Without a version a watch begins with what is there; so does one that asks for it.
    let (initial, since) = match options.since {
        Some(since) if !options.initial => (vec![], since),
        _ => store.list(&resource, namespace),
    };
    let initial = initial.into_iter().filter(|object| selector.matches(object));
    let mut pending: VecDeque<Step> = initial.map(Step::Initial).collect();
    if options.initial && options.bookmarks {
        pending.push_back(Step::InitialEnd(since));
    }
    let watch = match store.watch(&resource, namespace, since) {
        Ok(watch) => Some(watch),
        // Clients expect to learn of it inside the stream.
        Err(expired) => {
            pending = VecDeque::from([Step::Failed(expired.into())]);
            None
        }
    };
    let state = State {
        pending,
        watch,
        shaper,
        selector,
        deadline: Instant::now() + Duration::from_secs(options.timeout.unwrap_or(TIMEOUT).min(LONGEST)),
        bookmark: options.bookmarks.then(|| Instant::now() + BOOKMARK_EVERY),
        headings: true,
    };
    let events = stream::unfold(state, |mut state| async move {
        let line = state.next().await?;
        Some((line, state))
    });
    Ok(reply::respond(StatusCode::OK, "application/json", reply::stream(events)))
}

enum Step {
    Initial(Arc<Value>),
    InitialEnd(u64),
    Failed(Refusal),
}

struct State {
    pending: VecDeque<Step>,
    /// `None` when the watch has failed.
    watch: Option<Watch>,
    shaper: Shaper,
    selector: Selector,
    deadline: Instant,
    bookmark: Option<Instant>,
    /// A table's columns are said once.
    headings: bool,
}

impl State {
    async fn next(&mut self) -> Option<Bytes> {
        match self.pending.pop_front() {
            Some(Step::Initial(object)) => return Some(self.line("ADDED", &object)),
            Some(Step::InitialEnd(version)) => {
                return Some(event("BOOKMARK", &self.shaper.bookmark(version, true)));
            }
            Some(Step::Failed(refusal)) => return Some(event("ERROR", &refusal.status())),
            None => {}
        }
        loop {
            let watch = self.watch.as_mut()?;
            let bookmark = self.bookmark.unwrap_or(self.deadline);
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
                () = tokio::time::sleep_until(self.deadline.min(bookmark)) => {
                    if Instant::now() >= self.deadline {
                        return None;
                    }
                    self.bookmark = Some(Instant::now() + BOOKMARK_EVERY);
                    let version = watch.version();
                    return Some(event("BOOKMARK", &self.shaper.bookmark(version, false)));
                }
            }
        }
    }

    fn line(&mut self, kind: &str, object: &Value) -> Bytes {
        let shaped = self.shaper.one(object, self.headings);
        self.headings = false;
        event(kind, &shaped)
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
