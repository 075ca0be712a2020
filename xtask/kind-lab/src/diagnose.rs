//! What stands in the cluster when a goal has failed: shown before anything is cleaned
//! up.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::{Api, ListParams, LogParams};

use base::Result;
use cluster::names::{NAMESPACES, OIDC_SECRET};
use cluster::{Cluster, pod_state};

/// The longest that a look may take: the failure itself has to be told, too.
const LIMIT: Duration = Duration::from_secs(20);
/// Events of each namespace that are shown, the last ones.
const EVENTS: usize = 5;
/// Lines of each log that are shown, the last ones.
const LINES: i64 = 10;

/// Pods, containers, events and logs of the lab's namespaces, a text for each; nothing where the
/// cluster does not answer. What cannot be asked is left out: there is a failure to be told already.
pub async fn diagnosis(cluster: impl Future<Output = Result<Cluster>>) -> Option<Vec<String>> {
    let cluster = tokio::time::timeout(LIMIT, cluster).await.ok()?.ok()?;
    let namespaces = NAMESPACES.iter().copied().chain(["kube-system"]);
    let looks = join_all(namespaces.map(|namespace| look(&cluster, namespace)));
    let found = tokio::time::timeout(LIMIT, looks).await.ok()?;
    let secrets = secrets(&cluster).await;
    let found = found.iter().filter(|text| !text.is_empty());
    Some(found.map(|text| masked(text, &secrets).trim_end().to_owned()).collect())
}

/// The client secret must not be told even where a program's log tells it.
async fn secrets(cluster: &Cluster) -> Vec<String> {
    let dex = cluster.dex_client_secret().await.ok().flatten();
    let argocd = cluster.client_secret(OIDC_SECRET, cluster::names::OIDC_KEY).await.ok().flatten();
    dex.into_iter().chain(argocd).map(|secret| secret.reveal().to_owned()).collect()
}

fn masked(text: &str, secrets: &[String]) -> String {
    secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "********"))
}

async fn look(cluster: &Cluster, namespace: &str) -> String {
    let pods: Api<Pod> = Api::namespaced(cluster.client(), namespace);
    let events: Api<Event> = Api::namespaced(cluster.client(), namespace);
    let Ok(list) = pods.list(&ListParams::default()).await else { return String::new() };
    let mut text = String::new();
    for pod in &list.items {
        // What the cluster itself runs is worth a line only if it does not run.
        if namespace == "kube-system" && is_well(pod) {
            continue;
        }
        text.push_str(&format!("  {namespace}: {}\n", pod_state(pod)));
        if !is_well(pod) {
            text.push_str(&log(&pods, pod).await);
        }
    }
    if !text.is_empty()
        && let Ok(events) = events.list(&ListParams::default()).await
    {
        text.push_str(&last(&events.items));
    }
    text
}

/// Whether all containers of a pod are ready, or have ended well.
fn is_well(pod: &Pod) -> bool {
    let status = pod.status.as_ref();
    let phase = status.and_then(|status| status.phase.as_deref());
    let containers = status.and_then(|status| status.container_statuses.as_ref());
    let ready = containers.is_some_and(|all| !all.is_empty() && all.iter().all(|one| one.ready));
    phase == Some("Succeeded") || (phase == Some("Running") && ready)
}

async fn log(pods: &Api<Pod>, pod: &Pod) -> String {
    let name = pod.metadata.name.clone().unwrap_or_default();
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let mut text = String::new();
    for container in containers {
        let parameters = LogParams {
            container: Some(container.name.clone()),
            tail_lines: Some(LINES),
            ..LogParams::default()
        };
        if let Ok(log) = pods.logs(&name, &parameters).await {
            text.extend(log.lines().map(|line| format!("    {}: {line}\n", container.name)));
        }
    }
    text
}

/// The last events, each kind of them once.
fn last(events: &[Event]) -> String {
    let mut seen = BTreeMap::new();
    for event in events {
        let at = event.last_timestamp.as_ref().map(|time| time.0);
        let at = at.or_else(|| event.event_time.as_ref().map(|time| time.0));
        let object = event.involved_object.name.as_deref().unwrap_or("?");
        let reason = event.reason.as_deref().unwrap_or("?");
        let message = event.message.as_deref().unwrap_or_default();
        seen.insert(format!("    event {object}: {reason}: {message}\n"), at);
    }
    let mut all: Vec<_> = seen.into_iter().collect();
    all.sort_by_key(|(_, at)| *at);
    let first = all.len().saturating_sub(EVENTS);
    all.into_iter().skip(first).map(|(line, _)| line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_last_events_are_shown_in_their_order_and_once() {
        let event = |second: u32, reason: &str| -> Event {
            serde_json::from_value(json!({
                "metadata": {}, "involvedObject": {"name": "p"}, "reason": reason, "message": "m",
                "lastTimestamp": format!("2026-01-01T00:00:{second:02}Z"),
            }))
            .unwrap()
        };
        let events: Vec<Event> = [(7, "g"), (1, "a"), (3, "c"), (2, "b"), (4, "d"), (5, "e"), (6, "g")]
            .map(|(s, r)| event(s, r))
            .into();
        let reasons: Vec<String> =
            last(&events).lines().map(|line| line.split(": ").nth(1).unwrap().to_owned()).collect();
        assert_eq!(reasons, ["b", "c", "d", "e", "g"]);
    }

    #[test]
    fn a_secret_in_a_log_is_masked() {
        assert_eq!(masked("secret=abc", &["abc".into()]), "secret=********");
    }
}
