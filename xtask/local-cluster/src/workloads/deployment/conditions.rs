//! What a Deployment's status says: counts, and the conditions Available and
//! Progressing in the real controller's words.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::arithmetic::{Slack, wanted};
use super::sets::{Sets, count};
use crate::store::object::{self, timestamp};
use crate::store::{Key, WriteError};
use crate::workloads::pods::{condition, since};

/// How a rollout gets on.
pub(super) enum Progress<'a> {
    /// A ReplicaSet was made.
    Created(&'a str),
    /// An earlier one has the template again.
    Found(&'a str),
}

impl Progress<'_> {
    fn condition(&self) -> Value {
        match self {
            Self::Created(name) => new_condition(
                "Progressing",
                "True",
                "NewReplicaSetCreated",
                &format!("Created new replica set {name:?}"),
            ),
            Self::Found(name) => new_condition(
                "Progressing",
                "True",
                "FoundNewReplicaSet",
                &format!("Found new replica set {name:?}"),
            ),
        }
    }
}

fn new_condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    let now = timestamp();
    json!({
        "type": kind, "status": status, "reason": reason, "message": message,
        "lastUpdateTime": now, "lastTransitionTime": now,
    })
}

/// Puts a condition in, unless it says what is said already.
fn set(conditions: &mut Vec<Value>, mut condition: Value) {
    let Some(old) = conditions.iter_mut().find(|it| it["type"] == condition["type"]) else {
        conditions.push(condition);
        return;
    };
    if old["status"] == condition["status"] {
        if old["reason"] == condition["reason"] {
            return;
        }
        condition["lastTransitionTime"] = old["lastTransitionTime"].take();
    }
    *old = condition;
}

fn key_of(sets: &Sets<'_>) -> Key {
    Key::new("deployments.apps", object::namespace(&sets.deployment), object::name(&sets.deployment))
}

fn conditions_of(deployment: &Value) -> Vec<Value> {
    deployment["status"]["conditions"].as_array().cloned().unwrap_or_default()
}

/// Notes a step of a rollout.
pub(super) fn progress(sets: &Sets<'_>, step: Progress<'_>) {
    let _ = sets.context.store.update(&key_of(sets), |old| {
        let mut new = old.clone();
        let mut conditions = conditions_of(old);
        set(&mut conditions, step.condition());
        if let Some(status) = new.as_object_mut().map(|it| it.entry("status").or_insert_with(|| json!({}))) {
            status["conditions"] = conditions.into();
        }
        Ok::<_, WriteError>(new)
    });
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

    fn complete(&self, replicas: i64) -> bool {
        self.updated == replicas && self.replicas == replicas && self.available == replicas
    }
}

/// All pods are of the newest template and available, and no older one is left.
pub(super) fn is_complete(sets: &Sets<'_>) -> bool {
    // The ReplicaSet's own status may be behind what it was just told.
    sets.new
        .as_deref()
        .is_some_and(|new| new["status"]["observedGeneration"] == new["metadata"]["generation"])
        && Counts::of(sets).complete(wanted(&sets.deployment))
}

/// Writes the status. Says when a deadline runs out, if one does.
pub(super) fn write_status(sets: &Sets<'_>) -> Option<Instant> {
    let counts = Counts::of(sets);
    let mut deadline = None;
    let _ = sets.context.store.update(&key_of(sets), |old| {
        let mut new = old.clone();
        let mut conditions = conditions_of(old);
        deadline = progressing(sets, old, &counts, &mut conditions);
        set(&mut conditions, availability(sets, &counts));
        let mut status = json!({
            "observedGeneration": sets.deployment["metadata"]["generation"],
            "conditions": conditions,
        });
        let unavailable = sets.total() - counts.available;
        for (field, count) in [
            ("replicas", counts.replicas),
            ("updatedReplicas", counts.updated),
            ("readyReplicas", counts.ready),
            ("availableReplicas", counts.available),
            ("unavailableReplicas", unavailable),
        ] {
            if count > 0 {
                status[field] = count.into();
            }
        }
        new["status"] = status;
        Ok::<_, WriteError>(new)
    });
    deadline
}

fn availability(sets: &Sets<'_>, counts: &Counts) -> Value {
    let least = wanted(&sets.deployment) - Slack::of(&sets.deployment).unavailable;
    if counts.available >= least {
        new_condition("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        let message = "Deployment does not have minimum availability.";
        new_condition("Available", "False", "MinimumReplicasUnavailable", message)
    }
}

/// Brings the condition Progressing up to date. Says when its deadline runs out.
fn progressing(
    sets: &Sets<'_>,
    old: &Value,
    counts: &Counts,
    conditions: &mut Vec<Value>,
) -> Option<Instant> {
    let current = condition(old, "Progressing");
    let reason = current.and_then(|it| it["reason"].as_str()).unwrap_or_default();
    if sets.deployment["spec"]["paused"] == true {
        if reason != "DeploymentPaused" && reason != "ProgressDeadlineExceeded" {
            set(
                conditions,
                new_condition("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused"),
            );
        }
        return None;
    }
    if reason == "DeploymentPaused" {
        set(
            conditions,
            new_condition("Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed"),
        );
    }
    let name = sets.new.as_deref().map_or_else(|| object::name(&sets.deployment), object::name);
    let is_complete = is_complete(sets);
    if is_complete {
        let message = format!("ReplicaSet {name:?} has successfully progressed.");
        set(conditions, new_condition("Progressing", "True", "NewReplicaSetAvailable", &message));
        return None;
    }
    // A finished rollout whose pods come and go is not a rollout again.
    if reason == "NewReplicaSetAvailable" && counts.replicas == counts.updated {
        return None;
    }
    let was = |field| count(old, field);
    let further = counts.updated > was("updatedReplicas")
        || counts.replicas - counts.updated < was("replicas") - was("updatedReplicas")
        || counts.ready > was("readyReplicas")
        || counts.available > was("availableReplicas");
    let limit =
        Duration::from_secs(sets.deployment["spec"]["progressDeadlineSeconds"].as_u64().unwrap_or(600));
    if further {
        let message = format!("ReplicaSet {name:?} is progressing.");
        let mut progressing = new_condition("Progressing", "True", "ReplicaSetUpdated", &message);
        if let Some(current) = current.filter(|it| it["status"] == "True") {
            progressing["lastTransitionTime"] = current["lastTransitionTime"].clone();
        }
        conditions.retain(|it| it["type"] != "Progressing");
        conditions.push(progressing);
        return Some(Instant::now() + limit);
    }
    let current = current?;
    let left = limit.saturating_sub(since(&current["lastUpdateTime"]));
    if reason == "ProgressDeadlineExceeded" {
        return None;
    }
    if left.is_zero() {
        let message = format!("ReplicaSet {name:?} has timed out progressing.");
        set(conditions, new_condition("Progressing", "False", "ProgressDeadlineExceeded", &message));
        return None;
    }
    Some(Instant::now() + left)
}
