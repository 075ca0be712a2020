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
    let probe = |key: &str| values.number(&format!("dex.readinessProbe.{key}"), 10);
    let service = dex_server.service(&[("http", 5556, "http".into()), ("grpc", 5557, "grpc".into())]);
    let runs = Runs { executable: program, ..dex };
    let ports = [("http", 5556), ("grpc", 5557), ("metrics", 5558)];
    let mut container = runs.container("dex-server", &["rundex"], &ports);
    container["env"] = env.into();
    container["readinessProbe"] = json!({
        "httpGet": {"path": "/healthz/ready", "port": "metrics"},
        "initialDelaySeconds": probe("initialDelaySeconds")?,
        "periodSeconds": probe("periodSeconds")?,
    });
    let mut deployment = dex_server.deployment(1, &container);
    // A machine has one place for its configuration.
    deployment["spec"]["strategy"] = json!({"type": "Recreate"});
    Ok(vec![service, deployment])
}
