//! A container's environment, command and arguments, read at the moment it starts.

use std::collections::BTreeMap;

use serde_json::Value;

use super::expand::expand;
use super::sources::{Unready, bytes, find};
use crate::store::Store;
use crate::store::object::{self, items, text};

/// The variables of a container: those of `env`, which may refer to earlier ones and to
/// `defaults`, and those of `defaults` that it does not set itself.
pub(super) fn environment(
    store: &Store,
    pod: &Value,
    container: &Value,
    defaults: BTreeMap<String, String>,
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
    for (name, value) in defaults {
        env.entry(name).or_insert(value);
    }
    Ok(env)
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
