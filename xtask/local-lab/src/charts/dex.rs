//! The chart dex, as far as a login needs it.

use serde_json::{Value, json};

use super::shared::{Component, Runs, SECRETS_ANNOTATION, Values, ValuesError};

/// The release name that the lab installs the chart under.
const INSTANCE: &str = "dex";

/// The objects of Dex: its configuration (a Secret, as in the chart), Service and
/// Deployment with what it runs. `secrets` goes to the pod template's annotation:
/// another value there starts new pods.
///
/// # Errors
/// [`ValuesError`] names the key that is missing or of the wrong type.
pub fn dex(values: &Value, runs: Runs<'_>, secrets: &str) -> Result<Vec<Value>, ValuesError> {
    let values = Values { chart: "dex", root: values };
    let config = values.map("config")?;
    values.text("config.issuer")?;
    let dex = Component::whole("dex", INSTANCE);
    let config = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": dex.metadata(),
        "type": "Opaque",
        // JSON is YAML, and keeps every string a string.
        "stringData": {"config.yaml": Value::Object(config.clone()).to_string()},
    });
    let port = values.number("service.ports.http.port", 5556)?;
    let service = dex.service(&[("http", port, "http".into()), ("telemetry", 5558, "telemetry".into())]);
    let mut deployment = dex.deployment(values.number("replicaCount", 1)?, &container(&values, runs)?);
    let template = &mut deployment["spec"]["template"];
    template["metadata"]["annotations"] = json!({SECRETS_ANNOTATION: secrets});
    template["spec"]["volumes"] = json!([{"name": "config", "secret": {"secretName": "dex"}}]);
    Ok(vec![config, service, deployment])
}

fn arguments(runs: Runs<'_>) -> Vec<&'static str> {
    // The image's own program looks for the one that its first argument names.
    let (program, web, telemetry, config) = match runs.executable {
        None => (Some("dex"), "0.0.0.0:5556", "0.0.0.0:5558", "/etc/dex/config.yaml"),
        Some(_) => (None, "127.0.0.1:$(PORT_5556)", "127.0.0.1:$(PORT_5558)", "$(FILES)/etc/dex/config.yaml"),
    };
    let serve = ["serve", "--web-http-addr", web, "--telemetry-addr", telemetry, config];
    program.into_iter().chain(serve).collect()
}

fn container(values: &Values<'_>, runs: Runs<'_>) -> Result<Value, ValuesError> {
    let env = match values.find("envVars") {
        Value::Null => json!([]),
        list @ Value::Array(_) => list.clone(),
        _ => return Err(values.error("envVars", "must be a list")),
    };
    let mut dex = runs.container("dex", &arguments(runs), &[("http", 5556), ("telemetry", 5558)]);
    dex["env"] = env;
    dex["livenessProbe"] = json!({"httpGet": {"path": "/healthz/live", "port": "telemetry"}});
    dex["readinessProbe"] = json!({"httpGet": {"path": "/healthz/ready", "port": "telemetry"}});
    dex["volumeMounts"] = json!([{"name": "config", "mountPath": "/etc/dex", "readOnly": true}]);
    Ok(dex)
}
