//! The parts of an object's metadata that the store and its readers need.

use jiff::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Map, Value, json};

/// Now, as Kubernetes writes times: UTC, whole seconds.
pub fn timestamp() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A random version 4 UUID.
pub fn uid() -> String {
    let mut bytes = [0_u8; 16];
    // The system's generator fails only where nothing else would work either; a
    // fixed uid is then the smaller harm.
    let _ = SystemRandom::new().fill(&mut bytes);
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Random characters as Kubernetes puts behind generated names.
pub fn suffix(length: usize) -> String {
    let mut bytes = vec![0_u8; length];
    let _ = SystemRandom::new().fill(&mut bytes);
    safe(bytes)
}

/// Bytes in the characters of generated names: no vowels, so no words.
pub fn safe(bytes: impl IntoIterator<Item = u8>) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    bytes.into_iter().map(|byte| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()])).collect()
}

/// `metadata.name`.
pub fn name(object: &Value) -> &str {
    text(&object["metadata"]["name"])
}

/// `metadata.namespace`, empty for an object of the cluster.
pub fn namespace(object: &Value) -> &str {
    text(&object["metadata"]["namespace"])
}

/// `metadata.uid`.
pub fn uid_of(object: &Value) -> &str {
    text(&object["metadata"]["uid"])
}

/// The items of a list; none where there is no list.
pub fn items(value: &Value) -> std::slice::Iter<'_, Value> {
    value.as_array().map_or(&[][..], Vec::as_slice).iter()
}

/// A text, or an empty one where there is none.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A number of a port.
pub fn port(value: &Value) -> Option<u16> {
    value.as_u64().and_then(|it| u16::try_from(it).ok())
}

/// Whether an object has a condition (`Ready`, `Available`), and how it stands.
pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    items(&object["status"]["conditions"]).find(|it| it["type"] == kind)
}

/// Since when an object's condition has a status that it is about to be given: since now, if
/// it had another or none.
pub fn since(object: &Value, kind: &str, status: &str) -> String {
    let same = condition(object, kind).filter(|it| it["status"] == status);
    same.and_then(|it| it["lastTransitionTime"].as_str()).map_or_else(timestamp, str::to_owned)
}

/// Whether a `matchLabels`/`matchExpressions` selector matches an object's labels. One
/// that is empty matches nothing here: a controller that owns everything is a mistake.
pub fn selects(selector: &Value, object: &Value) -> bool {
    let labels = &object["metadata"]["labels"];
    let mut wanted = selector["matchLabels"].as_object().into_iter().flatten().peekable();
    let mut expressions = items(&selector["matchExpressions"]).peekable();
    (wanted.peek().is_some() || expressions.peek().is_some())
        && wanted.all(|(key, value)| labels.get(key) == Some(value))
        && expressions.all(|it| {
            let value = labels.get(text(&it["key"]));
            let listed = value.is_some_and(|value| items(&it["values"]).any(|it| it == value));
            match text(&it["operator"]) {
                "In" => listed,
                "NotIn" => !listed,
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => false,
            }
        })
}

/// The value of a label.
pub fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object["metadata"]["labels"].get(key)?.as_str()
}

/// The value of an annotation.
pub fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object["metadata"]["annotations"].get(key)?.as_str()
}

/// `metadata.resourceVersion`, if it is set and not empty.
pub fn resource_version(object: &Value) -> Option<&str> {
    object["metadata"]["resourceVersion"].as_str().filter(|version| !version.is_empty())
}

/// `metadata.deletionTimestamp` is set: the object is on its way out.
pub fn is_terminating(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

/// The controlling owner's kind and uid (`ownerReferences` with `controller: true`).
pub fn controller(object: &Value) -> Option<(&str, &str)> {
    let owner = owners(object).find(|owner| owner["controller"] == true)?;
    Some((owner["kind"].as_str()?, owner["uid"].as_str()?))
}

/// The `metadata` of an object, made if it is missing; `None` if the object is
/// not a JSON object.
pub fn metadata_mut(object: &mut Value) -> Option<&mut Map<String, Value>> {
    map_in(object.as_object_mut()?, "metadata")
}

/// A map of an object's metadata (labels, annotations), made if it is missing; `None` if the
/// object is not a JSON object.
pub fn metadata_map<'a>(object: &'a mut Value, field: &str) -> Option<&'a mut Map<String, Value>> {
    map_in(metadata_mut(object)?, field)
}

