//! What a container is configured with, read from Secrets and ConfigMaps at the moment it starts: its
//! environment, its command with `$(VAR)` replaced, and the files of its volumes.
//!
//! A kubelet writes a changed Secret or ConfigMap into a running container's files
//! after a while. Here, files stay as they were until the container starts again;
//! nothing that a login needs looks at them twice.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};

use crate::store::object::{self, items, text};
use crate::store::{Key, Store};

/// Why a container cannot start yet, in the kubelet's words.
#[derive(Debug)]
pub(super) enum Unready {
    /// `CreateContainerConfigError`: something that the environment names is missing; a write to
    /// the store may bring it.
    Configuration(String),
    /// `FailedMount`: something that a volume names is missing, likewise. The container keeps
    /// being created.
    Mount(String),
    /// The lab has no such image.
    Image,
    /// The system refuses something.
    System(io::Error),
}

/// A Secret (of `secrets`) or ConfigMap (of `configmaps`) that a pod can read: one of its own
/// namespace.
fn find(store: &Store, pod: &Value, resource: &str, name: &str) -> Option<Arc<Value>> {
    store.get(&Key::new(resource, object::namespace(pod), name))
}

/// Every key of a Secret or ConfigMap with its bytes.
fn all_files(source: &Value) -> BTreeMap<String, Vec<u8>> {
    let keys = ["data", "binaryData"].into_iter().flat_map(|it| source[it].as_object()).flat_map(Map::keys);
    keys.filter_map(|key| Some((key.clone(), bytes(source, key)?))).collect()
}

/// The bytes of one key.
fn bytes(source: &Value, key: &str) -> Option<Vec<u8>> {
    let plain = source["data"].get(key).and_then(Value::as_str);
    let encoded = source["binaryData"].get(key).and_then(Value::as_str);
    if source["kind"] == "Secret" {
        return BASE64_STANDARD.decode(plain?).ok();
    }
    plain.map(|text| text.as_bytes().to_vec()).or_else(|| BASE64_STANDARD.decode(encoded?).ok())
}

