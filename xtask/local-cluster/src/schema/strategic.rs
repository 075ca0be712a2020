//! Strategic merge patches: a merge patch that knows which lists are merged by a
//! key, with directives for what a merge cannot say.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::order::put_in_order;
use super::types::{Field, Type};

const PATCH: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const SET_ORDER: &str = "$setElementOrder/";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";

/// Merges `patch` into `target`, which is of type `of`.
///
/// # Errors
/// What is wrong with the patch; `target` is then half merged and to be thrown away.
pub fn merge(
    target: &mut Map<String, Value>,
    mut patch: Map<String, Value>,
    of: Option<&Type>,
) -> Result<(), String> {
    match directive(&mut patch)? {
        Some(Directive::Replace) => *target = patch,
        Some(Directive::Delete) => target.clear(),
        None => {
            let before = target.clone();
            let (directives, fields): (Vec<_>, Vec<_>) =
                patch.into_iter().partition(|(name, _)| is_directive(name));
            for (directive, list) in &directives {
                let bad = || format!("{directive} must be a list");
                let list = list.as_array().ok_or_else(bad)?;
                if directive == RETAIN_KEYS {
                    target.retain(|name, _| list.iter().any(|it| it == name));
                } else if let Some(name) = directive.strip_prefix(DELETE_FROM)
                    && let Some(Value::Array(items)) = target.get_mut(name)
                {
                    items.retain(|item| !list.contains(item));
                }
            }
            for (name, value) in fields {
                merge_field(target, name, value, of)?;
            }
            for (directive, order) in directives {
                if let (Some(name), Value::Array(order)) = (directive.strip_prefix(SET_ORDER), order)
                    && let Some(Value::Array(items)) = target.get_mut(name)
                {
                    let before = before.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                    let key = of.and_then(|of| field(of, name)).and_then(|it| it.merge_key.as_deref());
                    *items = ordered(std::mem::take(items), &order, before, key);
                }
            }
        }
    }
    Ok(())
}

/// What is to become of a map or an item as a whole.
enum Directive {
    Replace,
    Delete,
}

fn directive(patch: &mut Map<String, Value>) -> Result<Option<Directive>, String> {
    match patch.remove(PATCH).as_ref().map(|it| it.as_str().unwrap_or_default()) {
        None => Ok(None),
        Some("replace") => Ok(Some(Directive::Replace)),
        Some("delete") => Ok(Some(Directive::Delete)),
        Some(other) => Err(format!("unknown patch type: {other}")),
    }
}

fn is_directive(name: &str) -> bool {
    name == PATCH || name == RETAIN_KEYS || name.starts_with(SET_ORDER) || name.starts_with(DELETE_FROM)
}

fn field<'a>(of: &'a Type, name: &str) -> Option<&'a Field> {
    of.as_struct()?.field(name)
}

fn merge_field(
    target: &mut Map<String, Value>,
    name: String,
    value: Value,
    of: Option<&Type>,
) -> Result<(), String> {
    let field = of.and_then(|of| field(of, &name));
    match (target.get_mut(&name), value) {
        (Some(Value::Object(old)), Value::Object(new)) => {
            let entry = match of {
                Some(Type::Map(item)) => Some(&**item),
                _ => field.map(|it| &it.of),
            };
            merge(old, new, entry)?;
        }
        (Some(Value::Array(old)), Value::Array(new)) => *old = merge_list(std::mem::take(old), new, field)?,
        (_, value) => match without_directives(value) {
            Some(value) => drop(target.insert(name, value)),
            None => drop(target.remove(&name)),
        },
    }
    Ok(())
}

fn merge_list(old: Vec<Value>, new: Vec<Value>, field: Option<&Field>) -> Result<Vec<Value>, String> {
    let Some(field) = field.filter(|it| it.patch_merge) else {
        return Ok(new.into_iter().filter_map(without_directives).collect());
    };
    let before = old.clone();
    let Some(key) = field.merge_key.as_deref() else {
        let mut seen = HashSet::new();
        let all = old.into_iter().chain(new.iter().cloned());
        let merged = all.filter(|item| seen.insert(item.to_string())).collect();
        return Ok(ordered(merged, &new, &before, None));
    };
    let item_type = match &field.of {
        Type::List(item) => Some(&**item),
        _ => None,
    };
    let (mut merged, mut additions, mut replace) = (old, vec![], false);
    for item in new {
        let Value::Object(mut item) = item else {
            return Err(format!("the items of a list that is merged by {key} must be objects"));
        };
        let directive = directive(&mut item)?;
        if matches!(directive, Some(Directive::Replace)) {
            replace = true;
            continue;
        }
        let no_key = || format!("map: an item does not contain declared merge key: {key}");
        let value = item.get(key).ok_or_else(no_key)?;
        match directive {
            Some(_) => merged.retain(|it| it.get(key) != Some(value)),
            None => additions.push(item),
        }
    }
    if replace {
        return Ok(additions.into_iter().map(Value::Object).collect());
    }
    let order: Vec<Value> = additions.iter().map(|item| Value::Object(item.clone())).collect();
    let mut known: HashMap<String, usize> =
        merged.iter().enumerate().rev().map(|(place, item)| (id(item, Some(key)), place)).collect();
    for (item, named) in additions.into_iter().zip(&order) {
        let name = id(named, Some(key));
        match known.get(&name).and_then(|place| merged.get_mut(*place)) {
            Some(Value::Object(old)) => merge(old, item, item_type)?,
            _ => {
                known.insert(name, merged.len());
                merged.extend(without_directives(Value::Object(item)));
            }
        }
    }
    Ok(ordered(merged, &order, &before, Some(key)))
}

fn ordered(items: Vec<Value>, order: &[Value], before: &[Value], key: Option<&str>) -> Vec<Value> {
    let ids = |items: &[Value]| items.iter().map(|item| id(item, key)).collect::<Vec<_>>();
    put_in_order(items, &ids(order), &ids(before), false, |item| id(item, key))
}

/// What tells an item apart, as text.
fn id(item: &Value, key: Option<&str>) -> String {
    key.map_or(item, |key| item.get(key).unwrap_or(&Value::Null)).to_string()
}

/// The value without nulls and directives; `None` if it is itself a deletion.
fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Object(map) if map.get(PATCH).is_some_and(|it| it == "delete") => None,
        Value::Object(map) => {
            let kept = map.into_iter().filter(|(name, _)| !is_directive(name));
            Some(kept.filter_map(|(name, value)| Some((name, without_directives(value)?))).collect())
        }
        Value::Array(items) => Some(items.into_iter().filter_map(without_directives).collect()),
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
        assert!(error.contains("does not contain declared merge key: name"), "{error}");
    }
}
