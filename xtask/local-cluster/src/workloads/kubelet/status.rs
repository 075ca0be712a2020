//! What a pod's status says, from what its containers do.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::endpoints::LISTENING;
use crate::store::object::{self, text, timestamp};
use crate::workloads::machine::{ADDRESS, NODE};

/// What a pod's status says of one container.
#[derive(Clone, Debug)]
pub(super) struct ContainerStatus {
    /// As it stands there.
    pub(super) said: Value,
    /// Where each `containerPort` really listens.
    pub(super) listening: BTreeMap<u16, SocketAddr>,
}

impl ContainerStatus {
    /// A container of a pod that nobody has looked at yet.
    pub(super) fn new(spec: &Value) -> Self {
        let said = json!({
            "name": text(&spec["name"]), "image": text(&spec["image"]), "imageID": "", "lastState": {},
            "ready": false, "restartCount": 0, "started": false,
            "state": {"waiting": {"reason": "ContainerCreating"}},
        });
        Self { said, listening: BTreeMap::new() }
    }

    /// It is in another state (`waiting`, `running`, `terminated`) from now on. What is said of an
    /// end stays as that of the last run.
    pub(super) fn go_on(&mut self, state: &str, how: Value) {
        if self.said["state"]["terminated"].is_object() {
            self.said["lastState"] = self.said["state"].take();
        }
        self.said["state"] = json!({state: without_empty(how)});
        self.said["started"] = (state == "running").into();
        self.said["ready"] = false.into();
    }
}

/// An object without the texts in it that are empty.
fn without_empty(mut object: Value) -> Value {
    if let Some(object) = object.as_object_mut() {
        object.retain(|_, value| value != "");
    }
    object
}

/// Writes the status of `pod`, keeping the times of conditions that did not change.
pub(super) fn write(pod: &mut Value, containers: &[ContainerStatus]) {
    // A pod's containers are started again until it goes: it never ends by itself.
    let phase = if containers.iter().any(never_ran) { "Pending" } else { "Running" };
    let unready: Vec<_> =
        containers.iter().filter(|it| it.said["ready"] != true).map(|it| text(&it.said["name"])).collect();
    let (reason, message) = match unready.is_empty() {
        true => ("", String::new()),
        false => ("ContainersNotReady", format!("containers with unready status: [{}]", unready.join(" "))),
    };
    let started = containers.iter().any(|it| it.said["containerID"].is_string());
    let conditions: Vec<Value> = [
        ("PodReadyToStartContainers", started, "", ""),
        ("Initialized", true, "", ""),
        ("Ready", reason.is_empty(), reason, &message),
        ("ContainersReady", reason.is_empty(), reason, &message),
        ("PodScheduled", true, "", ""),
    ]
    .into_iter()
    .map(|(kind, ok, reason, message)| {
        let status = if ok { "True" } else { "False" };
        without_empty(json!({
            "type": kind, "status": status, "lastProbeTime": null, "reason": reason, "message": message,
            "lastTransitionTime": object::since(pod, kind, status),
        }))
    })
    .collect();
    pod["status"] = json!({
        "phase": phase,
        "conditions": conditions,
        "hostIP": ADDRESS,
        "hostIPs": [{"ip": ADDRESS}],
        "podIP": ADDRESS,
        "podIPs": [{"ip": ADDRESS}],
        "startTime": pod["status"]["startTime"].as_str().map_or_else(timestamp, str::to_owned),
        "containerStatuses": containers.iter().map(|it| &it.said).collect::<Vec<_>>(),
        "qosClass": "BestEffort",
    });
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
    let text = serde_json::to_string(&listening).unwrap_or_default();
    object::metadata_map(pod, "annotations")
        .map(|annotations| annotations.insert(LISTENING.into(), text.into()));
}

fn never_ran(it: &ContainerStatus) -> bool {
    it.said["state"]["waiting"].is_object() && !it.said["lastState"]["terminated"].is_object()
}
