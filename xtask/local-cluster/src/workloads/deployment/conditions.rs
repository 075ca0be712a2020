//! What a Deployment's status says: counts, and the conditions Available and
//! Progressing in the real controller's words.

use serde_json::{Value, json};

use super::arithmetic::{Slack, wanted};
use super::sets::{Sets, count};
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

/// The counts of a Deployment's status.
struct Counts {
    replicas: i64,
    updated: i64,
    ready: i64,
    available: i64,
}

impl Counts {
    fn of(sets: &Sets<'_>) -> Self {
        let sum = |field| sets.all().map(|it| count(it, field)).sum();
        Self {
            replicas: sum("replicas"),
            updated: sets.new.as_deref().map_or(0, |it| count(it, "replicas")),
            ready: sum("readyReplicas"),
            available: sum("availableReplicas"),
        }
    }
}

/// All pods are of the newest template and available, and no older one is left.
pub(super) fn is_complete(sets: &Sets<'_>) -> bool {
    let (counts, wanted) = (Counts::of(sets), wanted(&sets.deployment));
    // The ReplicaSet's own status may be behind what it was just told.
    let is_seen = |new: &Value| new["status"]["observedGeneration"] == new["metadata"]["generation"];
    sets.new.as_deref().is_some_and(is_seen)
        && [counts.updated, counts.replicas, counts.available] == [wanted; 3]
}

/// Writes the status.
pub(super) fn write_status(sets: &Sets<'_>) {
    let counts = Counts::of(sets);
    sets.context.store.change(&sets.key, |it| {
        let mut status = json!({
            "observedGeneration": sets.deployment["metadata"]["generation"],
            "conditions": [progressing(sets, it, &counts), availability(sets, it, &counts)],
        });
        for (field, count) in [
            ("replicas", counts.replicas),
            ("updatedReplicas", counts.updated),
            ("readyReplicas", counts.ready),
            ("availableReplicas", counts.available),
            ("unavailableReplicas", sets.total() - counts.available),
        ] {
            if count > 0 {
                status[field] = count.into();
            }
        }
        it["status"] = status;
    });
}

fn availability(sets: &Sets<'_>, it: &Value, counts: &Counts) -> Value {
    let least = wanted(&sets.deployment) - Slack::of(&sets.deployment).unavailable;
    let (status, reason, message) = if counts.available >= least {
        ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    condition(it, "Available", status, reason, message)
}

/// No deadline ends it.
fn progressing(sets: &Sets<'_>, it: &Value, counts: &Counts) -> Value {
    const COMPLETE: &str = "NewReplicaSetAvailable";
    let name = sets.new.as_deref().map_or_else(|| object::name(&sets.deployment), object::name);
    let old = object::condition(it, "Progressing");
    let (reason, message) = match old.filter(|old| old["reason"] == COMPLETE) {
        _ if is_complete(sets) => (COMPLETE, format!("ReplicaSet {name:?} has successfully progressed.")),
        // A finished rollout whose pods come and go is not a rollout again.
        Some(complete) if counts.replicas == counts.updated => return complete.clone(),
        _ => ("ReplicaSetUpdated", format!("ReplicaSet {name:?} is progressing.")),
    };
    condition(it, "Progressing", "True", reason, &message)
}
