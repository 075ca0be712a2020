//! Deployments: one ReplicaSet a template, and how pods move from one to the next.

mod arithmetic;
mod conditions;
mod revisions;
mod sets;
mod template;

use std::cmp::Reverse;

use serde_json::Value;
use tokio::time::Instant;

use self::arithmetic::{Size, Slack, is_recreated, new_size, old_sizes, wanted};
use self::sets::{Sets, available};
use super::context::Context;
use crate::store::{Key, object};

/// Moves a Deployment one step on and writes its status. Says when to look again, if
/// time alone will change something.
pub(super) fn sync(context: &Context, key: &Key) -> Option<Instant> {
    let deployment = context.store.get(key)?;
    let mut sets = Sets::of(context, deployment.clone());
    if object::is_terminating(&deployment) {
        // Something holds it by a finalizer; its status is all that still changes.
    } else if deployment["spec"]["paused"] == true {
        sets.keep_revisions();
        scale(&sets);
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
    let size = new_size(replicas, slack, new, sets.total());
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

/// The Deployment is paused: its number may change, its template does not. The largest
/// ReplicaSet grows, and shrinks first.
fn scale(sets: &Sets<'_>) {
    let replicas = wanted(&sets.deployment);
    let mut active: Vec<_> = sets.all().filter(|it| wanted(it) > 0).collect();
    let mut change = match active.len() {
        // In the middle of an update there may be a few more.
        2.. if replicas > 0 => replicas + Slack::of(&sets.deployment).surge - sets.total(),
        _ => replicas - sets.total(),
    };
    if active.is_empty() {
        active.extend(sets.new.as_ref().or(sets.old.last()));
    }
    active.sort_by_key(|it| Reverse(wanted(it)));
    for set in active {
        let size = (wanted(set) + change).max(0);
        change += wanted(set) - size;
        sets.scale(set, size);
    }
}

fn size_of(set: &Value) -> Size {
    Size { wanted: wanted(set), available: available(set) }
}
