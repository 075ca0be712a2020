//! What names, keys and labels may look like. Each check answers what is wrong.

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of at most 253 lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com')";
const SEGMENT: &str = "may not be '.' or '..', and may not contain '/' or '%'";
const LABEL: &str = "a lowercase RFC 1123 label must consist of at most 63 lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name')";
const LABEL_1035: &str = "a DNS-1035 label must consist of at most 63 lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name')";
const QUALIFIED: &str = "a qualified name must consist of at most 63 alphanumeric characters, '-', '_' or '.', start and end with an alphanumeric character, and may have a DNS subdomain and '/' before it (e.g. 'example.com/MyName')";
const LABEL_VALUE: &str = "a valid label must be empty or consist of at most 63 alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue')";
const CONFIG_KEY: &str = "a valid config key must consist of at most 253 alphanumeric characters, '-', '_' or '.', and must not be '.' or start with '..' (e.g. 'key.name')";

/// `why` of a name that is not good.
fn unless(good: bool, why: &'static str) -> Option<&'static str> {
    (!good).then_some(why)
}

fn is_dns(text: &str) -> bool {
    let lower = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    is_word(text) && text.bytes().all(|byte| lower(&byte) || byte == b'-')
}

fn is_word(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
}

/// A DNS subdomain: the names of most objects.
pub fn subdomain(name: &str) -> Option<&'static str> {
    unless(name.len() <= 253 && name.split('.').all(is_dns), SUBDOMAIN)
}

/// What can stand in a path: the names of Roles and what binds them (`system:basic-user`).
pub fn path_segment(name: &str) -> Option<&'static str> {
    unless(![".", ".."].contains(&name) && !name.contains(['/', '%']), SEGMENT)
}

/// A DNS label: the names of namespaces.
pub fn label(name: &str) -> Option<&'static str> {
    unless(name.len() <= 63 && is_dns(name), LABEL)
}

/// A DNS label that starts with a letter: the names of services.
pub fn label_1035(name: &str) -> Option<&'static str> {
    let letter = name.as_bytes().first().is_some_and(u8::is_ascii_lowercase);
    unless(name.len() <= 63 && letter && is_dns(name), LABEL_1035)
}

/// A name, with or without a prefix before a slash: keys of labels.
pub fn qualified_name(key: &str) -> Option<&'static str> {
    let name = match key.split_once('/') {
        None => key,
        Some((prefix, name)) if subdomain(prefix).is_none() => name,
        Some(_) => "",
    };
    unless(name.len() <= 63 && is_word(name), QUALIFIED)
}

/// The value of a label.
pub fn label_value(value: &str) -> Option<&'static str> {
    unless(value.is_empty() || value.len() <= 63 && is_word(value), LABEL_VALUE)
}

/// A key of a Secret or ConfigMap, which may become a file.
pub fn config_key(key: &str) -> Option<&'static str> {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let short = !key.is_empty() && key.len() <= 253;
    unless(short && key != "." && !key.starts_with("..") && key.bytes().all(inner), CONFIG_KEY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["a", "a-b", "a.b-c.9", "1"] {
            assert_eq!(subdomain(good), None, "{good}");
        }
        for bad in ["", "A", "-a", "a-", "a..b", "a_b", "ä", &"a".repeat(254)] {
            assert!(subdomain(bad).is_some(), "{bad}");
        }
        assert_eq!(label("a-1"), None);
        assert!(label("a.b").is_some());
        assert!(label_1035("1a").is_some());
    }

    #[test]
    fn keys_and_values() {
        for good in ["app", "app.kubernetes.io/name", "A_b.c"] {
            assert_eq!(qualified_name(good), None, "{good}");
        }
        for bad in ["", "/a", "a/", "a/b/c", "A/b", "-a", "a b"] {
            assert!(qualified_name(bad).is_some(), "{bad}");
        }
        assert_eq!(label_value(""), None);
        assert!(label_value("a b").is_some());
        assert_eq!(config_key("admin.password"), None);
        for bad in ["", ".", "..", "..a", "a/b"] {
            assert!(config_key(bad).is_some(), "{bad}");
        }
    }
}
