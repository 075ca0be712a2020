//! Endpoints: where the pods behind a Service really listen.

use serde_json::{Value, json};

use super::context::Context;
use super::machine::{ADDRESS, NODE};
use super::{pods, selector};
use crate::store::{Key, WriteError, object};

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
    let chosen = all.iter().filter(|pod| selector::plain(wanted, pod));
    let subsets: Vec<Value> = chosen.filter_map(|pod| subset(&service, pod)).collect();
    let written = store.update(&key, |old| {
        let mut new = old.clone();
        new["subsets"] = subsets.clone().into();
        Ok::<_, WriteError>(new)
    });
    if written.is_err() {
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
    if object::is_terminating(pod) || pods::has_ended(pod) {
        return None;
    }
    let listening = pods::listening(pod);
    // A pod that has not started yet has no address in a cluster either.
    if listening.is_empty() {
        return None;
    }
    let ports = service["spec"]["ports"].as_array().into_iter().flatten().filter_map(|port| {
        let number = target(port, pod)?;
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
    let ready = pods::is_ready(pod) || service["spec"]["publishNotReadyAddresses"] == true;
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

/// The container port that a Service's port leads to: a number, or the name of one.
fn target(port: &Value, pod: &Value) -> Option<u16> {
    let number = |value: &Value| value.as_u64().and_then(|it| u16::try_from(it).ok());
    let name = match &port["targetPort"] {
        Value::Null => return number(&port["port"]),
        Value::String(name) => name,
        value => return number(value),
    };
    if let Ok(number) = name.parse() {
        return Some(number);
    }
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
    let mut ports = containers.flat_map(|container| container["ports"].as_array().into_iter().flatten());
    ports.find(|it| it["name"] == name.as_str()).and_then(|it| number(&it["containerPort"]))
}
