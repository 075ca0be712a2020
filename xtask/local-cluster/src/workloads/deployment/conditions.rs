//! What a Deployment's status says: counts, and the conditions Available and
//! Progressing in the real controller's words.

use serde_json::{Value, json};

use super::arithmetic::{Slack, wanted};
use super::sets::{Sets, count};
use crate::store::object::{self, condition, items, timestamp};

fn new(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    let now = timestamp();
    json!({
        "type": kind, "status": status, "reason": reason, "message": message,
        "lastUpdateTime": now, "lastTransitionTime": now,
    })
}

/// Puts a condition into an object's status, unless it says what is said already.
fn set(object: &mut Value, mut condition: Value) {
    let mut all: Vec<Value> = items(&object["status"]["conditions"]).cloned().collect();
    match all.iter_mut().find(|it| it["type"] == condition["type"]) {
        Some(old) if ["status", "reason", "message"].iter().all(|it| old[*it] == condition[*it]) => return,
        Some(old) => {
            if old["status"] == condition["status"] {
                condition["lastTransitionTime"] = old["lastTransitionTime"].take();
            }
            *old = condition;
        }
        None => all.push(condition),
    }
    object["status"]["conditions"] = all.into();
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
        progressing(sets, it, &counts);
        set(it, availability(sets, &counts));
        let mut status = json!({
            "observedGeneration": sets.deployment["metadata"]["generation"],
            "conditions": it["status"]["conditions"],
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

fn availability(sets: &Sets<'_>, counts: &Counts) -> Value {
    let least = wanted(&sets.deployment) - Slack::of(&sets.deployment).unavailable;
    if counts.available >= least {
        new("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        let message = "Deployment does not have minimum availability.";
        new("Available", "False", "MinimumReplicasUnavailable", message)
    }
}

/// Brings the condition Progressing up to date. No deadline ends it.
fn progressing(sets: &Sets<'_>, it: &mut Value, counts: &Counts) {
    let name = sets.new.as_deref().map_or_else(|| object::name(&sets.deployment), object::name);
    let is_over = condition(it, "Progressing").is_some_and(|it| it["reason"] == "NewReplicaSetAvailable");
    let (reason, message) = if is_complete(sets) {
        ("NewReplicaSetAvailable", format!("ReplicaSet {name:?} has successfully progressed."))
    } else if is_over && counts.replicas == counts.updated {
        // A finished rollout whose pods come and go is not a rollout again.
        return;
    } else {
        ("ReplicaSetUpdated", format!("ReplicaSet {name:?} is progressing."))
    };
    set(it, new("Progressing", "True", reason, &message));
}
