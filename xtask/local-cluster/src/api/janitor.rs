//! What controllers do for objects as such: garbage goes with its owner, a
//! deleted namespace is emptied, a new one gets its service account.
//!
//! It waits for the store's changes and for nothing else.

use std::collections::HashSet;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::resources::{self, CRDS, Resource};
use crate::store::{Change, Event, Key, Store, WriteError, deletion, object};

const NAMESPACES: &str = "namespaces";

/// Keeps the store clean until `stop`.
pub async fn run(store: Store, stop: CancellationToken) {
    let janitor = Janitor { store };
    loop {
        let Ok(mut watch) = janitor.store.watch_all(janitor.store.version()) else { continue };
        janitor.everything();
        loop {
            let event = tokio::select! {
                () = stop.cancelled() => return,
                event = watch.next() => event,
            };
            match event {
                Ok(event) => janitor.event(&event),
                // More was written than is remembered: look at everything again.
                Err(_) => break,
            }
        }
    }
}

struct Janitor {
    store: Store,
}

impl Janitor {
    fn everything(&self) {
        let uids = self.uids();
        for (resource, key, _) in self.objects() {
            self.look_after(&resource, &key, &uids);
        }
        for namespace in self.store.list(NAMESPACES, None).0 {
            self.namespace(&namespace);
        }
    }

    fn objects(&self) -> Vec<(Resource, Key, std::sync::Arc<Value>)> {
        let mut all = vec![];
        for resource in resources::all(&self.store) {
            for object in self.store.list(&resource.id(), None).0 {
                let key = key_of(&resource, &object);
                all.push((resource.clone(), key, object));
            }
        }
        all
    }

    fn uids(&self) -> HashSet<String> {
        self.objects().iter().map(|(_, _, object)| object::uid_of(object).to_owned()).collect()
    }

    fn event(&self, event: &Event) {
        match event.change {
            Change::Deleted => self.gone(event),
            Change::Added | Change::Modified => {
                if &*event.key.resource == NAMESPACES {
                    self.namespace(&event.object);
                    return;
                }
                // Only what is new to it or about its owners needs a look.
                let owners = |object: &Value| object["metadata"]["ownerReferences"].clone();
                let same = event.previous.as_ref().is_some_and(|it| owners(it) == owners(&event.object));
                let all = resources::all(&self.store);
                let resource = all.iter().find(|it| it.id() == *event.key.resource);
                if !same && let Some(resource) = resource {
                    let has_owners = object::owners(&event.object).next().is_some();
                    let uids = if has_owners { self.uids() } else { HashSet::new() };
                    self.look_after(resource, &event.key, &uids);
                }
            }
        }
    }

    fn gone(&self, event: &Event) {
        let uid = object::uid_of(&event.object);
        if &*event.key.resource == CRDS {
            let id = &event.key.name;
            for object in self.store.list(id, None).0 {
                let key = Key::new(id, object::namespace(&object), object::name(&object));
                // Nobody can reach them any more, finalizers or not.
                let _ = self.store.remove(&key);
            }
        }
        let dependents: Vec<_> = self
            .objects()
            .into_iter()
            .filter(|(_, _, object)| object::owners(object).any(|it| it["uid"] == uid))
            .collect();
        if !dependents.is_empty() {
            let uids = self.uids();
            for (resource, key, _) in dependents {
                self.look_after(&resource, &key, &uids);
            }
        }
        if !event.key.namespace.is_empty()
            && let Some(namespace) = self.store.get(&Key::new(NAMESPACES, "", &event.key.namespace))
        {
            self.namespace(&namespace);
        }
    }

    /// Collects an object that nobody owns any more, or whose namespace is gone.
    ///
    /// It is looked at as it is now, after `uids` were taken: an event may be about an
    /// object that has been let go of since, before its owner went.
    fn look_after(&self, resource: &Resource, key: &Key, uids: &HashSet<String>) {
        let Some(object) = self.store.get(key) else { return };
        if resource.namespaced && self.store.get(&Key::new(NAMESPACES, "", &key.namespace)).is_none() {
            let _ = self.store.remove(key);
            return;
        }
        let owners: Vec<&Value> = object::owners(&object).collect();
        // An owner of a kind that is not served here may well exist.
        let is_gone = |owner: &Value| {
            let text = |name: &str| owner[name].as_str().unwrap_or_default();
            resources::of_kind(&self.store, text("apiVersion"), text("kind")).is_some()
                && !uids.contains(text("uid"))
        };
        let gone: Vec<&str> =
            owners.iter().filter(|it| is_gone(it)).filter_map(|it| it["uid"].as_str()).collect();
        if gone.is_empty() {
            return;
        }
        if gone.len() == owners.len() {
            let _ = self.store.delete(key);
            return;
        }
        for owner in gone {
            let _ = self.store.update(key, |old| Ok::<_, WriteError>(without_owner(old, owner)));
        }
    }

    fn namespace(&self, namespace: &Value) {
        let name = object::name(namespace);
        if !object::is_terminating(namespace) {
            ensure_account(&self.store, name);
            return;
        }
        let mut left = false;
        for resource in resources::all(&self.store).into_iter().filter(|it| it.namespaced) {
            let id = resource.id();
            for object in self.store.list(&id, Some(name)).0 {
                if !object::is_terminating(&object) {
                    let _ = self.store.delete(&key_of(&resource, &object));
                }
            }
            left |= !self.store.list(&id, Some(name)).0.is_empty();
        }
        if !left && !deletion::has_finalizers(namespace) {
            let _ = self.store.remove(&Key::new(NAMESPACES, "", name));
        }
    }
}

fn key_of(resource: &Resource, object: &Value) -> Key {
    Key::new(&resource.id(), object::namespace(object), object::name(object))
}

/// The object without a reference to an owner.
fn without_owner(object: &Value, owner: &str) -> Value {
    let mut object = object.clone();
    if let Some(owners) = object.pointer_mut("/metadata/ownerReferences").and_then(Value::as_array_mut) {
        owners.retain(|it| it["uid"] != owner);
    }
    object
}

/// The account that pods run as which name no other.
pub fn ensure_account(store: &Store, namespace: &str) {
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": namespace},
    });
    // It is there already, as a rule.
    let _ = store.create(&Key::new("serviceaccounts", namespace, "default"), account);
}
