//! What an object must be like to be stored: it has a name, is not too big, selects its own
//! pods, and keeps the fields that others rely on. Each problem names its field, as
//! kube-apiserver does. What else may be wrong with an object is met by whoever reads it.

use serde_json::{Map, Value};

use crate::store::object;

use super::kinds::Kind;
use super::names;
use super::status::{Cause, Refusal};

/// The most that a Secret or ConfigMap may hold.
const MAX_DATA: usize = 1024 * 1024;

/// The biggest object that is stored, as etcd has it by default.
const MAX_OBJECT: usize = 1536 * 1024;

/// What is wrong with an object.
#[derive(Debug, Default)]
pub struct Problems(Vec<Cause>);

impl Problems {
    fn add(&mut self, reason: &'static str, field: impl Into<String>, message: String) {
        self.0.push(Cause { reason, field: field.into(), message });
    }

    fn required(&mut self, field: impl Into<String>, detail: &str) {
        self.add("FieldValueRequired", field, format!("Required value{detail}"));
    }

    fn invalid(&mut self, field: impl Into<String>, value: &Value, detail: &str) {
        self.add("FieldValueInvalid", field, format!("Invalid value: {value}: {detail}"));
    }

    fn forbidden(&mut self, field: impl Into<String>, detail: &str) {
        self.add("FieldValueForbidden", field, format!("Forbidden: {detail}"));
    }

    fn immutable(&mut self, field: &str, old: &Value, new: &Value) {
        if old != new {
            self.invalid(field, new, "field is immutable");
        }
    }

    /// 422 if there is any problem, with all of them at once; 413 for an object that is too big.
    pub fn or_refuse(self, kind: &Kind, object: &Value) -> Result<(), Refusal> {
        if !self.0.is_empty() {
            let resource = &kind.resource;
            return Err(Refusal::invalid(&resource.group, &resource.kind, object::name(object), &self.0));
        }
        if object.to_string().len() > MAX_OBJECT {
            return Err(Refusal::too_large(&format!("limit is {MAX_OBJECT}")));
        }
        Ok(())
    }
}

/// Checks a new object.
pub fn create(kind: &Kind, object: &Value) -> Problems {
    let mut problems = Problems::default();
    metadata(kind, object, &mut problems);
    content(kind, object, &mut problems);
    problems
}

