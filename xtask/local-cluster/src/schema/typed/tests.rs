use serde_json::{Value, json};

use super::*;
use crate::schema::fields::Set;
use crate::schema::table::named;
use crate::schema::types::Struct;

fn deployment() -> &'static Struct {
    named("Deployment").unwrap()
}

fn containers(list: Value) -> Value {
    json!({"spec": {"template": {"spec": {"containers": list}}}})
}

#[test]
fn an_object_owns_the_fields_that_it_sets() {
    let object = json!({
        "metadata": {"labels": {"a": "1"}, "finalizers": ["x"]},
        "spec": {
            "selector": {"matchLabels": {"a": "1"}},
            "template": {"spec": {"containers": [
                {"name": "c", "command": ["x"], "ports": [{"containerPort": 80}], "resources": {}},
            ]}},
        },
    });
    assert_eq!(
        field_set(&object, deployment()).to_json(),
        json!({
            "f:metadata": {"f:labels": {"f:a": {}}, "f:finalizers": {"v:\"x\"": {}}},
            "f:spec": {
                "f:selector": {},
                "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"c\"}": {
                    ".": {}, "f:name": {}, "f:command": {}, "f:resources": {},
                    "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}},
                }}}},
            },
        })
    );
}

#[test]
fn differences_are_sorted_into_removed_modified_and_added() {
    let old = containers(json!([{"name": "a", "image": "1"}, {"name": "b"}]));
    let new = containers(json!([{"name": "a", "image": "2"}, {"name": "c"}]));
    let difference = compare(&old, &new, deployment());
    let at = ".spec.template.spec.containers";
    assert_eq!(difference.modified.paths(), [format!("{at}[name=\"a\"].image")]);
    assert_eq!(difference.removed.paths(), [format!("{at}[name=\"b\"]"), format!("{at}[name=\"b\"].name")]);
    assert_eq!(difference.added.paths(), [format!("{at}[name=\"c\"]"), format!("{at}[name=\"c\"].name")]);
    let first = compare(&json!({}), &json!({"metadata": {"labels": {"a": "1"}}}), deployment());
    assert_eq!(first.added.paths(), [".metadata", ".metadata.labels", ".metadata.labels.a"]);
}

#[test]
fn applied_items_are_merged_in_their_order() {
    let names = |object: &Value| -> Vec<String> {
        object["spec"]["template"]["spec"]["containers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let list = |names: &[&str]| containers(names.iter().map(|name| json!({"name": name})).collect());
    for (live, applied, merged) in [
        (&["a", "b", "c"][..], &["c", "a"][..], &["b", "c", "a"][..]),
        (&["a", "b"], &["x", "b"], &["a", "x", "b"]),
        (&["a", "b"], &["b", "a"], &["b", "a"]),
        (&[], &["a"], &["a"]),
        (&["a"], &[], &["a"]),
    ] {
        assert_eq!(names(&merge(&list(live), &list(applied), deployment())), merged, "{live:?} {applied:?}");
    }
    let live = containers(json!([{"name": "a", "image": "1", "command": ["x"]}]));
    let applied = containers(json!([{"name": "a", "image": "2"}]));
    let merged = merge(&live, &applied, deployment());
    assert_eq!(merged, containers(json!([{"name": "a", "image": "2", "command": ["x"]}])));
}

#[test]
fn what_is_removed_takes_emptied_structs_along() {
    let object = json!({"metadata": {"labels": {"a": "1", "b": "2"}}, "spec": {"replicas": 1}});
    let mut gone = Set::default();
    gone.insert(&["f:metadata", "f:labels", "f:a"]);
    gone.insert(&["f:spec", "f:replicas"]);
    assert_eq!(remove(&object, &gone, deployment()), json!({"metadata": {"labels": {"b": "2"}}}));
    let named = with_named_fields(&gone, deployment());
    assert!(named.children["f:spec"].member);
    assert!(named.children["f:metadata"].children["f:labels"].member);
}

#[test]
fn undeclared_fields_and_items_without_key_are_named() {
    let error = check(&json!({"spec": {"foo": 1}}), deployment()).unwrap_err();
    assert_eq!(error.to_string(), ".spec.foo: field not declared in schema");
    let twice = containers(json!([{"name": "a"}, {"name": "a"}]));
    assert_eq!(
        check(&twice, deployment()).unwrap_err().to_string(),
        ".spec.template.spec.containers: duplicate entries for key [name=\"a\"]"
    );
    let account = json!({"secrets": [{}]});
    let error = check(&account, named("ServiceAccount").unwrap()).unwrap_err().to_string();
    assert!(error.starts_with(
        ".secrets: element 0: associative list with keys has an element that omits key field \"name\""
    ));
}
