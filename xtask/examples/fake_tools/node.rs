//! The kubelet of a cluster's node, for pods that are assigned to it: one whose image
//! cannot be pulled, and one that asks the cluster's name server for a name. Its answer is read off the live Corefile and the
//! Services, as CoreDNS would find it; nothing is sent to any name server.

use std::collections::HashSet;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Pod, Service};
use kube::Client;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use serde_json::json;

use super::api;
use super::world::World;

/// An image that this kubelet cannot pull: for the reason in the world's file
/// `dex-without-image`, in the words that kubelet and containerd have for it.
pub const MISSING: &str = "ghcr.io/dexidp/dex:v2.45.1";

/// Plays the kubelet until its cluster is gone.
pub fn run(world: &World, cluster: &str) {
    let kubeconfig = world.lab(cluster).join("kubeconfig");
    let node = format!("{cluster}-control-plane");
    let _ = api::run(&kubeconfig.clone(), |client| async move {
        let pods: Api<Pod> = Api::all(client.clone());
        let changes = watcher(pods, watcher::Config::default()).default_backoff().applied_objects();
        let mut changes = std::pin::pin!(changes);
        let mut done = HashSet::new();
        let deaf = world.has("no-rewrite");
        loop {
            // A cluster that is gone says nothing more; its folder says it.
            let next = tokio::time::timeout(Duration::from_secs(1), changes.next()).await;
            if !kubeconfig.exists() {
                return;
            }
            let Ok(Some(Ok(pod))) = next else { continue };
            let mine = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) == Some(&node);
            if mine && done.insert(pod.metadata.uid.clone()) {
                let image = pod.spec.as_ref().and_then(|spec| spec.containers[0].image.clone());
                match image.as_deref() {
                    Some(MISSING) => cannot_pull(&client, &pod, world).await,
                    _ => answer(&client, &pod, deaf).await,
                }
            }
        }
    });
}

/// Answers a pod. A name server that is `deaf` has not read its Corefile.
async fn answer(client: &Client, pod: &Pod, deaf: bool) {
    let container = &pod.spec.as_ref().unwrap().containers[0];
    let asked = container.command.iter().flatten().find_map(|arg| {
        let mut words = arg.split_whitespace();
        (words.next() == Some("getent")).then(|| words.nth(1).unwrap_or_default().to_owned())
    });
    let address = match deaf {
        true => None,
        false => resolve(client, &asked.unwrap_or_default()).await,
    };
    let (code, message) = match address {
        Some(address) => (0, format!("{address}     STREAM dex.host\n{address}     DGRAM\n")),
        None => (2, String::new()),
    };
    let namespace = pod.metadata.namespace.as_deref().unwrap();
    let status = json!({"status": {
        "phase": if code == 0 { "Succeeded" } else { "Failed" },
        "containerStatuses": [{
            "name": container.name, "image": container.image, "imageID": "", "ready": false, "restartCount": 0,
            "state": {"terminated": {"exitCode": code, "message": message, "reason": "Completed"}},
        }],
    }});
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let name = pod.metadata.name.as_deref().unwrap();
    let _ = pods.patch_status(name, &PatchParams::default(), &Patch::Merge(&status)).await;
}

/// Tries to pull an image again and again, faster than the real one.
async fn cannot_pull(client: &Client, pod: &Pod, world: &World) {
    let why = std::fs::read_to_string(world.file("dex-without-image")).unwrap_or_default();
    let why = format!(
        "failed to pull and unpack image {MISSING:?}: failed to resolve reference {MISSING:?}: {}",
        why.trim()
    );
    let (namespace, name) =
        (pod.metadata.namespace.as_deref().unwrap(), pod.metadata.name.as_deref().unwrap());
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let events: Api<Event> = Api::namespaced(client.clone(), namespace);
    for time in 1..=100 {
        let message = format!("Failed to pull image {MISSING:?}: {why}");
        let event: Event = serde_json::from_value(json!({
            "metadata": {"name": format!("{name}.failed"), "namespace": namespace},
            "involvedObject": {"kind": "Pod", "name": name, "namespace": namespace, "uid": pod.metadata.uid},
            "reason": "Failed", "message": message, "count": time, "type": "Warning",
        }))
        .unwrap();
        let _ = match time {
            1 => events.create(&PostParams::default(), &event).await,
            _ => {
                let name = event.metadata.name.clone().unwrap();
                let count = Patch::Merge(json!({"count": time}));
                events.patch(&name, &PatchParams::default(), &count).await
            }
        };
        for reason in ["ErrImagePull", "ImagePullBackOff"] {
            let status = json!({"status": {"phase": "Pending", "containerStatuses": [{
                "name": "dex", "image": MISSING, "imageID": "", "ready": false, "restartCount": 0,
                "state": {"waiting": {"reason": reason, "message": why}},
            }]}});
            let _ = pods.patch_status(name, &PatchParams::default(), &Patch::Merge(&status)).await;
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
    }
}

/// What CoreDNS would answer: a rewrite of the Corefile, then the Service of that name.
async fn resolve(client: &Client, name: &str) -> Option<String> {
    let configs: Api<ConfigMap> = Api::namespaced(client.clone(), "kube-system");
    let corefile = configs.get("coredns").await.ok()?.data?.remove("Corefile")?;
    let rewrite = format!("rewrite name {name} ");
    let target = corefile.lines().find_map(|line| line.trim().strip_prefix(&rewrite))?.trim().to_owned();
    let mut parts = target.split('.');
    let (service, namespace) = (parts.next()?, parts.next()?);
    let services: Api<Service> = Api::namespaced(client.clone(), namespace);
    services.get(service).await.ok()?.spec?.cluster_ip
}
