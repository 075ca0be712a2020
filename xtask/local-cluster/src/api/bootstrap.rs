//! What a cluster has at birth.

use serde_json::{Value, json};

use crate::schema::VERSION;
use crate::store::{Key, Store, object};

/// The only node's name.
const NODE: &str = "local";

/// Creates the namespaces and the node. What is there
/// already stays.
pub fn bootstrap(store: &Store) {
    for name in ["default", "kube-public", "kube-system"] {
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
            "spec": {"finalizers": ["kubernetes"]},
            "status": {"phase": "Active"},
        });
        // It can only be there already, and then it is as good.
        let _ = store.create(&Key::new("namespaces", "", name), namespace);
    }
    let _ = store.create(&Key::new("nodes", "", NODE), node());
}

fn node() -> Value {
    let now = object::timestamp();
    let cores = std::thread::available_parallelism().map_or(1, usize::from).to_string();
    let (os, arch) = (std::env::consts::OS, arch());
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {
            "name": NODE,
            "labels": {
                "kubernetes.io/hostname": NODE, "kubernetes.io/os": os, "kubernetes.io/arch": arch,
                "oidc-lab/owned": "true",
            },
            "annotations": {"oidc-lab/note": "no machine of its own: pods are tasks of the lab's process, or its children"},
        },
        "spec": {},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": "127.0.0.1"},
                {"type": "Hostname", "address": NODE},
            ],
            "capacity": {"cpu": cores, "pods": "110"},
            "allocatable": {"cpu": cores, "pods": "110"},
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "LabRuns", "message": "the lab's process runs pods",
                "lastHeartbeatTime": now, "lastTransitionTime": now,
            }],
            "nodeInfo": {
                "machineID": "", "systemUUID": "", "bootID": "",
                "kernelVersion": "<the machine's own>",
                "osImage": format!("argocd-oidc-lab on {os}, without containers"),
                "containerRuntimeVersion": format!("oidc-lab://{}", env!("CARGO_PKG_VERSION")),
                "kubeletVersion": VERSION, "kubeProxyVersion": "",
                "operatingSystem": os, "architecture": arch,
            },
        },
    })
}

/// The architecture as Go names it, and so as Kubernetes does.
pub(super) fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
