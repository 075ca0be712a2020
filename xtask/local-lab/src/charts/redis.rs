//! The Redis of the chart argo-cd. A real argocd-server finishes no login without one.

use serde_json::{Value, json};

use super::shared::{Component, Runs};

/// The objects of Redis: Service and Deployment `argocd-redis` with what it runs.
pub fn redis(runs: Runs<'_>) -> Vec<Value> {
    let redis = Component::of_argocd("redis", "argocd-redis");
    // Nothing is kept on disk, in the chart as here.
    let arguments = match runs.executable {
        Some(_) => {
            json!(["--port", "$(PORT_6379)", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        }
        None => json!(["--save", "", "--appendonly", "no"]),
    };
    let container = json!({
        "name": "redis",
        "image": runs.image,
        "command": runs.executable.map(|path| vec![path]),
        "args": arguments,
        "ports": [{"name": "redis", "containerPort": 6379, "protocol": "TCP"}],
        "readinessProbe": {"tcpSocket": {"port": "redis"}, "periodSeconds": 2},
    });
    let ports = json!([{"name": "tcp-redis", "port": 6379, "targetPort": "redis", "protocol": "TCP"}]);
    vec![redis.service(&ports), redis.deployment(1, &container)]
}
