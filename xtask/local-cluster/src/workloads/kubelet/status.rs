//! What a pod's status says, from what its containers do.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::{Map, Value, json};

use crate::store::object::{self, timestamp};
use crate::workloads::machine::{ADDRESS, LISTENING, NODE};

/// Where a container is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ContainerState {
    /// It does not run, and why.
    Waiting { reason: &'static str, message: String },
    /// It runs since then.
    Running { since: String },
    /// It has ended.
    Terminated(Terminated),
}

/// How a run of a container ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Terminated {
    pub(super) code: i32,
    pub(super) reason: &'static str,
    pub(super) message: String,
    pub(super) started: String,
    pub(super) finished: String,
    pub(super) id: String,
}

/// What a pod's status says of one container.
#[derive(Clone, Debug)]
pub(super) struct ContainerStatus {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) state: ContainerState,
    pub(super) last: Option<Terminated>,
    /// Its readiness probe passes, or it has none.
    pub(super) ready: bool,
    pub(super) restarts: u32,
    /// Names the present (or last) run.
    pub(super) id: String,
    /// It will not be started again.
    pub(super) done: bool,
    /// Where each `containerPort` really listens.
    pub(super) listening: BTreeMap<u16, SocketAddr>,
}

impl ContainerStatus {
    /// A container of a pod that nobody has looked at yet.
    pub(super) fn new(spec: &Value) -> Self {
        Self {
            name: spec["name"].as_str().unwrap_or_default().to_owned(),
            image: spec["image"].as_str().unwrap_or_default().to_owned(),
            state: ContainerState::Waiting { reason: "ContainerCreating", message: String::new() },
            last: None,
            ready: false,
            restarts: 0,
            id: String::new(),
            done: false,
            listening: BTreeMap::new(),
        }
    }

    fn runs(&self) -> bool {
        matches!(self.state, ContainerState::Running { .. })
    }

    fn succeeded(&self) -> bool {
        self.done && matches!(&self.state, ContainerState::Terminated(ended) if ended.code == 0)
    }

    /// Whether it is as a ready pod needs it.
    fn is_ready(&self) -> bool {
        self.ready && self.runs()
    }

    fn to_json(&self) -> Value {
        let mut status = json!({
            "name": self.name,
            "image": self.image,
            "imageID": if self.id.is_empty() { String::new() } else { format!("oidc-lab://{}", self.image) },
            "lastState": self.last.as_ref().map_or_else(|| json!({}), |ended| json!({"terminated": ended.to_json()})),
            "ready": self.is_ready(),
            "restartCount": self.restarts,
            "started": self.runs(),
            "state": self.state.to_json(),
        });
        if !self.id.is_empty() {
            status["containerID"] = container_id(&self.id).into();
        }
        status
    }
}

fn container_id(id: &str) -> String {
    format!("oidc-lab://{id}")
}

impl ContainerState {
    fn to_json(&self) -> Value {
        match self {
            Self::Waiting { reason, message } if message.is_empty() => json!({"waiting": {"reason": reason}}),
            Self::Waiting { reason, message } => json!({"waiting": {"reason": reason, "message": message}}),
            Self::Running { since } => json!({"running": {"startedAt": since}}),
            Self::Terminated(ended) => json!({"terminated": ended.to_json()}),
        }
    }
}

impl Terminated {
    fn to_json(&self) -> Value {
        let mut ended = json!({
            "exitCode": self.code,
            "reason": self.reason,
            "startedAt": self.started,
            "finishedAt": self.finished,
            "containerID": container_id(&self.id),
        });
        if !self.message.is_empty() {
            ended["message"] = self.message.clone().into();
        }
        ended
    }
}

