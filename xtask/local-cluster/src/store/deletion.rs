//! Deletion, all of it: a deleted object goes at once, or stays, marked, while something
//! holds it: a finalizer, a pod's time to end, a namespace's objects. Here is said which, and
//! when a marked one goes.

use jiff::{Timestamp, ToSpan as _};
use serde_json::Value;

use super::object;

/// What becomes of an object that is deleted.
#[derive(Clone, Debug, PartialEq)]
pub enum Deletion {
    /// It goes at once; this was its last state.
    Gone(Value),
    /// It stays for a while, marked.
    Marked(Value),
}

/// What becomes of an object that is deleted; `grace` are the seconds that a pod is given
/// in place of its own.
pub fn deletion(object: &Value, grace: Option<i64>) -> Deletion {
    match object["kind"].as_str() {
        Some("Namespace") => {
            let mut new = marked(object, None);
            new["status"]["phase"] = "Terminating".into();
            Deletion::Marked(new)
        }
        Some("Pod") => {
            let period = grace_of(object, grace);
            let last = marked(object, Some(period));
            if period == 0 && !has_finalizers(object) { Deletion::Gone(last) } else { Deletion::Marked(last) }
        }
        _ if has_finalizers(object) => Deletion::Marked(marked(object, None)),
        _ => Deletion::Gone(object.clone()),
    }
}

/// Whether nothing holds a marked object any more. A namespace goes when it is empty, which
/// others see.
pub fn is_over(object: &Value) -> bool {
    object::is_terminating(object)
        && !has_finalizers(object)
        && match object["kind"].as_str() {
            Some("Namespace") => false,
            Some("Pod") => object["metadata"]["deletionGracePeriodSeconds"] == 0,
            _ => true,
        }
}

/// Whether finalizers hold an object.
pub fn has_finalizers(object: &Value) -> bool {
    object["metadata"]["finalizers"].as_array().is_some_and(|all| !all.is_empty())
}

/// The object with the time at which it is to be gone. A second request may only shorten it.
fn marked(old: &Value, period: Option<i64>) -> Value {
    let mut new = old.clone();
    let known = old["metadata"]["deletionGracePeriodSeconds"].as_i64();
    let is_sooner =
        period.map_or(!object::is_terminating(old), |period| known.is_none_or(|known| period < known));
    if let (true, Some(metadata)) = (is_sooner, object::metadata_mut(&mut new)) {
        let end =
            Timestamp::now().checked_add(period.unwrap_or_default().seconds()).unwrap_or(Timestamp::MAX);
        metadata.insert("deletionTimestamp".into(), end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into());
        if let Some(period) = period {
            metadata.insert("deletionGracePeriodSeconds".into(), period.into());
        }
    }
    new
}

/// The seconds that a pod gets to end. One that runs nowhere needs none.
fn grace_of(pod: &Value, asked: Option<i64>) -> i64 {
    let placed = pod["spec"]["nodeName"].as_str().is_some_and(|node| !node.is_empty());
    if !placed {
        return 0;
    }
    match asked.or_else(|| pod["spec"]["terminationGracePeriodSeconds"].as_i64()) {
        Some(seconds) if seconds < 0 => 1,
        // A year is long enough; more would overflow somebody's clock.
        Some(seconds) => seconds.min(366 * 24 * 3600),
        None => 30,
    }
}
