//! The kubelet: runs the containers of every pod, and says how they are.
//!
//! What a real one does and this one does not stands in [`unsupported`]. Whatever of that
//! a pod cannot do without is said in its status and its events.

mod backoff;
mod container;
mod environment;
mod expand;
mod health;
mod pod;
mod prepare;
mod probe;
mod sources;
mod status;
mod unsupported;
mod volumes;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::NODE;
use super::events::Recorder;
use super::services::Services;
use crate::logs::Logs;
use crate::program::{ClusterAccess, Images};
use crate::store::{Change, Key, Seen, Store, object};
use crate::tasks::Tasks;

/// How long programs have to stop when the whole lab does. Whoever stops the lab
/// waits a little longer than this.
const LAB_GRACE: Duration = Duration::from_secs(5);

/// What all pods of this machine share.
pub(super) struct Node {
    pub(super) store: Store,
    pub(super) logs: Logs,
    pub(super) images: Images,
    pub(super) cluster: ClusterAccess,
    pub(super) ingress: SocketAddr,
    pub(super) recorder: Recorder,
    pub(super) services: Services,
    pub(super) tasks: Tasks,
    /// The lab stops: containers end, but their pods stay in the store.
    pub(super) stop: CancellationToken,
}

/// What is to become of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It is to run.
    Live,
    /// It is to end, and has this long to do so.
    End(Duration),
    /// Its object is gone already.
    Gone,
}

/// A pod's task, as the kubelet knows it.
struct Tenant {
    key: Key,
    fate: watch::Sender<Fate>,
    task: JoinHandle<()>,
}

/// Runs pods until the node stops, and returns when the last container has ended.
pub(super) async fn run(node: Arc<Node>) {
    let mut pods = node.store.follow("pods");
    let mut tenants: HashMap<String, Tenant> = HashMap::new();
    loop {
        let seen = tokio::select! {
            biased;
            () = node.stop.cancelled() => break,
            seen = pods.next() => seen,
        };
        match seen {
            Seen::All(all) => {
                for (uid, tenant) in &tenants {
                    if !all.iter().any(|pod| object::uid_of(pod) == uid) {
                        tenant.fate.send_replace(Fate::Gone);
                    }
                }
                for pod in all {
                    see(&node, &mut tenants, &pod);
                }
            }
            Seen::Changed(event) if event.change == Change::Deleted => {
                if let Some(tenant) = tenants.get(object::uid_of(&event.object)) {
                    tenant.fate.send_replace(Fate::Gone);
                }
            }
            Seen::Changed(event) => see(&node, &mut tenants, &event.object),
        }
        tenants.retain(|_, tenant| !tenant.task.is_finished());
    }
    for tenant in tenants.values() {
        tenant.fate.send_if_modified(|fate| {
            let shorter = match *fate {
                Fate::Live => Fate::End(LAB_GRACE),
                Fate::End(grace) => Fate::End(grace.min(LAB_GRACE)),
                Fate::Gone => Fate::Gone,
            };
            std::mem::replace(fate, shorter) != shorter
        });
    }
    for (_, tenant) in tenants {
        let _ = tenant.task.await;
    }
}

/// A pod is there: its task is told, or started.
fn see(node: &Arc<Node>, tenants: &mut HashMap<String, Tenant>, pod: &Arc<Value>) {
    let uid = object::uid_of(pod);
    let fate = if object::is_terminating(pod) { Fate::End(grace(pod)) } else { Fate::Live };
    if let Some(tenant) = tenants.get(uid) {
        tenant.fate.send_if_modified(|old| *old != Fate::Gone && std::mem::replace(old, fate) != fate);
        return;
    }
    let elsewhere = pod["spec"]["nodeName"].as_str().is_some_and(|node| !node.is_empty() && node != NODE);
    // A pod that somebody assigned to another node waits for that node's kubelet.
    if elsewhere || !pod["spec"].is_object() {
        return;
    }
    let key = Key::new("pods", object::namespace(pod), object::name(pod));
    // A pod deleted by force leaves its name before its containers are gone.
    let before = tenants.iter().find(|(_, tenant)| tenant.key == key).map(|(uid, _)| uid.clone());
    let before = before.and_then(|uid| tenants.remove(&uid)).map(|tenant| tenant.task);
    let (sender, receiver) = watch::channel(fate);
    let running = pod::run(node.clone(), key.clone(), pod.clone(), receiver);
    let task = node.tasks.spawn(format!("pod {}/{}", key.namespace, key.name), async move {
        if let Some(before) = before {
            let _ = before.await;
        }
        running.await;
    });
    tenants.insert(uid.to_owned(), Tenant { key, fate: sender, task });
}

/// How long a pod's containers have from SIGTERM to SIGKILL.
fn grace(pod: &Value) -> Duration {
    let deletion = pod["metadata"]["deletionGracePeriodSeconds"].as_u64();
    let seconds = deletion.or_else(|| pod["spec"]["terminationGracePeriodSeconds"].as_u64()).unwrap_or(30);
    // A year is long enough; more would overflow somebody's clock.
    Duration::from_secs(seconds.min(366 * 24 * 3600))
}
