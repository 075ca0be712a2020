//! Watches: what changes, as it changes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;

use crate::serve::Response;
use crate::store::{Change, Event, Watch, object};

use super::call::Call;
use super::read::selector;
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
    let (selector, shaper, query) = (selector(call)?, Shaper::of(call)?, &call.query);
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
    let mut headings = true;
    let mut first: Vec<Bytes> = vec![];
    for object in initial.iter().filter(|object| selector.matches(object)) {
        first.push(event("ADDED", &shaper.one(object, std::mem::take(&mut headings))));
    }
    if asks && query.flag("allowWatchBookmarks") {
        first.push(event("BOOKMARK", &shaper.bookmark(since)));
    }
    let watch = store.watch(&[&resource], namespace, since);
    // Clients expect to learn of it inside the stream.
    let failed = watch.as_ref().err().map(|expired| vec![event("ERROR", &Refusal::from(*expired).status())]);
    let watching = Watching { watch: watch.ok(), shaper, selector, headings };
    let changes = stream::unfold(watching, |mut watching| async move {
        let line = watching.next().await?;
        Some((line, watching))
    });
    let over = tokio::time::sleep(Duration::from_secs(timeout));
    let events = stream::iter(failed.unwrap_or(first)).chain(changes.take_until(over));
    Ok(reply::respond(StatusCode::OK, "application/json", reply::stream(events)))
}

/// A watch that goes on.
struct Watching {
    /// `None` when it has failed.
    watch: Option<Watch>,
    shaper: Shaper,
    selector: Selector,
    /// A table's columns are said once.
    headings: bool,
}

impl Watching {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            match self.watch.as_mut()?.next().await {
                Ok(changed) => {
                    if let Some((kind, object)) = seen(&self.selector, &changed) {
                        let object = self.shaper.one(&object, std::mem::take(&mut self.headings));
                        return Some(event(kind, &object));
                    }
                }
                Err(expired) => {
                    self.watch = None;
                    return Some(event("ERROR", &Refusal::from(expired).status()));
                }
            }
        }
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
            object::set_resource_version(&mut last, event.version);
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
