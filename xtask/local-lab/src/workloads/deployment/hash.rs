//! The hash of a pod template, which names its ReplicaSet.

use serde_json::Value;

/// The characters of generated names.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

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
    use serde_json::json;

    use super::*;

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
