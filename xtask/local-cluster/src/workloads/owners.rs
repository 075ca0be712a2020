//! Owner references: who controls what, and how a controller takes in and lets go.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::store::{Key, Store, WriteError, object};

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

/// Changes who owns the object of `key`.
pub(super) fn change(
    store: &Store,
    key: &Key,
    mut change: impl FnMut(&mut Vec<Value>),
) -> Option<Arc<Value>> {
    let changed = store.update(key, |old| {
        let mut new = old.clone();
        let mut owners: Vec<_> = object::owners(old).cloned().collect();
        change(&mut owners);
        if let Some(metadata) = object::metadata_mut(&mut new) {
            metadata.insert("ownerReferences".into(), owners.into());
        }
        Ok::<_, WriteError>(new)
    });
    changed.ok()
}
