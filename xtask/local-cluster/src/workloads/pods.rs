//! What controllers ask of a pod, and how they end one.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::store::deletion::deletion;
use crate::store::{Key, Store, WriteError, object};

/// The pod counts: it has not ended, and nobody has asked it to.
pub(super) fn is_active(pod: &Value) -> bool {
    !object::is_terminating(pod) && !has_ended(pod)
}

/// All containers have ended for good.
pub(super) fn has_ended(pod: &Value) -> bool {
    matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
}

/// The pod's condition `Ready` is true.
pub(super) fn is_ready(pod: &Value) -> bool {
    until_available(pod, Duration::ZERO).is_some()
}

/// How long a ready pod has to go on until it has been ready for `wanted`; zero if it
/// has. `None` if it is not ready.
pub(super) fn until_available(pod: &Value, wanted: Duration) -> Option<Duration> {
    let ready = object::condition(pod, "Ready").filter(|it| it["status"] == "True")?;
    Some(wanted.saturating_sub(since(&ready["lastTransitionTime"])))
}

/// How long ago a timestamp of an object was; zero if it is none.
pub(super) fn since(timestamp: &Value) -> Duration {
    let then: Option<Timestamp> = timestamp.as_str().and_then(|text| text.parse().ok());
    then.and_then(|then| Duration::try_from(Timestamp::now().duration_since(then)).ok()).unwrap_or_default()
}

/// Asks a pod to end, with the grace that it has set itself. The kubelet removes it
/// when its containers have ended.
pub(super) fn end(store: &Store, key: &Key, uid: &str) -> bool {
    let asked =
        store.delete_if(key, |pod| match object::uid_of(pod) == uid && !object::is_terminating(pod) {
            true => Ok(deletion(pod, None)),
            false => Err(WriteError::NotFound(key.clone())),
        });
    asked.is_ok()
}