/// Checks a changed object.
pub fn update(kind: &Kind, old: &Value, new: &Value, subresource: Option<&str>) -> Problems {
    let mut problems = Problems::default();
    metadata(kind, new, &mut problems);
    let finalizers =
        |object: &Value| object["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
    let before = finalizers(old);
    if object::is_terminating(old) && finalizers(new).iter().any(|it| !before.contains(it)) {
        let why = "no new finalizers can be added if the object is being deleted";
        problems.forbidden("metadata.finalizers", why);
    }
    if subresource != Some("status") {
        content(kind, new, &mut problems);
        change(kind, old, new, &mut problems);
    }
    problems
}

fn metadata(kind: &Kind, object: &Value, problems: &mut Problems) {
    let name = object::name(object);
    let check = match kind.resource.kind.as_str() {
        "Namespace" if !kind.resource.custom => names::label,
        "Service" if !kind.resource.custom => names::label_1035,
        _ => names::subdomain,
    };
    if !name.is_empty() {
        if let Some(why) = check(name) {
            problems.invalid("metadata.name", &name.into(), why);
        }
    } else if object["metadata"]["generateName"].as_str().is_none_or(str::is_empty) {
        problems.required("metadata.name", ": name or generateName is required");
    }
    for (key, value) in entries(&object["metadata"]["labels"]) {
        let value = value.as_str().unwrap_or_default();
        for (text, why) in [(key.as_str(), names::qualified_name(key)), (value, names::label_value(value))] {
            if let Some(why) = why {
                problems.invalid("metadata.labels", &text.into(), why);
            }
        }
    }
}

fn entries(map: &Value) -> impl Iterator<Item = (&String, &Value)> {
    map.as_object().into_iter().flat_map(Map::iter)
}

fn content(kind: &Kind, object: &Value, problems: &mut Problems) {
    let spec = &object["spec"];
    match kind.resource.kind.as_str() {
        _ if kind.resource.custom => {}
        "Secret" | "ConfigMap" => data(object, problems),
        "Pod" => containers(spec, "spec.containers", problems),
        "Deployment" | "ReplicaSet" => {
            let labels = &spec["template"]["metadata"]["labels"];
            if spec["selector"].is_null() {
                problems.required("spec.selector", "");
            }
            if !matches(&spec["selector"], labels) {
                let why = "`selector` does not match template `labels`";
                problems.invalid("spec.template.metadata.labels", labels, why);
            }
            if spec["replicas"].as_i64().is_some_and(|it| it < 0) {
                problems.invalid("spec.replicas", &spec["replicas"], "must be greater than or equal to 0");
            }
            containers(&spec["template"]["spec"], "spec.template.spec.containers", problems);
        }
        "CustomResourceDefinition" => {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let wanted = format!("{}.{}", text(&spec["names"]["plural"]), text(&spec["group"]));
            if object::name(object) != wanted {
                let why = "must be spec.names.plural+\".\"+spec.group";
                problems.invalid("metadata.name", &object["metadata"]["name"], why);
            }
        }
        _ => {}
    }
}

/// Containers are told apart by their names, and each says what it runs.
fn containers(spec: &Value, at: &str, problems: &mut Problems) {
    let all = spec["containers"].as_array().map_or(&[][..], Vec::as_slice);
    if all.is_empty() {
        problems.required(at, "");
    }
    for (index, container) in all.iter().enumerate() {
        let name = container["name"].as_str().unwrap_or_default();
        if let Some(why) = names::label(name) {
            problems.invalid(format!("{at}[{index}].name"), &name.into(), why);
        }
        if all[..index].iter().any(|it| it["name"] == name) {
            problems.add(
                "FieldValueDuplicate",
                format!("{at}[{index}].name"),
                format!("Duplicate value: {name:?}"),
            );
        }
        if container["image"].as_str().is_none_or(str::is_empty) {
            problems.required(format!("{at}[{index}].image"), "");
        }
    }
}

/// The keys of a Secret or ConfigMap and its size.
fn data(object: &Value, problems: &mut Problems) {
    let is_secret = object["kind"] == "Secret";
    let mut total = 0;
    for field in ["data", "binaryData"] {
        for (key, value) in entries(&object[field]) {
            if let Some(why) = names::config_key(key) {
                problems.invalid(format!("{field}[{key}]"), &key.as_str().into(), why);
            }
            let text = value.as_str().unwrap_or_default();
            // Of base64 the bytes count that it stands for.
            let encoded = is_secret || field == "binaryData";
            total += if encoded { text.trim_end_matches('=').len() * 3 / 4 } else { text.len() };
        }
    }
    if total > MAX_DATA {
        let message = format!("Too long: may not be more than {MAX_DATA} bytes");
        problems.add("FieldValueTooLong", if is_secret { "data" } else { "[]" }, message);
    }
}

fn change(kind: &Kind, old: &Value, new: &Value, problems: &mut Problems) {
    let mut immutable = |path: &str| {
        let at = |object: &Value| path.split('.').fold(object.clone(), |value, name| value[name].clone());
        problems.immutable(path, &at(old), &at(new));
    };
    match kind.resource.kind.as_str() {
        _ if kind.resource.custom => {}
        "Deployment" | "ReplicaSet" => immutable("spec.selector"),
        "CustomResourceDefinition" => {
            immutable("spec.group");
            immutable("spec.scope");
        }
        "Service" => {
            let address =
                |object: &Value| object["spec"]["clusterIP"].as_str().is_some_and(|it| !it.is_empty());
            if address(old) && address(new) {
                immutable("spec.clusterIP");
            }
        }
        "Secret" | "ConfigMap" => {
            immutable("type");
            if old["immutable"] == true {
                for field in ["immutable", "data", "binaryData"] {
                    if old.get(field) != new.get(field) {
                        problems.forbidden(field, "field is immutable when `immutable` is set");
                    }
                }
            }
        }
        "Pod" if fixed(&old["spec"]) != fixed(&new["spec"]) => {
            problems
                .forbidden("spec", "pod updates may not change fields other than `spec.containers[*].image`");
        }
        _ => {}
    }
}

/// What of a pod stays as it was made.
fn fixed(spec: &Value) -> Value {
    let mut spec = spec.clone();
    for container in spec["containers"].as_array_mut().into_iter().flatten() {
        if let Some(container) = container.as_object_mut() {
            container.remove("image");
            container.remove("imagePullPolicy");
        }
    }
    if let Some(spec) = spec.as_object_mut() {
        spec.remove("nodeName");
        spec.retain(|_, value| !value.is_null());
    }
    spec
}

/// Whether labels satisfy a label selector that asks for something.
fn matches(selector: &Value, labels: &Value) -> bool {
    let expressions = selector["matchExpressions"].as_array().map_or(&[][..], Vec::as_slice);
    let mut exact = entries(&selector["matchLabels"]).peekable();
    (exact.peek().is_some() || !expressions.is_empty())
        && exact.all(|(key, value)| labels.get(key) == Some(value))
        && expressions.iter().all(|it| {
            let value = labels.get(it["key"].as_str().unwrap_or_default());
            let listed = it["values"].as_array().is_some_and(|all| value.is_some_and(|it| all.contains(it)));
            match it["operator"].as_str() {
                Some("In") => listed,
                Some("NotIn") => !listed,
                Some("Exists") => value.is_some(),
                Some("DoesNotExist") => value.is_none(),
                _ => false,
            }
        })
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
        create(&kind, &object).0.into_iter().map(|it| format!("{}: {}", it.field, it.message)).collect()
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
            update(&secrets, &old, &new, None).0.into_iter().map(|it| it.field).collect()
        };
        let secret = |kind: &str, value: &str, immutable: bool| json!({"kind": "Secret", "metadata": {"name": "s"}, "type": kind, "data": {"a": value}, "immutable": immutable});
        assert_eq!(changed(secret("Opaque", "eA==", false), secret("x/y", "eA==", false)), ["type"]);
        assert_eq!(changed(secret("Opaque", "eA==", true), secret("Opaque", "eQ==", true)), ["data"]);
        assert!(changed(secret("Opaque", "eA==", false), secret("Opaque", "eQ==", true)).is_empty());
    }
}
