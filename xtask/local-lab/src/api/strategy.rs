//! What is particular to a kind around a write: the parts that the server sets
//! itself, whatever a client says.

use serde_json::{Value, json};

use crate::store::{Key, Store, object};

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
        "Deployment" => json!({}),
        "ReplicaSet" => json!({"replicas": 0}),
        _ => return,
    };
    map.insert("status".into(), status);
    if kind.is_core("Namespace") {
        let spec = map.entry("spec").or_insert_with(|| json!({}));
        spec["finalizers"] = json!(["kubernetes"]);
    }
}

/// What controllers inside a real server would add at once.
pub fn after_create(kind: &Kind, new: &mut Value) {
    if kind.is_core("Namespace") {
        let name = object::name(new).to_owned();
        if let Some(metadata) = object::metadata_mut(new) {
            let labels = metadata.entry("labels").or_insert_with(|| json!({}));
            labels["kubernetes.io/metadata.name"] = name.into();
        }
    }
    establish(kind, None, new);
}

/// Leaves alone what this kind of write does not touch.
pub fn before_update(kind: &Kind, subresource: Option<&str>, old: &Value, new: &mut Value) {
    match subresource {
        Some("status") => {
            let status = new.get("status").cloned();
            let asked = new["metadata"].get("resourceVersion").cloned();
            *new = old.clone();
            let Value::Object(map) = new else { return };
            match status {
                Some(status) => map.insert("status".into(), status),
                None => map.remove("status"),
            };
            if let (Some(metadata), Some(asked)) = (object::metadata_mut(new), asked) {
                metadata.insert("resourceVersion".into(), asked);
            }
        }
        Some("finalize") => {
            let finalizers = new["spec"].get("finalizers").cloned();
            *new = old.clone();
            new["spec"]["finalizers"] = finalizers.unwrap_or_else(|| json!([]));
        }
        _ => {
            if let Value::Object(map) = new
                && kind.resource.has_status
            {
                match old.get("status") {
                    Some(status) => map.insert("status".into(), status.clone()),
                    None => map.remove("status"),
                };
            }
        }
    }
    // Deleting is a request of its own.
    if let Some(metadata) = object::metadata_mut(new) {
        for field in ["deletionTimestamp", "deletionGracePeriodSeconds"] {
            match old["metadata"].get(field) {
                Some(value) => metadata.insert(field.into(), value.clone()),
                None => metadata.remove(field),
            };
        }
    }
    if kind.is_core("Namespace") && subresource.is_none() {
        new["spec"]["finalizers"] = old["spec"]["finalizers"].clone();
    }
}

/// As [`after_create`].
pub fn after_change(kind: &Kind, old: &Value, new: &mut Value) {
    establish(kind, Some(old), new);
}

/// A pod that was let go while something held it is removed when nothing does.
pub fn after_update(store: &Store, kind: &Kind, key: &Key, object: &Value) {
    let held = object["metadata"]["finalizers"].as_array().is_some_and(|all| !all.is_empty());
    if kind.is_core("Pod")
        && object::is_terminating(object)
        && !held
        && object["metadata"]["deletionGracePeriodSeconds"] == 0
    {
        // Somebody else may have removed it by now.
        let _ = store.remove(key);
    }
}

/// A CRD is established as soon as it is there: nothing has to be started for it.
fn establish(kind: &Kind, old: Option<&Value>, new: &mut Value) {
    if !kind.is("apiextensions.k8s.io", "CustomResourceDefinition") {
        return;
    }
    let names = complete_names(new);
    let version = new["spec"]["versions"]
        .as_array()
        .and_then(|all| all.iter().find(|it| it["storage"] == true))
        .map(|it| it["name"].clone());
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
        "acceptedNames": names,
        "conditions": [
            condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ],
        "storedVersions": version.into_iter().collect::<Vec<_>>(),
    });
}

/// Fills in the names that follow from the kind.
fn complete_names(crd: &mut Value) -> Value {
    let Some(names) = crd.pointer_mut("/spec/names").and_then(Value::as_object_mut) else {
        return json!({});
    };
    let kind = names.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
    names.entry("singular").or_insert_with(|| kind.to_lowercase().into());
    names.entry("listKind").or_insert_with(|| format!("{kind}List").into());
    Value::Object(names.clone())
}