/// The variables of a container: those of `env`, which may refer to earlier ones and to
/// `defaults`, and those of `defaults` that it does not set itself.
pub(super) fn environment(
    store: &Store,
    pod: &Value,
    container: &Value,
    mut defaults: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, Unready> {
    let mut env = BTreeMap::new();
    for variable in items(&container["env"]) {
        let Some(name) = variable["name"].as_str() else { continue };
        let value = match &variable["valueFrom"] {
            from @ Value::Object(_) => value_from(store, pod, from)?,
            _ => {
                let known = |name: &str| env.get(name).or_else(|| defaults.get(name)).cloned();
                Some(expand(text(&variable["value"]), known))
            }
        };
        // An optional source that is not there leaves the variable out altogether.
        if let Some(value) = value {
            env.insert(name.to_owned(), value);
        }
    }
    defaults.extend(env);
    Ok(defaults)
}

/// What a `secretKeyRef` or a `configMapKeyRef` names; `None` if it is not there and need not be.
fn value_from(store: &Store, pod: &Value, from: &Value) -> Result<Option<String>, Unready> {
    let kinds = [("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")];
    let Some((field, kind)) = kinds.into_iter().find(|(field, _)| from[*field].is_object()) else {
        let why = "this lab fills a variable from a Secret or a ConfigMap only";
        return Err(Unready::Configuration(why.into()));
    };
    let reference = &from[field];
    let (name, key, of) = (text(&reference["name"]), text(&reference["key"]), kind.to_lowercase());
    let source = find(store, pod, &format!("{of}s"), name);
    let missing = match source.map(|source| bytes(&source, key)) {
        Some(Some(value)) => return Ok(Some(readable(value))),
        _ if reference["optional"] == true => return Ok(None),
        None => format!("{of} {name:?} not found"),
        Some(None) => format!("couldn't find key {key} in {kind} {}/{name}", object::namespace(pod)),
    };
    Err(Unready::Configuration(missing))
}

/// What a program would see of bytes that are no text is not worth a failure.
fn readable(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// `command` or `args` with `$(VAR)` replaced.
pub(super) fn words(list: &Value, env: &BTreeMap<String, String>) -> Vec<String> {
    let words = items(list).filter_map(Value::as_str);
    words.map(|word| expand(word, |name| env.get(name).cloned())).collect()
}

/// Replaces each `$(NAME)` that `value` knows. As Kubernetes does it: `$$` is a `$`,
/// and a reference to something unknown stays as it is written.
fn expand(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, behind)) = after.strip_prefix('(').and_then(|it| it.split_once(')')) {
            match value(name) {
                Some(value) => out.push_str(&value),
                None => out += &format!("$({name})"),
            }
            rest = behind;
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

type Files = BTreeMap<String, Vec<u8>>;

/// The files of all `volumeMounts`, by absolute path. A path that ends in a slash is
/// an empty directory.
pub(super) fn files(store: &Store, pod: &Value, container: &Value) -> Result<Files, Unready> {
    let mut files = Files::new();
    for mount in items(&container["volumeMounts"]) {
        let (name, path) = (text(&mount["name"]), text(&mount["mountPath"]).trim_end_matches('/'));
        let volume =
            items(&pod["spec"]["volumes"]).find(|volume| volume["name"] == name).ok_or_else(|| {
                Unready::Mount(format!("volume {name:?} is mounted but the pod has none of that name"))
            })?;
        let content = content(store, pod, volume).map_err(|problem| {
            Unready::Mount(format!("MountVolume.SetUp failed for volume {name:?} : {problem}"))
        })?;
        if content.is_empty() {
            files.insert(format!("{path}/"), Vec::new());
        }
        files.extend(content.into_iter().map(|(name, bytes)| (format!("{path}/{name}"), bytes)));
    }
    Ok(files)
}

/// The files of one volume, by path inside it.
fn content(store: &Store, pod: &Value, volume: &Value) -> Result<Files, String> {
    let (secret, map) = (&volume["secret"], &volume["configMap"]);
    let (kind, key, name, source) = if secret.is_object() {
        ("secret", "secret", text(&secret["secretName"]), secret)
    } else if map.is_object() {
        ("configmap", "config", text(&map["name"]), map)
    } else if volume["emptyDir"].is_object() {
        return Ok(Files::new());
    } else {
        let kinds = volume.as_object().into_iter().flatten().map(|(key, _)| key.as_str());
        let kind = kinds.filter(|key| *key != "name").collect::<Vec<_>>().join(", ");
        return Err(format!(
            "this lab has volumes of Secrets, ConfigMaps and empty directories, not {kind:?}"
        ));
    };
    let optional = source["optional"] == true;
    let Some(data) = find(store, pod, &format!("{kind}s"), name) else {
        return if optional { Ok(Files::new()) } else { Err(format!("{kind} {name:?} not found")) };
    };
    if !source["items"].is_array() {
        return Ok(all_files(&data));
    }
    // Those that `items` names, at the paths that it names.
    let mut files = Files::new();
    for item in items(&source["items"]) {
        let (name, path) = (text(&item["key"]), text(&item["path"]));
        if path.is_empty() || path.starts_with('/') || path.split('/').any(|part| part == "..") {
            return Err(format!("invalid path {path:?}: it must be relative and must not contain \"..\""));
        }
        match bytes(&data, name) {
            Some(bytes) => drop(files.insert(path.to_owned(), bytes)),
            None if optional => {}
            None => return Err(format!("references non-existent {key} key: {name}")),
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_replaced_as_kubernetes_does() {
        let value = |name: &str| (name == "A").then(|| "1".to_owned());
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("$(A)", "1"),
            ("x$(A)y$(A)", "x1y1"),
            ("$(B)", "$(B)"),
            ("$$(A)", "$(A)"),
            ("$$$(A)", "$1"),
            ("$A $ $(", "$A $ $("),
            ("$(A", "$(A"),
            ("ü$(A)ü", "ü1ü"),
        ] {
            assert_eq!(expand(text, value), expected, "{text}");
        }
    }
}
