//! The ReplicaSets of a Deployment: found, made, numbered by revision, scaled, forgotten.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::arithmetic::wanted;
use crate::store::Key;
use crate::store::object::{self, text};
use crate::workloads::context::Context;
use crate::workloads::events::Recorder;
use crate::workloads::owners::{self, reference};

const REVISION: &str = "deployment.kubernetes.io/revision";
const SETS: &str = "replicasets.apps";

/// The label that tells the pods of one template from those of another.
const HASH_LABEL: &str = "pod-template-hash";

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

fn revision(set: &Value) -> i64 {
    object::annotation(set, REVISION).and_then(|it| it.parse().ok()).unwrap_or(0)
}

fn annotate(object: &mut Value, annotation: &str, value: String) {
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

    /// A count of the statuses of all of them.
    pub(super) fn count(&self, field: &str) -> i64 {
        self.all().map(|it| count(it, field)).sum()
    }

    /// How many pods are of the newest template.
    pub(super) fn updated(&self) -> i64 {
        self.new.as_deref().map_or(0, |it| count(it, "replicas"))
    }

    /// Whether a pod of an older template is left, on its way out or not.
    pub(super) fn old_pods_are_left(&self) -> bool {
        let (all, _) = self.context.store.list("pods", Some(object::namespace(&self.deployment)));
        all.iter().any(|pod| self.old.iter().any(|set| owners::controls(set, pod)))
    }

    fn recorder(&self) -> Recorder {
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

    /// Makes the ReplicaSet of the Deployment's template, with `size` pods.
    pub(super) fn create_new(&self, size: i64) {
        let deployment = &self.deployment;
        let revision = self.next_revision();
        let hash = template_hash(&deployment["spec"]["template"]);
        let name = format!("{}-{hash}", object::name(deployment));
        let set = self.new_set(&name, &hash, size, revision);
        let recorder = self.recorder();
        match self.context.store.create(&Key::new(SETS, object::namespace(deployment), &name), set) {
            Ok(_) => {
                self.number_deployment(revision);
                if size > 0 {
                    let message = format!("Scaled up replica set {name} from 0 to {size}");
                    recorder.normal(deployment, "ScalingReplicaSet", message);
                }
            }
            // Of a Deployment of this name that is gone, most likely: tried again when it is gone too.
            Err(error) => {
                let message = format!("Failed to create new replica set {name:?}: {error}");
                recorder.warning(deployment, "ReplicaSetCreateError", message);
            }
        }
    }

    fn new_set(&self, name: &str, hash: &str, size: i64, revision: i64) -> Value {
        let deployment = &self.deployment;
        let template = labelled(&deployment["spec"]["template"], hash);
        let mut selector = deployment["spec"]["selector"].clone();
        selector["matchLabels"][HASH_LABEL] = hash.into();
        let mut set = json!({
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": name,
                "namespace": object::namespace(deployment),
                "labels": template["metadata"]["labels"],
                "annotations": self.copied_annotations(),
                "ownerReferences": [reference(deployment)],
            },
            "spec": {"replicas": size, "selector": selector, "template": template},
            "status": {"replicas": 0},
        });
        annotate(&mut set, REVISION, revision.to_string());
        set
    }

    /// The Deployment's annotations are its ReplicaSets' too: `rollout history` finds the
    /// change cause there.
    fn copied_annotations(&self) -> Map<String, Value> {
        let own = [REVISION, "kubectl.kubernetes.io/last-applied-configuration"];
        let annotations = self.deployment["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
        annotations.into_iter().filter(|(key, _)| !own.contains(&key.as_str())).collect()
    }

    fn next_revision(&self) -> i64 {
        self.old.iter().map(|it| revision(it)).max().unwrap_or(0) + 1
    }

    /// The newest template has the highest number, also when it has been there before
    /// (a rollback).
    pub(super) fn keep_revisions(&self) {
        let Some(new) = &self.new else { return };
        let (next, had) = (self.next_revision(), revision(new));
        if had < next {
            self.context.store.change(&Key::of(SETS, new), |it| annotate(it, REVISION, next.to_string()));
        }
        self.number_deployment(next.max(had));
    }

    fn number_deployment(&self, revision: i64) {
        self.context.store.change(&self.key, |it| annotate(it, REVISION, revision.to_string()));
    }
}

/// A pod template with the label that tells its ReplicaSet's pods from others'.
fn labelled(template: &Value, hash: &str) -> Value {
    let mut template = template.clone();
    object::metadata_map(&mut template, "labels").map(|labels| labels.insert(HASH_LABEL.into(), hash.into()));
    template
}

/// A short name for a template, the same for equal ones.
fn template_hash(template: &Value) -> String {
    // FNV-1a, as the real controller's; what it is fed with differs (Go's print of the
    // struct there), so the names are alike and not equal.
    let mut hash = 0x811c_9dc5_u32;
    for byte in template.to_string().bytes() {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    object::safe(hash.to_string().bytes())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_templates_have_equal_hashes_that_fit_into_a_name() {
        let one = template_hash(&json!({"spec": {"a": 1, "b": 2}}));
        assert_eq!(one, template_hash(&json!({"spec": {"b": 2, "a": 1}})));
        assert_ne!(one, template_hash(&json!({"spec": {"a": 1, "b": 3}})));
        assert!(
            one.len() <= 10 && one.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        );
    }
}
