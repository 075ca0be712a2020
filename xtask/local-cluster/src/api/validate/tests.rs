use serde_json::json;

use super::*;
use crate::api::defaults;
use crate::api::kinds::Kinds;
use crate::store::Store;

fn kind(group: &str, plural: &str) -> Kind {
    Kinds::default().find(&Store::new(), group, "v1", plural).unwrap()
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
    assert!(bad[0].starts_with("metadata.name: Invalid value: \"A_b\": a lowercase RFC 1123 subdomain must"));
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
    assert_eq!(
        wrong("apps", "deployments", spec(json!({"matchLabels": {"a": "1"}}), json!({"a": "2"}))),
        [
            "spec.template.metadata.labels: Invalid value: {\"a\":\"2\"}: `selector` does not match template `labels`"
        ]
    );
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
fn services_and_ingresses() {
    assert_eq!(
        wrong("", "services", json!({"metadata": {"name": "s"}, "spec": {}})),
        ["spec.ports: Required value"]
    );
    let ingress = json!({"metadata": {"name": "i"}, "spec": {"rules": [
        {"host": "a.host", "http": {"paths": [{"path": "x", "pathType": "Prefix", "backend": {"service": {"name": "s"}}}]}},
    ]}});
    assert_eq!(
        wrong("networking.k8s.io", "ingresses", ingress),
        [
            "spec.rules[0].http.paths[0].path: Invalid value: \"x\": must be an absolute path",
            "spec.rules[0].http.paths[0].backend: Required value: port name or number is required",
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

#[test]
fn custom_objects_are_held_against_their_schema() {
    let schema = json!({"type": "object", "properties": {"spec": {
        "type": "object", "required": ["size"],
        "properties": {
            "size": {"type": "integer", "minimum": 1},
            "mode": {"type": "string", "enum": ["a", "b"]},
            "port": {"x-kubernetes-int-or-string": true},
        },
    }}});
    let wrong = |object: Value| -> Vec<String> {
        let mut problems = Problems::default();
        custom::check(&object, &schema, &mut problems);
        problems.0.into_iter().map(|it| format!("{}: {}", it.field, it.message)).collect()
    };
    assert!(wrong(json!({"spec": {"size": 1, "mode": "a", "port": "x"}})).is_empty());
    assert_eq!(wrong(json!({"spec": {}})), ["spec.size: Required value"]);
    assert_eq!(
        wrong(json!({"spec": {"size": "x"}})),
        ["spec.size: Invalid value: \"string\": spec.size in body must be of type integer: \"string\""]
    );
    assert_eq!(wrong(json!({"spec": {"size": 0, "mode": "c"}})).len(), 2);
}
