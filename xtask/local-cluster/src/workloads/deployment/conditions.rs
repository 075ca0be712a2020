//! What a Deployment's status says: counts, and the conditions Available and
//! Progressing in the real controller's words.

use serde_json::{Value, json};

use super::arithmetic::{Slack, wanted};
use super::sets::Sets;
use crate::store::object::{self, timestamp};

/// A condition that a Deployment is to have; as it stands there, if it says that already.
fn condition(it: &Value, kind: &str, status: &str, reason: &str, message: &str) -> Value {
    let says = |old: &Value| old["status"] == status && old["reason"] == reason && old["message"] == message;
    if let Some(old) = object::condition(it, kind).filter(|old| says(old)) {
        return old.clone();
    }
    json!({
        "type": kind, "status": status, "reason": reason, "message": message,
        "lastUpdateTime": timestamp(), "lastTransitionTime": object::since(it, kind, status),
    })
}

/// All pods are of the newest template and available, and no older one is left.
pub(super) fn is_complete(sets: &Sets<'_>) -> bool {
    // The ReplicaSet's own status may be behind what it was just told.
    let is_seen = |new: &Value| new["status"]["observedGeneration"] == new["metadata"]["generation"];
    sets.new.as_deref().is_some_and(is_seen)
        && [sets.updated(), sets.count("replicas"), sets.count("availableReplicas")]
            == [wanted(&sets.deployment); 3]
}

/// Writes the status.
pub(super) fn write_status(sets: &Sets<'_>) {
    let available = sets.count("availableReplicas");
    sets.context.store.change(&sets.key, |it| {
        let mut status = json!({
            "observedGeneration": sets.deployment["metadata"]["generation"],
            "conditions": [progressing(sets, it), availability(sets, it, available)],
        });
        for (field, count) in [
            ("replicas", sets.count("replicas")),
            ("updatedReplicas", sets.updated()),
            ("readyReplicas", sets.count("readyReplicas")),
            ("availableReplicas", available),
            ("unavailableReplicas", sets.total() - available),
        ] {
            if count > 0 {
                status[field] = count.into();
            }
        }
        it["status"] = status;
    });
}

fn availability(sets: &Sets<'_>, it: &Value, available: i64) -> Value {
    let least = wanted(&sets.deployment) - Slack::of(&sets.deployment).unavailable;
    let (status, reason, message) = if available >= least {
        ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    condition(it, "Available", status, reason, message)
}

/// No deadline ends it.
fn progressing(sets: &Sets<'_>, it: &Value) -> Value {
    const COMPLETE: &str = "NewReplicaSetAvailable";
    let name = sets.new.as_deref().map_or_else(|| object::name(&sets.deployment), object::name);
    let old = object::condition(it, "Progressing");
    let (reason, message) = match old.filter(|old| old["reason"] == COMPLETE) {
        _ if is_complete(sets) => (COMPLETE, format!("ReplicaSet {name:?} has successfully progressed.")),
        // A finished rollout whose pods come and go is not a rollout again.
        Some(complete) if sets.count("replicas") == sets.updated() => return complete.clone(),
        _ => ("ReplicaSetUpdated", format!("ReplicaSet {name:?} is progressing.")),
    };
    condition(it, "Progressing", "True", reason, &message)
}
