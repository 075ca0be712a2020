//! argocd-server: its Deployment, its pods, how each was started.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Container, EnvVar, Pod};
use kube::ResourceExt as _;
use probe::Failure;
use probe::rehearsal::Redeemed;
use releases::Release;
use serde::{Deserialize, Serialize};

use super::log::LogSeen;
use crate::hidden::Hidden;
use crate::shown::object;

/// A Deployment, as far as a login depends on it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct DeploymentSeen {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// How many pods it is to have.
    pub wanted: i32,
    /// How many are ready.
    pub ready: i32,
    /// Whether its pods stay as they are until somebody resumes it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// The image of its first container.
    pub image: String,
    /// The release that it says it runs.
    pub release: Option<Release>,
    /// Its annotations and those of its pods' template.
    pub annotations: BTreeMap<String, String>,
    /// The environment of its first container, as far as it is text or names a Secret.
    pub env: BTreeMap<String, EnvSeen>,
    /// Whether more of it comes from ConfigMaps or Secrets as a whole.
    pub env_from: bool,
    /// The arguments of its first container, which may be anything: no file has them.
    #[serde(skip)]
    pub args: Vec<String>,
    /// The labels of its pods. They are anybody's too.
    #[serde(skip)]
    pub labels: BTreeMap<String, String>,
    /// The names that its pods are given an address for, each with that address.
    pub host_aliases: Vec<(String, String)>,
}

/// A variable of a container.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EnvSeen {
    /// Its text. It may be a secret, so it is only compared.
    Text(Hidden),
    /// A key of a Secret.
    Secret {
        /// The Secret.
        name: String,
        /// The key.
        key: String,
    },
    /// Something else.
    Other,
}

/// One pod.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct PodSeen {
    /// Its name.
    pub name: String,
    /// The name of the container that is looked at.
    pub container: String,
    /// When its process was started: everything that is read once was read then.
    pub started: Option<Timestamp>,
    /// Whether it is ready.
    pub ready: bool,
    /// Whether it is being deleted.
    pub ending: bool,
    /// What it waits for instead of running: `CrashLoopBackOff`.
    pub waiting: Option<String>,
    /// What its log says; `None` if it was not read.
    pub log: Option<LogSeen>,
    /// What came of rehearsals that met this pod alone.
    pub rehearsed: Vec<Rehearsed>,
}

/// What a rehearsal that met one pod alone showed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rehearsed {
    /// Argo CD redeemed the code, or said why it did not.
    Redeemed(Redeemed),
    /// It did not begin a login.
    NotBegun(Failure),
}

impl Rehearsed {
    /// What came of the code, if a login began.
    pub fn redeemed(&self) -> Option<&Redeemed> {
        match self {
            Self::Redeemed(redeemed) => Some(redeemed),
            Self::NotBegun(_) => None,
        }
    }

    /// Why no login began, if none did.
    pub fn not_begun(&self) -> Option<&Failure> {
        match self {
            Self::NotBegun(failure) => Some(failure),
            Self::Redeemed(_) => None,
        }
    }
}

impl DeploymentSeen {
    /// `Deployment argocd/argocd-server`: where a finding is.
    pub fn place(&self) -> String {
        object("Deployment", &self.namespace, &self.name)
    }

    /// Reads a Deployment.
    pub fn of(deployment: &Deployment) -> Self {
        let spec = deployment.spec.as_ref();
        let template = spec.map(|spec| &spec.template);
        let pod = template.and_then(|it| it.spec.as_ref());
        let of_pods = template.and_then(|it| it.metadata.clone()).unwrap_or_default();
        let container = pod.and_then(|it| main_container(&it.containers));
        let mut annotations = deployment.annotations().clone();
        annotations.extend(of_pods.annotations.unwrap_or_default());
        let image = container.and_then(|it| it.image.clone()).unwrap_or_default();
        let labels = of_pods.labels.unwrap_or_default();
        let version = labels.get("app.kubernetes.io/version");
        let of_label = version.and_then(|version| Release::parse(version).ok());
        let aliases = pod.and_then(|it| it.host_aliases.as_ref()).into_iter().flatten();
        let host_aliases = aliases
            .flat_map(|alias| alias.hostnames.iter().flatten().map(|name| (name.clone(), alias.ip.clone())));
        Self {
            namespace: deployment.namespace().unwrap_or_default(),
            name: deployment.name_any(),
            wanted: spec.and_then(|it| it.replicas).unwrap_or(1),
            ready: deployment.status.as_ref().and_then(|it| it.ready_replicas).unwrap_or(0),
            paused: spec.and_then(|it| it.paused).unwrap_or(false),
            release: Release::of_image(&image).or(of_label),
            image,
            annotations,
            env: container.map(env).unwrap_or_default(),
            env_from: container.is_some_and(|it| it.env_from.as_ref().is_some_and(|all| !all.is_empty())),
            args: container.and_then(|it| it.args.clone()).unwrap_or_default(),
            labels,
            host_aliases: host_aliases.collect(),
        }
    }
}

