//! What objects must be like. Each problem names its field, as kube-apiserver
//! words it.

mod custom;
mod meta;
mod pod;
mod service;
mod workload;

use serde_json::{Map, Value};

use crate::store::object;

use super::kinds::Kind;
use super::names;
use super::query::not_supported;
use super::status::{Cause, Refusal};

/// The most that a Secret or ConfigMap may hold.
const MAX_DATA: usize = 1024 * 1024;

/// What is wrong with an object.
#[derive(Debug, Default)]
pub struct Problems(Vec<Cause>);

impl Problems {
    fn add(&mut self, reason: &'static str, field: &str, message: String) {
        self.0.push(Cause { reason, field: field.to_owned(), message });
    }

    fn required(&mut self, field: &str, detail: &str) {
        let colon = if detail.is_empty() { "" } else { ": " };
        self.add("FieldValueRequired", field, format!("Required value{colon}{detail}"));
    }

    fn invalid(&mut self, field: &str, value: &Value, detail: &str) {
        self.add("FieldValueInvalid", field, format!("Invalid value: {value}: {detail}"));
    }

    fn forbidden(&mut self, field: &str, detail: &str) {
        self.add("FieldValueForbidden", field, format!("Forbidden: {detail}"));
    }

    fn duplicate(&mut self, field: &str, value: &Value) {
        self.add("FieldValueDuplicate", field, format!("Duplicate value: {value}"));
    }

    fn too_long(&mut self, field: &str, limit: usize) {
        self.add("FieldValueTooLong", field, format!("Too long: may not be more than {limit} bytes"));
    }

    fn one_of(&mut self, field: &str, value: &Value, known: &[&str]) {
        let text = value.as_str().unwrap_or_default();
        if !known.contains(&text) {
            self.0.push(not_supported(field, text, known));
        }
    }

    /// Adds what a check of a name says.
    fn check(&mut self, field: &str, value: &str, check: fn(&str) -> Option<String>) {
        if let Some(why) = check(value) {
            self.invalid(field, &value.into(), &why);
        }
    }

    fn immutable(&mut self, field: &str, old: &Value, new: &Value) {
        if old != new {
            self.invalid(field, new, "field is immutable");
        }
    }

    /// 422 if there is any problem.
    ///
    /// # Errors
    /// All problems at once.
    pub fn or_refuse(self, kind: &Kind, object: &Value) -> Result<(), Refusal> {
        if self.0.is_empty() {
            return Ok(());
        }
        let resource = &kind.resource;
        Err(Refusal::invalid(&resource.group, &resource.kind, object::name(object), &self.0))
    }
}

/// Checks a new object.
pub fn create(kind: &Kind, object: &Value) -> Problems {
    let mut problems = Problems::default();
    meta::check(kind, object, &mut problems);
    content(kind, object, &mut problems);
    problems
}

/// Checks a changed object.
pub fn update(kind: &Kind, old: &Value, new: &Value, subresource: Option<&str>) -> Problems {
    let mut problems = Problems::default();
    meta::check(kind, new, &mut problems);
    meta::check_change(old, new, &mut problems);
    if subresource == Some("status") && !kind.resource.custom {
        return problems;
    }
    content(kind, new, &mut problems);
    change(kind, old, new, &mut problems);
    problems
}

fn content(kind: &Kind, object: &Value, problems: &mut Problems) {
    if let Some(schema) = kind.schema() {
        custom::check(object, schema, problems);
        return;
    }
    if kind.resource.custom {
        return;
    }
    match kind.resource.kind.as_str() {
        "Secret" => data(object, &["data"], problems),
        "ConfigMap" => data(object, &["data", "binaryData"], problems),
        "Pod" => pod::check(&object["spec"], "spec", problems),
        "Deployment" => workload::check_deployment(&object["spec"], problems),
        "ReplicaSet" => workload::check(&object["spec"], problems),
        "Service" => service::check(&object["spec"], problems),
        "Ingress" => service::check_ingress(&object["spec"], problems),
        "Endpoints" => service::check_endpoints(object, problems),
        "Event" => event(object, problems),
        "CustomResourceDefinition" => custom::check_crd(object, problems),
        _ => {}
    }
}

