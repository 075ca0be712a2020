//! Strategic merge patches: a merge patch that knows which lists are merged by a
//! key, with directives for what a merge cannot say.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::types::{Field, Type};

const PATCH: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const SET_ORDER: &str = "$setElementOrder/";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";

/// A patch that says nothing sensible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadPatch(pub String);

/// Merges `patch` into `target`, which is of type `of`.
///
/// # Errors
/// [`BadPatch`]; `target` is then half merged and to be thrown away.
pub fn merge(
    target: &mut Map<String, Value>,
    mut patch: Map<String, Value>,
    of: Option<&Type>,
) -> Result<(), BadPatch> {
    match patch.remove(PATCH).as_ref().map(|it| it.as_str().unwrap_or_default()) {
        None => {}
        Some("replace") => {
            *target = patch;
            return Ok(());
        }
        Some("delete") => {
            target.clear();
            return Ok(());
        }
        Some(other) => return Err(BadPatch(format!("unknown patch type: {other}"))),
    }
    if let Some(retain) = patch.remove(RETAIN_KEYS) {
        retain_keys(target, &patch, &retain)?;
    }
    ordered_lists(target, &mut patch, of)?;
    for (name, value) in patch {
        if let Some(list) = name.strip_prefix(DELETE_FROM) {
            delete_from(target, list, &value)?;
            continue;
        }
        if value.is_null() {
            target.remove(&name);
            continue;
        }
        let field = field(of, &name);
        match (target.get_mut(&name), value) {
            (Some(Value::Object(old)), Value::Object(new)) => {
                merge(old, new, inner(of, field, &name).as_ref())?;
            }
            (Some(Value::Array(old)), Value::Array(new)) => {
                let merged = merge_list(std::mem::take(old), new, field)?;
                *old = merged;
            }
            (_, value) => match without_directives(value) {
                Some(value) => {
                    target.insert(name, value);
                }
                None => {
                    target.remove(&name);
                }
            },
        }
    }
    Ok(())
}

fn field<'a>(of: Option<&'a Type>, name: &str) -> Option<&'a Field> {
    of?.as_struct()?.field(name)
}

/// The type of what stands under `name`: a field, or an entry of a map.
fn inner(of: Option<&Type>, field: Option<&Field>, name: &str) -> Option<Type> {
    match (of, field) {
        (_, Some(field)) => Some(field.of.clone()),
        (Some(Type::Map(item)), None) => Some((**item).clone()),
        (Some(of), None) => of.as_struct()?.field(name).map(|it| it.of.clone()),
        (None, None) => None,
    }
}

fn retain_keys(
    target: &mut Map<String, Value>,
    patch: &Map<String, Value>,
    retain: &Value,
) -> Result<(), BadPatch> {
    let bad = || BadPatch("invalid patch format of retainKeys".into());
    let keep: Vec<&str> = retain.as_array().ok_or_else(bad)?.iter().filter_map(Value::as_str).collect();
    let named = |name: &str| keep.contains(&name);
    let free = |name: &str| name.starts_with(DELETE_FROM) || name.starts_with(SET_ORDER);
    if patch.iter().any(|(name, value)| !value.is_null() && !free(name) && !named(name)) {
        return Err(bad());
    }
    target.retain(|name, _| named(name));
    Ok(())
}

fn delete_from(target: &mut Map<String, Value>, list: &str, gone: &Value) -> Result<(), BadPatch> {
    let Some(gone) = gone.as_array() else {
        return Err(BadPatch(format!("{DELETE_FROM}{list} must be a list")));
    };
    if let Some(Value::Array(items)) = target.get_mut(list) {
        items.retain(|item| !gone.contains(item));
    }
    Ok(())
}

