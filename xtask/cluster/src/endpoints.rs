//! Waiting until a Service leads to the pods of a rollout, and to no older ones.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::select;
use k8s_openapi::api::core::v1::{Endpoints, Pod};
use kube::ResourceExt as _;
use kube::api::Api;
use kube::runtime::{WatchStreamExt as _, watcher};
use tokio::time::Instant;

use super::{Cluster, failed};
use crate::names::Rollout;
use base::Result;

/// How long a pod that no Service leads to any more may go on answering: whatever carries
/// requests knows by then that it is gone, and a page that somebody has open can keep a
/// server from ending for much longer.
const DRAIN: Duration = Duration::from_secs(3);

/// Where a Service leads.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Leads {
    /// To the pods of the newest template, so many, and there are no others.
    New(usize),
    /// To those, and an older one has not ended yet.
    Draining(usize),
    /// Elsewhere.
    Elsewhere,
}

impl Cluster {
    /// Waits until a Service leads to all pods of a rollout that is done, and to no others,
    /// and until the older ones can no longer answer. Says how many pods it leads to.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub async fn wait_endpoints(&self, service: &str, rollout: Rollout) -> Result<usize> {
        let leads = self.leads(service, rollout).await?;
        if let Leads::New(pods) = leads {
            return Ok(pods);
        }
        let pods: Api<Pod> = Api::namespaced(self.client(), rollout.namespace);
        let endpoints: Api<Endpoints> = Api::namespaced(self.client(), rollout.namespace);
        let pods = watcher(pods, watcher::Config::default().labels(rollout.selector)).default_backoff();
        let named = format!("metadata.name={service}");
        let endpoints = watcher(endpoints, watcher::Config::default().fields(&named)).default_backoff();
        let pods = pods.touched_objects().map(drop);
        let mut changes = std::pin::pin!(select(pods, endpoints.touched_objects().map(drop)));
        let mut drained = None;
        loop {
            match self.leads(service, rollout).await? {
                Leads::New(pods) => return Ok(pods),
                Leads::Draining(pods) => {
                    let at = *drained.get_or_insert_with(|| Instant::now() + DRAIN);
                    if tokio::time::timeout_at(at, changes.next()).await.is_err() {
                        return Ok(pods);
                    }
                }
                Leads::Elsewhere => {
                    drained = None;
                    changes.next().await;
                }
            }
        }
    }

    async fn leads(&self, service: &str, rollout: Rollout) -> Result<Leads> {
        let api: Api<Endpoints> = Api::namespaced(self.client(), rollout.namespace);
        let (pods, endpoints) = futures::join!(self.pods_of(rollout), api.get_opt(service));
        Ok(leads(&pods?, endpoints.map_err(failed)?.as_ref()))
    }
}

fn leads(pods: &[Pod], endpoints: Option<&Endpoints>) -> Leads {
    let (old, new): (Vec<&Pod>, Vec<&Pod>) =
        pods.iter().filter(|pod| !has_ended(pod)).partition(|pod| pod.metadata.deletion_timestamp.is_some());
    let subsets = endpoints.and_then(|endpoints| endpoints.subsets.as_ref()).into_iter().flatten();
    let addresses = subsets.flat_map(|subset| subset.addresses.iter().flatten());
    let targets: BTreeSet<String> =
        addresses.filter_map(|address| address.target_ref.as_ref()?.name.clone()).collect();
    let wanted: BTreeSet<String> = new.iter().map(|pod| pod.name_any()).collect();
    match (targets == wanted, old.is_empty()) {
        (true, true) => Leads::New(wanted.len()),
        (true, false) => Leads::Draining(wanted.len()),
        (false, _) => Leads::Elsewhere,
    }
}

/// Whether all containers of a pod have ended for good; its object may stay a while.
fn has_ended(pod: &Pod) -> bool {
    let Some(status) = &pod.status else { return false };
    if matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")) {
        return true;
    }
    let mut containers = status.container_statuses.iter().flatten().peekable();
    pod.metadata.deletion_timestamp.is_some()
        && containers.peek().is_some()
        && containers.all(|it| it.state.as_ref().is_some_and(|state| state.terminated.is_some()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(name: &str, going: bool, state: Value) -> Pod {
        let deleted = going.then_some("2026-01-01T00:00:00Z");
        let status = json!({"phase": "Running", "containerStatuses": [{"name": "c", "ready": false,
            "image": "", "imageID": "", "restartCount": 0, "state": state}]});
        let metadata = json!({"name": name, "deletionTimestamp": deleted});
        serde_json::from_value(json!({"metadata": metadata, "status": status})).unwrap()
    }

    fn endpoints(names: &[&str]) -> Endpoints {
        let subset = |name: &&str| {
            let target = json!({"kind": "Pod", "name": name});
            json!({"addresses": [{"ip": "127.0.0.1", "targetRef": target}]})
        };
        serde_json::from_value(json!({"subsets": names.iter().map(subset).collect::<Vec<_>>()})).unwrap()
    }

    #[test]
    fn a_service_leads_to_new_pods_when_no_old_one_can_answer() {
        let runs = json!({"running": {}});
        let ended = json!({"terminated": {"exitCode": 0}});
        let (new, old) = (pod("new", false, runs.clone()), pod("old", true, runs));
        let gone = pod("old", true, ended);
        for (pods, targets, expected) in [
            (vec![&new], vec!["new"], Leads::New(1)),
            (vec![&new, &gone], vec!["new"], Leads::New(1)),
            (vec![&new, &old], vec!["new"], Leads::Draining(1)),
            (vec![&new, &old], vec!["new", "old"], Leads::Elsewhere),
            (vec![&new], vec!["old"], Leads::Elsewhere),
            (vec![&new], vec![], Leads::Elsewhere),
            (vec![], vec![], Leads::New(0)),
            (vec![&old], vec![], Leads::Draining(0)),
        ] {
            let pods: Vec<Pod> = pods.into_iter().cloned().collect();
            assert_eq!(leads(&pods, Some(&endpoints(&targets))), expected, "{targets:?}");
        }
        assert_eq!(leads(&[], None), Leads::New(0));
    }
}
