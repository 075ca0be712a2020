//! Endpoints: where the pods behind a Service really listen.

use serde_json::{Value, json};

use super::context::Context;
use super::machine::{ADDRESS, NODE};
use super::owners;
use crate::endpoints::{container_port, listening};
use crate::store::Key;
use crate::store::object::{self, items};

/// Brings the Endpoints of a Service up to its pods.
pub(super) fn sync(context: &Context, service_key: &Key) {
    let store = &context.store;
    let key = Key::new("endpoints", &service_key.namespace, &service_key.name);
    let Some(service) = store.get(service_key) else {
        // Endpoints without a Service of their name are somebody else's work.
        if store.get(&key).is_some_and(|it| is_ours(&it)) {
            let _ = store.remove(&key);
        }
        return;
    };
    let wanted = &service["spec"]["selector"];
    // Without a selector a person says where the Service leads.
    if !wanted.is_object() || service["spec"]["type"] == "ExternalName" {
        return;
    }
    let (all, _) = store.list("pods", Some(&service_key.namespace));
    let selector = json!({"matchLabels": wanted});
    let chosen = all.iter().filter(|pod| object::selects(&selector, pod));
    let subsets: Vec<Value> = chosen.filter_map(|pod| subset(&service, pod)).collect();
    if store.change(&key, |endpoints| endpoints["subsets"] = subsets.clone().into()).is_none() {
        let mut labels = service["metadata"]["labels"].as_object().cloned().unwrap_or_default();
        labels.insert(MANAGED.into(), "endpoint-controller".into());
        let endpoints = json!({
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": {"name": &*key.name, "namespace": &*key.namespace, "labels": labels},
            "subsets": subsets,
        });
        let _ = store.create(&key, endpoints);
    }
}

const MANAGED: &str = "endpoints.kubernetes.io/managed-by";

fn is_ours(endpoints: &Value) -> bool {
    object::label(endpoints, MANAGED) == Some("endpoint-controller")
}

/// One pod's part. Pods of one machine share its address and differ in their ports, so
/// each is a subset of its own.
fn subset(service: &Value, pod: &Value) -> Option<Value> {
    let listening = listening(pod);
    // A pod that has not started yet has no address in a cluster either.
    if object::is_terminating(pod) || listening.is_empty() {
        return None;
    }
    let ports = items(&service["spec"]["ports"]).filter_map(|port| {
        let target = Some(&port["targetPort"]).filter(|it| !it.is_null()).unwrap_or(&port["port"]);
        let number = container_port(items(&pod["spec"]["containers"]), target)?;
        // Where nobody listens: in a cluster as here, a connection is refused.
        let real = listening.get(&number).map_or(0, std::net::SocketAddr::port);
        let mut entry = json!({"port": real, "protocol": "TCP"});
        if let Some(name) = port["name"].as_str() {
            entry["name"] = name.into();
        }
        Some(entry)
    });
    let ports: Vec<Value> = ports.collect();
    if ports.is_empty() {
        return None;
    }
    let ready = owners::is_ready(pod) || service["spec"]["publishNotReadyAddresses"] == true;
    let field = if ready { "addresses" } else { "notReadyAddresses" };
    let address = json!({
        "ip": ADDRESS,
        "nodeName": NODE,
        "targetRef": {
            "kind": "Pod",
            "name": object::name(pod),
            "namespace": object::namespace(pod),
            "uid": object::uid_of(pod),
        },
    });
    Some(json!({field: [address], "ports": ports}))
}