/// Lists for which the patch says in which order their items stand.
fn ordered_lists(
    target: &mut Map<String, Value>,
    patch: &mut Map<String, Value>,
    of: Option<&Type>,
) -> Result<(), BadPatch> {
    let directives: Vec<String> = patch.keys().filter(|name| name.starts_with(SET_ORDER)).cloned().collect();
    for directive in directives {
        let name = &directive[SET_ORDER.len()..];
        let Some(Value::Array(order)) = patch.remove(&directive) else {
            return Err(BadPatch(format!("{directive} must be a list")));
        };
        if let Some(gone) = patch.remove(&format!("{DELETE_FROM}{name}")) {
            delete_from(target, name, &gone)?;
        }
        let before = match target.get(name) {
            Some(Value::Array(before)) => before.clone(),
            _ => vec![],
        };
        let merged = match patch.remove(name) {
            Some(Value::Array(new)) if target.get(name).is_some_and(Value::is_array) => {
                merge_list(before.clone(), new, field(of, name))?
            }
            Some(Value::Null) => {
                target.remove(name);
                continue;
            }
            Some(new) => match without_directives(new) {
                Some(Value::Array(new)) => new,
                _ => continue,
            },
            None if target.contains_key(name) => before.clone(),
            None => continue,
        };
        let key = field(of, name).and_then(|it| it.merge_key.as_deref());
        target.insert(name.to_owned(), Value::Array(put_in_order(merged, &order, &before, key)));
    }
    Ok(())
}

fn merge_list(old: Vec<Value>, new: Vec<Value>, field: Option<&Field>) -> Result<Vec<Value>, BadPatch> {
    let Some(field) = field.filter(|it| it.patch_merge) else {
        return Ok(new.into_iter().filter_map(without_directives).collect());
    };
    let before = old.clone();
    let Some(key) = field.merge_key.as_deref() else {
        let mut seen = HashSet::new();
        let merged =
            old.into_iter().chain(new.iter().cloned()).filter(|item| seen.insert(id(item, None))).collect();
        return Ok(put_in_order(merged, &new, &before, None));
    };
    let no_key = |item: &Value| BadPatch(format!("map: {item} does not contain declared merge key: {key}"));
    let (mut merged, mut order, mut replace) = (old, vec![], false);
    let mut additions = vec![];
    for item in new {
        let Value::Object(mut item) = item else {
            return Err(BadPatch(format!("the items of a list that is merged by {key} must be objects")));
        };
        match item.remove(PATCH).as_ref().map(|it| it.as_str().unwrap_or_default()) {
            None => additions.push(item),
            Some("replace") => replace = true,
            Some("delete") => {
                let gone = item.get(key).ok_or_else(|| no_key(&Value::Object(item.clone())))?;
                merged.retain(|it| it.get(key) != Some(gone));
            }
            Some(other) => return Err(BadPatch(format!("unknown patch type: {other}"))),
        }
    }
    if replace {
        return Ok(additions.into_iter().map(Value::Object).collect());
    }
    let item_type = match &field.of {
        Type::List(item) => Some(&**item),
        _ => None,
    };
    let mut known = places(&merged, Some(key));
    for item in additions {
        let value = item.get(key).cloned().ok_or_else(|| no_key(&Value::Object(item.clone())))?;
        let name = value.to_string();
        order.push(Value::Object(Map::from_iter([(key.to_owned(), value)])));
        match known.get(&name).and_then(|&place| merged.get_mut(place)) {
            Some(Value::Object(old)) => merge(old, item, item_type)?,
            _ => {
                known.insert(name, merged.len());
                merged.extend(without_directives(Value::Object(item)));
            }
        }
    }
    Ok(put_in_order(merged, &order, &before, Some(key)))
}

/// Items that `order` names stand as it says; the others keep their place
/// relative to where they stood `before`.
fn put_in_order(items: Vec<Value>, order: &[Value], before: &[Value], key: Option<&str>) -> Vec<Value> {
    let (order, before) = (places(order, key), places(before, key));
    let place = |list: &HashMap<String, usize>, item: &Value| list.get(&id(item, key)).copied();
    let (mut named, mut others): (Vec<_>, Vec<_>) =
        items.into_iter().partition(|item| place(&order, item).is_some());
    named.sort_by_key(|item| place(&order, item));
    others.sort_by_key(|item| place(&before, item).unwrap_or(usize::MAX));
    let (mut named, mut others) = (named.into_iter().peekable(), others.into_iter().peekable());
    let mut all = vec![];
    loop {
        let take_other = match (others.peek(), named.peek()) {
            (None, None) => return all,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(other), Some(next)) => match (place(&before, other), place(&before, next)) {
                (Some(other), Some(next)) => other < next,
                _ => false,
            },
        };
        all.extend(if take_other { others.next() } else { named.next() });
    }
}

