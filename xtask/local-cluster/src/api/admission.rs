//! What the server sets in objects itself, whatever a client says: their first status, addresses,
//! accounts, and what a kind of write leaves alone.

use serde_json::{Value, json};

use crate::resources::CRDS;
use crate::store::Store;
use crate::store::object::{self, items, text};

use super::kinds::Kind;

/// The status that an object is born with.
pub fn before_create(kind: &Kind, new: &mut Value) {
    let Value::Object(map) = new else { return };
    if kind.resource.has_status && !kind.is_core("Node") {
        map.remove("status");
    }
    let status = match kind.resource.kind.as_str() {
        _ if kind.resource.custom => return,
        "Pod" => json!({"phase": "Pending", "qosClass": "BestEffort"}),
        "Namespace" => json!({"phase": "Active"}),
        "Service" | "Ingress" => json!({"loadBalancer": {}}),
        "ReplicaSet" => json!({"replicas": 0}),
        _ => return,
    };
    map.insert("status".into(), status);
    if kind.is_core("Namespace") {
        let spec = map.entry("spec").or_insert_with(|| json!({}));
        spec["finalizers"] = json!(["kubernetes"]);
    }
}

/// What admission and allocators of a real server add: nobody owns it.
pub fn admit(store: &Store, kind: &Kind, new: &mut Value) {
    let Some(spec) = new.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if kind.is_core("Pod") {
        let account = spec.entry("serviceAccountName").or_insert_with(|| "default".into()).clone();
        spec.insert("serviceAccount".into(), account);
    }
    if kind.is_core("Service") && spec.get("type").is_none_or(|it| it != "ExternalName") {
        let asked = spec.get("clusterIP").map_or("", text);
        let address = if asked.is_empty() { free_address(store) } else { asked.to_owned() };
        spec.insert("clusterIPs".into(), json!([address]));
        spec.insert("clusterIP".into(), address.into());
    }
}

/// An address of the range that real clusters use for services, which none has.
/// Nothing listens there: the ingress knows the way to the pods.
fn free_address(store: &Store) -> String {
    let (services, _) = store.list("services", None);
    let taken: Vec<&str> = services.iter().filter_map(|it| it["spec"]["clusterIP"].as_str()).collect();
    let addresses = (0..=255_u8).flat_map(|high| (10..=250_u8).map(move |low| format!("10.96.{high}.{low}")));
    addresses.into_iter().find(|it| !taken.contains(&it.as_str())).unwrap_or_default()
}

/// Leaves alone what this kind of write does not touch.
pub fn before_update(kind: &Kind, subresource: Option<&str>, old: &Value, new: &mut Value) {
    if subresource == Some("status") {
        let mut whole = old.clone();
        keep(&mut whole, new, &["status"]);
        keep(&mut whole["metadata"], &new["metadata"], &["managedFields"]);
        if !new["metadata"]["resourceVersion"].is_null() {
            keep(&mut whole["metadata"], &new["metadata"], &["resourceVersion"]);
        }
        *new = whole;
    } else if kind.resource.has_status {
        keep(new, old, &["status"]);
    }
    // Deleting is a request of its own.
    keep(&mut new["metadata"], &old["metadata"], &["deletionTimestamp", "deletionGracePeriodSeconds"]);
    if kind.is_core("Service") && new["spec"]["type"] != "ExternalName" {
        // What was allocated stays, also where a client leaves it out.
        for field in ["clusterIP", "clusterIPs"] {
            let empty = new["spec"].get(field).is_none_or(|it| it.is_null() || it == "");
            if empty {
                keep(&mut new["spec"], &old["spec"], &[field]);
            }
        }
    }
    if kind.is_core("Namespace") && subresource.is_none() {
        new["spec"]["finalizers"] = old["spec"]["finalizers"].clone();
    }
}

/// Gives an object the fields of another one.
fn keep(object: &mut Value, of: &Value, fields: &[&str]) {
    let Some(object) = object.as_object_mut() else { return };
    for field in fields {
        match of.get(field) {
            Some(value) => object.insert((*field).into(), value.clone()),
            None => object.remove(*field),
        };
    }
}

/// A CRD is established as soon as it is there: nothing has to be started for it.
pub fn establish(kind: &Kind, old: Option<&Value>, new: &mut Value) {
    if kind.resource.id() != CRDS {
        return;
    }
    let version = items(&new["spec"]["versions"]).find(|it| it["storage"] == true).map(|it| &it["name"]);
    let since = old
        .map(|old| old["status"]["conditions"][0]["lastTransitionTime"].clone())
        .filter(Value::is_string)
        .unwrap_or_else(|| object::timestamp().into());
    let condition = |kind: &str, reason: &str, message: &str| {
        json!({
            "type": kind, "status": "True", "lastTransitionTime": since, "reason": reason, "message": message,
        })
    };
    new["status"] = json!({
        "acceptedNames": new["spec"]["names"],
        "conditions": [
            condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ],
        "storedVersions": version.into_iter().collect::<Vec<_>>(),
    });
}
