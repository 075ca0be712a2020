//! Deployments: one ReplicaSet a template, and how pods move from one to the next.

mod arithmetic;
mod conditions;
mod sets;

use serde_json::Value;

use self::arithmetic::{Size, Slack, is_recreated, new_size, old_sizes, wanted};
use self::sets::{Sets, count};
use super::context::Context;
use crate::store::{Key, object};

/// Moves a Deployment one step on and writes its status.
pub(super) fn sync(context: &Context, key: &Key) {
    let Some(deployment) = context.store.get(key) else { return };
    let sets = Sets::of(context, deployment.clone());
    if object::is_terminating(&deployment) {
        // Something holds it by a finalizer; its status is all that still changes.
    } else if is_recreated(&deployment) {
        recreate(&sets);
    } else {
        roll(&sets);
    }
    // What was written meanwhile is in the status already.
    let Some(deployment) = context.store.get(key) else { return };
    let sets = Sets::of(context, deployment);
    conditions::write_status(&sets);
    if conditions::is_complete(&sets) {
        sets.forget_old();
    }
}

/// RollingUpdate: as much more and as much less at a time as the strategy allows.
fn roll(sets: &Sets<'_>) {
    let (replicas, slack) = (wanted(&sets.deployment), Slack::of(&sets.deployment));
    let Some(new) = &sets.new else { return sets.create_new(new_size(replicas, slack, 0, sets.total())) };
    sets.keep_revisions();
    // One that is too large already (the Deployment was scaled down) shrinks first.
    let size = new_size(replicas, slack, wanted(new), sets.total()).min(replicas);
    if size != wanted(new) {
        return sets.scale(new, size);
    }
    let size_of = |set: &Value| Size { wanted: wanted(set), available: count(set, "availableReplicas") };
    let old: Vec<Size> = sets.old.iter().map(|it| size_of(it)).collect();
    for (set, size) in sets.old.iter().zip(old_sizes(replicas, slack, size_of(new), &old)) {
        sets.scale(set, size);
    }
}

/// Recreate: the old ones go, to the last container, and then the new ones come.
fn recreate(sets: &Sets<'_>) {
    if sets.old.iter().any(|it| wanted(it) > 0) {
        sets.keep_revisions();
        sets.old.iter().for_each(|set| sets.scale(set, 0));
    } else if !sets.old_pods_are_left() {
        let replicas = wanted(&sets.deployment);
        let Some(new) = &sets.new else { return sets.create_new(replicas) };
        sets.keep_revisions();
        sets.scale(new, replicas);
    }
}
