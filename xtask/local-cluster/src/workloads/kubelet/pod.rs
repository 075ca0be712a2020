//! One pod and its containers: what is to become of them, their status, and the end of the object.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::mutex::lock;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use super::Node;
use super::status::{self, ContainerStatus};
use crate::store::deletion::deletion;
use crate::store::{Key, WriteError, object};

/// What a pod's worker is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// Run its containers.
    Sync,
    /// End them within this long.
    Terminate(Duration),
    /// End them at once: the pod's object is gone already.
    Removed,
}

/// How long a pod's containers have from SIGTERM to SIGKILL.
pub(super) fn grace(pod: &Value) -> Duration {
    let deletion = pod["metadata"]["deletionGracePeriodSeconds"].as_u64();
    let seconds = deletion.or_else(|| pod["spec"]["terminationGracePeriodSeconds"].as_u64()).unwrap_or(30);
    // A year is long enough; more would overflow somebody's clock.
    Duration::from_secs(seconds.min(366 * 24 * 3600))
}

/// A pod that this node runs.
pub(super) struct Pod {
    pub(super) node: Arc<Node>,
    pub(super) key: Key,
    /// As it was when this node first saw it: what is to be run does not change.
    pub(super) object: Arc<Value>,
    containers: Mutex<Vec<ContainerStatus>>,
    work: watch::Receiver<Work>,
}

impl Pod {
    /// A pod whose containers nobody has looked at yet.
    pub(super) fn new(node: Arc<Node>, key: Key, object: Arc<Value>, work: watch::Receiver<Work>) -> Self {
        let specs = object::items(&object["spec"]["containers"]);
        let containers = Mutex::new(specs.map(ContainerStatus::new).collect());
        Self { node, key, object, containers, work }
    }

    /// The pod's uid.
    pub(super) fn uid(&self) -> &str {
        object::uid_of(&self.object)
    }

    /// Whether it is to run.
    pub(super) fn is_live(&self) -> bool {
        *self.work.borrow() == Work::Sync
    }

    /// Waits until the pod is to end.
    pub(super) async fn ends(&self) {
        // The sender goes only with the node itself, which ends pods first.
        let _ = self.work.clone().wait_for(|work| *work != Work::Sync).await;
    }

    /// Waits until the pod's containers must be gone: the grace since `stopped` is
    /// over, or the object is gone. The grace may be cut short by a second deletion.
    pub(super) async fn grace_is_over(&self, stopped: Instant) {
        let mut work = self.work.clone();
        loop {
            let deadline = match *work.borrow_and_update() {
                Work::Removed => return,
                Work::Terminate(grace) => stopped + grace,
                Work::Sync => stopped + self.grace(),
            };
            tokio::select! {
                () = tokio::time::sleep_until(deadline) => return,
                changed = work.changed() => if changed.is_err() { return },
            }
        }
    }

    /// The grace that the pod asks for.
    pub(super) fn grace(&self) -> Duration {
        grace(&self.object)
    }

    /// Changes what is known of one container and writes the pod's status.
    pub(super) fn change(&self, index: usize, change: impl FnOnce(&mut ContainerStatus)) {
        let mut containers = lock(&self.containers);
        if let Some(container) = containers.get_mut(index) {
            change(container);
        }
        self.write(&containers);
    }

    /// Writes the pod's status.
    pub(super) fn publish(&self) {
        self.write(&lock(&self.containers));
    }

    /// Called with the containers locked, so that statuses are written in order.
    fn write(&self, containers: &[ContainerStatus]) {
        // A pod that is gone has no status, and its task knows.
        let _ = self.node.store.update(&self.key, |old| {
            if object::uid_of(old) != self.uid() || !old["spec"].is_object() {
                return Err(WriteError::NotFound(self.key.clone()));
            }
            let mut new = old.clone();
            status::write(&mut new, containers);
            Ok(new)
        });
    }

    /// All containers have ended: waits until the pod is to go, and removes it.
    pub(super) async fn end(self) {
        self.ends().await;
        if self.node.stop.is_cancelled() {
            return;
        }
        // It goes at once, or when the last finalizer does.
        let _ = self.node.store.delete_if(&self.key, |pod| match object::uid_of(pod) == self.uid() {
            true => Ok(deletion(pod, Some(0))),
            false => Err(WriteError::NotFound(self.key.clone())),
        });
        self.node.logs.forget(&self.key.namespace, &self.key.name);
    }
}

/// A container of a pod.
pub(super) struct Container<'a> {
    pub(super) pod: &'a Pod,
    pub(super) index: usize,
    pub(super) spec: &'a Value,
    pub(super) name: &'a str,
}

impl Container<'_> {
    /// Changes what is known of it, and writes the pod's status.
    pub(super) fn change(&self, change: impl FnOnce(&mut ContainerStatus)) {
        self.pod.change(self.index, change);
    }

    /// It does not run, and why.
    pub(super) fn wait(&self, reason: &'static str, message: String) {
        self.change(|it| it.go_on("waiting", json!({"reason": reason, "message": message})));
    }

    /// Something that is meant to happen.
    pub(super) fn normal(&self, reason: &'static str, message: impl Into<String>) {
        self.say(false, reason, message.into());
    }

    /// Something that is not.
    pub(super) fn warning(&self, reason: &'static str, message: impl Into<String>) {
        self.say(true, reason, message.into());
    }

    fn say(&self, warning: bool, reason: &'static str, message: String) {
        let field = format!("spec.containers{{{}}}", self.name);
        self.pod.node.recorder.say(&self.pod.object, field, warning, reason, message);
    }
}
