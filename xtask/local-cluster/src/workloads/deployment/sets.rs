//! The ReplicaSets of a Deployment: found, scaled, forgotten.

use std::sync::Arc;

use serde_json::{Value, json};

use super::arithmetic::wanted;
use super::template::{HASH_LABEL, labelled};
use crate::store::{Key, WriteError, object};
use crate::workloads::context::Context;
use crate::workloads::events::{Recorder, Subject};
use crate::workloads::owners::{self, reference};
use crate::workloads::{pods, selector};

pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
pub(super) const SETS: &str = "replicasets.apps";

/// A Deployment with its ReplicaSets.
pub(super) struct Sets<'a> {
    pub(super) context: &'a Context,
    pub(super) deployment: Arc<Value>,
    /// The one with the Deployment's template, if it is there.
    pub(super) new: Option<Arc<Value>>,
    /// The others, oldest first.
    pub(super) old: Vec<Arc<Value>>,
}

/// A count of an object's status.
pub(super) fn count(object: &Value, field: &str) -> i64 {
    object["status"][field].as_i64().unwrap_or(0)
}

/// Pods of a ReplicaSet that are available.
pub(super) fn available(set: &Value) -> i64 {
    count(set, "availableReplicas")
}

pub(super) fn number(set: &Value, annotation: &str) -> Option<i64> {
    object::annotation(set, annotation)?.parse().ok()
}

pub(super) fn revision(set: &Value) -> i64 {
    number(set, REVISION).unwrap_or(0)
}

fn key_of(set: &Value) -> Key {
    Key::new(SETS, object::namespace(set), object::name(set))
}

/// A ReplicaSet, if the Deployment controls it. One that matches and belongs to nobody
/// is taken in: that is how a Deployment comes back to pods that outlived it.
fn owned(context: &Context, deployment: &Value, set: Arc<Value>) -> Option<Arc<Value>> {
    if let Some((_, owner)) = object::controller(&set) {
        return (owner == object::uid_of(deployment)).then_some(set);
    }
    let matches = selector::full(&deployment["spec"]["selector"], &set);
    if !matches || object::is_terminating(&set) || object::is_terminating(deployment) {
        return None;
    }
    owners::change(&context.store, &key_of(&set), |owners| owners.push(reference(deployment)))
}

pub(super) fn annotate(object: &mut Value, changes: &[(&str, String)]) {
    if let Some(metadata) = object::metadata_mut(object) {
        let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
        if let Some(annotations) = annotations.as_object_mut() {
            annotations.extend(changes.iter().map(|(key, value)| ((*key).to_owned(), value.clone().into())));
        }
    }
}

impl<'a> Sets<'a> {
    /// The ReplicaSets that `deployment` controls.
    pub(super) fn of(context: &'a Context, deployment: Arc<Value>) -> Self {
        let (all, _) = context.store.list(SETS, Some(object::namespace(&deployment)));
        let mut old: Vec<_> = all.into_iter().filter_map(|it| owned(context, &deployment, it)).collect();
        old.sort_by_cached_key(|it| {
            let created = it["metadata"]["creationTimestamp"].as_str().unwrap_or_default().to_owned();
            (created, revision(it))
        });
        let template = &deployment["spec"]["template"];
        let is_new = |it: &Arc<Value>| {
            let hash = object::label(it, HASH_LABEL).unwrap_or_default();
            it["spec"]["template"] == labelled(template, hash)
        };
        let new = old.iter().position(is_new).map(|index| old.remove(index));
        Self { context, deployment, new, old }
    }

    /// All, the old ones first.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Value>> {
        self.old.iter().chain(&self.new)
    }

    /// How many pods all of them want.
    pub(super) fn total(&self) -> i64 {
        self.all().map(|it| wanted(it)).sum()
    }

    /// Whether a pod of an older template is left, on its way out or not.
    pub(super) fn old_pods_are_left(&self) -> bool {
        let new = self.new.as_deref().map(object::uid_of);
        let wanted = &self.deployment["spec"]["selector"];
        let (all, _) = self.context.store.list("pods", Some(object::namespace(&self.deployment)));
        all.iter().filter(|pod| selector::full(wanted, pod) && !pods::has_ended(pod)).any(|pod| {
            let owner = object::controller(pod).map(|(_, uid)| uid);
            owner.is_some_and(|owner| {
                new != Some(owner) && self.old.iter().any(|set| object::uid_of(set) == owner)
            })
        })
    }

    pub(super) fn recorder(&self) -> Recorder {
        self.context.recorder.speaking_as("deployment-controller")
    }

    pub(super) fn change(&self, set: &Value, mut change: impl FnMut(&mut Value)) -> Option<Arc<Value>> {
        let changed = self.context.store.update(&key_of(set), |old| {
            let mut new = old.clone();
            change(&mut new);
            Ok::<_, WriteError>(new)
        });
        changed.ok()
    }

    /// Gives one of the ReplicaSets another size.
    pub(super) fn scale(&self, set: &Value, size: i64) -> Option<Arc<Value>> {
        let was = wanted(set);
        if was == size {
            return None;
        }
        let changed = self.change(set, |set| {
            if let Some(spec) = set["spec"].as_object_mut() {
                spec.insert("replicas".into(), size.into());
            }
        });
        let way = if size > was { "up" } else { "down" };
        let message = format!("Scaled {way} replica set {} from {was} to {size}", object::name(set));
        self.recorder().normal(&Subject::of(&self.deployment), "ScalingReplicaSet", message);
        changed
    }

    /// Gives the new one another size.
    pub(super) fn scale_new(&mut self, size: i64) {
        if let Some(new) = self.new.clone() {
            self.new = self.scale(&new, size).or(Some(new));
        }
    }

    /// Gives an old one another size, if it is another.
    pub(super) fn scale_old(&mut self, index: usize, size: i64) {
        let Some(old) = self.old.get(index).cloned() else { return };
        if let Some(changed) = self.scale(&old, size) {
            self.old[index] = changed;
        }
    }

    /// Removes old ReplicaSets beyond the history that the Deployment keeps.
    pub(super) fn forget_old(&self) {
        let kept = self.deployment["spec"]["revisionHistoryLimit"].as_u64().unwrap_or(10);
        let mut empty: Vec<_> = self
            .old
            .iter()
            .filter(|it| wanted(it) == 0 && count(it, "replicas") == 0 && !object::is_terminating(it))
            .collect();
        empty.sort_by_key(|it| revision(it));
        let surplus = empty.len().saturating_sub(usize::try_from(kept).unwrap_or(usize::MAX));
        for set in empty.iter().take(surplus) {
            let _ = self.context.store.delete(&key_of(set));
        }
    }
}
