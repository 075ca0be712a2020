//! The cluster's API, as a client sees it.

use std::future::Future;
use std::path::Path;

use kube::Client;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};

use super::world::World;

/// kubeadm's, since late 2024.
const COREFILE: &str = include_str!("Corefile");

/// Does something with the cluster of a kubeconfig.
pub fn run<F>(kubeconfig: &Path, act: impl FnOnce(Client) -> F) -> Result<F::Output, String>
where
    F: Future,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let file = Kubeconfig::read_from(kubeconfig).map_err(|error| unreachable(&error))?;
        let config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
            .await
            .map_err(|error| unreachable(&error))?;
        let client = Client::try_from(config).map_err(|error| unreachable(&error))?;
        Ok(act(client).await)
    })
}

fn unreachable(error: &dyn std::fmt::Display) -> String {
    format!("Error: Kubernetes cluster unreachable: {error}")
}

fn api_of(client: &Client, document: &Value) -> Api<DynamicObject> {
    let api_version = document["apiVersion"].as_str().unwrap();
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let kind = document["kind"].as_str().unwrap();
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    match document["metadata"]["namespace"].as_str() {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

/// Applies documents by server-side apply.
pub async fn apply(client: &Client, manager: &str, documents: &[Value]) -> Result<(), String> {
    let parameters = PatchParams::apply(manager).force();
    for document in documents {
        let name = document["metadata"]["name"].as_str().unwrap();
        let applied = api_of(client, document).patch(name, &parameters, &Patch::Apply(document)).await;
        applied.map_err(|error| format!("Error from server: {error}"))?;
    }
    Ok(())
}

/// Deletes what documents name, where it is there.
pub async fn delete(client: &Client, documents: &[Value]) {
    for document in documents {
        let name = document["metadata"]["name"].as_str().unwrap();
        let _ = api_of(client, document).delete(name, &DeleteParams::default()).await;
    }
}

/// Puts in what kubeadm and kind leave in a new cluster, as far as the lab looks at it.
///
/// With the file `node-not-ready` in the world, the node stays as it is without a network.
pub fn furnish(
    world: &World,
    config: &Value,
    name: &str,
) -> impl FnOnce(Client) -> std::pin::Pin<Box<dyn Future<Output = ()>>> {
    let labels = config["nodes"][0]["labels"].clone();
    let node = format!("{name}-control-plane");
    let ready = !world.has("node-not-ready");
    let message = "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized";
    let condition = match ready {
        true => json!({"type": "Ready", "status": "True", "reason": "KubeletReady"}),
        false => json!({"type": "Ready", "status": "False", "reason": "KubeletNotReady", "message": message}),
    };
    move |client| {
        Box::pin(async move {
            let documents = [
                json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node, "labels": labels}}),
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}}),
                json!({"apiVersion": "v1", "kind": "ConfigMap",
                       "metadata": {"name": "coredns", "namespace": "kube-system"},
                       "data": {"Corefile": COREFILE}}),
                idle("kube-system", "coredns", &json!({"k8s-app": "kube-dns"})),
            ];
            apply(&client, "kubeadm", &documents).await.unwrap();
            // The local lab's own node is none of kind's.
            delete(&client, &[json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "local"}})])
                .await;
            let ready = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}, "status": {
                "conditions": [condition]}});
            let nodes = api_of(&client, &ready);
            nodes.patch_status(&node, &PatchParams::default(), &Patch::Merge(&ready)).await.unwrap();
        })
    }
}

/// A Deployment of one pod that is there and does nothing.
pub fn idle(namespace: &str, name: &str, labels: &Value) -> Value {
    let program = std::env::current_exe().unwrap();
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": {"oidc-lab/owned": "true"}},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{
                    "name": name,
                    "image": format!("{}:v1", local_cluster::workloads::HOST_PROCESS_IMAGE),
                    "command": [program, "idle"],
                }]},
            },
        },
    })
}
