//! Waiting for a Deployment, and saying what it hangs on.

use std::time::Duration;

use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ContainerState, Event, Pod};
use kube::api::{Api, ListParams, LogParams};
use kube::runtime::wait::await_condition;
use kube::runtime::{WatchStreamExt as _, watcher};

use super::Cluster;
use crate::console::SLOW;
use crate::error::{Error, Result};
use crate::names::{Rollout, Workload};

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
    pub async fn wait_ready(&self, rollout: Rollout, limit: Duration, seen: impl FnMut(&str)) -> Result<()> {
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
    async fn look(&self, rollout: Rollout, mut seen: impl FnMut(&str)) -> Error {
        let Rollout { namespace, name, selector } = rollout;
        tokio::time::sleep(LONG).await;
        let pods: Api<Pod> = Api::namespaced(self.client(), namespace);
        let events: Api<Event> = Api::namespaced(self.client(), namespace);
        let pods = watcher(pods, watcher::Config::default().labels(selector)).default_backoff();
        let events = watcher(events, watcher::Config::default()).default_backoff();
        let mut pods = std::pin::pin!(pods.applied_objects());
        let mut events = std::pin::pin!(events.applied_objects());
        let (mut state, mut said) = (String::new(), String::new());
        let mut watched = String::new();
        // Where nothing changes any more, what was seen last is said once more when the
        // wait has become a long one.
        let mut reminder = std::pin::pin!(tokio::time::sleep(SLOW));
        let mut reminded = false;
        loop {
            tokio::select! {
                () = &mut reminder, if !reminded => reminded = true,
                Some(pod) = pods.next() => {
                    let Ok(pod) = pod else { continue };
                    if let Some(what) = no_image(&pod) {
                        return Error::environment(format!("{namespace}/{name}: {what}"))
                            .hint("is the image's name right, and may it be pulled without a login?");
                    }
                    if let Some(what) = keeps_ending(&pod) {
                        let words = self.last_words(namespace, &[pod]).await;
                        let what = [Some(what), words].into_iter().flatten().collect::<Vec<_>>().join("; ");
                        return Error::environment(format!("{namespace}/{name}: {what}"))
                            .hint(shows_logs(rollout));
                    }
                    watched = pod.metadata.name.clone().unwrap_or_default();
                    state = pod_state(&pod);
                }
                Some(event) = events.next() => {
                    let Ok(event) = event else { continue };
                    if event.involved_object.name.as_deref() != Some(&watched) {
                        continue;
                    }
                    said = format!("; {}", event.message.unwrap_or_default());
                }
                else => std::future::pending().await,
            }
            seen(&format!("{state}{said}"));
        }
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
        let (pod, container) = pods.iter().find_map(ended).or_else(|| pods.iter().find_map(unready))?;
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
        Ok(api.list(&ListParams::default().labels(rollout.selector)).await?.items)
    }
}

fn shows_logs(Rollout { namespace, name, .. }: Rollout) -> String {
    format!("`cargo xtask kubectl -- -n {namespace} logs deploy/{name}` shows what it says")
}

/// A container that ended by itself as often as that will not do better the next time.
const ENDS: i32 = 3;

/// The container of a pod that ends each time it is started, by itself: what a signal
/// ended may only have been slow.
fn keeps_ending(pod: &Pod) -> Option<String> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses.iter().find_map(|container| {
        let waiting = container.state.as_ref()?.waiting.as_ref()?;
        let ended = container.last_state.as_ref()?.terminated.as_ref()?;
        let by_itself = ended.exit_code < 128;
        let again =
            waiting.reason.as_deref() == Some("CrashLoopBackOff") && container.restart_count + 1 >= ENDS;
        (again && by_itself).then(|| {
            let (name, status, times) = (&container.name, ended.exit_code, container.restart_count + 1);
            format!("container {name} ended {times} times, the last time with status {status}")
        })
    })
}

/// An image that a pod waits for and that there is not.
fn no_image(pod: &Pod) -> Option<String> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses.iter().find_map(|container| {
        let waiting = container.state.as_ref()?.waiting.as_ref()?;
        let (reason, message) = (waiting.reason.as_deref()?, waiting.message.as_deref().unwrap_or_default());
        let low = message.to_lowercase();
        let gone = ["not found", "denied", "unauthorized", "too many requests", "toomanyrequests"];
        let will_not_come = reason == "InvalidImageName" || gone.iter().any(|words| low.contains(words));
        (matches!(reason, "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName") && will_not_come)
            .then(|| format!("container {}: {reason} ({message})", container.name))
    })
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

/// The names of a pod and of its container that has ended and is not running again.
fn ended(pod: &Pod) -> Option<(String, String)> {
    let name = pod.metadata.name.clone()?;
    let containers = pod.status.as_ref()?.container_statuses.as_ref()?;
    let ended =
        |state: &Option<ContainerState>| state.as_ref().is_some_and(|state| state.terminated.is_some());
    let container = containers.iter().find(|it| ended(&it.state) || ended(&it.last_state))?;
    Some((name, container.name.clone()))
}

/// The names of a pod and of its container that is not ready.
fn unready(pod: &Pod) -> Option<(String, String)> {
    let containers = pod.status.as_ref()?.container_statuses.as_ref()?;
    let container = containers.iter().find(|it| !it.ready)?;
    Some((pod.metadata.name.clone()?, container.name.clone()))
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
        if !container.ready {
            return format!("pod {name}, container {} runs and is not ready", container.name);
        }
    }
    format!("pod {name} is {}", status.phase.as_deref().unwrap_or("in no known phase"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
    fn an_image_that_there_is_not_is_not_waited_for() {
        let pod = |reason: &str, message: &str| {
            serde_json::from_value::<Pod>(json!({"metadata": {"name": "p"}, "status": {"containerStatuses": [
                {"name": "c", "ready": false, "image": "", "imageID": "", "restartCount": 0,
                 "state": {"waiting": {"reason": reason, "message": message}}}]}}))
            .unwrap()
        };
        let message =
            "Back-off pulling image \"x:y\": ErrImagePull: failed to resolve reference: x:y: not found";
        assert!(
            no_image(&pod("ImagePullBackOff", message)).unwrap().starts_with("container c: ImagePullBackOff")
        );
        assert!(no_image(&pod("InvalidImageName", "")).is_some());
        // A registry that does not answer now may answer in a minute.
        assert_eq!(no_image(&pod("ImagePullBackOff", "dial tcp: i/o timeout")), None);
        assert_eq!(no_image(&pod("ContainerCreating", "")), None);
    }

    #[test]
    fn a_container_that_keeps_ending_by_itself_is_not_waited_for() {
        let pod = |reason: &str, restarts: i32, status: i32| {
            serde_json::from_value::<Pod>(json!({"metadata": {"name": "p"}, "status": {"containerStatuses": [
                {"name": "c", "ready": false, "image": "", "imageID": "", "restartCount": restarts,
                 "state": {"waiting": {"reason": reason}}, "lastState": {"terminated": {"exitCode": status}}}]}}))
            .unwrap()
        };
        assert_eq!(
            keeps_ending(&pod("CrashLoopBackOff", 2, 20)).unwrap(),
            "container c ended 3 times, the last time with status 20"
        );
        assert_eq!(keeps_ending(&pod("CrashLoopBackOff", 1, 20)), None);
        // Killed, as by a probe that a slow start did not pass.
        assert_eq!(keeps_ending(&pod("CrashLoopBackOff", 5, 137)), None);
        assert_eq!(keeps_ending(&pod("ContainerCreating", 5, 20)), None);
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
    }
}
