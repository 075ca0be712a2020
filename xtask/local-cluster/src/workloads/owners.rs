//! Owner references: who controls what, and how a controller takes in and lets go.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::store::{Key, Store, object};

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

/// An object, if `owner` controls it. One that its selector matches and that belongs to nobody is
/// taken in, one that no longer matches is let go: that is how a person sets a pod aside for a
/// closer look.
pub(super) fn owned(store: &Store, resource: &str, owner: &Value, object: Arc<Value>) -> Option<Arc<Value>> {
    let uid = object::uid_of(owner);
    let change = |new: Option<Value>| {
        store.change(&Key::of(resource, &object), |object| {
            let others = object::owners(object).filter(|it| it["uid"] != uid);
            let owners: Vec<Value> = others.cloned().chain(new.clone()).collect();
            object["metadata"]["ownerReferences"] = owners.into();
        })
    };
    let matches = object::selects(&owner["spec"]["selector"], &object);
    match object::controller(&object) {
        Some((_, controller)) if controller != uid => None,
        Some(_) if matches => Some(object.clone()),
        Some(_) => {
            change(None);
            None
        }
        None if matches && !object::is_terminating(&object) && !object::is_terminating(owner) => {
            change(Some(reference(owner)))
        }
        None => None,
    }
}
