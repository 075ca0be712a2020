//! What controllers ask of objects: who controls them, and whether a pod is ready.

use serde_json::{Value, json};

use crate::store::{Key, object};

/// The reference to a ReplicaSet or a Deployment that controls something.
pub(super) fn reference(owner: &Value) -> Value {
    json!({
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": object::name(owner),
        "uid": object::uid_of(owner),
        "controller": true,
        "blockOwnerDeletion": true,
    })
}

/// The object of a kind that controls `object`, by its name.
pub(super) fn controller(object: &Value, kind: &str, resource: &str) -> Option<Key> {
    let owner = object::owners(object).find(|owner| owner["controller"] == true && owner["kind"] == kind)?;
    Some(Key::new(resource, object::namespace(object), owner["name"].as_str()?))
}

/// Whether `owner` controls an object.
pub(super) fn controls(owner: &Value, object: &Value) -> bool {
    object::controller(object).is_some_and(|(_, uid)| uid == object::uid_of(owner))
}

/// The pod's condition `Ready` is true.
pub(super) fn is_ready(pod: &Value) -> bool {
    object::condition(pod, "Ready").is_some_and(|it| it["status"] == "True")
}
