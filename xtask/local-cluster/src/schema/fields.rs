//! Sets of fields: what a manager owns, and how `managedFields` writes it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// A way into an object. Its edges are named as in `FieldsV1`: `f:NAME` is a field, `k:{…}`
/// the item with these keys, `v:…` the item of this value.
pub type Path = Vec<String>;

/// A set of paths.
pub type Set = BTreeSet<Path>;

/// A set as `FieldsV1`.
pub fn to_json(set: &Set) -> Value {
    let mut root = json!({});
    for path in set {
        let mut at = &mut root;
        for edge in path {
            at = &mut at[edge];
        }
        at["."] = json!({});
    }
    tidy(&mut root);
    root
}

/// What has nothing below it needs no dot to say that it is meant itself.
fn tidy(fields: &mut Value) {
    let Value::Object(below) = fields else { return };
    if below.len() == 1 {
        below.remove(".");
    }
    below.values_mut().for_each(tidy);
}

/// A set from `FieldsV1`; `None` if it is none.
pub fn from_json(fields: &Value) -> Option<Set> {
    fn collect(fields: &Value, path: &mut Path, set: &mut Set) -> Option<()> {
        let below = fields.as_object()?;
        if !path.is_empty() && (below.is_empty() || below.contains_key(".")) {
            set.insert(path.clone());
        }
        for (edge, fields) in below.iter().filter(|(edge, _)| *edge != ".") {
            (edge.get(1..2) == Some(":")).then_some(())?;
            path.push(edge.clone());
            collect(fields, path, set)?;
            path.pop();
        }
        Some(())
    }
    let mut set = Set::new();
    collect(fields, &mut vec![], &mut set).map(|()| set)
}

/// A path as people read it: `.spec.containers[name="a"].image`.
pub fn readable(path: &[String]) -> String {
    path.iter().map(|edge| readable_edge(edge)).collect()
}

fn readable_edge(edge: &str) -> String {
    match edge.split_at_checked(2) {
        Some(("f:", name)) => format!(".{name}"),
        Some(("k:", keys)) => {
            let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
            let keys: Vec<String> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("[{}]", keys.join(","))
        }
        Some((_, value)) => format!("[{value}]"),
        None => edge.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_go_through_json_and_are_readable() {
        let fields = json!({
            "f:metadata": {"f:finalizers": {".": {}, "v:\"a\"": {}}},
            "f:spec": {"f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}}}},
        });
        let set = from_json(&fields).unwrap();
        assert_eq!(to_json(&set), fields);
        assert_eq!(
            set.iter().map(|path| readable(path)).collect::<Vec<_>>(),
            [
                ".metadata.finalizers",
                ".metadata.finalizers[\"a\"]",
                ".spec.ports[port=80,protocol=\"TCP\"]",
                ".spec.ports[port=80,protocol=\"TCP\"].port",
            ]
        );
        assert!(from_json(&json!({"spec": {}})).is_none());
    }
}
