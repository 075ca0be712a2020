//! Waiting for a Deployment, and saying what it hangs on.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Event, Pod, PodCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, ListParams, LogParams};
use kube::runtime::wait::await_condition;
use kube::runtime::{WatchStreamExt as _, watcher};

use super::failing::{Before, Pulls, uid};
use super::{Cluster, failed};
use crate::names::{Rollout, Workload};
use base::progress::SLOW;
use base::{Error, Result};

/// A wait that takes longer is looked at: pods, and what they wait for.
const LONG: Duration = Duration::from_secs(1);

impl Cluster {
    /// Waits until all pods of a Deployment are of its newest template and ready, and
    /// the older ones are gone: what `kubectl rollout status` waits for. `seen` hears what
    /// its pods wait for meanwhile, each time that changes.
    ///
    /// # Errors
    /// After `limit`, with what the pods were waiting for at that moment; sooner where an
    /// image is not to be had, or a container ends by itself again and again.
    pub async fn wait_ready(
        &self,
        rollout: Rollout,
        limit: Duration,
        seen: &mut (dyn FnMut(&str) + Send),
    ) -> Result<()> {
        let Rollout { namespace, name, .. } = rollout;
        let api: Api<Deployment> = Api::namespaced(self.client(), namespace);
        let waiting = await_condition(api, name, rolled_out);
        let either = async {
            tokio::select! {
                waited = waiting => waited.map(drop).map_err(|error| {
                    Error::environment(format!("waiting for {namespace}/{name}: {error}"))
                }),
                error = self.look(rollout, seen) => Err(error),
            }
        };
        match tokio::time::timeout(limit, either).await {
            Ok(outcome) => outcome,
            Err(_) => Err(self.not_ready(rollout, limit).await),
        }
    }

    /// Says what a Deployment's pods wait for, until one waits for what will not come.
    async fn look(&self, rollout: Rollout, seen: &mut (dyn FnMut(&str) + Send)) -> Error {
        let Rollout { namespace, name, selector } = rollout;
        let pods: Api<Pod> = Api::namespaced(self.client(), namespace);
        let events: Api<Event> = Api::namespaced(self.client(), namespace);
        let mut pulls = Pulls::since(self.before(rollout).await.unwrap_or_default());
        tokio::time::sleep(LONG).await;
        let changes = watcher(pods, watcher::Config::default().labels(selector)).default_backoff();
        let said = watcher(events, watcher::Config::default()).default_backoff();
        let mut changes = std::pin::pin!(changes.applied_objects());
        let mut said = std::pin::pin!(said.applied_objects());
        // By pod: as it is now, and its last event.
        let mut pods: BTreeMap<String, Pod> = BTreeMap::new();
        let mut words: BTreeMap<String, String> = BTreeMap::new();
        let mut shown = String::new();
        // Where nothing changes any more, what was seen last is said once more.
        let mut reminder = tokio::time::interval(SLOW);
        loop {
            let changed = tokio::select! {
                _ = reminder.tick() => None,
                Some(pod) = changes.next() => {
                    let Ok(pod) = pod else { continue };
                    shown = uid(&pod);
                    pods.insert(shown.clone(), pod);
                    Some(shown.clone())
                }
                Some(event) = said.next() => {
                    let Ok(event) = event else { continue };
                    pulls.hear(&event);
                    let pod = event.involved_object.uid.unwrap_or_default();
                    words.insert(pod.clone(), event.message.unwrap_or_default());
                    Some(pod)
                }
                else => std::future::pending().await,
            };
            if let Some(pod) = changed.and_then(|pod| pods.get(&pod))
                && let Some(error) = self.fails(rollout, &pulls, pod).await
            {
                return error.context(format!("{namespace}/{name}"));
            }
            if let Some(pod) = pods.get(&shown) {
                let said = words.get(&shown).map_or(String::new(), |words| format!("; {words}"));
                seen(&format!("{}{said}", pod_state(pod)));
            }
        }
    }

    async fn before(&self, rollout: Rollout) -> Result<Before> {
        let (pods, events) = futures::try_join!(self.pods_of(rollout), self.events(rollout.namespace))?;
        Ok(Before::of(&pods, &events))
    }

    async fn events(&self, namespace: &str) -> Result<Vec<Event>> {
        let api: Api<Event> = Api::namespaced(self.client(), namespace);
        Ok(api.list(&ListParams::default()).await.map_err(failed)?.items)
    }

