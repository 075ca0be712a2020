use std::sync::LazyLock;

use super::*;
use crate::resources;
use crate::schema::table::named;
use crate::store::Store;

fn writer(manager: &str) -> Writer<'_> {
    static MAPS: LazyLock<Resource> =
        LazyLock::new(|| resources::find(&Store::new(), "", "v1", "configmaps").unwrap());
    Writer { manager, resource: &MAPS, subresource: "", structure: named("ConfigMap").unwrap() }
}

fn config(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data})
}

/// As the store would hand it back.
fn stored(mut object: Value) -> Value {
    object["metadata"]["uid"] = "u".into();
    object
}

fn owners(object: &Value) -> Vec<(String, Vec<String>)> {
    managers(object)
        .into_iter()
        .map(|it| (it.manager.clone(), it.set.iter().map(|path| readable(path)).collect()))
        .collect()
}

#[test]
fn who_creates_owns_it_and_who_changes_takes_over() {
    let mut new = config(json!({"a": "1", "b": "1"}));
    writer("one").track_update(None, &mut new);
    assert_eq!(owners(&new), [("one".into(), vec![".data".into(), ".data.a".into(), ".data.b".into()])]);
    let live = stored(new);
    let mut changed = live.clone();
    changed["data"]["b"] = "2".into();
    writer("two").track_update(Some(&live), &mut changed);
    assert_eq!(
        owners(&changed),
        [("one".into(), vec![".data".into(), ".data.a".into()]), ("two".into(), vec![".data.b".into()])]
    );
}

#[test]
fn an_apply_takes_back_what_it_no_longer_says() {
    let live = stored(writer("one").apply(&json!({}), &config(json!({"a": "1", "b": "1"})), false).unwrap());
    let other = stored(writer("two").apply(&live, &config(json!({"b": "1", "c": "1"})), false).unwrap());
    let next = writer("one").apply(&other, &config(json!({"a": "2"})), false).unwrap();
    assert_eq!(next["data"], json!({"a": "2", "b": "1", "c": "1"}), "b is still the other's");
    let last = writer("two").apply(&stored(next), &config(json!({})), false).unwrap();
    assert_eq!(last["data"], json!({"a": "2"}));
}

#[test]
fn a_conflict_names_who_and_what_and_force_takes_it() {
    let live = stored(writer("one").apply(&json!({}), &config(json!({"a": "1"})), false).unwrap());
    let refused = writer("two").apply(&live, &config(json!({"a": "2"})), false).unwrap_err();
    assert_eq!(refused.code, 409);
    assert_eq!(refused.message, "Apply failed with 1 conflict: conflict with \"one\": .data.a");
    assert_eq!(
        refused.details["causes"],
        json!([{"reason": "FieldManagerConflict", "message": "conflict with \"one\"", "field": ".data.a"}])
    );
    let forced = writer("two").apply(&live, &config(json!({"a": "2"})), true).unwrap();
    assert_eq!(owners(&forced), [("two".into(), vec![".data.a".into()])]);

    let mut updated = stored(forced);
    let before = updated.clone();
    updated["data"]["a"] = "3".into();
    updated["data"]["x"] = "3".into();
    writer("edit").track_update(Some(&before), &mut updated);
    let refused = writer("two").apply(&updated, &config(json!({"a": "2", "x": "1"})), false).unwrap_err();
    assert_eq!(
        refused.message,
        "Apply failed with 2 conflicts: conflict with \"edit\" using v1: .data.a\n- conflict with \"edit\" using v1: .data.x"
    );
}

#[test]
fn the_same_apply_again_changes_nothing() {
    let first = stored(writer("one").apply(&json!({}), &config(json!({"a": "1"})), false).unwrap());
    let again = writer("one").apply(&first, &config(json!({"a": "1"})), false).unwrap();
    assert!(same_but_for_times(&first, &again));
}

#[test]
fn an_item_goes_with_who_applied_it_and_a_name_never() {
    let resource = resources::find(&Store::new(), "apps", "v1", "deployments").unwrap();
    let structure = named("Deployment").unwrap();
    let writer = |manager| Writer { manager, resource: &resource, subresource: "", structure };
    let deployment = |metadata: Value, containers: Value| {
        let spec = json!({"template": {"spec": {"containers": containers}}});
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec})
    };
    let both = json!([{"name": "a"}, {"name": "b", "image": "1"}]);
    let first = deployment(json!({"name": "d", "labels": {"a": "1"}}), both);
    let first = stored(writer("one").apply(&json!({}), &first, false).unwrap());
    let mut edited = first.clone();
    edited["spec"]["template"]["spec"]["containers"][1]["image"] = "2".into();
    writer("edit").track_update(Some(&first), &mut edited);
    let next = deployment(json!({"name": "d"}), json!([{"name": "a"}]));
    let next = writer("one").apply(&edited, &next, false).unwrap();
    assert_eq!(next["spec"]["template"]["spec"]["containers"], json!([{"name": "a"}]));
    assert_eq!((&next["metadata"]["name"], next["metadata"].get("labels")), (&json!("d"), None));
}
