//! What an object must be like to be stored: it has a name, is not too big, selects its own
//! pods, and keeps the fields that others rely on. Each problem names its field, as
//! kube-apiserver does. What else may be wrong with an object is met by whoever reads it.

use serde_json::{Map, Value};

use crate::resources::RBAC;
use crate::store::object::{self, items, text};

use super::kinds::Kind;
use super::names;
use super::status::{Cause, Refusal};

/// The most that a Secret or ConfigMap may hold.
const MAX_DATA: usize = 1024 * 1024;

/// The biggest object that is stored, as etcd has it by default.
const MAX_OBJECT: usize = 1536 * 1024;

fn cause(reason: &'static str, field: impl Into<String>, message: impl Into<String>) -> Cause {
    Cause { reason, field: field.into(), message: message.into() }
}

fn required(field: &str, detail: &str) -> Cause {
    cause("FieldValueRequired", field, format!("Required value{detail}"))
}

fn invalid(field: impl Into<String>, value: &Value, detail: &str) -> Cause {
    cause("FieldValueInvalid", field, format!("Invalid value: {value}: {detail}"))
}

/// 422 if there is any problem, with all of them at once; 413 for an object that is too big.
pub fn refuse(problems: &[Cause], kind: &Kind, object: &Value) -> Result<(), Refusal> {
    if !problems.is_empty() {
        let resource = &kind.resource;
        return Err(Refusal::invalid(&resource.group, &resource.kind, object::name(object), problems));
    }
    if object.to_string().len() > MAX_OBJECT {
        return Err(Refusal::too_large(&format!("limit is {MAX_OBJECT}")));
    }
    Ok(())
}

/// What is wrong with a new object.
pub fn create(kind: &Kind, object: &Value) -> Vec<Cause> {
    let mut problems = metadata(kind, object);
    problems.extend(content(kind, object));
    problems
}

/// What is wrong with a changed object.
pub fn update(kind: &Kind, old: &Value, new: &Value, subresource: Option<&str>) -> Vec<Cause> {
    let mut problems = metadata(kind, new);
    fn finalizers(object: &Value) -> std::slice::Iter<'_, Value> {
        items(&object["metadata"]["finalizers"])
    }
    if object::is_terminating(old) && finalizers(new).any(|it| !finalizers(old).any(|old| old == it)) {
        let why = "Forbidden: no new finalizers can be added if the object is being deleted";
        problems.push(cause("FieldValueForbidden", "metadata.finalizers", why));
    }
    if subresource != Some("status") {
        problems.extend(content(kind, new));
        problems.extend(change(kind, old, new));
    }
    problems
}

fn metadata(kind: &Kind, object: &Value) -> Vec<Cause> {
    let (mut problems, name) = (vec![], object::name(object));
    let check = match kind.resource.kind.as_str() {
        "Namespace" if !kind.resource.custom => names::label,
        "Service" if !kind.resource.custom => names::label_1035,
        _ if kind.resource.group == RBAC => names::path_segment,
        _ => names::subdomain,
    };
    if name.is_empty() && text(&object["metadata"]["generateName"]).is_empty() {
        problems.push(required("metadata.name", ": name or generateName is required"));
    }
    if let (false, Some(why)) = (name.is_empty(), check(name)) {
        problems.push(invalid("metadata.name", &name.into(), why));
    }
    for (key, value) in entries(&object["metadata"]["labels"]) {
        let value = text(value);
        for (text, why) in [(key.as_str(), names::qualified_name(key)), (value, names::label_value(value))] {
            problems.extend(why.map(|why| invalid("metadata.labels", &text.into(), why)));
        }
    }
    problems
}

fn entries(map: &Value) -> impl Iterator<Item = (&String, &Value)> {
    map.as_object().into_iter().flat_map(Map::iter)
}

fn content(kind: &Kind, object: &Value) -> Vec<Cause> {
    let spec = &object["spec"];
    match kind.resource.kind.as_str() {
        _ if kind.resource.custom => vec![],
        "Secret" | "ConfigMap" => data(object),
        "Pod" => containers(spec, "spec.containers"),
        "Deployment" | "ReplicaSet" => {
            let template = &spec["template"];
            let mut problems = vec![];
            if spec["selector"].is_null() {
                problems.push(required("spec.selector", ""));
            }
            if !object::selects(&spec["selector"], template) {
                let why = "`selector` does not match template `labels`";
                problems.push(invalid("spec.template.metadata.labels", &template["metadata"]["labels"], why));
            }
            problems.extend(containers(&template["spec"], "spec.template.spec.containers"));
            problems
        }
        "CustomResourceDefinition" => {
            let wanted = format!("{}.{}", text(&spec["names"]["plural"]), text(&spec["group"]));
            let why = "must be spec.names.plural+\".\"+spec.group";
            match object::name(object) {
                name if name == wanted => vec![],
                name => vec![invalid("metadata.name", &name.into(), why)],
            }
        }
        _ => vec![],
    }
}

/// Containers are there, and told apart by their names, which are those of files too.
fn containers(spec: &Value, at: &str) -> Vec<Cause> {
    let names: Vec<&str> = items(&spec["containers"]).map(|it| text(&it["name"])).collect();
    let mut problems = vec![];
    if names.is_empty() {
        problems.push(required(at, ""));
    }
    for (index, name) in names.iter().enumerate() {
        let field = format!("{at}[{index}].name");
        if let Some(why) = names::label(name) {
            problems.push(invalid(field, &(*name).into(), why));
        } else if names[..index].contains(name) {
            problems.push(cause("FieldValueDuplicate", field, format!("Duplicate value: {name:?}")));
        }
    }
    problems
}