    /// Why a pod will not come up, if it is one of those that are waited for.
    async fn fails(&self, rollout: Rollout, pulls: &Pulls, pod: &Pod) -> Option<Error> {
        let (no_image, ends) = (pulls.no_image(pod), pulls.keeps_ending(pod));
        if (no_image.is_none() && ends.is_none()) || !self.is_newest(rollout, pod).await.ok()? {
            return None;
        }
        if no_image.is_some() {
            return no_image;
        }
        let ends = ends?;
        if ends.was_killed(pod, &self.events(rollout.namespace).await.ok()?) {
            return None;
        }
        let words = self.last_words(rollout.namespace, std::slice::from_ref(pod)).await;
        let what = [Some(ends.text()), words].into_iter().flatten().collect::<Vec<_>>().join("; ");
        Some(Error::environment(what).hint(shows_logs(rollout)))
    }

    /// Whether a pod is of a Deployment's newest template: an older one only has to go.
    async fn is_newest(&self, rollout: Rollout, pod: &Pod) -> Result<bool> {
        const REVISION: &str = "deployment.kubernetes.io/revision";
        let deployments: Api<Deployment> = Api::namespaced(self.client(), rollout.namespace);
        let Some(deployment) = deployments.get_opt(rollout.name).await.map_err(failed)? else {
            return Ok(false);
        };
        let observed = deployment.status.as_ref().and_then(|status| status.observed_generation);
        if observed < deployment.metadata.generation {
            return Ok(false);
        }
        let owner = pod.metadata.owner_references.iter().flatten().find(|owner| owner.kind == "ReplicaSet");
        let Some(owner) = owner else { return Ok(true) };
        let sets: Api<ReplicaSet> = Api::namespaced(self.client(), rollout.namespace);
        let set = sets.get_opt(&owner.name).await.map_err(failed)?;
        let revision = |metadata: ObjectMeta| metadata.annotations?.remove(REVISION);
        Ok(set.and_then(|set| revision(set.metadata)) == revision(deployment.metadata))
    }

    async fn not_ready(&self, rollout: Rollout, limit: Duration) -> Error {
        let Rollout { namespace, name, .. } = rollout;
        let seen = match self.pods_of(rollout).await {
            Ok(pods) if pods.is_empty() => "it has no pods".to_owned(),
            Ok(pods) => {
                let mut seen: Vec<String> = pods.iter().map(pod_state).collect();
                seen.extend(self.last_words(namespace, &pods).await);
                seen.join("; ")
            }
            Err(_) => "the cluster no longer answers".to_owned(),
        };
        Error::environment(format!("{namespace}/{name} was not ready after {} s: {seen}", limit.as_secs()))
            .hint(shows_logs(rollout))
    }

    /// What the container said last that has ended, else one that is not ready.
    async fn last_words(&self, namespace: &str, pods: &[Pod]) -> Option<String> {
        let ended = |state: &Option<ContainerState>| state.as_ref().is_some_and(|it| it.terminated.is_some());
        let ended = |one: &ContainerStatus| ended(&one.state) || ended(&one.last_state);
        let first =
            |fits: &dyn Fn(&ContainerStatus) -> bool| pods.iter().find_map(|pod| container(pod, fits));
        let (pod, container) = first(&ended).or_else(|| first(&|one| !one.ready))?;
        let api: Api<Pod> = Api::namespaced(self.client(), namespace);
        let parameters = |previous| LogParams {
            container: Some(container.clone()),
            previous,
            tail_lines: Some(LAST_LINES),
            ..LogParams::default()
        };
        // Between two runs the one that has ended is not the previous one yet.
        let log = match api.logs(&pod, &parameters(false)).await {
            Ok(log) if !log.trim().is_empty() => log,
            _ => api.logs(&pod, &parameters(true)).await.ok()?,
        };
        let lines: Vec<&str> = log.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        (!lines.is_empty()).then(|| format!("it said last: {}", lines.join(" / ")))
    }

    /// Since when the youngest of a Deployment's ready pods is ready, to the second.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub async fn ready_since(&self, workload: Workload) -> Result<Option<Timestamp>> {
        let pods = self.pods_of(workload.rollout()).await?;
        let conditions = pods.iter().filter_map(|pod| pod.status.as_ref()?.conditions.as_ref()).flatten();
        let ready = conditions.filter(|condition| condition.type_ == "Ready" && condition.status == "True");
        Ok(ready.filter_map(|condition| Some(condition.last_transition_time.as_ref()?.0)).max())
    }

    /// The pods of a rollout.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub async fn pods_of(&self, rollout: Rollout) -> Result<Vec<Pod>> {
        let api: Api<Pod> = Api::namespaced(self.client(), rollout.namespace);
        Ok(api.list(&ListParams::default().labels(rollout.selector)).await.map_err(failed)?.items)
    }
}

fn shows_logs(Rollout { namespace, name, .. }: Rollout) -> String {
    format!("`cargo xtask kubectl -- -n {namespace} logs deploy/{name}` shows what it says")
}

