//! What the charts have in common: how values are read, and objects named.

use serde_json::{Map, Value, json};

/// The release name that the lab installs the chart argo-cd under.
const ARGOCD: &str = "argocd";

/// On a pod template: which versions of its Secrets the pods were started with.
pub(super) const SECRETS_ANNOTATION: &str = "oidc-lab/secrets";

/// A values file does not say what a chart needs.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("values/{chart}.yaml: {key} {problem}")]
pub struct ValuesError {
    chart: &'static str,
    key: String,
    problem: &'static str,
}

/// What a component's container runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Runs<'a> {
    /// The image, tag included.
    pub image: &'a str,
    /// The executable of this machine that the image stands for, if it stands for one.
    pub executable: Option<&'a str>,
}

impl Runs<'_> {
    /// A container that runs it, with these ports.
    pub(super) fn container(self, name: &str, args: &[&str], ports: &[(&str, u16)]) -> Value {
        let port =
            |(name, number): &(&str, u16)| json!({"name": name, "containerPort": number, "protocol": "TCP"});
        json!({
            "name": name,
            "image": self.image,
            "command": self.executable.map(|path| vec![path]),
            "args": args,
            "ports": ports.iter().map(port).collect::<Vec<_>>(),
        })
    }
}

/// A values file with the name to use in errors.
pub(super) struct Values<'a> {
    pub(super) chart: &'static str,
    pub(super) root: &'a Value,
}

impl<'a> Values<'a> {
    pub(super) fn find(&self, path: &str) -> &'a Value {
        path.split('.').fold(self.root, |value, key| &value[key])
    }

    pub(super) fn text(&self, path: &str) -> Result<&'a str, ValuesError> {
        self.find(path).as_str().ok_or_else(|| self.error(path, "must be a string"))
    }

    pub(super) fn map(&self, path: &str) -> Result<&'a Map<String, Value>, ValuesError> {
        self.find(path).as_object().ok_or_else(|| self.error(path, "must be a map"))
    }

    pub(super) fn number(&self, path: &str, default: u64) -> Result<u64, ValuesError> {
        match self.find(path) {
            Value::Null => Ok(default),
            value => value.as_u64().ok_or_else(|| self.error(path, "must be a whole number")),
        }
    }

    pub(super) fn error(&self, path: &str, problem: &'static str) -> ValuesError {
        ValuesError { chart: self.chart, key: path.to_owned(), problem }
    }
}

/// A part of a chart: the namespace and the name of its objects, and what its pods are known by.
pub(super) struct Component {
    namespace: &'static str,
    name: &'static str,
    labels: Value,
    /// What the charts select pods by.
    selector: Value,
}

impl Component {
    /// A part that is all of the chart that it is in.
    pub(super) fn whole(name: &'static str, instance: &str) -> Self {
        let labels = json!({"app.kubernetes.io/name": name, "app.kubernetes.io/instance": instance});
        Self { namespace: name, name, selector: labels.clone(), labels }
    }

    /// A part of Argo CD.
    pub(super) fn of_argocd(component: &str, name: &'static str) -> Self {
        let mut own = Self { namespace: "argocd", ..Self::whole(name, ARGOCD) };
        own.labels["app.kubernetes.io/part-of"] = "argocd".into();
        own.labels["app.kubernetes.io/component"] = component.into();
        own
    }

    /// The metadata of its objects.
    pub(super) fn metadata(&self) -> Value {
        let mut labels = self.labels.clone();
        labels["oidc-lab/owned"] = "true".into();
        json!({"name": self.name, "namespace": self.namespace, "labels": labels})
    }

    /// Its Service within the cluster.
    pub(super) fn service(&self, ports: &[(&str, u64, Value)]) -> Value {
        let port = |(name, number, target): &(&str, u64, Value)| json!({"name": name, "protocol": "TCP", "port": number, "targetPort": target});
        let ports: Vec<_> = ports.iter().map(port).collect();
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": self.metadata(),
            "spec": {"type": "ClusterIP", "selector": self.selector, "ports": ports},
        })
    }

    /// Its Deployment, of pods with one container.
    pub(super) fn deployment(&self, replicas: u64, container: &Value) -> Value {
        json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": self.metadata(),
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": self.selector},
                "template": {"metadata": {"labels": self.labels}, "spec": {"containers": [container]}},
            },
        })
    }
}

/// An environment variable from a key of a ConfigMap, if it is there.
pub(super) fn from_config_map(variable: &str, config_map: &str, key: &str) -> Value {
    json!({
        "name": variable,
        "valueFrom": {"configMapKeyRef": {"name": config_map, "key": key, "optional": true}},
    })
}

/// A map of values as a ConfigMap's data: text stays, everything else as YAML would
/// print it.
pub(super) fn data(map: &Map<String, Value>) -> Map<String, Value> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    map.iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| (key.clone(), text(value).into()))
        .collect()
}
