//! The chart argo-cd, as far as a login needs it: the server and its settings.

use serde_json::{Value, json};

use super::dex_server;
use super::shared::{Component, Runs, SECRETS_ANNOTATION, Values, ValuesError, data, from_config_map};
use releases::Release;

/// The objects of Argo CD: CRDs, ConfigMaps, Service and Deployment `argocd-server`
/// with what it runs, and where the values enable it those of `argocd-dex-server`, which
/// runs `dex`. `secrets` goes to the pod template's annotation: another value there starts
/// new pods.
///
/// # Errors
/// [`ValuesError`] names the key that is missing or of the wrong type.
pub fn argocd(
    values: &Value,
    runs: Runs<'_>,
    dex: Runs<'_>,
    secrets: &str,
) -> Result<Vec<Value>, ValuesError> {
    let values = Values { chart: "argocd", root: values };
    // The chart writes global.domain into an https url; ours has to name its own.
    values.text("configs.cm.url")?;
    let mut objects = crds();
    objects.push(config_map("argocd-cm", &values, "configs.cm")?);
    objects.push(config_map("argocd-cmd-params-cm", &values, "configs.params")?);
    objects.push(config_map("argocd-rbac-cm", &values, "configs.rbac")?);
    // Before the server, which is told where its Service is.
    objects.extend(dex_server::objects(&values, runs, dex)?);
    let server = Component::of_argocd("server", "argocd-server");
    objects.push(server.service(&[("http", 80, 8080.into()), ("https", 443, 8080.into())]));
    let mut deployment = server.deployment(values.number("server.replicas", 1)?, &container(&values, runs)?);
    deployment["spec"]["revisionHistoryLimit"] = 3.into();
    let template = &mut deployment["spec"]["template"];
    template["metadata"]["annotations"] = json!({SECRETS_ANNOTATION: secrets});
    template["spec"]["terminationGracePeriodSeconds"] = 30.into();
    objects.push(deployment);
    Ok(objects)
}

fn config_map(name: &'static str, values: &Values<'_>, path: &str) -> Result<Value, ValuesError> {
    Ok(json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": Component::of_argocd("server", name).metadata(),
        "data": data(values.map(path)?),
    }))
}

fn container(values: &Values<'_>, runs: Runs<'_>) -> Result<Value, ValuesError> {
    let probe = |key: &str| values.number(&format!("server.readinessProbe.{key}"), 10);
    let ports = [("server", 8080), ("metrics", 8083)];
    let mut server = runs.container("server", &arguments(values, runs), &ports);
    server["env"] = environment(runs).into();
    server["readinessProbe"] = json!({
        "httpGet": {"path": "/healthz", "port": "server"},
        "initialDelaySeconds": probe("initialDelaySeconds")?,
        "periodSeconds": probe("periodSeconds")?,
        "timeoutSeconds": 1,
        "successThreshold": 1,
        "failureThreshold": 3,
    });
    Ok(server)
}

/// The arguments as in the chart, and where the Dex inside Argo CD is: this lab has no name
/// server. An executable of this machine is told the ports that were chosen for it, not to
/// listen for other machines, and where Redis is.
fn arguments(values: &Values<'_>, runs: Runs<'_>) -> Vec<&'static str> {
    let dex = dex_server::is_enabled(values).then_some(dex_server::ADDRESS);
    if runs.executable.is_none() {
        let own = ["/usr/local/bin/argocd-server", "--port=8080", "--metrics-port=8083"];
        return own.into_iter().chain(dex).collect();
    }
    let mut arguments = vec![
        "--port=$(PORT_8080)",
        "--metrics-port=$(PORT_8083)",
        "--redis=$(ARGOCD_REDIS_SERVICE_HOST):$(ARGOCD_REDIS_SERVICE_PORT)",
    ];
    let tag = runs.image.rsplit_once(':').map_or("", |(_, tag)| tag).replacen('_', "+", 1);
    // Older ones listen everywhere and cannot be told otherwise.
    if Release::parse(&tag).is_ok_and(|release| release.is_at_least(2, 8, 0)) {
        arguments.extend(["--address=127.0.0.1", "--metrics-address=127.0.0.1"]);
    }
    arguments.extend(dex);
    arguments
}

/// Command-line parameters reach the server by its environment.
fn environment(runs: Runs<'_>) -> Vec<Value> {
    let parameters = [
        ("ARGOCD_SERVER_INSECURE", "server.insecure"),
        ("ARGOCD_SERVER_BASEHREF", "server.basehref"),
        ("ARGOCD_SERVER_ROOTPATH", "server.rootpath"),
        ("ARGOCD_SERVER_LOGFORMAT", "server.log.format"),
        ("ARGOCD_SERVER_LOG_LEVEL", "server.log.level"),
    ];
    let mut all: Vec<Value> = parameters
        .iter()
        .map(|(variable, key)| from_config_map(variable, "argocd-cmd-params-cm", key))
        .collect();
    if runs.executable.is_some() {
        // One program of many names, told by this which of them it is.
        all.push(json!({"name": "ARGOCD_BINARY_NAME", "value": "argocd-server"}));
    }
    all
}

/// Argo CD's three kinds. A server exits at once where they are missing.
fn crds() -> Vec<Value> {
    let kinds: [(&str, &str, &[&str]); 3] = [
        ("Application", "applications", &["app", "apps"]),
        ("ApplicationSet", "applicationsets", &["appset", "appsets"]),
        ("AppProject", "appprojects", &["appproj", "appprojs"]),
    ];
    let crd = |(kind, plural, short): (&str, &str, &[&str])| {
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {
                "name": format!("{plural}.argoproj.io"),
                "labels": {"app.kubernetes.io/part-of": "argocd", "oidc-lab/owned": "true"},
            },
            "spec": {
                "group": "argoproj.io",
                "scope": "Namespaced",
                "names": {
                    "kind": kind,
                    "listKind": format!("{kind}List"),
                    "plural": plural,
                    "singular": kind.to_lowercase(),
                    "shortNames": short,
                },
                "versions": [{
                    "name": "v1alpha1",
                    "served": true,
                    "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
                }],
            },
        })
    };
    kinds.map(crd).into()
}
