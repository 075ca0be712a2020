//! A request to a cluster's API as it is planned: the verb and the object, never a body.

use std::fmt;

use kube::api::ApiResource;
use kube::core::GroupVersionKind;
use serde::Serialize;
use serde_json::Value;

use crate::names::{Rollout, SecretName};

/// A planned request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Request {
    /// As Kubernetes names it: `patch`, `delete`, `watch` …
    pub verb: &'static str,
    /// The kind of object as rules name it: `secrets`, `deployments.apps`.
    pub resource: String,
    /// The object's namespace, if it has one.
    pub namespace: Option<String>,
    /// Its name, if it is one object.
    pub name: Option<String>,
    /// It is made only where what it makes so is not so.
    pub if_needed: bool,
}

impl Request {
    /// A request for one object of a namespace.
    pub fn of(verb: &'static str, resource: &str, namespace: &str, name: &str) -> Self {
        let (namespace, name) = (Some(namespace.to_owned()), Some(name.to_owned()));
        Self { verb, resource: resource.to_owned(), namespace, name, if_needed: false }
    }

    /// A change of a Secret.
    pub fn patch_secret(name: SecretName) -> Self {
        Self::of("patch", "secrets", name.namespace, name.name)
    }

    /// A change of a Deployment.
    pub fn patch_rollout(rollout: Rollout) -> Self {
        Self::of("patch", "deployments.apps", rollout.namespace, rollout.name)
    }

    /// A change of a namespace.
    pub fn patch_namespace(name: &str) -> Self {
        let (resource, name) = ("namespaces".to_owned(), Some(name.to_owned()));
        Self { verb: "patch", resource, namespace: None, name, if_needed: false }
    }

    /// What applying a document asks.
    pub fn apply(document: &Value) -> Self {
        let ApiResource { group, plural, .. } = resource_of(document);
        let resource = if group.is_empty() { plural } else { format!("{plural}.{group}") };
        let namespace = document["metadata"]["namespace"].as_str().map(str::to_owned);
        let name = document["metadata"]["name"].as_str().map(str::to_owned);
        Self { verb: "patch", resource, namespace, name, if_needed: false }
    }

    /// The same, where it is not always needed.
    pub fn if_needed(self) -> Self {
        Self { if_needed: true, ..self }
    }
}

/// The kind of a document.
pub(super) fn resource_of(document: &Value) -> ApiResource {
    let text = |name: &str| document[name].as_str().unwrap_or_default();
    let (group, version) = text("apiVersion").split_once('/').unwrap_or(("", text("apiVersion")));
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, text("kind")))
}

/// `patch secrets argocd/argocd-oidc`, as a rule of access would name it.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        match (&self.namespace, &self.name) {
            (Some(namespace), Some(name)) => write!(f, " {namespace}/{name}")?,
            (None, Some(name)) => write!(f, " {name}")?,
            (Some(namespace), None) => write!(f, " in {namespace}")?,
            (None, None) => {}
        }
        f.write_str(if self.if_needed { ", if needed" } else { "" })
    }
}
