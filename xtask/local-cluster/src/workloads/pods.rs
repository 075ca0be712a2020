//! What controllers ask of a pod, and how they end one.

use serde_json::Value;

use crate::store::deletion::deletion;
use crate::store::{Key, Store, WriteError, object};

/// The pod's condition `Ready` is true.
pub(super) fn is_ready(pod: &Value) -> bool {
    object::condition(pod, "Ready").is_some_and(|it| it["status"] == "True")
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
