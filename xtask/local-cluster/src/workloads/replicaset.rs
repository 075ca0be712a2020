//! ReplicaSets: as many pods of one template as they say.

use std::cmp::Reverse;
use std::sync::Arc;

use serde_json::{Value, json};

use super::context::Context;
use super::events::Recorder;
use super::owners::{self, is_ready, reference};
use crate::store::deletion::deletion;
use crate::store::object::{self, text};
use crate::store::{Key, Store, WriteError};

/// The most pods that one ReplicaSet gets: more is a slip of the finger, and every pod
/// is a program of this machine.
const MOST: i64 = 100;

/// Brings a ReplicaSet to its number of pods.
pub(super) fn sync(context: &Context, key: &Key) {
    let store = &context.store;
    let Some(set) = store.get(key) else { return };
    if !object::is_terminating(&set) {
        let owned = owned_pods(store, &set);
        let asked = set["spec"]["replicas"].as_i64().unwrap_or(1);
        if asked > MOST {
            let message = format!("Error creating: this lab runs at most {MOST} pods of a ReplicaSet");
            recorder(context).warning(&set, "FailedCreate", message);
        }
        let wanted = usize::try_from(asked.clamp(0, MOST)).unwrap_or(0);
        for _ in owned.len()..wanted {
            create_pod(context, &set);
        }
        end_pods(context, &set, owned, wanted);
    }
    write_status(store, key, &set, &owned_pods(store, &set));
}

fn recorder(context: &Context) -> Recorder {
    context.recorder.speaking_as("replicaset-controller")
}

/// The active pods that a ReplicaSet controls.
fn owned_pods(store: &Store, set: &Value) -> Vec<Arc<Value>> {
    let (all, _) = store.list("pods", Some(object::namespace(set)));
    all.into_iter().filter(|pod| !object::is_terminating(pod) && owners::controls(set, pod)).collect()
}

fn create_pod(context: &Context, set: &Value) {
    let template = &set["spec"]["template"];
    let (namespace, prefix) = (object::namespace(set), format!("{}-", object::name(set)));
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "generateName": prefix,
            "namespace": namespace,
            "labels": template["metadata"]["labels"],
            "ownerReferences": [reference(set)],
        },
        "spec": template["spec"],
        "status": {"phase": "Pending", "qosClass": "BestEffort"},
    });
    if template["metadata"]["annotations"].is_object() {
        pod["metadata"]["annotations"] = template["metadata"]["annotations"].clone();
    }
    // A name is taken once in ten million tries.
    for _ in 0..3 {
        let name = format!("{prefix}{}", object::suffix(5));
        pod["metadata"]["name"] = name.clone().into();
        match context.store.create(&Key::new("pods", namespace, &name), pod.clone()) {
            Ok(_) => {
                let message = format!("Created pod: {name}");
                return recorder(context).normal(set, "SuccessfulCreate", message);
            }
            Err(WriteError::Exists(_)) => {}
            Err(error) => {
                let message = format!("Error creating: {error}");
                return recorder(context).warning(set, "FailedCreate", message);
            }
        }
    }
}

/// Ends the pods beyond `wanted`, those first that are missed least.
fn end_pods(context: &Context, set: &Value, mut owned: Vec<Arc<Value>>, wanted: usize) {
    owned.sort_by_cached_key(|pod| {
        let running = pod["status"]["phase"] == "Running";
        // The oldest stays longest.
        let born = text(&pod["metadata"]["creationTimestamp"]).to_owned();
        (running, is_ready(pod), Reverse(born))
    });
    let surplus = owned.len().saturating_sub(wanted);
    for pod in owned.iter().take(surplus) {
        let key = Key::of("pods", pod);
        if end(&context.store, &key, object::uid_of(pod)) {
            let message = format!("Deleted pod: {}", key.name);
            recorder(context).normal(set, "SuccessfulDelete", message);
        }
    }
}

/// Asks a pod to end, with the grace that it has set itself. The kubelet removes it
/// when its containers have ended.
fn end(store: &Store, key: &Key, uid: &str) -> bool {
    let asked =
        store.delete_if(key, |pod| match object::uid_of(pod) == uid && !object::is_terminating(pod) {
            true => Ok(deletion(pod, None)),
            false => Err(WriteError::NotFound(key.clone())),
        });
    asked.is_ok()
}

fn write_status(store: &Store, key: &Key, set: &Value, owned: &[Arc<Value>]) {
    let ready = owned.iter().filter(|pod| is_ready(pod)).count();
    let mut status = json!({"replicas": owned.len(), "observedGeneration": set["metadata"]["generation"]});
    for (field, count) in
        [("fullyLabeledReplicas", owned.len()), ("readyReplicas", ready), ("availableReplicas", ready)]
    {
        if count > 0 {
            status[field] = count.into();
        }
    }
    store.change(key, |set| set["status"] = status.clone());
}