fn env(container: &Container) -> BTreeMap<String, EnvSeen> {
    let one = |variable: &EnvVar| {
        let reference = variable.value_from.as_ref().and_then(|source| source.secret_key_ref.as_ref());
        let seen = match (&variable.value, reference) {
            (Some(value), _) => EnvSeen::Text(Hidden::new(value.as_str())),
            (None, Some(it)) => EnvSeen::Secret { name: it.name.clone(), key: it.key.clone() },
            (None, None) => EnvSeen::Other,
        };
        (variable.name.clone(), seen)
    };
    container.env.iter().flatten().map(one).collect()
}

/// The container that is meant: what a mesh or an agent puts beside it may come first. The chart calls it `server`,
/// Argo CD's own manifests and the operator `argocd-server`.
fn main_container(containers: &[Container]) -> Option<&Container> {
    let is_server = |it: &&Container| it.name == "server" || it.name == "argocd-server";
    containers.iter().find(is_server).or_else(|| containers.first())
}

impl PodSeen {
    /// Whether it runs, and is to go on.
    pub fn runs(&self) -> bool {
        self.waiting.is_none() && !self.ending
    }

    /// Reads a pod by its main container.
    pub fn of(pod: &Pod) -> Self {
        let status = pod.status.as_ref();
        let first = pod.spec.as_ref().and_then(|spec| main_container(&spec.containers));
        let first = first.map(|it| it.name.as_str());
        let all = status.and_then(|status| status.container_statuses.as_deref()).unwrap_or_default();
        let container = all.iter().find(|it| Some(it.name.as_str()) == first).or_else(|| all.first());
        let state = container.and_then(|it| it.state.as_ref());
        let waiting = state.and_then(|it| it.waiting.as_ref());
        let running = state.and_then(|it| it.running.as_ref()).and_then(|it| it.started_at.as_ref());
        Self {
            name: pod.name_any(),
            container: first.unwrap_or_default().to_owned(),
            started: running.map(|time| time.0),
            ready: container.is_some_and(|it| it.ready),
            ending: pod.metadata.deletion_timestamp.is_some(),
            waiting: waiting.map(|it| it.reason.clone().unwrap_or_else(|| "waiting".to_owned())),
            ..Self::default()
        }
    }

    /// The moment from which on this server uses what it uses for a client secret: when
    /// it made its client app last, or was started.
    pub fn holds_since(&self) -> Option<Timestamp> {
        self.log.as_ref().and_then(|log| log.client_app).or(self.started)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_deployment_says_what_it_runs_and_with_what() {
        let deployment: Deployment = serde_json::from_value(json!({
            "metadata": {"name": "dex", "namespace": "dex", "annotations": {"a": "1"}},
            "spec": {"replicas": 2, "selector": {}, "template": {
                "metadata": {"annotations": {"b": "2"}, "labels": {"app.kubernetes.io/version": "v3.3.6"}},
                "spec": {"containers": [{"name": "c", "image": "argocd@sha256:00", "args": ["x"], "env": [
                    {"name": "T", "value": "v"},
                    {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                    {"name": "F", "valueFrom": {"fieldRef": {"fieldPath": "x"}}},
                ]}]},
            }},
            "status": {"readyReplicas": 1},
        }))
        .unwrap();
        let seen = DeploymentSeen::of(&deployment);
        assert_eq!((seen.wanted, seen.ready, seen.annotations.len()), (2, 1, 2));
        assert_eq!(seen.release.map(|release| release.to_string()).as_deref(), Some("v3.3.6"));
        assert_eq!(seen.env["S"], EnvSeen::Secret { name: "s".into(), key: "k".into() });
        assert_eq!(seen.env["F"], EnvSeen::Other);
        assert_eq!(DeploymentSeen::of(&Deployment::default()).wanted, 1);
    }

    #[test]
    fn a_pod_says_since_when_it_runs_or_what_it_waits_for() {
        let pod = |state| -> PodSeen {
            let pod = serde_json::from_value(json!({
                "metadata": {"name": "p"},
                "spec": {"containers": [{"name": "sidecar"}, {"name": "server"}]},
                "status": {"containerStatuses": [
                    {"name": "sidecar", "ready": true, "image": "", "imageID": "", "restartCount": 0},
                    {"name": "server", "ready": false, "image": "", "imageID": "", "restartCount": 0, "state": state},
                ]},
            }));
            PodSeen::of(&pod.unwrap())
        };
        let running = pod(json!({"running": {"startedAt": "2026-01-01T00:00:00Z"}}));
        assert_eq!(running.container, "server");
        assert_eq!(running.started.map(|time| time.to_string()).as_deref(), Some("2026-01-01T00:00:00Z"));
        assert!(!running.ready);
        let waiting = pod(json!({"waiting": {"reason": "CrashLoopBackOff"}}));
        assert_eq!((waiting.started, waiting.waiting.as_deref()), (None, Some("CrashLoopBackOff")));
        assert_eq!(PodSeen::of(&Pod::default()).name, "");
    }
}
