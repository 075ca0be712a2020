//! The controllers' loop: a change makes objects worth a look; each look acts on what
//! stands in the store at that moment.

use std::collections::BTreeSet;

use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::events::Recorder;
use super::{deployment, endpoints, replicaset};
use crate::store::{Change, Event, Key, Seen, Store, object};

/// What a look at an object needs.
pub(super) struct Context {
    pub(super) store: Store,
    pub(super) recorder: Recorder,
}

/// Objects that are worth a look, now or at some moment.
#[derive(Default)]
struct Queue {
    services: BTreeSet<Key>,
    sets: BTreeSet<Key>,
    deployments: BTreeSet<Key>,
    later: BTreeSet<(Instant, Key)>,
}

/// Runs all controllers until `stop`.
pub(super) async fn run(store: Store, recorder: Recorder, stop: CancellationToken) {
    let context = Context { store: store.clone(), recorder };
    let mut pods = store.follow("pods");
    let mut services = store.follow("services");
    let mut sets = store.follow("replicasets.apps");
    let mut deployments = store.follow("deployments.apps");
    let mut queue = Queue::default();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            seen = pods.next() => queue.pod(&store, seen),
            seen = services.next() => queue.service(&store, seen),
            seen = sets.next() => queue.set(&store, seen),
            seen = deployments.next() => queue.deployment(&store, seen),
            () = queue.due() => queue.take_due(),
        }
        loop {
            // Whatever has happened by now is one look.
            while let Some(seen) = pods.try_next() {
                queue.pod(&store, seen);
            }
            while let Some(seen) = services.try_next() {
                queue.service(&store, seen);
            }
            while let Some(seen) = sets.try_next() {
                queue.set(&store, seen);
            }
            while let Some(seen) = deployments.try_next() {
                queue.deployment(&store, seen);
            }
            if !queue.look(&context) {
                break;
            }
        }
    }
}

fn key_of(resource: &str, object: &Value) -> Key {
    Key::new(resource, object::namespace(object), object::name(object))
}

/// The objects of a kind that controls `object`, by its name.
fn owner(object: &Value, kind: &str, resource: &str) -> Option<Key> {
    let owners = object["metadata"]["ownerReferences"].as_array()?;
    let owner = owners.iter().find(|owner| owner["controller"] == true && owner["kind"] == kind)?;
    Some(Key::new(resource, object::namespace(object), owner["name"].as_str()?))
}

impl Queue {
    /// Looks at everything that is worth it. `false` if nothing was.
    ///
    /// Services come first: who waits for a rollout may ask the ingress the moment the
    /// Deployment's status says that it is done.
    fn look(&mut self, context: &Context) -> bool {
        if let Some(key) = self.services.pop_first() {
            endpoints::sync(context, &key);
        } else if let Some(key) = self.sets.pop_first() {
            let again = replicaset::sync(context, &key);
            self.again(again, key);
        } else if let Some(key) = self.deployments.pop_first() {
            let again = deployment::sync(context, &key);
            self.again(again, key);
        } else {
            return false;
        }
        true
    }

    fn again(&mut self, at: Option<Instant>, key: Key) {
        self.later.retain(|(_, other)| *other != key);
        if let Some(at) = at {
            self.later.insert((at, key));
        }
    }

    /// Waits until something is due.
    async fn due(&self) {
        match self.later.first() {
            Some((at, _)) => tokio::time::sleep_until(*at).await,
            None => std::future::pending().await,
        }
    }

    fn take_due(&mut self) {
        let now = Instant::now();
        while let Some((at, _)) = self.later.first() {
            if *at > now {
                return;
            }
            match self.later.pop_first() {
                Some((_, key)) if &*key.resource == "deployments.apps" => self.deployments.insert(key),
                Some((_, key)) => self.sets.insert(key),
                None => return,
            };
        }
    }

    fn pod(&mut self, store: &Store, seen: Seen) {
        match seen {
            Seen::All(_) => {
                self.all(store, "services");
                self.all(store, "replicasets.apps");
                self.all(store, "deployments.apps");
            }
            Seen::Changed(event) => {
                let pods = [Some(&event.object), event.previous.as_ref()];
                for pod in pods.into_iter().flatten() {
                    self.owners_of(store, pod, event.change);
                }
                let namespace = &event.key.namespace;
                let (services, _) = store.list("services", Some(namespace));
                self.services.extend(services.iter().map(|it| key_of("services", it)));
            }
        }
    }

    fn owners_of(&mut self, store: &Store, pod: &Value, change: Change) {
        match owner(pod, "ReplicaSet", "replicasets.apps") {
            Some(set) => {
                // A strategy that waits for the last old pod waits for its very end.
                if change == Change::Deleted
                    && let Some(set) = store.get(&set)
                {
                    self.deployments.extend(owner(&set, "Deployment", "deployments.apps"));
                }
                self.sets.insert(set);
            }
            // It may be one that a ReplicaSet has waited for, or that it lets go of.
            None => {
                let (sets, _) = store.list("replicasets.apps", Some(object::namespace(pod)));
                self.sets.extend(sets.iter().map(|it| key_of("replicasets.apps", it)));
            }
        }
    }

    fn service(&mut self, store: &Store, seen: Seen) {
        match seen {
            Seen::All(_) => self.all(store, "services"),
            Seen::Changed(Event { key, .. }) => {
                self.services.insert(key);
            }
        }
    }

    fn set(&mut self, store: &Store, seen: Seen) {
        match seen {
            Seen::All(_) => {
                self.all(store, "replicasets.apps");
                self.all(store, "deployments.apps");
            }
            Seen::Changed(event) => {
                self.deployments.extend(owner(&event.object, "Deployment", "deployments.apps"));
                self.sets.insert(event.key);
            }
        }
    }

    fn deployment(&mut self, store: &Store, seen: Seen) {
        match seen {
            Seen::All(_) => {
                self.all(store, "deployments.apps");
            }
            Seen::Changed(event) => {
                self.deployments.insert(event.key);
            }
        }
    }

    fn all(&mut self, store: &Store, resource: &str) {
        let keys = store.list(resource, None).0.into_iter().map(|it| key_of(resource, &it));
        match resource {
            "services" => self.services.extend(keys),
            "replicasets.apps" => self.sets.extend(keys),
            _ => self.deployments.extend(keys),
        }
    }
}
