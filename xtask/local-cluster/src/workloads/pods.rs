//! What controllers ask of a pod, and how they end one.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::machine::LISTENING;
use crate::store::{Key, Store, WriteError, object};

/// The pod counts: it has not ended, and nobody has asked it to.
pub(super) fn is_active(pod: &Value) -> bool {
    !object::is_terminating(pod) && !has_ended(pod)
}

/// All containers have ended for good.
pub(super) fn has_ended(pod: &Value) -> bool {
    matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
}

/// A condition of an object's status (`Ready`, `Available`).
pub(super) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|it| it["type"] == kind)
}

/// The pod's condition `Ready` is true.
pub(super) fn is_ready(pod: &Value) -> bool {
    condition(pod, "Ready").is_some_and(|it| it["status"] == "True")
}

/// How long a ready pod has to go on until it has been ready for `wanted`; zero if it
/// has. `None` if it is not ready.
pub(super) fn until_available(pod: &Value, wanted: Duration) -> Option<Duration> {
    let ready = condition(pod, "Ready").filter(|it| it["status"] == "True")?;
    Some(wanted.saturating_sub(since(&ready["lastTransitionTime"])))
}

/// How long ago a timestamp of an object was; zero if it is none.
pub(super) fn since(timestamp: &Value) -> Duration {
    let then: Option<Timestamp> = timestamp.as_str().and_then(|text| text.parse().ok());
    then.and_then(|then| Duration::try_from(Timestamp::now().duration_since(then)).ok()).unwrap_or_default()
}

/// Where the pod's container ports really listen.
pub(super) fn listening(pod: &Value) -> BTreeMap<u16, SocketAddr> {
    let text = object::annotation(pod, LISTENING).unwrap_or("{}");
    let ports: BTreeMap<String, SocketAddr> = serde_json::from_str(text).unwrap_or_default();
    ports.into_iter().filter_map(|(port, address)| Some((port.parse().ok()?, address))).collect()
}

/// Asks a pod to end, with the grace that it has set itself. The kubelet removes it
/// when its containers have ended.
pub(super) fn end(store: &Store, key: &Key, uid: &str) -> bool {
    let asked = store.update(key, |old| {
        if object::uid_of(old) != uid || object::is_terminating(old) {
            return Err(WriteError::NotFound(key.clone()));
        }
        let grace = old["spec"]["terminationGracePeriodSeconds"].as_i64().unwrap_or(30).max(0);
        // The time by which it is to be gone.
        let by = Timestamp::now().checked_add(SignedDuration::from_secs(grace)).unwrap_or(Timestamp::MAX);
        let mut new = old.clone();
        if let Some(metadata) = object::metadata_mut(&mut new) {
            metadata.insert("deletionTimestamp".into(), by.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into());
            metadata.insert("deletionGracePeriodSeconds".into(), grace.into());
        }
        Ok(new)
    });
    asked.is_ok()
}
