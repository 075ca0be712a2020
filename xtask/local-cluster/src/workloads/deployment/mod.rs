//! Deployments: one ReplicaSet a template, and how pods move from one to the next.

mod arithmetic;
mod conditions;
mod sets;
mod template;

use std::sync::Arc;

use serde_json::Value;
use tokio::time::Instant;

use self::arithmetic::{Size, Slack, is_recreated, new_size, old_sizes, proportion, wanted};
use self::sets::{Sets, available, count};
use super::controllers::Context;
use super::pods;
use crate::store::{Key, object};

/// Moves a Deployment one step on and writes its status. Says when to look again, if
/// time alone will change something.
pub(super) fn sync(context: &Context, key: &Key) -> Option<Instant> {
    let deployment = context.store.get(key)?;
    let mut sets = Sets::of(context, deployment.clone());
    if object::is_terminating(&deployment) {
        // Something holds it by a finalizer; its status is all that still changes.
    } else if deployment["spec"]["paused"] == true || sets.was_scaled() {
        sets.keep_revisions();
        scale(&mut sets);
    } else if is_recreated(&deployment) {
        recreate(&mut sets);
    } else {
        roll(&mut sets);
    }
    // What was written meanwhile is in the status already.
    let sets = Sets::of(context, context.store.get(key)?);
    let again = conditions::write_status(&sets);
    if conditions::is_complete(&sets) {
        sets.forget_old();
    }
    again
}

/// RollingUpdate: as much more and as much less at a time as the strategy allows.
fn roll(sets: &mut Sets<'_>) {
    let deployment = sets.deployment.clone();
    let (replicas, slack) = (wanted(&deployment), Slack::of(&deployment));
    let new = sets.new.as_deref().map_or(0, wanted);
    let size = new_size(replicas, slack, new, sets.total(), false);
    if sets.new.is_none() {
        sets.create_new(size);
        return;
    }
    sets.keep_revisions();
    // One that is too large already (the Deployment was scaled down) shrinks first.
    let size = size.min(replicas);
    if size != new {
        sets.scale_new(size);
        return;
    }
    let new = sets.new.as_deref().map_or(Size { wanted: 0, available: 0 }, size_of);
    let old: Vec<Size> = sets.old.iter().map(|it| size_of(it)).collect();
    for (index, size) in old_sizes(replicas, slack, new, &old).into_iter().enumerate() {
        sets.scale_old(index, size);
    }
}

/// Recreate: the old ones go, to the last container, and then the new ones come.
fn recreate(sets: &mut Sets<'_>) {
    if sets.old.iter().any(|it| wanted(it) > 0) {
        sets.keep_revisions();
        for index in 0..sets.old.len() {
            sets.scale_old(index, 0);
        }
        return;
    }
    if sets.old_pods_are_left() {
        return;
    }
    let replicas = wanted(&sets.deployment);
    if sets.new.is_none() {
        sets.create_new(replicas);
        return;
    }
    sets.keep_revisions();
    sets.scale_new(replicas);
}

/// The wanted number changed, or the Deployment is paused: sizes change, templates do not.
fn scale(sets: &mut Sets<'_>) {
    let deployment = sets.deployment.clone();
    let (replicas, slack) = (wanted(&deployment), Slack::of(&deployment));
    if let Some(only) = sets.only_one() {
        if wanted(&only) != replicas || sets::desired(&only) != Some(replicas) {
            sets.scale(&only, replicas);
        }
        return;
    }
    if sets.new.as_deref().is_some_and(|new| wanted(new) == replicas && available(new) == replicas) {
        for index in 0..sets.old.len() {
            sets.scale_old(index, 0);
        }
        return;
    }
    if is_recreated(&deployment) {
        return;
    }
    let allowed = if replicas > 0 { replicas + slack.surge } else { 0 };
    let to_add = allowed - sets.total();
    let mut active: Vec<Arc<Value>> = sets.all().filter(|it| wanted(it) > 0).cloned().collect();
    // What comes goes to the newest first, what goes is taken from the oldest.
    active.sort_by_key(|it| {
        let age = pods::since(&it["metadata"]["creationTimestamp"]).as_secs();
        if to_add > 0 { (age, 0) } else { (u64::MAX - age, 0) }
    });
    let mut added = 0;
    let mut sizes: Vec<i64> = vec![];
    for set in &active {
        let was = sets::most(set).unwrap_or_else(|| count(&deployment, "replicas"));
        let share = proportion(wanted(set), replicas, slack, was, to_add, added);
        sizes.push((wanted(set) + share).max(0));
        added += share;
    }
    if let Some(first) = sizes.first_mut() {
        *first = (*first + to_add - added).max(0);
    }
    for (set, size) in active.iter().zip(sizes) {
        sets.scale(set, size);
    }
}

fn size_of(set: &Value) -> Size {
    Size { wanted: wanted(set), available: available(set) }
}
