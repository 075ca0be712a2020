//! What the server sets in objects itself, whatever a client says: their first status, and what a kind
//! of write leaves alone.

use serde_json::{Value, json};

use crate::resources::CRDS;
use crate::store::object::{self, items, keep};

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
    if kind.is_core("Namespace") && subresource.is_none() {
        new["spec"]["finalizers"] = old["spec"]["finalizers"].clone();
    }
}

/// A CRD is established as soon as it is there: nothing has to be started for it.
pub fn establish(kind: &Kind, old: Option<&Value>, new: &mut Value) {
    if kind.resource.id() != CRDS {
        return;
    }
    let version = items(&new["spec"]["versions"]).find(|it| it["storage"] == true).map(|it| &it["name"]);
    let condition = |kind: &str, reason: &str, message: &str| {
        let since = object::since(old.unwrap_or(&Value::Null), kind, "True");
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
