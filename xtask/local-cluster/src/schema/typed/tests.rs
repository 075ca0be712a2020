use serde_json::{Value, json};

use super::*;
use crate::schema::fields::to_json;
use crate::schema::table::named;
use crate::schema::types::Struct;

fn deployment() -> &'static Struct {
    named("Deployment").unwrap()
}

fn paths(set: &Set) -> Vec<String> {
    set.iter().map(|path| readable(path)).collect()
}

fn differences(old: &Value, new: &Value) -> Difference {
    compare(&Fields::of(old, deployment()), &Fields::of(new, deployment()))
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
        to_json(&Fields::of(&object, deployment()).set()),
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
    let difference = differences(&old, &new);
    let at = ".spec.template.spec.containers";
    assert_eq!(paths(&difference.modified), [format!("{at}[name=\"a\"].image")]);
    assert_eq!(paths(&difference.removed), [format!("{at}[name=\"b\"]"), format!("{at}[name=\"b\"].name")]);
    assert_eq!(paths(&difference.added), [format!("{at}[name=\"c\"]"), format!("{at}[name=\"c\"].name")]);
    let first = differences(&json!({}), &json!({"metadata": {"labels": {"a": "1"}}}));
    assert_eq!(paths(&first.added), [".metadata.labels", ".metadata.labels.a"]);
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
    let path = |edges: &[&str]| edges.iter().map(|edge| (*edge).to_owned()).collect();
    let gone = Set::from([path(&["f:metadata", "f:labels", "f:a"]), path(&["f:spec", "f:replicas"])]);
    assert_eq!(remove(&object, &gone, deployment()), json!({"metadata": {"labels": {"b": "2"}}}));
}

#[test]
fn items_that_cannot_be_told_apart_are_named() {
    let twice = containers(json!([{"name": "a"}, {"name": "a"}]));
    assert_eq!(
        Fields::of(&twice, deployment()).problem.unwrap(),
        ".spec.template.spec.containers: duplicate entries for key [name=\"a\"]"
    );
    let account = json!({"secrets": [{}]});
    let problem = Fields::of(&account, named("ServiceAccount").unwrap()).problem.unwrap();
    assert!(problem.starts_with(
        ".secrets: element 0: associative list with keys has an element that omits key field \"name\""
    ));
}
