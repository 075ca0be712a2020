//! What controllers do for objects as such: garbage goes with its owner, a
//! deleted namespace is emptied, a new one gets its service account.
//!
//! It waits for the store's changes and for nothing else.

use std::collections::HashSet;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::resources::CRDS;
use crate::store::{Change, Event, Key, Store, WriteError, object};

use super::delete::{FOREGROUND, collect, without_foreground, without_owner};
use super::kinds::{Kind, Kinds};

const NAMESPACES: &str = "namespaces";

/// Keeps the store clean until `stop`.
pub async fn run(store: Store, kinds: Kinds, stop: CancellationToken) {
    let janitor = Janitor { store, kinds };
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
    kinds: Kinds,
}

impl Janitor {
    fn everything(&self) {
        let uids = self.uids();
        for (kind, key, object) in self.objects() {
            self.look_after(&kind, &key, &uids);
            self.foreground(&key, &object);
        }
        for namespace in self.store.list(NAMESPACES, None).0 {
            self.namespace(&namespace);
        }
    }

    fn objects(&self) -> Vec<(Kind, Key, std::sync::Arc<Value>)> {
        let mut all = vec![];
        for kind in self.kinds.all(&self.store) {
            for object in self.store.list(&kind.resource.id(), None).0 {
                let key = kind.key(Some(object::namespace(&object)), object::name(&object));
                all.push((kind.clone(), key, object));
            }
        }
        all
    }

    fn uids(&self) -> HashSet<String> {
        self.objects().iter().map(|(_, _, object)| object::uid_of(object).to_owned()).collect()
    }

    fn kind_of(&self, id: &str) -> Option<Kind> {
        self.kinds.all(&self.store).into_iter().find(|kind| kind.resource.id() == id)
    }

    fn event(&self, event: &Event) {
        match event.change {
            Change::Deleted => self.gone(event),
            Change::Added | Change::Modified => {
                if &*event.key.resource == NAMESPACES {
                    self.namespace(&event.object);
                    return;
                }
                self.foreground(&event.key, &event.object);
                // Only what is new to it or about its owners needs a look.
                let owners = |object: &Value| object["metadata"]["ownerReferences"].clone();
                let same = event.previous.as_ref().is_some_and(|it| owners(it) == owners(&event.object));
                if !same && let Some(kind) = self.kind_of(&event.key.resource) {
                    let has_owners = object::owners(&event.object).next().is_some();
                    let uids = if has_owners { self.uids() } else { HashSet::new() };
                    self.look_after(&kind, &event.key, &uids);
                }
            }
        }
    }

    fn gone(&self, event: &Event) {
        let uid = object::uid_of(&event.object);
        if &*event.key.resource == CRDS {
            let id = &event.key.name;
            self.kinds.forget(id);
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
            for (kind, key, _) in dependents {
                self.look_after(&kind, &key, &uids);
            }
        }
        for owner in object::owners(&event.object) {
            let waiting = self.objects().into_iter().find(|(_, _, it)| owner["uid"] == object::uid_of(it));
            if let Some((_, key, owner)) = waiting {
                self.foreground(&key, &owner);
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
    fn look_after(&self, kind: &Kind, key: &Key, uids: &HashSet<String>) {
        let Some(object) = self.store.get(key) else { return };
        if kind.resource.namespaced && self.store.get(&Key::new(NAMESPACES, "", &key.namespace)).is_none() {
            let _ = self.store.remove(key);
            return;
        }
        let owners: Vec<&Value> = object::owners(&object).collect();
        // An owner of a kind that is not served here may well exist.
        let is_gone = |owner: &Value| {
            let text = |name: &str| owner[name].as_str().unwrap_or_default();
            crate::resources::of_kind(&self.store, text("apiVersion"), text("kind")).is_some()
                && !uids.contains(text("uid"))
        };
        let gone: Vec<&str> =
            owners.iter().filter(|it| is_gone(it)).filter_map(|it| it["uid"].as_str()).collect();
        if gone.is_empty() {
            return;
        }
        if gone.len() == owners.len() {
            collect(&self.store, kind, key);
            return;
        }
        for owner in gone {
            let _ = self.store.update(key, |old| Ok::<_, WriteError>(without_owner(old, owner)));
        }
    }

    /// An object that goes after its dependents: they go first.
    fn foreground(&self, key: &Key, owner: &Value) {
        let held = owner["metadata"]["finalizers"]
            .as_array()
            .is_some_and(|all| all.iter().any(|it| it == FOREGROUND));
        if !held || !object::is_terminating(owner) {
            return;
        }
        let uid = object::uid_of(owner);
        let mut waits = false;
        for (kind, key, object) in self.objects() {
            let Some(reference) = object::owners(&object).find(|it| it["uid"] == uid) else { continue };
            if !object::is_terminating(&object) {
                collect(&self.store, &kind, &key);
            }
            waits |= reference["blockOwnerDeletion"] == true && self.store.get(&key).is_some();
        }
        if !waits {
            let _ = self.store.update(key, |old| Ok::<_, WriteError>(without_foreground(old)));
        }
    }

    fn namespace(&self, namespace: &Value) {
        let name = object::name(namespace);
        if !object::is_terminating(namespace) {
            ensure_account(&self.store, name);
            return;
        }
        let mut left = false;
        for kind in self.kinds.all(&self.store).into_iter().filter(|it| it.resource.namespaced) {
            let id = kind.resource.id();
            for object in self.store.list(&id, Some(name)).0 {
                if !object::is_terminating(&object) {
                    collect(&self.store, &kind, &kind.key(Some(name), object::name(&object)));
                }
            }
            left |= !self.store.list(&id, Some(name)).0.is_empty();
        }
        let held = namespace["metadata"]["finalizers"].as_array().is_some_and(|all| !all.is_empty());
        if !left && !held {
            let _ = self.store.remove(&Key::new(NAMESPACES, "", name));
        }
    }
}

/// The account that pods run as which name no other.
pub fn ensure_account(store: &Store, namespace: &str) {
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": namespace},
    });
    // It is there already, as a rule.
    let _ = store.create(&Key::new("serviceaccounts", namespace, "default"), account);
}
