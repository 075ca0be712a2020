//! A container's environment, command and arguments, read at the moment it starts.

use std::collections::BTreeMap;

use serde_json::Value;

use super::expand::expand;
use super::sources::{Sources, Unready};
use crate::store::object::items;

/// The variables of a container: those of `env`, which may refer to earlier ones and to
/// `defaults`, and those of `defaults` that it does not set itself.
pub(super) fn environment(
    sources: &Sources<'_>,
    container: &Value,
    defaults: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, Unready> {
    let mut env = BTreeMap::new();
    for variable in items(&container["env"]) {
        let Some(name) = variable["name"].as_str() else { continue };
        let value = match &variable["valueFrom"] {
            from @ Value::Object(_) => value_from(sources, from)?,
            _ => {
                let text = variable["value"].as_str().unwrap_or_default();
                let known = |name: &str| env.get(name).or_else(|| defaults.get(name)).cloned();
                Some(expand(text, known))
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

fn value_from(sources: &Sources<'_>, from: &Value) -> Result<Option<String>, Unready> {
    for (field, kind) in [("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")] {
        if from[field].is_object() {
            return Ok(sources.key(kind, &from[field])?.map(text));
        }
    }
    Err(Unready::Configuration("this lab fills a variable from a Secret or a ConfigMap only".into()))
}

/// What a program would see of bytes that are no text is not worth a failure.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// `command` or `args` with `$(VAR)` replaced.
pub(super) fn words(list: &Value, env: &BTreeMap<String, String>) -> Vec<String> {
    let words = items(list).filter_map(Value::as_str);
    words.map(|word| expand(word, |name| env.get(name).cloned())).collect()
}