fn rolled_out(deployment: Option<&Deployment>) -> bool {
    let Some(deployment) = deployment else { return false };
    let (Some(spec), Some(status)) = (&deployment.spec, &deployment.status) else { return false };
    let wanted = spec.replicas.unwrap_or(1);
    status.observed_generation >= deployment.metadata.generation
        && status.updated_replicas.unwrap_or(0) == wanted
        && status.replicas.unwrap_or(0) == wanted
        && status.available_replicas.unwrap_or(0) == wanted
}

/// How much of a log goes into an error.
const LAST_LINES: i64 = 3;

/// The names of a pod and of its first container that fits.
fn container(pod: &Pod, fits: &dyn Fn(&ContainerStatus) -> bool) -> Option<(String, String)> {
    let one = pod.status.as_ref()?.container_statuses.as_ref()?.iter().find(|one| fits(one))?;
    Some((pod.metadata.name.clone()?, one.name.clone()))
}

/// One pod for a person: `pod x, container server: CrashLoopBackOff (…)`.
pub fn pod_state(pod: &Pod) -> String {
    let name = pod.metadata.name.as_deref().unwrap_or("?");
    let Some(status) = &pod.status else { return format!("pod {name} has not been looked at yet") };
    for container in status.container_statuses.iter().flatten() {
        if let Some(waiting) = container.state.as_ref().and_then(|state| state.waiting.as_ref()) {
            let reason = waiting.reason.as_deref().unwrap_or("waiting");
            let message = waiting.message.as_deref().map_or(String::new(), |text| format!(" ({text})"));
            return format!("pod {name}, container {}: {reason}{message}", container.name);
        }
        if let Some(ended) = container.state.as_ref().and_then(|state| state.terminated.as_ref()) {
            return format!("pod {name}, container {} ended with status {}", container.name, ended.exit_code);
        }
        if !container.ready {
            return format!("pod {name}, container {} runs and is not ready", container.name);
        }
    }
    let no_node = |it: &&PodCondition| it.type_ == "PodScheduled" && it.status == "False";
    let no_node = status.conditions.iter().flatten().find(no_node).and_then(|it| it.message.as_deref());
    let why = no_node.map_or(String::new(), |text| format!(" ({text})"));
    format!("pod {name} is {}{why}", status.phase.as_deref().unwrap_or("in no known phase"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_without_a_node_says_why() {
        let message = "0/1 nodes are available: 1 Insufficient cpu.";
        let of = |status| {
            pod_state(&serde_json::from_value(json!({"metadata": {"name": "x"}, "status": status})).unwrap())
        };
        let waits = json!({"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]});
        assert_eq!(of(waits), format!("pod x is Pending ({message})"));
        let has_one = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}]});
        assert_eq!(of(has_one), "pod x is Pending");
    }

    #[test]
    fn rolled_out_means_new_all_ready_and_nothing_old() {
        let deployment = |observed: i64, replicas: i32, updated: i32, available: i32| -> Deployment {
            serde_json::from_value(json!({
                "metadata": {"generation": 2},
                "spec": {"replicas": 1, "selector": {}, "template": {}},
                "status": {"observedGeneration": observed, "replicas": replicas, "updatedReplicas": updated,
                           "availableReplicas": available},
            }))
            .unwrap()
        };
        for (observed, replicas, updated, available, done) in [
            (2, 1, 1, 1, true),
            (1, 1, 1, 1, false),
            (2, 2, 1, 2, false),
            (2, 1, 1, 0, false),
            (2, 1, 0, 1, false),
        ] {
            let deployment = deployment(observed, replicas, updated, available);
            assert_eq!(rolled_out(Some(&deployment)), done, "{observed} {replicas} {updated} {available}");
        }
        assert!(!rolled_out(None));
    }

    #[test]
    fn a_pod_says_what_it_waits_for() {
        let pod = |status| {
            serde_json::from_value::<Pod>(json!({"metadata": {"name": "p"}, "status": status})).unwrap()
        };
        let waiting = pod(
            json!({"containerStatuses": [{"name": "c", "ready": false, "image": "", "imageID": "",
            "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}}]}),
        );
        assert_eq!(pod_state(&waiting), "pod p, container c: CrashLoopBackOff (back-off 10s)");
        assert_eq!(pod_state(&pod(json!({"phase": "Pending"}))), "pod p is Pending");
        // As that of a hook that has done what it was for.
        let done = pod(
            json!({"phase": "Succeeded", "containerStatuses": [{"name": "c", "ready": false, "image": "",
            "imageID": "", "restartCount": 0, "state": {"terminated": {"exitCode": 0}}}]}),
        );
        assert_eq!(pod_state(&done), "pod p, container c ended with status 0");
    }
}