/// Writes the status of `pod`, keeping the times of conditions that did not change.
pub(super) fn write(pod: &mut Value, containers: &[ContainerStatus]) {
    let now = timestamp();
    let old = pod["status"].take();
    let phase = phase(containers);
    let all_ready = unready(containers);
    let ready = if phase == "Succeeded" { Condition::no("PodCompleted", "") } else { all_ready };
    let started = containers.iter().any(|it| !it.id.is_empty());
    let conditions = [
        ("PodReadyToStartContainers", Condition { ok: started, reason: "", message: String::new() }),
        ("Initialized", Condition::yes()),
        ("Ready", ready.clone()),
        ("ContainersReady", ready),
        ("PodScheduled", Condition::yes()),
    ];
    let conditions: Vec<Value> = conditions
        .iter()
        .map(|(kind, condition)| condition.to_json(kind, &old["conditions"], &now))
        .collect();
    let mut status = Map::new();
    status.insert("phase".into(), phase.into());
    status.insert("conditions".into(), conditions.into());
    status.insert("hostIP".into(), ADDRESS.into());
    status.insert("hostIPs".into(), json!([{"ip": ADDRESS}]));
    status.insert("podIP".into(), ADDRESS.into());
    status.insert("podIPs".into(), json!([{"ip": ADDRESS}]));
    status.insert("startTime".into(), old["startTime"].as_str().unwrap_or(&now).into());
    let statuses: Vec<Value> = containers.iter().map(ContainerStatus::to_json).collect();
    status.insert("containerStatuses".into(), statuses.into());
    status.insert("qosClass".into(), "BestEffort".into());
    pod["status"] = status.into();
    pod["spec"]["nodeName"] = NODE.into();
    write_listening(pod, containers);
}

/// Tells the rest of the lab where the pod's ports are.
fn write_listening(pod: &mut Value, containers: &[ContainerStatus]) {
    let all = containers.iter().flat_map(|it| &it.listening);
    let listening: BTreeMap<String, String> =
        all.map(|(port, address)| (port.to_string(), address.to_string())).collect();
    if listening.is_empty() && object::annotation(pod, LISTENING).is_none() {
        return;
    }
    let Some(metadata) = object::metadata_mut(pod) else { return };
    let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
    if !annotations.is_object() {
        *annotations = json!({});
    }
    annotations[LISTENING] = serde_json::to_string(&listening).unwrap_or_default().into();
}

fn phase(containers: &[ContainerStatus]) -> &'static str {
    let never_ran =
        |it: &ContainerStatus| matches!(it.state, ContainerState::Waiting { .. }) && it.last.is_none();
    if containers.iter().any(never_ran) {
        "Pending"
    } else if !containers.iter().all(|it| it.done) {
        "Running"
    } else if containers.iter().all(ContainerStatus::succeeded) {
        "Succeeded"
    } else {
        "Failed"
    }
}

fn unready(containers: &[ContainerStatus]) -> Condition {
    let names: Vec<_> = containers.iter().filter(|it| !it.is_ready()).map(|it| it.name.as_str()).collect();
    if names.is_empty() {
        Condition::yes()
    } else {
        Condition::no("ContainersNotReady", &format!("containers with unready status: [{}]", names.join(" ")))
    }
}

#[derive(Clone)]
struct Condition {
    ok: bool,
    reason: &'static str,
    message: String,
}

impl Condition {
    fn yes() -> Self {
        Self { ok: true, reason: "", message: String::new() }
    }

    fn no(reason: &'static str, message: &str) -> Self {
        Self { ok: false, reason, message: message.to_owned() }
    }

    fn to_json(&self, kind: &str, old: &Value, now: &str) -> Value {
        let status = if self.ok { "True" } else { "False" };
        let old = old.as_array().into_iter().flatten().find(|it| it["type"] == kind);
        let since = old
            .filter(|old| old["status"] == status)
            .and_then(|old| old["lastTransitionTime"].as_str())
            .unwrap_or(now);
        let mut condition = json!({
            "type": kind, "status": status, "lastProbeTime": null, "lastTransitionTime": since,
        });
        if !self.reason.is_empty() {
            condition["reason"] = self.reason.into();
        }
        if !self.message.is_empty() {
            condition["message"] = self.message.clone().into();
        }
        condition
    }
}
