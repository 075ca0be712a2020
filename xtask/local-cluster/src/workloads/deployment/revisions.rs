//! A Deployment's revisions: the ReplicaSet of its template made, or found again, and numbered.

use serde_json::{Map, Value, json};

use super::sets::{REVISION, SETS, Sets, annotate, revision};
use super::template::{HASH_LABEL, labelled, template_hash};
use crate::store::{Key, object};
use crate::workloads::owners::reference;

impl Sets<'_> {
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
