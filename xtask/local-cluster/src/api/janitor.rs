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
    let janitor = Janitor { store };
    loop {
        let Ok(mut watch) = janitor.store.watch(&[], None, janitor.store.version()) else { continue };
        janitor.look_after(janitor.objects());
        for namespace in janitor.store.list(NAMESPACES, None).0 {
            janitor.namespace(&namespace);
        }
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
    fn objects(&self) -> Vec<(Resource, Arc<Value>)> {
        let of = |resource: Resource| {
            let (all, _) = self.store.list(&resource.id(), None);
            all.into_iter().map(move |object| (resource.clone(), object))
        };
        resources::all(&self.store).into_iter().flat_map(of).collect()
    }

    fn event(&self, event: &Event) {
        let owners = |object: &Value| object["metadata"]["ownerReferences"].clone();
        match event.change {
            Change::Deleted => self.gone(event),
            _ if &*event.key.resource == NAMESPACES => self.namespace(&event.object),
            // Only what is new to it or about its owners needs a look.
            _ if event.previous.as_ref().is_some_and(|it| owners(it) == owners(&event.object)) => {}
            _ => {
                let all = resources::all(&self.store).into_iter();
                let resource = all.filter(|it| it.id() == *event.key.resource);
                self.look_after(resource.map(|it| (it, event.object.clone())).collect());
            }
        }
    }

    fn gone(&self, event: &Event) {
        if &*event.key.resource == CRDS {
            let id = &event.key.name;
            for object in self.store.list(id, None).0 {
                // Nobody can reach them any more, finalizers or not.
                let _ = self.store.remove(&Key::of(id, &object));
            }
        }
        let uid = object::uid_of(&event.object);
        let mut dependents = self.objects();
        dependents.retain(|(_, object)| object::owners(object).any(|it| it["uid"] == uid));
        self.look_after(dependents);
        if !event.key.namespace.is_empty()
            && let Some(namespace) = self.store.get(&Key::new(NAMESPACES, "", &event.key.namespace))
        {
            self.namespace(&namespace);
        }
    }

    /// Collects objects that nobody owns any more, or whose namespace is gone.
    ///
    /// Each is looked at as it is now, after all uids were taken: an event may be about an
    /// object that has been let go of since, before its owner went.
    fn look_after(&self, objects: Vec<(Resource, Arc<Value>)>) {
        if objects.is_empty() {
            return;
        }
        let all = self.objects();
        let uids: HashSet<&str> = all.iter().map(|(_, object)| object::uid_of(object)).collect();
        // An owner of a kind that is not served here may well exist.
        let is_gone = |owner: &Value| {
            resources::of_kind(&self.store, text(&owner["apiVersion"]), text(&owner["kind"])).is_some()
                && !uids.contains(text(&owner["uid"]))
        };
        for (resource, object) in objects {
            let key = Key::of(&resource.id(), &object);
            let Some(object) = self.store.get(&key) else { continue };
            if resource.namespaced && self.store.get(&Key::new(NAMESPACES, "", &key.namespace)).is_none() {
                let _ = self.store.remove(&key);
                continue;
            }
            let (gone, left): (Vec<&Value>, Vec<_>) = object::owners(&object).partition(|it| is_gone(it));
            if gone.is_empty() {
                continue;
            }
            if left.is_empty() {
                let _ = self.store.delete(&key);
                continue;
            }
            self.store.change(&key, |object| {
                if let Some(owners) = object["metadata"]["ownerReferences"].as_array_mut() {
                    owners.retain(|it| !gone.iter().any(|gone| gone["uid"] == it["uid"]));
                }
            });
        }
    }

    fn namespace(&self, namespace: &Value) {
        let name = object::name(namespace);
        if !object::is_terminating(namespace) {
            return;
        }
        let mut left = false;
        for resource in resources::all(&self.store).into_iter().filter(|it| it.namespaced) {
            let id = resource.id();
            for object in self.store.list(&id, Some(name)).0 {
                if !object::is_terminating(&object) {
                    let _ = self.store.delete(&Key::of(&id, &object));
                }
            }
            left |= !self.store.list(&id, Some(name)).0.is_empty();
        }
        if !left && !deletion::has_finalizers(namespace) {
            let _ = self.store.remove(&Key::new(NAMESPACES, "", name));
        }
    }
}
