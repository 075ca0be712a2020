//! Waiting for a Deployment, and saying what it hangs on.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use kube::runtime::wait::await_condition;

use super::Cluster;
use crate::error::{Error, Result};
use crate::names::Workload;

impl Cluster {
    /// Waits until all pods of a Deployment are of its newest template and ready, and
    /// the older ones are gone: what `kubectl rollout status` waits for.
    ///
    /// # Errors
    /// After `limit`, with what the pods were waiting for at that moment.
    pub async fn wait_ready(&self, workload: Workload, limit: Duration) -> Result<()> {
        let api: Api<Deployment> = Api::namespaced(self.client(), workload.namespace());
        let waiting = await_condition(api, workload.deployment(), rolled_out);
        match tokio::time::timeout(limit, waiting).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(Error::environment(format!(
                "waiting for {}/{}: {error}",
                workload.namespace(),
                workload.deployment()
            ))),
            Err(_) => Err(self.not_ready(workload, limit).await),
        }
    }

    async fn not_ready(&self, workload: Workload, limit: Duration) -> Error {
        let (namespace, name) = (workload.namespace(), workload.deployment());
        let seen = match self.pods(workload).await {
            Ok(pods) if pods.is_empty() => "it has no pods".to_owned(),
            Ok(pods) => pods.iter().map(pod_state).collect::<Vec<_>>().join("; "),
            Err(_) => "the cluster no longer answers".to_owned(),
        };
        Error::environment(format!("{namespace}/{name} was not ready after {} s: {seen}", limit.as_secs()))
            .hint(format!("`cargo xtask kubectl -- -n {namespace} logs deploy/{name}` shows what it says"))
    }

    /// Since when the youngest of a Deployment's ready pods is ready, to the second.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub async fn ready_since(&self, workload: Workload) -> Result<Option<Timestamp>> {
        let pods = self.pods(workload).await?;
        let conditions = pods.iter().filter_map(|pod| pod.status.as_ref()?.conditions.as_ref()).flatten();
        let ready = conditions.filter(|condition| condition.type_ == "Ready" && condition.status == "True");
        Ok(ready.filter_map(|condition| Some(condition.last_transition_time.as_ref()?.0)).max())
    }

    /// The pods of a Deployment.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub async fn pods(&self, workload: Workload) -> Result<Vec<Pod>> {
        let api: Api<Pod> = Api::namespaced(self.client(), workload.namespace());
        let selector = format!("app.kubernetes.io/name={}", workload.deployment());
        Ok(api.list(&ListParams::default().labels(&selector)).await?.items)
    }
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

/// One pod for a person: `pod x: container server waiting: CrashLoopBackOff (…)`.
fn pod_state(pod: &Pod) -> String {
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
