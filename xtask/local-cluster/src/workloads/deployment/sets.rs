//! The ReplicaSets of a Deployment: found, made, scaled, numbered, forgotten.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::super::controllers::Context;
use super::super::events::{Recorder, Subject};
use super::super::replicaset::reference;
use super::super::{pods, selector};
use super::arithmetic::{Slack, wanted};
use super::conditions::{self, Progress};
use super::template::{labelled, same, template_hash};
use crate::store::{Key, WriteError, object};

/// The label that tells the pods of one template from those of another.
pub(super) const HASH_LABEL: &str = "pod-template-hash";
const REVISION: &str = "deployment.kubernetes.io/revision";
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
const MOST: &str = "deployment.kubernetes.io/max-replicas";
const SETS: &str = "replicasets.apps";

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

fn number(set: &Value, annotation: &str) -> Option<i64> {
    object::annotation(set, annotation)?.parse().ok()
}

/// How many pods its Deployment wanted when the ReplicaSet was last scaled.
pub(super) fn desired(set: &Value) -> Option<i64> {
    number(set, DESIRED)
}

/// How many pods its Deployment could have when the ReplicaSet was last scaled.
pub(super) fn most(set: &Value) -> Option<i64> {
    number(set, MOST)
}

fn revision(set: &Value) -> i64 {
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
    let adopted = context.store.update(&key_of(&set), |old| {
        let mut new = old.clone();
        if let Some(metadata) = object::metadata_mut(&mut new) {
            let owners = metadata.entry("ownerReferences").or_insert_with(|| json!([]));
            if let Some(owners) = owners.as_array_mut() {
                owners.push(reference(deployment));
            }
        }
        Ok::<_, WriteError>(new)
    });
    adopted.ok()
}

fn annotate(object: &mut Value, changes: &[(&str, String)]) {
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
            same(&it["spec"]["template"], &labelled(template, hash))
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

    /// Whether the Deployment's number changed since its ReplicaSets were last scaled.
    pub(super) fn was_scaled(&self) -> bool {
        let replicas = wanted(&self.deployment);
        let mut active = self.all().filter(|it| wanted(it) > 0);
        active.any(|it| desired(it).is_some_and(|desired| desired != replicas))
    }

    /// The only one with pods; where none has, the newest. `None` if several have.
    pub(super) fn only_one(&self) -> Option<Arc<Value>> {
        let mut active = self.all().filter(|it| wanted(it) > 0);
        match (active.next(), active.next()) {
            (None, _) => self.new.clone().or_else(|| self.old.last().cloned()),
            (Some(only), None) => Some(only.clone()),
            (Some(_), Some(_)) => None,
        }
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

    fn recorder(&self) -> Recorder {
        self.context.recorder.speaking_as("deployment-controller")
    }

    /// Makes the ReplicaSet of the Deployment's template, with `size` pods.
    pub(super) fn create_new(&mut self, size: i64) {
        let deployment = self.deployment.clone();
        let (namespace, template) = (object::namespace(&deployment), &deployment["spec"]["template"]);
        let revision = self.next_revision();
        // Two templates with one hash are told apart by a count; a handful is plenty.
        for collisions in 0..8 {
            let hash = template_hash(template, collisions);
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
                    return;
                }
                Err(WriteError::Exists(_)) => {}
                Err(_) => return,
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
        annotate(&mut set, &self.scale_annotations());
        annotate(&mut set, &[(REVISION, revision.to_string())]);
        set
    }

    /// The Deployment's annotations are its ReplicaSets' too: `rollout history` finds the
    /// change cause there.
    fn copied_annotations(&self) -> Map<String, Value> {
        let own = [REVISION, HISTORY, DESIRED, MOST, "kubectl.kubernetes.io/last-applied-configuration"];
        let annotations = self.deployment["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
        annotations.into_iter().filter(|(key, _)| !own.contains(&key.as_str())).collect()
    }

    fn scale_annotations(&self) -> [(&'static str, String); 2] {
        let replicas = wanted(&self.deployment);
        let most = replicas + Slack::of(&self.deployment).surge;
        [(DESIRED, replicas.to_string()), (MOST, most.to_string())]
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

    fn change(&self, set: &Value, mut change: impl FnMut(&mut Value)) -> Option<Arc<Value>> {
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
        let annotations = self.scale_annotations();
        let noted =
            annotations.iter().all(|(key, value)| object::annotation(set, key) == Some(value.as_str()));
        if was == size && noted {
            return None;
        }
        let changed = self.change(set, |set| {
            annotate(set, &annotations);
            if let Some(spec) = set["spec"].as_object_mut() {
                spec.insert("replicas".into(), size.into());
            }
        });
        if was != size {
            let way = if size > was { "up" } else { "down" };
            let message = format!("Scaled {way} replica set {} from {was} to {size}", object::name(set));
            self.recorder().normal(&Subject::of(&self.deployment), "ScalingReplicaSet", message);
        }
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
        if wanted(&old) != size
            && let Some(changed) = self.scale(&old, size)
        {
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
