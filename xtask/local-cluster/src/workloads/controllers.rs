//! The controllers' loop: a change makes objects worth a look; each look acts on what
//! stands in the store at that moment.

use std::collections::BTreeSet;

use tokio_util::sync::CancellationToken;

use super::context::Context;
use super::events::Recorder;
use super::{deployment, endpoints, owners, replicaset};
use crate::store::{Change, Event, Key, Seen, Store};

const PODS: &str = "pods";
const SERVICES: &str = "services";
const SETS: &str = "replicasets.apps";
const DEPLOYMENTS: &str = "deployments.apps";

/// What the controllers follow, and look at in this order (at pods they do not look).
///
/// Services come first: who waits for a rollout may ask the ingress the moment the
/// Deployment's status says that it is done.
const FOLLOWED: [&str; 4] = [PODS, SERVICES, SETS, DEPLOYMENTS];

/// Objects that are worth a look.
#[derive(Default)]
struct Queue(BTreeSet<(usize, Key)>);

/// Runs all controllers until `stop`.
pub(super) async fn run(store: Store, recorder: Recorder, stop: CancellationToken) {
    let context = Context { store: store.clone(), recorder };
    let mut follow = store.follow_all(&FOLLOWED);
    let mut queue = Queue::default();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            seen = follow.next() => queue.see(&store, seen),
        }
        loop {
            // Whatever has happened by now is one look.
            while let Some(seen) = follow.try_next() {
                queue.see(&store, seen);
            }
            if !queue.look(&context) {
                break;
            }
        }
    }
}

impl Queue {
    fn add(&mut self, keys: impl IntoIterator<Item = Key>) {
        let rank = |key: &Key| FOLLOWED.iter().position(|it| *it == &*key.resource).unwrap_or_default();
        self.0.extend(keys.into_iter().map(|key| (rank(&key), key)));
    }

    /// Looks at everything that is worth it. `false` if nothing was.
    fn look(&mut self, context: &Context) -> bool {
        let Some((_, key)) = self.0.pop_first() else { return false };
        match &*key.resource {
            SERVICES => endpoints::sync(context, &key),
            SETS => replicaset::sync(context, &key),
            _ => deployment::sync(context, &key),
        }
        true
    }

    /// Notes what a change makes worth a look.
    fn see(&mut self, store: &Store, seen: Seen) {
        let all = |resource, namespace| {
            let (all, _) = store.list(resource, namespace);
            all.into_iter().map(move |it| Key::of(resource, &it))
        };
        let Event { change, key, object, previous, .. } = match seen {
            Seen::Changed(event) => event,
            // The start, or changes were missed.
            Seen::All(_) => return FOLLOWED[1..].iter().for_each(|resource| self.add(all(resource, None))),
        };
        match &*key.resource {
            PODS => {
                for pod in [Some(&object), previous.as_ref()].into_iter().flatten() {
                    if let Some(set) = owners::controller(pod, "ReplicaSet", SETS) {
                        // A strategy that waits for the last old pod waits for its very end.
                        let gone = store.get(&set).filter(|_| change == Change::Deleted);
                        self.add(gone.and_then(|it| owners::controller(&it, "Deployment", DEPLOYMENTS)));
                        self.add([set]);
                    }
                }
                self.add(all(SERVICES, Some(&key.namespace)));
            }
            SETS => self.add(owners::controller(&object, "Deployment", DEPLOYMENTS).into_iter().chain([key])),
            _ => self.add([key]),
        }
    }
}
