//! ReplicaSets: as many pods of one template as they say.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::context::Context;
use super::events::Subject;
use super::owners::{self, reference};
use super::{pods, selector};
use crate::store::{Key, Store, WriteError, object};

/// The most pods that one ReplicaSet gets: more is a slip of the finger, and every pod
/// is a program of this machine.
const MOST: i64 = 100;

/// Brings a ReplicaSet to its number of pods. Says when to look again, if time alone
/// will change something.
pub(super) fn sync(context: &Context, key: &Key) -> Option<Instant> {
    let store = &context.store;
    let set = store.get(key)?;
    let owned: Vec<_> = owned_pods(store, &set).into_iter().filter(|pod| pods::is_active(pod)).collect();
    if !object::is_terminating(&set) {
        let asked = set["spec"]["replicas"].as_i64().unwrap_or(1);
        if asked > MOST {
            let message = format!("Error creating: this lab runs at most {MOST} pods of a ReplicaSet");
            context.recorder.speaking_as("replicaset-controller").warning(
                &Subject::of(&set),
                "FailedCreate",
                message,
            );
        }
        let wanted = asked.clamp(0, MOST);
        let have = i64::try_from(owned.len()).unwrap_or(i64::MAX);
        for _ in have..wanted {
            create_pod(context, &set);
        }
        let surplus = usize::try_from(have - wanted).unwrap_or(0);
        end_pods(context, &set, owned, surplus);
    }
    let owned: Vec<_> = owned_pods(store, &set).into_iter().filter(|pod| pods::is_active(pod)).collect();
    write_status(store, key, &set, &owned)
}

/// The pods that a ReplicaSet controls. One that matches and belongs to nobody is
/// taken in, one that no longer matches is let go: that is how a person sets a pod
/// aside for a closer look.
fn owned_pods(store: &Store, set: &Value) -> Vec<Arc<Value>> {
    let uid = object::uid_of(set);
    let wanted = &set["spec"]["selector"];
    let (all, _) = store.list("pods", Some(object::namespace(set)));
    all.into_iter()
        .filter_map(|pod| {
            let matches = selector::full(wanted, &pod);
            let key = Key::new("pods", object::namespace(&pod), object::name(&pod));
            let owner = object::controller(&pod).map(|(_, uid)| uid.to_owned());
            match owner.as_deref() {
                Some(owner) if owner == uid && matches => Some(pod),
                Some(owner) if owner == uid => {
                    owners::change(store, &key, |owners| owners.retain(|owner| owner["uid"] != uid));
                    None
                }
                None if matches && pods::is_active(&pod) && !object::is_terminating(set) => {
                    owners::change(store, &key, |owners| owners.push(reference(set)))
                }
                _ => None,
            }
        })
        .collect()
}

fn create_pod(context: &Context, set: &Value) {
    let template = &set["spec"]["template"];
    let (namespace, prefix) = (object::namespace(set), format!("{}-", object::name(set)));
    let mut metadata = json!({
        "generateName": prefix,
        "namespace": namespace,
        "labels": template["metadata"]["labels"],
        "ownerReferences": [reference(set)],
    });
    if let Some(annotations) = template["metadata"]["annotations"].as_object() {
        metadata["annotations"] = annotations.clone().into();
    }
    let mut spec = template["spec"].as_object().cloned().unwrap_or_default();
    for (field, default) in [
        ("restartPolicy", json!("Always")),
        ("terminationGracePeriodSeconds", json!(30)),
        ("dnsPolicy", json!("ClusterFirst")),
        ("schedulerName", json!("default-scheduler")),
    ] {
        spec.entry(field).or_insert(default);
    }
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec,
        "status": {"phase": "Pending", "qosClass": "BestEffort"},
    });
    let recorder = context.recorder.speaking_as("replicaset-controller");
    // A name is taken once in ten million tries.
    for _ in 0..3 {
        let name = format!("{prefix}{}", object::suffix(5));
        let mut pod = pod.clone();
        pod["metadata"]["name"] = name.clone().into();
        match context.store.create(&Key::new("pods", namespace, &name), pod) {
            Ok(_) => {
                recorder.normal(&Subject::of(set), "SuccessfulCreate", format!("Created pod: {name}"));
                return;
            }
            Err(WriteError::Exists(_)) => {}
            Err(error) => {
                recorder.warning(&Subject::of(set), "FailedCreate", format!("Error creating: {error}"));
                return;
            }
        }
    }
}

/// Ends `surplus` pods, those first that are missed least.
fn end_pods(context: &Context, set: &Value, mut owned: Vec<Arc<Value>>, surplus: usize) {
    if surplus == 0 {
        return;
    }
    owned.sort_by_cached_key(|pod| {
        let ready = pods::is_ready(pod);
        let running = pod["status"]["phase"] == "Running";
        // Of ready pods, the one that is ready for the longest time stays longest.
        let ready_for = pods::condition(pod, "Ready").map(|it| pods::since(&it["lastTransitionTime"]));
        (running, ready, ready_for, pods::since(&pod["metadata"]["creationTimestamp"]))
    });
    let recorder = context.recorder.speaking_as("replicaset-controller");
    for pod in owned.iter().take(surplus) {
        let key = Key::new("pods", object::namespace(pod), object::name(pod));
        if pods::end(&context.store, &key, object::uid_of(pod)) {
            recorder.normal(&Subject::of(set), "SuccessfulDelete", format!("Deleted pod: {}", key.name));
        }
    }
}

fn write_status(store: &Store, key: &Key, set: &Value, owned: &[Arc<Value>]) -> Option<Instant> {
    let min_ready = Duration::from_secs(set["spec"]["minReadySeconds"].as_u64().unwrap_or(0));
    let waits: Vec<Duration> = owned.iter().filter_map(|pod| pods::until_available(pod, min_ready)).collect();
    let available = waits.iter().filter(|wait| wait.is_zero()).count();
    let labels = set["spec"]["template"]["metadata"]["labels"].as_object();
    let labelled = owned.iter().filter(|pod| {
        let of_pod = &pod["metadata"]["labels"];
        labels.into_iter().flatten().all(|(key, value)| of_pod.get(key) == Some(value))
    });
    let mut status = json!({"replicas": owned.len(), "observedGeneration": set["metadata"]["generation"]});
    for (field, count) in [
        ("fullyLabeledReplicas", labelled.count()),
        ("readyReplicas", waits.len()),
        ("availableReplicas", available),
    ] {
        if count > 0 {
            status[field] = count.into();
        }
    }
    let _ = store.update(key, |old| {
        let mut new = old.clone();
        new["status"] = status.clone();
        Ok::<_, WriteError>(new)
    });
    waits.into_iter().filter(|wait| !wait.is_zero()).min().map(|wait| Instant::now() + wait)
}