fn change(kind: &Kind, old: &Value, new: &Value, problems: &mut Problems) {
    if kind.resource.custom {
        return;
    }
    match kind.resource.kind.as_str() {
        "Secret" | "ConfigMap" => {
            if kind.is_core("Secret") {
                problems.immutable("type", &old["type"], &new["type"]);
            }
            if old["immutable"] != true {
                return;
            }
            if new["immutable"] != true {
                problems.forbidden("immutable", "field is immutable when `immutable` is set");
            }
            for field in ["data", "binaryData"] {
                if old.get(field).and_then(Value::as_object).is_some_and(|it| !it.is_empty())
                    && old.get(field) != new.get(field)
                    || old.get(field).is_none() && new.get(field).is_some()
                {
                    problems.forbidden(field, "field is immutable when `immutable` is set");
                }
            }
        }
        "Pod" => pod::check_change(&old["spec"], &new["spec"], problems),
        "Deployment" | "ReplicaSet" => {
            problems.immutable("spec.selector", &old["spec"]["selector"], &new["spec"]["selector"]);
        }
        "Service" => service::check_change(&old["spec"], &new["spec"], problems),
        "CustomResourceDefinition" => {
            for field in ["group", "scope"] {
                problems.immutable(&format!("spec.{field}"), &old["spec"][field], &new["spec"][field]);
            }
        }
        _ => {}
    }
}

/// The keys of a Secret or ConfigMap and its size.
fn data(object: &Value, fields: &[&str], problems: &mut Problems) {
    let mut total = 0;
    for field in fields {
        for (key, value) in object[*field].as_object().into_iter().flatten() {
            if let Some(why) = names::config_key(key) {
                problems.invalid(&format!("{field}[{key}]"), &key.as_str().into(), &why);
            }
            let text = value.as_str().unwrap_or_default();
            // Of base64 the bytes count that it stands for.
            let padding = text.bytes().rev().take_while(|byte| *byte == b'=').count();
            let encoded = *field != "data" || object["kind"] == "Secret";
            total += if encoded {
                text.len() / 4 * 3 - padding.min(2) * usize::from(text.len() >= 4)
            } else {
                text.len()
            };
        }
    }
    if let [one, other] = fields {
        for key in object[*one].as_object().into_iter().flat_map(Map::keys) {
            if object[*other].get(key).is_some() {
                problems.invalid(
                    &format!("{one}[{key}]"),
                    &key.as_str().into(),
                    &format!("duplicate of key present in {other}"),
                );
            }
        }
    }
    if total > MAX_DATA {
        let field = if object["kind"] == "Secret" { "data" } else { "[]" };
        problems.too_long(field, MAX_DATA);
    }
    required_keys(object, problems);
}

/// Types of Secrets that promise keys.
fn required_keys(object: &Value, problems: &mut Problems) {
    if object["kind"] != "Secret" {
        return;
    }
    let keys: &[&str] = match object["type"].as_str() {
        Some("kubernetes.io/tls") => &["tls.crt", "tls.key"],
        Some("kubernetes.io/dockerconfigjson") => &[".dockerconfigjson"],
        Some("kubernetes.io/ssh-auth") => &["ssh-privatekey"],
        _ => return,
    };
    for key in keys {
        if object["data"].get(key).is_none() {
            problems.required(&format!("data[{key}]"), "");
        }
    }
}

fn event(object: &Value, problems: &mut Problems) {
    let (own, involved) = (object::namespace(object), object["involvedObject"]["namespace"].as_str());
    let involved = involved.unwrap_or_default();
    // Events about objects of the cluster live in `default`.
    if !(own == involved || involved.is_empty() && own == "default") {
        problems.invalid("involvedObject.namespace", &involved.into(), "does not match event.namespace");
    }
}

#[cfg(test)]
mod tests;
