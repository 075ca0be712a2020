//! The ReplicaSets of a Deployment: found, scaled, forgotten.

use std::sync::Arc;

use serde_json::Value;

use super::arithmetic::wanted;
use super::template::{HASH_LABEL, labelled};
use crate::store::Key;
use crate::store::object::{self, text};
use crate::workloads::context::Context;
use crate::workloads::events::Recorder;
use crate::workloads::owners;

pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
pub(super) const SETS: &str = "replicasets.apps";

/// A Deployment with its ReplicaSets.
pub(super) struct Sets<'a> {
    pub(super) context: &'a Context,
    pub(super) key: Key,
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

pub(super) fn revision(set: &Value) -> i64 {
    object::annotation(set, REVISION).and_then(|it| it.parse().ok()).unwrap_or(0)
}

pub(super) fn annotate(object: &mut Value, annotation: &str, value: String) {
    object::metadata_map(object, "annotations").map(|all| all.insert(annotation.into(), value.into()));
}

impl<'a> Sets<'a> {
    /// The ReplicaSets that `deployment` controls.
    pub(super) fn of(context: &'a Context, deployment: Arc<Value>) -> Self {
        let (all, _) = context.store.list(SETS, Some(object::namespace(&deployment)));
        let mut old: Vec<_> = all.into_iter().filter(|set| owners::controls(&deployment, set)).collect();
        old.sort_by_cached_key(|it| (text(&it["metadata"]["creationTimestamp"]).to_owned(), revision(it)));
        let template = &deployment["spec"]["template"];
        let is_new = |it: &Arc<Value>| {
            let hash = object::label(it, HASH_LABEL).unwrap_or_default();
            it["spec"]["template"] == labelled(template, hash)
        };
        let new = old.iter().position(is_new).map(|index| old.remove(index));
        Self { context, key: Key::of("deployments.apps", &deployment), deployment, new, old }
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
        let (all, _) = self.context.store.list("pods", Some(object::namespace(&self.deployment)));
        all.iter().any(|pod| self.old.iter().any(|set| owners::controls(set, pod)))
    }

    pub(super) fn recorder(&self) -> Recorder {
        self.context.recorder.speaking_as("deployment-controller")
    }

    /// Gives one of the ReplicaSets another size, if it is another.
    pub(super) fn scale(&self, set: &Value, size: i64) {
        let was = wanted(set);
        if was == size {
            return;
        }
        self.context.store.change(&Key::of(SETS, set), |set| set["spec"]["replicas"] = size.into());
        let way = if size > was { "up" } else { "down" };
        let message = format!("Scaled {way} replica set {} from {was} to {size}", object::name(set));
        self.recorder().normal(&self.deployment, "ScalingReplicaSet", message);
    }

    /// Removes old ReplicaSets beyond the history that the Deployment keeps.
    pub(super) fn forget_old(&self) {
        let kept = self.deployment["spec"]["revisionHistoryLimit"].as_u64().unwrap_or(10);
        let is_empty = |it: &Value| wanted(it) == 0 && count(it, "replicas") == 0;
        let mut empty: Vec<_> = self.old.iter().filter(|it| is_empty(it)).collect();
        empty.sort_by_key(|it| revision(it));
        let surplus = empty.len().saturating_sub(usize::try_from(kept).unwrap_or(usize::MAX));
        for set in empty.iter().take(surplus) {
            let _ = self.context.store.delete(&Key::of(SETS, set));
        }
    }
}