/// What tells an item apart, as text.
fn id(item: &Value, key: Option<&str>) -> String {
    match key {
        None => item.to_string(),
        Some(key) => item.get(key).unwrap_or(&Value::Null).to_string(),
    }
}

fn places(list: &[Value], key: Option<&str>) -> HashMap<String, usize> {
    // From the back, so that of two equal ones the first place stays.
    list.iter().enumerate().rev().map(|(place, item)| (id(item, key), place)).collect()
}

/// The value without nulls and directives; `None` if it is itself a deletion.
fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(map) => {
            if map.get(PATCH).is_some_and(|it| it == "delete") {
                return None;
            }
            let kept = map
                .into_iter()
                .filter(|(name, value)| {
                    !value.is_null()
                        && name != PATCH
                        && name != RETAIN_KEYS
                        && !name.starts_with(SET_ORDER)
                        && !name.starts_with(DELETE_FROM)
                })
                .filter_map(|(name, value)| Some((name, without_directives(value)?)))
                .collect();
            Some(Value::Object(kept))
        }
        Value::Array(items) => Some(Value::Array(items.into_iter().filter_map(without_directives).collect())),
        scalar => Some(scalar),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn patched(target: Value, patch: Value, kind: &str) -> Value {
        let (Value::Object(mut target), Value::Object(patch)) = (target, patch) else { panic!() };
        merge(&mut target, patch, Some(&Type::Named(kind.into()))).unwrap();
        Value::Object(target)
    }

    #[test]
    fn lists_with_a_key_are_merged_by_it() {
        let pod = json!({"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]});
        assert_eq!(
            patched(pod.clone(), json!({"containers": [{"name": "b", "image": "2"}]}), "PodSpec"),
            json!({"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "2"}]})
        );
        assert_eq!(
            patched(pod.clone(), json!({"containers": [{"name": "a", "$patch": "delete"}]}), "PodSpec"),
            json!({"containers": [{"name": "b", "image": "1"}]})
        );
        assert_eq!(
            patched(pod, json!({"containers": [{"$patch": "replace"}, {"name": "c"}]}), "PodSpec"),
            json!({"containers": [{"name": "c"}]})
        );
    }

    #[test]
    fn an_order_is_kept_and_so_is_what_the_patch_does_not_know() {
        let spec = json!({"containers": [{"name": "a"}, {"name": "x"}, {"name": "b"}]});
        let patch = json!({
            "$setElementOrder/containers": [{"name": "b"}, {"name": "c"}, {"name": "a"}],
            "containers": [{"name": "c"}],
        });
        let merged = patched(spec, patch, "PodSpec");
        let names: Vec<&str> =
            merged["containers"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["x", "b", "c", "a"]);
    }

    #[test]
    fn finalizers_are_a_set_and_command_is_replaced() {
        let meta = json!({"finalizers": ["a", "b"], "labels": {"x": "1", "y": "2"}});
        let patch = json!({
            "finalizers": ["c"], "$deleteFromPrimitiveList/finalizers": ["a"], "labels": {"x": null, "z": "3"},
        });
        let merged = patched(meta, patch, "ObjectMeta");
        assert_eq!(merged["labels"], json!({"y": "2", "z": "3"}));
        let mut finalizers: Vec<&str> =
            merged["finalizers"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        finalizers.sort_unstable();
        assert_eq!(finalizers, ["b", "c"]);
        let container = json!({"command": ["a", "b"]});
        assert_eq!(patched(container, json!({"command": ["c"]}), "Container"), json!({"command": ["c"]}));
    }

    #[test]
    fn retain_keys_empties_what_the_union_no_longer_has() {
        let spec = json!({"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}});
        let patch = json!({"strategy": {"$retainKeys": ["type"], "type": "Recreate"}});
        assert_eq!(patched(spec, patch, "DeploymentSpec"), json!({"strategy": {"type": "Recreate"}}));
    }

    #[test]
    fn an_item_without_its_key_is_refused() {
        let mut target = Map::new();
        target.insert("containers".into(), json!([{"name": "a"}]));
        let Value::Object(patch) = json!({"containers": [{"image": "x"}]}) else { panic!() };
        let error = merge(&mut target, patch, Some(&Type::Named("PodSpec".into()))).unwrap_err();
        assert!(error.0.contains("does not contain declared merge key: name"), "{error}");
    }
}
