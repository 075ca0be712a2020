//! The Redis of the chart argo-cd. A real argocd-server finishes no login without one.

use serde_json::{Value, json};

use super::shared::{Component, Runs};

/// The objects of Redis: Service and Deployment `argocd-redis` with what it runs.
pub fn redis(runs: Runs<'_>) -> Vec<Value> {
    let redis = Component::of_argocd("redis", "argocd-redis");
    // Nothing is kept on disk, in the chart as here.
    let arguments = match runs.executable {
        Some(_) => &["--port", "$(PORT_6379)", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"][..],
        None => &["--save", "", "--appendonly", "no"],
    };
    let mut container = runs.container("redis", arguments, &[("redis", 6379)]);
    container["readinessProbe"] = json!({"tcpSocket": {"port": "redis"}, "periodSeconds": 2});
    vec![redis.service(&[("tcp-redis", 6379, "redis".into())]), redis.deployment(1, &container)]
}
