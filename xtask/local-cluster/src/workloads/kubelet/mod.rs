//! The kubelet: runs the containers of every pod, and says how they are.
//!
//! What a real one does and this one does not stands in [`unsupported`]. Whatever of that
//! a pod cannot do without is said in its status and its events.

mod backoff;
mod configuration;
mod health;
mod pod;
mod prepare;
mod probe;
mod run;
mod status;
mod unsupported;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::pod::{Pod, Work, grace};
use super::events::Recorder;
use super::machine::{Machine, NODE};
use super::services::Services;
use crate::logs::Logs;
use crate::store::{Change, Key, Seen, Store, object};

/// How long programs have to stop when the whole lab does. Whoever stops the lab
/// waits a little longer than this.
const LAB_GRACE: Duration = Duration::from_secs(5);

/// The node, as its pods need it.
pub(super) struct Node {
    pub(super) store: Store,
    pub(super) logs: Logs,
    pub(super) machine: Machine,
    pub(super) recorder: Recorder,
    pub(super) services: Services,
    /// The lab stops: containers end, but their pods stay in the store.
    pub(super) stop: CancellationToken,
}

/// A pod's task, as the kubelet knows it.
struct PodWorker {
    key: Key,
    work: watch::Sender<Work>,
    task: JoinHandle<()>,
}

/// Runs pods until the node stops, and returns when the last container has ended.
pub(super) async fn run(node: Arc<Node>) {
    let mut pods = node.store.follow("pods");
    let mut workers: HashMap<String, PodWorker> = HashMap::new();
    loop {
        let seen = tokio::select! {
            biased;
            () = node.stop.cancelled() => break,
            seen = pods.next() => seen,
        };
        match seen {
            Seen::All(all) => {
                for (uid, worker) in &workers {
                    if !all.iter().any(|pod| object::uid_of(pod) == uid) {
                        worker.work.send_replace(Work::Removed);
                    }
                }
                for pod in all {
                    see(&node, &mut workers, &pod);
                }
            }
            Seen::Changed(event) if event.change == Change::Deleted => {
                if let Some(worker) = workers.get(object::uid_of(&event.object)) {
                    worker.work.send_replace(Work::Removed);
                }
            }
            Seen::Changed(event) => see(&node, &mut workers, &event.object),
        }
        workers.retain(|_, worker| !worker.task.is_finished());
    }
    for worker in workers.values() {
        worker.work.send_if_modified(|work| {
            let shorter = match *work {
                Work::Sync => Work::Terminate(LAB_GRACE),
                Work::Terminate(grace) => Work::Terminate(grace.min(LAB_GRACE)),
                Work::Removed => Work::Removed,
            };
            std::mem::replace(work, shorter) != shorter
        });
    }
    for (_, worker) in workers {
        let _ = worker.task.await;
    }
}

/// A pod is there: its task is told, or started.
fn see(node: &Arc<Node>, workers: &mut HashMap<String, PodWorker>, pod: &Arc<Value>) {
    let uid = object::uid_of(pod);
    let work = if object::is_terminating(pod) { Work::Terminate(grace(pod)) } else { Work::Sync };
    if let Some(worker) = workers.get(uid) {
        worker.work.send_if_modified(|old| *old != Work::Removed && std::mem::replace(old, work) != work);
        return;
    }
    // A pod that somebody assigned to another node waits for that node's kubelet.
    if !["", NODE].contains(&object::text(&pod["spec"]["nodeName"])) || !pod["spec"].is_object() {
        return;
    }
    let key = Key::of("pods", pod);
    // A pod deleted by force leaves its name before its containers are gone.
    let before = workers.iter().find(|(_, worker)| worker.key == key).map(|(uid, _)| uid.clone());
    let before = before.and_then(|uid| workers.remove(&uid)).map(|worker| worker.task);
    let (sender, receiver) = watch::channel(work);
    let running = run::pod(Pod::new(node.clone(), key.clone(), pod.clone(), receiver));
    let task = node.machine.tasks.spawn(format!("pod {}/{}", key.namespace, key.name), async move {
        if let Some(before) = before {
            let _ = before.await;
        }
        running.await;
    });
    workers.insert(uid.to_owned(), PodWorker { key, work: sender, task });
}
