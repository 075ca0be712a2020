//! Pod templates: which are the same, and the hash that names a ReplicaSet.

use serde_json::{Map, Value, json};

use super::sets::HASH_LABEL;
use crate::store::object;

/// The characters of generated names.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// Fields of a pod template in which zero and nothing are not the same.
const TELLING: [&str; 16] = [
    "activeDeadlineSeconds",
    "allowPrivilegeEscalation",
    "automountServiceAccountToken",
    "defaultMode",
    "enableServiceLinks",
    "fsGroup",
    "hostUsers",
    "mode",
    "priority",
    "privileged",
    "readOnlyRootFilesystem",
    "runAsGroup",
    "runAsNonRoot",
    "runAsUser",
    "terminationGracePeriodSeconds",
    "tolerationSeconds",
];

/// Whether two templates say the same. A client that reads one and writes it back, as
/// `rollout undo` does, leaves out what is zero or empty.
pub(super) fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => covers(one, other) && covers(other, one),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        _ => one == other,
    }
}

/// Whether everything in `one` that says something is the same in `other`.
fn covers(one: &Map<String, Value>, other: &Map<String, Value>) -> bool {
    one.iter().all(|(key, value)| match other.get(key) {
        Some(other) => same(value, other) || says_nothing(key, value) && says_nothing(key, other),
        None => says_nothing(key, value),
    })
}

fn says_nothing(key: &str, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value && !TELLING.contains(&key),
        Value::Number(value) => value.as_i64() == Some(0) && !TELLING.contains(&key),
        Value::String(value) => value.is_empty(),
        Value::Array(value) => value.is_empty(),
        Value::Object(value) => value.iter().all(|(key, value)| says_nothing(key, value)),
    }
}

/// A pod template with the label that tells its ReplicaSet's pods from others'.
pub(super) fn labelled(template: &Value, hash: &str) -> Value {
    let mut template = template.clone();
    if let Some(metadata) = object::metadata_mut(&mut template) {
        let labels = metadata.entry("labels").or_insert_with(|| json!({}));
        if let Some(labels) = labels.as_object_mut() {
            labels.insert(HASH_LABEL.into(), hash.into());
        }
    }
    template
}

/// A short name for a template, the same for equal ones; `collisions` tells apart two
/// templates that fell on the same name.
pub(super) fn template_hash(template: &Value, collisions: u64) -> String {
    // FNV-1a, as the real controller's; what it is fed with differs (Go's print of the
    // struct there), so the names are alike and not equal.
    let mut hash = 0x811c_9dc5_u32;
    let text = template.to_string();
    let collisions = if collisions > 0 { collisions.to_string() } else { String::new() };
    for byte in text.bytes().chain(collisions.bytes()) {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    hash.to_string().bytes().map(|byte| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_leaves_out_makes_no_other_template() {
        for (one, other, expected) in [
            (json!({"a": 1}), json!({"a": 1}), true),
            (json!({"a": 1}), json!({"a": 2}), false),
            (json!({"a": 1}), json!({}), false),
            (json!({"initialDelaySeconds": 0, "x": null, "y": {}, "z": []}), json!({}), true),
            (json!({"securityContext": {"seLinuxOptions": {}}}), json!({}), true),
            (json!({"readOnly": false}), json!({"readOnly": null}), true),
            (json!({"readOnly": false}), json!({"readOnly": true}), false),
            (json!({"terminationGracePeriodSeconds": 0}), json!({}), false),
            (json!({"enableServiceLinks": false}), json!({}), false),
            (json!({"l": [{"a": 0}, {"b": 1}]}), json!({"l": [{}, {"b": 1}]}), true),
            (json!({"l": [1, 2]}), json!({"l": [2, 1]}), false),
        ] {
            assert_eq!(same(&one, &other), expected, "{one} {other}");
            assert_eq!(same(&other, &one), expected, "{other} {one}");
        }
    }

    #[test]
    fn equal_templates_have_equal_hashes_that_fit_into_a_name() {
        let one = template_hash(&json!({"spec": {"a": 1, "b": 2}}), 0);
        assert_eq!(one, template_hash(&json!({"spec": {"b": 2, "a": 1}}), 0));
        assert_ne!(one, template_hash(&json!({"spec": {"a": 1, "b": 3}}), 0));
        assert_ne!(one, template_hash(&json!({"spec": {"a": 1, "b": 2}}), 1));
        assert!(
            one.len() <= 10 && one.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        );
    }
}