/// The keys of a Secret or ConfigMap and its size.
fn data(object: &Value) -> Vec<Cause> {
    let (mut problems, mut total, is_secret) = (vec![], 0, object["kind"] == "Secret");
    for field in ["data", "binaryData"] {
        for (key, value) in entries(&object[field]) {
            let why = names::config_key(key);
            problems.extend(why.map(|why| invalid(format!("{field}[{key}]"), &key.as_str().into(), why)));
            let text = text(value);
            // Of base64 the bytes count that it stands for.
            let encoded = is_secret || field == "binaryData";
            total += if encoded { text.trim_end_matches('=').len() * 3 / 4 } else { text.len() };
        }
    }
    if total > MAX_DATA {
        let message = format!("Too long: may not be more than {MAX_DATA} bytes");
        problems.push(cause("FieldValueTooLong", if is_secret { "data" } else { "[]" }, message));
    }
    problems
}

fn change(kind: &Kind, old: &Value, new: &Value) -> Vec<Cause> {
    let fields: &[&str] = match kind.resource.kind.as_str() {
        _ if kind.resource.custom => &[],
        "Deployment" | "ReplicaSet" => &["/spec/selector"],
        "CustomResourceDefinition" => &["/spec/group", "/spec/scope"],
        "Secret" | "ConfigMap" if old["immutable"] == true => {
            &["/type", "/immutable", "/data", "/binaryData"]
        }
        "Secret" => &["/type"],
        "RoleBinding" | "ClusterRoleBinding" => &["/roleRef"],
        _ => &[],
    };
    let changed = fields.iter().filter(|path| old.pointer(path) != new.pointer(path));
    changed
        .map(|path| cause("FieldValueInvalid", path[1..].replace('/', "."), "field is immutable"))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::defaults;
    use crate::api::kinds;
    use crate::store::Store;

    fn kind(group: &str, plural: &str) -> Kind {
        kinds::find(&Store::new(), group, "v1", plural).unwrap()
    }

    /// `field: message` of everything that is wrong with an object.
    fn wrong(group: &str, plural: &str, mut object: Value) -> Vec<String> {
        let kind = kind(group, plural);
        object["kind"] = kind.resource.kind.clone().into();
        defaults::fill(&kind, &mut object);
        create(&kind, &object).into_iter().map(|it| format!("{}: {}", it.field, it.message)).collect()
    }

    #[test]
    fn names_and_labels() {
        assert_eq!(
            wrong("", "configmaps", json!({"metadata": {}})),
            ["metadata.name: Required value: name or generateName is required"]
        );
        assert!(wrong("", "configmaps", json!({"metadata": {"generateName": "a-"}})).is_empty());
        let bad = wrong("", "configmaps", json!({"metadata": {"name": "A_b", "labels": {"a b": "c d"}}}));
        assert_eq!(bad.len(), 3, "{bad:?}");
        assert!(
            bad[0].starts_with("metadata.name: Invalid value: \"A_b\": a lowercase RFC 1123 subdomain must")
        );
    }

    #[test]
    fn keys_and_sizes_of_data() {
        let bad = wrong("", "secrets", json!({"metadata": {"name": "s"}, "data": {"a/b": "eA=="}}));
        assert!(bad[0].starts_with("data[a/b]: Invalid value: \"a/b\": a valid config key must"), "{bad:?}");
        let big = "x".repeat(MAX_DATA + 1);
        let bad = wrong("", "configmaps", json!({"metadata": {"name": "c"}, "data": {"k": big}}));
        assert_eq!(bad, ["[]: Too long: may not be more than 1048576 bytes"]);
    }

    #[test]
    fn a_deployment_needs_a_selector_that_matches() {
        let spec = |selector: Value, labels: Value| {
            json!({"metadata": {"name": "d"}, "spec": {
                "selector": selector,
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "b"}]}},
            }})
        };
        let good = spec(json!({"matchLabels": {"a": "1"}}), json!({"a": "1", "b": "2"}));
        assert!(wrong("apps", "deployments", good).is_empty());
        for other in [json!({"matchLabels": {"a": "1"}}), json!({"matchLabels": {}}), json!({})] {
            assert_eq!(
                wrong("apps", "deployments", spec(other, json!({"a": "2"}))),
                [
                    "spec.template.metadata.labels: Invalid value: {\"a\":\"2\"}: `selector` does not match template `labels`"
                ]
            );
        }
        let bare = wrong("apps", "deployments", json!({"metadata": {"name": "d"}, "spec": {"template": {}}}));
        assert_eq!(
            bare,
            [
                "spec.selector: Required value",
                "spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`",
                "spec.template.spec.containers: Required value",
            ]
        );
    }

    #[test]
    fn what_is_immutable_stays() {
        let secrets = kind("", "secrets");
        let changed = |old: Value, new: Value| -> Vec<String> {
            update(&secrets, &old, &new, None).into_iter().map(|it| it.field).collect()
        };
        let secret = |kind: &str, value: &str, immutable: bool| json!({"kind": "Secret", "metadata": {"name": "s"}, "type": kind, "data": {"a": value}, "immutable": immutable});
        assert_eq!(changed(secret("Opaque", "eA==", false), secret("x/y", "eA==", false)), ["type"]);
        assert_eq!(changed(secret("Opaque", "eA==", true), secret("Opaque", "eQ==", true)), ["data"]);
        assert!(changed(secret("Opaque", "eA==", false), secret("Opaque", "eQ==", true)).is_empty());
    }
}
