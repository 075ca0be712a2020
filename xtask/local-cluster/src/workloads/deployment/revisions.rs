//! A Deployment's revisions: the ReplicaSet of its template made, or found again, and numbered.

use serde_json::{Map, Value, json};

use super::conditions::{self, Progress};
use super::sets::{REVISION, SETS, Sets, annotate, number, revision};
use super::template::{HASH_LABEL, labelled, template_hash};
use crate::store::{Key, WriteError, object};
use crate::workloads::events::Subject;
use crate::workloads::owners::reference;

const HISTORY: &str = "deployment.kubernetes.io/revision-history";

impl Sets<'_> {
    /// Makes the ReplicaSet of the Deployment's template, with `size` pods.
    pub(super) fn create_new(&mut self, size: i64) {
        let deployment = self.deployment.clone();
        let (namespace, template) = (object::namespace(&deployment), &deployment["spec"]["template"]);
        let revision = self.next_revision();
        let hash = template_hash(template);
        let name = format!("{}-{hash}", object::name(&deployment));
        let set = self.new_set(&name, &hash, size, revision);
        match self.context.store.create(&Key::new(SETS, namespace, &name), set) {
            Ok(set) => {
                self.new = Some(set);
                self.number_deployment(revision);
                conditions::progress(self, Progress::Created(&name));
                if size > 0 {
                    let message = format!("Scaled up replica set {name} from 0 to {size}");
                    self.recorder().normal(&Subject::of(&deployment), "ScalingReplicaSet", message);
                }
            }
            // Of a Deployment of this name that is gone, most likely: tried again when it is gone too.
            Err(error) => {
                let message = format!("Failed to create new replica set {name:?}: {error}");
                self.recorder().warning(&Subject::of(&deployment), "ReplicaSetCreateError", message);
            }
        }
    }

    fn new_set(&self, name: &str, hash: &str, size: i64, revision: i64) -> Value {
        let deployment = &self.deployment;
        let template = labelled(&deployment["spec"]["template"], hash);
        let mut selector = deployment["spec"]["selector"].clone();
        if let Some(selector) = selector.as_object_mut() {
            let labels = selector.entry("matchLabels").or_insert_with(|| json!({}));
            if let Some(labels) = labels.as_object_mut() {
                labels.insert(HASH_LABEL.into(), hash.into());
            }
        }
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
        if let Some(seconds) = deployment["spec"]["minReadySeconds"].as_u64() {
            set["spec"]["minReadySeconds"] = seconds.into();
        }
        annotate(&mut set, &[(REVISION, revision.to_string())]);
        set
    }

    /// The Deployment's annotations are its ReplicaSets' too: `rollout history` finds the
    /// change cause there.
    fn copied_annotations(&self) -> Map<String, Value> {
        let own = [REVISION, HISTORY, "kubectl.kubernetes.io/last-applied-configuration"];
        let annotations = self.deployment["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
        annotations.into_iter().filter(|(key, _)| !own.contains(&key.as_str())).collect()
    }

    fn next_revision(&self) -> i64 {
        self.old.iter().map(|it| revision(it)).max().unwrap_or(0) + 1
    }

    /// The newest template has the highest number, also when it has been there before
    /// (a rollback).
    pub(super) fn keep_revisions(&mut self) {
        let Some(new) = self.new.clone() else { return };
        let next = self.next_revision();
        let had = revision(&new);
        if had < next {
            let mut changes = vec![(REVISION, next.to_string())];
            if had > 0 {
                let before = object::annotation(&new, HISTORY).filter(|it| !it.is_empty());
                let history = before.map_or_else(|| had.to_string(), |before| format!("{before},{had}"));
                changes.push((HISTORY, history));
            }
            self.new = self.change(&new, |set| annotate(set, &changes)).or(Some(new));
            if let Some(new) = self.new.clone()
                && had > 0
            {
                conditions::progress(self, Progress::Found(object::name(&new)));
            }
        }
        self.number_deployment(next.max(had));
    }

    fn number_deployment(&self, revision: i64) {
        let key =
            Key::new("deployments.apps", object::namespace(&self.deployment), object::name(&self.deployment));
        let _ = self.context.store.update(&key, |old| {
            let mut new = old.clone();
            if number(old, REVISION) != Some(revision) {
                annotate(&mut new, &[(REVISION, revision.to_string())]);
            }
            Ok::<_, WriteError>(new)
        });
    }
}
