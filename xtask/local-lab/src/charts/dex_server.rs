//! The Dex inside Argo CD, of the chart argo-cd.

use serde_json::{Value, json};

use super::shared::{Component, Runs, Values, ValuesError, from_config_map};
use crate::real_dex;

/// Where the server finds it, by its Service's variables.
pub(super) const ADDRESS: &str =
    "--dex-server=http://$(ARGOCD_DEX_SERVER_SERVICE_HOST):$(ARGOCD_DEX_SERVER_SERVICE_PORT)";

/// Whether the values ask for it.
pub(super) fn is_enabled(values: &Values<'_>) -> bool {
    values.find("dex.enabled") == true
}

/// Its Service and Deployment, if it is asked for. A real one is a program of `argocd` that
/// runs `dex`.
pub(super) fn objects(
    values: &Values<'_>,
    argocd: Runs<'_>,
    dex: Runs<'_>,
) -> Result<Vec<Value>, ValuesError> {
    if !is_enabled(values) {
        return Ok(vec![]);
    }
    let dex_server = Component::of_argocd("dex-server", "argocd-dex-server");
    let program = dex.executable.and(argocd.executable);
    let mut env = vec![from_config_map(
        "ARGOCD_DEX_SERVER_DISABLE_TLS",
        "argocd-cmd-params-cm",
        "dexserver.disable.tls",
    )];
    if let Some(dex) = dex.executable {
        env.push(json!({"name": "ARGOCD_BINARY_NAME", "value": "argocd-dex"}));
        env.push(json!({"name": real_dex::VARIABLE, "value": dex}));
    }
    let probe = |key: &str, default| values.number(&format!("dex.readinessProbe.{key}"), default);
    let service = dex_server.service(&json!([
        {"name": "http", "protocol": "TCP", "port": 5556, "targetPort": "http"},
        {"name": "grpc", "protocol": "TCP", "port": 5557, "targetPort": "grpc"},
    ]));
    let container = json!({
        "name": "dex-server",
        "image": dex.image,
        "command": program.map(|path| vec![path]),
        "args": ["rundex"],
        "env": env,
        "ports": [
            {"name": "http", "containerPort": 5556, "protocol": "TCP"},
            {"name": "grpc", "containerPort": 5557, "protocol": "TCP"},
            {"name": "metrics", "containerPort": 5558, "protocol": "TCP"},
        ],
        "readinessProbe": {
            "httpGet": {"path": "/healthz/ready", "port": "metrics"},
            "initialDelaySeconds": probe("initialDelaySeconds", 10)?,
            "periodSeconds": probe("periodSeconds", 10)?,
        },
    });
    let mut deployment = dex_server.deployment(1, &container);
    // A machine has one place for its configuration.
    deployment["spec"]["strategy"] = json!({"type": "Recreate"});
    Ok(vec![service, deployment])
}
