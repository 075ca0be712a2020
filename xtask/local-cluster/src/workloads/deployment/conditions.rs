//! What a Deployment's status says: counts, and the conditions Available and
//! Progressing in the real controller's words.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::arithmetic::{Slack, wanted};
use super::sets::{Sets, count};
use crate::store::object::{self, condition, items, text, timestamp};
use crate::workloads::pods::since;

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
        Some(old) if old["status"] == condition["status"] && old["reason"] == condition["reason"] => return,
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

/// Notes a step of a rollout.
pub(super) fn progress(sets: &Sets<'_>, reason: &str, message: &str) {
    sets.context.store.change(&sets.key, |it| set(it, new("Progressing", "True", reason, message)));
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

/// Writes the status. Says when a deadline runs out, if one does.
pub(super) fn write_status(sets: &Sets<'_>) -> Option<Instant> {
    let counts = Counts::of(sets);
    let mut deadline = None;
    sets.context.store.change(&sets.key, |it| {
        deadline = progressing(sets, it, &counts);
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
    deadline
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

/// Brings the condition Progressing up to date. Says when its deadline runs out.
fn progressing(sets: &Sets<'_>, it: &mut Value, counts: &Counts) -> Option<Instant> {
    let old = it.clone();
    let current = condition(&old, "Progressing").unwrap_or(&Value::Null);
    let reason = text(&current["reason"]);
    let mut say = |status, reason, message: &str| {
        set(it, new("Progressing", status, reason, message));
        None
    };
    if sets.deployment["spec"]["paused"] == true {
        return match reason {
            "DeploymentPaused" | "ProgressDeadlineExceeded" => None,
            _ => say("Unknown", "DeploymentPaused", "Deployment is paused"),
        };
    }
    let name = sets.new.as_deref().map_or_else(|| object::name(&sets.deployment), object::name);
    if is_complete(sets) {
        let message = format!("ReplicaSet {name:?} has successfully progressed.");
        return say("True", "NewReplicaSetAvailable", &message);
    }
    if reason == "DeploymentPaused" {
        say("Unknown", "DeploymentResumed", "Deployment is resumed");
    }
    // A finished rollout whose pods come and go is not a rollout again.
    if reason == "NewReplicaSetAvailable" && counts.replicas == counts.updated {
        return None;
    }
    let was = |field| count(&old, field);
    let further = counts.updated > was("updatedReplicas")
        || counts.replicas - counts.updated < was("replicas") - was("updatedReplicas")
        || counts.ready > was("readyReplicas")
        || counts.available > was("availableReplicas");
    let limit = sets.deployment["spec"]["progressDeadlineSeconds"].as_u64().unwrap_or(600);
    let limit = Duration::from_secs(limit);
    if further {
        let message = format!("ReplicaSet {name:?} is progressing.");
        // Said again, it is progress since now.
        if let Some(all) = it["status"]["conditions"].as_array_mut() {
            all.iter_mut().filter(|it| it["type"] == "Progressing").for_each(|it| it["reason"] = "".into());
        }
        set(it, new("Progressing", "True", "ReplicaSetUpdated", &message));
        return Some(Instant::now() + limit);
    }
    if current.is_null() || reason == "ProgressDeadlineExceeded" {
        return None;
    }
    let left = limit.saturating_sub(since(&current["lastUpdateTime"]));
    if left.is_zero() {
        let message = format!("ReplicaSet {name:?} has timed out progressing.");
        return say("False", "ProgressDeadlineExceeded", &message);
    }
    Some(Instant::now() + left)
}
