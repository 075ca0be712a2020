//! Waiting for the cluster's node.

use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Node;
use kube::api::Api;
use kube::runtime::{WatchStreamExt as _, watcher};

use super::KindLab;
use base::progress::{Listener, SLOW};
use base::{Error, Result};

impl KindLab {
    /// Waits until its node is ready. A cluster that does not answer yet is asked again, at
    /// growing intervals, as any watch is that broke off.
    ///
    /// # Errors
    /// After `limit`, with what the node said last.
    pub async fn wait_ready(&self, limit: Duration, heard: &dyn Listener) -> Result<()> {
        let cluster = self.connect().await?;
        let nodes: Api<Node> = Api::all(cluster.client());
        let mut last = "it has not answered".to_owned();
        let waiting = async {
            let config = watcher::Config::default().fields(&format!("metadata.name={}", self.node()));
            let changes = watcher(nodes, config).default_backoff().applied_objects();
            let mut changes = std::pin::pin!(changes);
            // Where nothing changes any more, what was seen last is said once more.
            let mut reminder = tokio::time::interval(SLOW);
            loop {
                tokio::select! {
                    _ = reminder.tick() => {}
                    Some(change) = changes.next() => match change {
                        Ok(node) if is_ready(&node) => return,
                        Ok(node) => last = state(&node),
                        // What a watch says while the server starts is of no use to anybody.
                        Err(_) => last = "its API does not answer yet".to_owned(),
                    },
                }
                heard.waiting(&last);
            }
        };
        if tokio::time::timeout(limit, waiting).await.is_ok() {
            return Ok(());
        }
        Err(Error::environment(format!("the node was not ready after {} s: {last}", limit.as_secs()))
            .hint("memory is a frequent cause; `--keep` leaves it for a look, as with `kind export logs`"))
    }
}

fn is_ready(node: &Node) -> bool {
    ready(node).is_some_and(|(status, _)| status == "True")
}

fn state(node: &Node) -> String {
    match ready(node) {
        Some((_, message)) if !message.is_empty() => message,
        _ => "its kubelet has not said anything".to_owned(),
    }
}

fn ready(node: &Node) -> Option<(String, String)> {
    let conditions = node.status.as_ref()?.conditions.as_ref()?;
    let ready = conditions.iter().find(|condition| condition.type_ == "Ready")?;
    Some((ready.status.clone(), ready.message.clone().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_node_says_what_it_waits_for() {
        let node = |status: serde_json::Value| -> Node {
            serde_json::from_value(json!({"metadata": {"name": "n"}, "status": status})).unwrap()
        };
        let message = "container runtime network not ready: cni plugin not initialized";
        let waiting = node(json!({"conditions": [
            {"type": "MemoryPressure", "status": "False"},
            {"type": "Ready", "status": "False", "message": message},
        ]}));
        assert!(!is_ready(&waiting));
        assert_eq!(state(&waiting), message);
        assert!(is_ready(&node(json!({"conditions": [{"type": "Ready", "status": "True"}]}))));
        assert_eq!(state(&node(json!({}))), "its kubelet has not said anything");
    }
}
