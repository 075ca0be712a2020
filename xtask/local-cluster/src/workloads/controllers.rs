//! The controllers' loop: a change makes objects worth a look; each look acts on what
//! stands in the store at that moment.

use std::collections::BTreeSet;

use futures::future::select_all;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::context::Context;
use super::events::Recorder;
use super::{deployment, endpoints, owners, replicaset};
use crate::store::{Change, Event, Key, Seen, Store, object};

/// What the controllers follow.
const FOLLOWED: [&str; 4] = ["pods", "services", "replicasets.apps", "deployments.apps"];

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
    let mut follows = FOLLOWED.map(|resource| store.follow(resource));
    let mut queue = Queue::default();
    loop {
        let next = select_all(follows.iter_mut().map(|it| Box::pin(it.next())));
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            (seen, ..) = next => queue.see(&store, seen),
            () = queue.due() => queue.take_due(),
        }
        loop {
            // Whatever has happened by now is one look.
            for follow in &mut follows {
                while let Some(seen) = follow.try_next() {
                    queue.see(&store, seen);
                }
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

    /// Notes what a change makes worth a look.
    fn see(&mut self, store: &Store, seen: Seen) {
        let Event { change, key, object, previous, .. } = match seen {
            Seen::Changed(event) => event,
            // The start, or changes were missed.
            Seen::All(_) => return FOLLOWED.iter().for_each(|resource| self.all(store, resource)),
        };
        match &*key.resource {
            "pods" => {
                for pod in [Some(&object), previous.as_ref()].into_iter().flatten() {
                    self.owners_of(store, pod, change);
                }
                let (services, _) = store.list("services", Some(&key.namespace));
                self.services.extend(services.iter().map(|it| key_of("services", it)));
            }
            "services" => {
                self.services.insert(key);
            }
            "replicasets.apps" => {
                self.deployments.extend(owners::controller(&object, "Deployment", "deployments.apps"));
                self.sets.insert(key);
            }
            _ => {
                self.deployments.insert(key);
            }
        }
    }

    fn owners_of(&mut self, store: &Store, pod: &Value, change: Change) {
        match owners::controller(pod, "ReplicaSet", "replicasets.apps") {
            Some(set) => {
                // A strategy that waits for the last old pod waits for its very end.
                if change == Change::Deleted
                    && let Some(set) = store.get(&set)
                {
                    self.deployments.extend(owners::controller(&set, "Deployment", "deployments.apps"));
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

    fn all(&mut self, store: &Store, resource: &str) {
        let keys = store.list(resource, None).0.into_iter().map(|it| key_of(resource, &it));
        match resource {
            "services" => self.services.extend(keys),
            "replicasets.apps" => self.sets.extend(keys),
            "pods" => {}
            _ => self.deployments.extend(keys),
        }
    }
}