fn map_in<'a>(outer: &'a mut Map<String, Value>, field: &str) -> Option<&'a mut Map<String, Value>> {
    let map = outer.entry(field).or_insert_with(|| json!({}));
    if !map.is_object() {
        *map = json!({});
    }
    map.as_object_mut()
}

/// Fills what an object gets when it is stored for the first time, but its version;
/// `None` if it is not a JSON object.
pub fn born(object: &mut Value) -> Option<()> {
    // Of these kinds nobody counts generations.
    let counted = !matches!(object["kind"].as_str(), Some("Namespace" | "Node" | "Service"));
    let has_spec = counted && object.get("spec").is_some();
    let metadata = metadata_mut(object)?;
    metadata.insert("uid".into(), uid().into());
    metadata.insert("creationTimestamp".into(), timestamp().into());
    if has_spec {
        metadata.insert("generation".into(), 1.into());
    }
    Some(())
}

/// Writes the version that an object stands at.
pub fn set_resource_version(object: &mut Value, version: u64) {
    if let Some(metadata) = metadata_mut(object) {
        metadata.insert("resourceVersion".into(), version.to_string().into());
    }
}

/// What no write changes: uid, creation time, generation (counted, not set) and
/// the version it stands at.
pub fn keep_identity(old: &Value, new: &mut Value) {
    if metadata_mut(new).is_some() {
        let fields = ["uid", "creationTimestamp", "generation", "resourceVersion"];
        keep(&mut new["metadata"], &old["metadata"], &fields);
    }
}

/// Gives an object the fields of another one.
pub fn keep(object: &mut Value, of: &Value, fields: &[&str]) {
    let Some(object) = object.as_object_mut() else { return };
    for field in fields {
        match of.get(field) {
            Some(value) => object.insert((*field).into(), value.clone()),
            None => object.remove(*field),
        };
    }
}

pub(super) fn count_generation(old: &Value, new: &mut Value) {
    let Some(generation) = old["metadata"]["generation"].as_u64() else { return };
    if old.get("spec") != new.get("spec")
        && let Some(metadata) = metadata_mut(new)
    {
        metadata.insert("generation".into(), (generation + 1).into());
    }
}

/// `metadata.ownerReferences`.
pub fn owners(object: &Value) -> impl Iterator<Item = &Value> {
    items(&object["metadata"]["ownerReferences"])
}

/// What an object weighs in memory, roughly, in bytes.
pub(super) fn weight(value: &Value) -> usize {
    const NODE: usize = 48;
    match value {
        Value::String(text) => NODE + text.len(),
        Value::Array(items) => NODE + items.iter().map(weight).sum::<usize>(),
        Value::Object(map) => {
            NODE + map.iter().map(|(name, value)| NODE + name.len() + weight(value)).sum::<usize>()
        }
        _ => NODE,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_match_as_in_kubernetes() {
        let pod = json!({"metadata": {"labels": {"app": "a", "tier": "x"}}});
        for (selector, expected) in [
            (json!({}), false),
            (json!(null), false),
            (json!({"matchLabels": {"app": "a"}}), true),
            (json!({"matchLabels": {"app": "b"}}), false),
            (json!({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["x", "y"]}]}), true),
            (json!({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["x"]}]}), false),
            (json!({"matchExpressions": [{"key": "none", "operator": "NotIn", "values": ["x"]}]}), true),
            (json!({"matchExpressions": [{"key": "app", "operator": "Exists"}]}), true),
            (
                json!({"matchLabels": {"app": "a"}, "matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}),
                false,
            ),
        ] {
            assert_eq!(selects(&selector, &pod), expected, "{selector}");
        }
    }
}
