//! What goes with something that goes: the dependents of an owner, the content of a
//! namespace.

use serde_json::Value;

use super::pods;
use crate::resources;
use crate::store::{Key, Store, WriteError, object};

/// What controllers make on behalf of others.
const DEPENDENTS: [&str; 2] = ["replicasets.apps", "pods"];

/// The finalizers that say what is to become of an object's dependents.
const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

/// The owner with this uid is gone: so are its dependents, unless they have another
/// owner.
pub(super) fn owner_is_gone(store: &Store, namespace: &str, uid: &str) {
    for (key, dependent) in dependents(store, namespace, uid) {
        let others = owners(&dependent).iter().any(|owner| owner["uid"] != uid);
        if others {
            disown(store, &key, uid);
        } else {
            end(store, &key, &dependent);
        }
    }
}

/// Looks for dependents whose owner went unseen.
pub(super) fn orphans(store: &Store) {
    for (resource, kind, owners_resource) in
        [("replicasets.apps", "Deployment", "deployments.apps"), ("pods", "ReplicaSet", "replicasets.apps")]
    {
        let (owners, _) = store.list(owners_resource, None);
        for dependent in store.list(resource, None).0 {
            if let Some((owner, uid)) = object::controller(&dependent)
                && owner == kind
                && !owners.iter().any(|it| object::uid_of(it) == uid)
            {
                owner_is_gone(store, object::namespace(&dependent), uid);
            }
        }
    }
}

/// An object is on its way out, held by a finalizer that is about its dependents: ends
/// or releases them, and lets the object go when that is done.
pub(super) fn settle(store: &Store, key: &Key, owner: &Value) {
    let uid = object::uid_of(owner);
    let held_by = |name: &str| {
        owner["metadata"]["finalizers"].as_array().is_some_and(|all| all.iter().any(|it| it == name))
    };
    if held_by(ORPHAN) {
        for (dependent, _) in dependents(store, &key.namespace, uid) {
            disown(store, &dependent, uid);
        }
        let_go(store, key, ORPHAN);
    } else if held_by(FOREGROUND) {
        let left = dependents(store, &key.namespace, uid);
        for (dependent, object) in &left {
            end(store, dependent, object);
        }
        if dependents(store, &key.namespace, uid).is_empty() {
            let_go(store, key, FOREGROUND);
        }
    }
}

/// Empties a namespace that is on its way out, and removes it when nothing is left.
pub(super) async fn empty_namespace(store: Store, name: String) {
    let key = Key::new("namespaces", "", &name);
    loop {
        let since = store.version();
        let Some(namespace) = store.get(&key).filter(|it| object::is_terminating(it)) else { return };
        let mut content = content(&store, &name);
        for (key, object) in &content {
            end(&store, key, object);
        }
        // Whatever is left is held by a finalizer, or is a pod with some time to end.
        content.retain(|(key, _)| store.get(key).is_some());
        let Some((left, _)) = content.first() else {
            store.remove_uid(&key, object::uid_of(&namespace));
            return;
        };
        if let Ok(mut changes) = store.watch(&left.resource, Some(&name), since) {
            let _ = changes.next().await;
        }
    }
}

/// Everything in a namespace, those first that would make others anew.
fn content(store: &Store, namespace: &str) -> Vec<(Key, std::sync::Arc<Value>)> {
    let mut ids: Vec<String> =
        resources::all(store).into_iter().filter(|it| it.namespaced).map(|it| it.id()).collect();
    ids.sort_by_key(|id| match id.as_str() {
        "deployments.apps" => 0,
        "replicasets.apps" => 1,
        "services" => 2,
        "pods" => 3,
        _ => 4,
    });
    let of = |id: &String| {
        let (all, _) = store.list(id, Some(namespace));
        all.into_iter().map(|it| (Key::new(id, namespace, object::name(&it)), it)).collect::<Vec<_>>()
    };
    ids.iter().flat_map(of).collect()
}

fn owners(dependent: &Value) -> Vec<Value> {
    dependent["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default()
}

fn dependents(store: &Store, namespace: &str, uid: &str) -> Vec<(Key, std::sync::Arc<Value>)> {
    let of = |resource: &&str| {
        let (all, _) = store.list(resource, Some(namespace));
        let owned = all.into_iter().filter(|it| owners(it).iter().any(|owner| owner["uid"] == uid));
        owned.map(|it| (Key::new(resource, namespace, object::name(&it)), it)).collect::<Vec<_>>()
    };
    DEPENDENTS.iter().flat_map(of).collect()
}

fn end(store: &Store, key: &Key, object: &Value) {
    if &*key.resource == "pods" {
        pods::end(store, key, object::uid_of(object));
    } else if !object::is_terminating(object) {
        // Somebody else may have been faster.
        let _ = store.delete(key);
    }
}

fn disown(store: &Store, key: &Key, owner: &str) {
    edit(store, key, "ownerReferences", |it| it["uid"] != owner);
}

fn let_go(store: &Store, key: &Key, finalizer: &str) {
    edit(store, key, "finalizers", |it| it != finalizer);
}

/// Keeps of a list in an object's metadata what `keep` says.
fn edit(store: &Store, key: &Key, field: &str, keep: impl Fn(&Value) -> bool) {
    let _ = store.update(key, |old| {
        let mut new = old.clone();
        let list =
            object::metadata_mut(&mut new).and_then(|it| it.get_mut(field)).and_then(Value::as_array_mut);
        if let Some(list) = list {
            list.retain(keep);
        }
        Ok::<_, WriteError>(new)
    });
}
