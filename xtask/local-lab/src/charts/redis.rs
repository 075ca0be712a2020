//! The Redis of the chart argo-cd. A real argocd-server finishes no login without one.

use serde_json::{Value, json};

use super::shared::{Runs, labels, metadata, selector, service};

const NAME: &str = "argocd-redis";

/// The objects of Redis: Service and Deployment `argocd-redis` with what it runs.
pub fn redis(runs: Runs<'_>) -> Vec<Value> {
    let labels = labels("redis", NAME);
    let selector = selector(NAME, "argocd");
    let service = service(
        metadata("argocd", NAME, labels.clone()),
        &selector,
        &json!([{"name": "tcp-redis", "port": 6379, "targetPort": "redis", "protocol": "TCP"}]),
    );
    // Nothing is kept on disk, in the chart as here.
    let arguments = match runs.executable {
        Some(_) => {
            json!(["--port", "$(PORT_6379)", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        }
        None => json!(["--save", "", "--appendonly", "no"]),
    };
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata("argocd", NAME, labels.clone()),
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": selector},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{
                    "name": "redis",
                    "image": runs.image,
                    "command": runs.executable.map(|path| vec![path]),
                    "args": arguments,
                    "ports": [{"name": "redis", "containerPort": 6379, "protocol": "TCP"}],
                    "readinessProbe": {"tcpSocket": {"port": "redis"}, "periodSeconds": 2},
                }]},
            },
        },
    });
    vec![service, deployment]
}
