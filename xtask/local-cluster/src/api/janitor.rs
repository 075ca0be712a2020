//! What controllers do for objects as such: garbage goes with its owner, a
//! deleted namespace is emptied.
//!
//! It waits for the store's changes and for nothing else.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::resources::{self, CRDS, Resource};
use crate::store::object::{self, text};
use crate::store::{Change, Event, Key, Store, deletion};

const NAMESPACES: &str = "namespaces";

/// Keeps the store clean until `stop`.
pub async fn run(store: Store, stop: CancellationToken) {
    loop {
        let Ok(mut watch) = store.watch(&[], None, store.version()) else { continue };
        look_after(&store, everything(&store));
        for namespace in store.list(NAMESPACES, None).0 {
            empty(&store, &namespace);
        }
        loop {
            let event = tokio::select! {
                () = stop.cancelled() => return,
                event = watch.next() => event,
            };
            match event {
                Ok(event) => see(&store, &event),
                // More was written than is remembered: look at everything again.
                Err(_) => break,
            }
        }
    }
}

fn everything(store: &Store) -> Vec<(Resource, Arc<Value>)> {
    let of = |resource: Resource| {
        let (all, _) = store.list(&resource.id(), None);
        all.into_iter().map(move |object| (resource.clone(), object))
    };
    resources::all(store).into_iter().flat_map(of).collect()
}

fn see(store: &Store, event: &Event) {
    let owners = |object: &Value| object["metadata"]["ownerReferences"].clone();
    match event.change {
        Change::Deleted => gone(store, event),
        _ if &*event.key.resource == NAMESPACES => empty(store, &event.object),
        // Only what is new to it or about its owners needs a look.
        _ if event.previous.as_ref().is_some_and(|it| owners(it) == owners(&event.object)) => {}
        _ => {
            let all = resources::all(store).into_iter();
            let resource = all.filter(|it| it.id() == *event.key.resource);
            look_after(store, resource.map(|it| (it, event.object.clone())).collect());
        }
    }
}

fn gone(store: &Store, event: &Event) {
    if &*event.key.resource == CRDS {
        let id = &event.key.name;
        for object in store.list(id, None).0 {
            // Nobody can reach them any more, finalizers or not.
            let _ = store.remove(&Key::of(id, &object));
        }
    }
    let uid = object::uid_of(&event.object);
    let mut dependents = everything(store);
    dependents.retain(|(_, object)| object::owners(object).any(|it| it["uid"] == uid));
    look_after(store, dependents);
    if !event.key.namespace.is_empty()
        && let Some(namespace) = store.get(&Key::new(NAMESPACES, "", &event.key.namespace))
    {
        empty(store, &namespace);
    }
}

/// Collects objects that nobody owns any more, or whose namespace is gone.
///
/// Each is looked at as it is now, after all uids were taken: an event may be about an
/// object that has been let go of since, before its owner went.
fn look_after(store: &Store, objects: Vec<(Resource, Arc<Value>)>) {
    if objects.is_empty() {
        return;
    }
    let all = everything(store);
    let uids: HashSet<&str> = all.iter().map(|(_, object)| object::uid_of(object)).collect();
    // An owner of a kind that is not served here may well exist.
    let is_gone = |owner: &Value| {
        resources::of_kind(store, text(&owner["apiVersion"]), text(&owner["kind"])).is_some()
            && !uids.contains(text(&owner["uid"]))
    };
    for (resource, object) in objects {
        let key = Key::of(&resource.id(), &object);
        let Some(object) = store.get(&key) else { continue };
        if resource.namespaced && store.get(&Key::new(NAMESPACES, "", &key.namespace)).is_none() {
            let _ = store.remove(&key);
            continue;
        }
        let (gone, left): (Vec<&Value>, Vec<_>) = object::owners(&object).partition(|it| is_gone(it));
        if gone.is_empty() {
            continue;
        }
        if left.is_empty() {
            let _ = store.delete(&key);
            continue;
        }
        store.change(&key, |object| {
            if let Some(owners) = object["metadata"]["ownerReferences"].as_array_mut() {
                owners.retain(|it| !gone.iter().any(|gone| gone["uid"] == it["uid"]));
            }
        });
    }
}

/// Empties a namespace that is being deleted, and removes it when nothing is left.
fn empty(store: &Store, namespace: &Value) {
    let name = object::name(namespace);
    if !object::is_terminating(namespace) {
        return;
    }
    let mut left = false;
    for resource in resources::all(store).into_iter().filter(|it| it.namespaced) {
        let id = resource.id();
        for object in store.list(&id, Some(name)).0 {
            if !object::is_terminating(&object) {
                let _ = store.delete(&Key::of(&id, &object));
            }
        }
        left |= !store.list(&id, Some(name)).0.is_empty();
    }
    if !left && !deletion::has_finalizers(namespace) {
        let _ = store.remove(&Key::new(NAMESPACES, "", name));
    }
}
