//! Pod templates: the hash that names a ReplicaSet, and the label that tells its pods.

use serde_json::Value;

use crate::store::object;

/// The label that tells the pods of one template from those of another.
pub(super) const HASH_LABEL: &str = "pod-template-hash";

/// The characters of generated names.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// A pod template with the label that tells its ReplicaSet's pods from others'.
pub(super) fn labelled(template: &Value, hash: &str) -> Value {
    let mut template = template.clone();
    object::metadata_map(&mut template, "labels").map(|labels| labels.insert(HASH_LABEL.into(), hash.into()));
    template
}

/// A short name for a template, the same for equal ones.
pub(super) fn template_hash(template: &Value) -> String {
    // FNV-1a, as the real controller's; what it is fed with differs (Go's print of the
    // struct there), so the names are alike and not equal.
    let mut hash = 0x811c_9dc5_u32;
    for byte in template.to_string().bytes() {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    hash.to_string().bytes().map(|byte| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()])).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_templates_have_equal_hashes_that_fit_into_a_name() {
        let one = template_hash(&json!({"spec": {"a": 1, "b": 2}}));
        assert_eq!(one, template_hash(&json!({"spec": {"b": 2, "a": 1}})));
        assert_ne!(one, template_hash(&json!({"spec": {"a": 1, "b": 3}})));
        assert!(
            one.len() <= 10 && one.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        );
    }
}
