//! What names, keys and labels may look like. Each check answers what is wrong.

const QUALIFIED: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const LABEL_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const CONFIG_KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
const PORT_NAME: &str = "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)";
const ENV_NAME: &str =
    "a valid environment variable name must consist only of printable ASCII characters other than '='";

fn too_long(limit: usize) -> Option<String> {
    Some(format!("must be no more than {limit} bytes"))
}

fn inner(byte: u8, extra: &[u8]) -> bool {
    byte.is_ascii_alphanumeric() || extra.contains(&byte)
}

fn is_label(text: &str) -> bool {
    let lower = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.iter().all(|byte| lower(byte) || *byte == b'-')
        && bytes.first().is_some_and(lower)
        && bytes.last().is_some_and(lower)
}

/// A DNS subdomain: the names of most objects.
pub fn subdomain(name: &str) -> Option<String> {
    if name.len() > 253 {
        return too_long(253);
    }
    (!name.split('.').all(is_label)).then(|| SUBDOMAIN.to_owned())
}

/// A DNS label: the names of namespaces.
pub fn label(name: &str) -> Option<String> {
    if name.len() > 63 {
        return too_long(63);
    }
    (!is_label(name)).then(|| LABEL.to_owned())
}

/// A DNS label that starts with a letter: the names of services.
pub fn label_1035(name: &str) -> Option<String> {
    if name.len() > 63 {
        return too_long(63);
    }
    let letter = name.as_bytes().first().is_some_and(u8::is_ascii_lowercase);
    (!letter || !is_label(name)).then(|| LABEL_1035.to_owned())
}

/// A name, with or without a prefix before a slash: keys of labels and annotations.
pub fn qualified_name(key: &str) -> Option<String> {
    let name = match key.split_once('/') {
        None => key,
        Some((_, rest)) if rest.contains('/') => {
            return Some(format!("a qualified name {}", &QUALIFIED.replacen("name part ", "", 1)));
        }
        Some(("", _)) => return Some("prefix part must be non-empty".into()),
        Some((prefix, name)) => {
            if let Some(why) = subdomain(prefix) {
                return Some(format!("prefix part {why}"));
            }
            name
        }
    };
    if name.is_empty() {
        return Some("name part must be non-empty".into());
    }
    if name.len() > 63 {
        return Some("name part must be no more than 63 bytes".into());
    }
    (!is_word(name)).then(|| QUALIFIED.to_owned())
}

fn is_word(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().all(|byte| inner(*byte, b"-_."))
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
}

/// The value of a label.
pub fn label_value(value: &str) -> Option<String> {
    if value.len() > 63 {
        return too_long(63);
    }
    (!value.is_empty() && !is_word(value)).then(|| LABEL_VALUE.to_owned())
}

/// A key of a Secret or ConfigMap, which may become a file.
pub fn config_key(key: &str) -> Option<String> {
    if key.len() > 253 {
        return too_long(253);
    }
    if key.is_empty() || !key.bytes().all(|byte| inner(byte, b"-._")) {
        return Some(CONFIG_KEY.into());
    }
    match key {
        "." => Some("must not be '.'".into()),
        ".." => Some("must not be '..'".into()),
        _ if key.starts_with("..") => Some("must not start with '..'".into()),
        _ => None,
    }
}

/// The name of a port.
pub fn port_name(name: &str) -> Option<String> {
    if name.len() > 15 {
        return Some("must be no more than 15 characters".into());
    }
    let bytes = name.as_bytes();
    if !bytes.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-') {
        return Some(PORT_NAME.into());
    }
    if !bytes.iter().any(u8::is_ascii_lowercase) {
        return Some("must contain at least one letter (a-z)".into());
    }
    if name.contains("--") {
        return Some("must not contain consecutive hyphens".into());
    }
    (name.starts_with('-') || name.ends_with('-')).then(|| "must not begin or end with a hyphen".to_owned())
}

/// The name of an environment variable.
pub fn env_name(name: &str) -> Option<String> {
    let good = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'=';
    (name.is_empty() || !name.bytes().all(good)).then(|| ENV_NAME.to_owned())
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
        for bad in ["", "..", "..a", "a/b"] {
            assert!(config_key(bad).is_some(), "{bad}");
        }
        assert_eq!(port_name("http-web"), None);
        assert!(port_name("80").is_some());
    }
}
