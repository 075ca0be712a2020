//! One pod: its containers side by side, its status, its end.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use super::container;
use super::status::{self, Container};
use super::{Fate, Node, grace};
use crate::store::{Key, Store, WriteError, object};
use crate::workloads::NODE;
use crate::workloads::events::Subject;

/// A pod that this node runs.
pub(super) struct Pod {
    pub(super) node: Arc<Node>,
    pub(super) key: Key,
    /// As it was when this node first saw it: what is to be run does not change.
    pub(super) object: Arc<Value>,
    containers: Mutex<Vec<Container>>,
    fate: watch::Receiver<Fate>,
}

/// Runs a pod to its end, and removes its object if its fate is to go.
pub(super) async fn run(node: Arc<Node>, key: Key, object: Arc<Value>, fate: watch::Receiver<Fate>) {
    let specs = || object["spec"]["containers"].as_array().into_iter().flatten();
    let statuses = specs().map(Container::new).collect();
    let pod = Pod { node, key, object: object.clone(), containers: Mutex::new(statuses), fate };
    if pod.is_live() {
        pod.publish();
        let scheduled = format!("Successfully assigned {}/{} to {NODE}", pod.key.namespace, pod.key.name);
        let scheduler = pod.node.recorder.speaking_as("default-scheduler");
        scheduler.normal(&Subject::of(&pod.object), "Scheduled", scheduled);
        join_all(specs().enumerate().map(|(index, spec)| container::run(&pod, index, spec))).await;
    }
    pod.end().await;
}

impl Pod {
    /// The pod's uid.
    pub(super) fn uid(&self) -> &str {
        object::uid_of(&self.object)
    }

    /// Whether it is to run.
    pub(super) fn is_live(&self) -> bool {
        *self.fate.borrow() == Fate::Live
    }

    /// Waits until the pod is to end.
    pub(super) async fn ends(&self) {
        // The sender goes only with the node itself, which ends pods first.
        let _ = self.fate.clone().wait_for(|fate| *fate != Fate::Live).await;
    }

    /// Waits until the pod's containers must be gone: the grace since `stopped` is
    /// over, or the object is gone. The grace may be cut short by a second deletion.
    pub(super) async fn grace_is_over(&self, stopped: Instant) {
        let mut fate = self.fate.clone();
        loop {
            let deadline = match *fate.borrow_and_update() {
                Fate::Gone => return,
                Fate::End(grace) => stopped + grace,
                Fate::Live => stopped + self.grace(),
            };
            tokio::select! {
                () = tokio::time::sleep_until(deadline) => return,
                changed = fate.changed() => if changed.is_err() { return },
            }
        }
    }

    /// The grace that the pod asks for.
    pub(super) fn grace(&self) -> Duration {
        grace(&self.object)
    }

    /// Changes what is known of one container and writes the pod's status.
    pub(super) fn change(&self, index: usize, change: impl FnOnce(&mut Container)) {
        let mut containers = self.containers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(container) = containers.get_mut(index) {
            change(container);
        }
        self.write(&containers);
    }

    fn publish(&self) {
        self.write(&self.containers.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Called with the containers locked, so that statuses are written in order.
    fn write(&self, containers: &[Container]) {
        let written = self.node.store.update(&self.key, |old| {
            if object::uid_of(old) != self.uid() || !old["spec"].is_object() {
                return Err(WriteError::NotFound(self.key.clone()));
            }
            let mut new = old.clone();
            status::write(&mut new, containers);
            Ok(new)
        });
        // A pod that is gone has no status, and its task knows.
        let _ = written;
    }

    /// All containers have ended: waits until the pod is to go, and removes it.
    async fn end(self) {
        self.ends().await;
        if self.node.stop.is_cancelled() {
            return;
        }
        remove(&self.node.store, &self.key, self.uid()).await;
        self.node.logs.forget(&self.key.namespace, &self.key.name);
    }
}

/// Removes a pod's object, once nobody else holds it by a finalizer.
async fn remove(store: &Store, key: &Key, uid: &str) {
    loop {
        let since = store.version();
        let Some(pod) = store.get(key).filter(|pod| object::uid_of(pod) == uid) else { return };
        let held = pod["metadata"]["finalizers"].as_array().is_some_and(|all| !all.is_empty());
        if !held {
            store.remove_uid(key, uid);
            return;
        }
        let Ok(mut changes) = store.watch("pods", Some(&key.namespace), since) else { continue };
        let _ = changes.next().await;
    }
}
