//! PATCH, in the four ways that clients know.

use bytes::Bytes;
use http::StatusCode;
use json_patch::PatchOperation;
use serde_json::{Map, Value, json};

use crate::schema::{Type, strategic};
use crate::serve::Response;
use crate::store::object;

use super::Call;
use super::admission::check_type;
use super::body::{content_type, json};
use super::query::{FieldValidation, Write};
use super::status::{Cause, Refusal};
use super::write::{Changed, Writing};

const JSON_PATCH: &str = "application/json-patch+json";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

/// How many operations a JSON patch may have.
const OPERATIONS: usize = 10_000;

/// How much a JSON patch may copy around, in bytes.
const COPIED: usize = 3 * 1024 * 1024;

/// How deep a patched object may be.
const DEPTH: usize = 128;

/// PATCH of an object or its status.
pub fn patch(call: &Call<'_>, body: &Bytes, pretty: bool) -> Result<Response, Refusal> {
    let custom = call.kind.resource.custom;
    let kind = content_type(&call.headers);
    match kind {
        APPLY => return apply(call, body, pretty),
        JSON_PATCH | MERGE => {}
        STRATEGIC if !custom => {}
        STRATEGIC => return Err(Refusal::unsupported_media_type(&[JSON_PATCH, MERGE, APPLY])),
        _ => return Err(Refusal::unsupported_patch()),
    }
    let mut writing = Writing::begin(call, Write::Patch, pretty)?;
    let change = Change::parse(kind, body, &mut writing)?;
    let stored = writing.store_change(|writing, old| {
        let mut new = change.made_to(old, &call.kind.structure.name, custom)?;
        let name = object::name(&new);
        if name != object::name(old) {
            return Err(Refusal::bad_request(format!(
                "the name of the object ({name}) does not match the name on the URL ({})",
                object::name(old)
            )));
        }
        if new["kind"] != old["kind"] || new["apiVersion"] != old["apiVersion"] {
            // That nothing of another kind fits here is all that matters.
            check_type(&call.kind, &mut new, &|_, _| true)?;
        }
        writing.place(&mut new)?;
        let uid = object::uid_of(&new);
        if !uid.is_empty() && uid != object::uid_of(old) {
            let cause = Cause {
                reason: "FieldValueInvalid",
                field: "metadata.uid".into(),
                message: format!("Invalid value: {uid:?}: field is immutable"),
            };
            let resource = &call.kind.resource;
            return Err(Refusal::invalid(&resource.group, &resource.kind, object::name(old), &[cause]));
        }
        // A Secret's values have no place in an error.
        let text = if call.kind.is_core("Secret") { "<a Secret>".into() } else { new.to_string() };
        writing.shape_up(&mut new, &[]).map_err(|error| {
            let cause = Cause {
                reason: "FieldValueInvalid",
                field: "patch".into(),
                message: format!("Invalid value: {text:?}: {error}"),
            };
            Refusal::invalid("", "", "", &[cause])
        })?;
        Ok(Changed { object: new, tracked: false })
    })?;
    Ok(writing.answer(StatusCode::OK, &stored))
}

/// A patch that has been read.
enum Change {
    Json(Vec<PatchOperation>),
    Merge(Value),
    Strategic(Map<String, Value>),
}

impl Change {
    fn parse(kind: &str, body: &Bytes, writing: &mut Writing<'_>) -> Result<Self, Refusal> {
        let bad =
            |error: &dyn std::fmt::Display| Refusal::bad_request(format!("error decoding patch: {error}"));
        if kind == JSON_PATCH {
            let document = json::from_json(body).map_err(|error| bad(&error))?;
            let Value::Array(operations) = document.value else {
                return Err(bad(
                    &"json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
                ));
            };
            if operations.len() > OPERATIONS {
                return Err(Refusal::too_large(&format!(
                    "The allowed maximum operations in a JSON patch is {OPERATIONS}, got {}",
                    operations.len()
                )));
            }
            let operations = serde_json::from_value(Value::Array(operations));
            let unknown = |error: serde_json::Error| Refusal::unprocessable(&error.to_string());
            return operations.map(Self::Json).map_err(unknown);
        }
        let document = json::from_json(body).map_err(|error| bad(&error))?;
        let twice: Vec<String> =
            document.duplicates.iter().map(|path| format!("duplicate field {path:?}")).collect();
        match writing.options.validation {
            FieldValidation::Strict if !twice.is_empty() => {
                return Err(bad(&format!("strict decoding error: {}", twice.join(", "))));
            }
            FieldValidation::Warn => writing.warnings.extend(twice),
            _ => {}
        }
        match document.value {
            Value::Object(patch) if kind == STRATEGIC => Ok(Self::Strategic(patch)),
            patch @ Value::Object(_) => Ok(Self::Merge(patch)),
            _ => Err(bad(&"a patch must be a JSON object")),
        }
    }

    fn made_to(&self, old: &Value, of: &str, custom: bool) -> Result<Value, Refusal> {
        let mut new = old.clone();
        match self {
            Self::Json(operations) => apply_operations(&mut new, operations)?,
            Self::Merge(patch) => json_patch::merge(&mut new, patch),
            Self::Strategic(patch) => {
                let Value::Object(target) = &mut new else { return Ok(new) };
                let of = Type::Named(of.into());
                strategic::merge(target, patch.clone(), (!custom).then_some(&of))
                    .map_err(|error| Refusal::unprocessable(&error.to_string()))?;
            }
        }
        if !new.is_object() {
            return Err(Refusal::unprocessable("the patch leaves no object"));
        }
        if is_deeper_than(&new, DEPTH) {
            return Err(Refusal::unprocessable(&format!("the patched object is nested deeper than {DEPTH}")));
        }
        Ok(new)
    }
}

/// One operation after the other, so that copies of copies are counted.
fn apply_operations(object: &mut Value, operations: &[PatchOperation]) -> Result<(), Refusal> {
    let mut copied = 0;
    for operation in operations {
        if let PatchOperation::Copy(copy) = operation
            && let Ok(part) = copy.from.resolve(object)
        {
            copied += part.to_string().len();
            if copied > COPIED || is_deeper_than(object, DEPTH) {
                return Err(Refusal::unprocessable(&format!(
                    "Unable to complete the copy, the accumulated size increase of copy is {copied}, exceeding the limit {COPIED}"
                )));
            }
        }
        json_patch::patch(object, std::slice::from_ref(operation))
            .map_err(|error| Refusal::unprocessable(&error.to_string()))?;
    }
    Ok(())
}

fn is_deeper_than(value: &Value, depth: usize) -> bool {
    match (value, depth) {
        (Value::Array(_) | Value::Object(_), 0) => true,
        (Value::Array(items), _) => items.iter().any(|item| is_deeper_than(item, depth - 1)),
        (Value::Object(map), _) => map.values().any(|item| is_deeper_than(item, depth - 1)),
        _ => false,
    }
}

/// Server-side apply.
fn apply(call: &Call<'_>, body: &Bytes, pretty: bool) -> Result<Response, Refusal> {
    let mut writing = Writing::begin(call, Write::Apply, pretty)?;
    // JSON is YAML too, and its parser is the quicker one.
    let document = match json::from_json(body) {
        Ok(document) => document,
        Err(_) => json::from_yaml(body)
            .map_err(|error| Refusal::bad_request(format!("error decoding YAML: {error}")))?,
    };
    if !document.duplicates.is_empty() {
        let twice: Vec<String> =
            document.duplicates.iter().map(|path| format!("duplicate field {path:?}")).collect();
        match writing.options.validation {
            FieldValidation::Strict => {
                return Err(Refusal::bad_request(format!(
                    "error strict decoding YAML: {}",
                    twice.join(", ")
                )));
            }
            FieldValidation::Warn => writing.warnings.extend(twice),
            FieldValidation::Ignore => {}
        }
    }
    let mut config = document.value;
    let resource = &call.kind.resource;
    let version = resource.api_version();
    if !config.is_object() {
        return Err(Refusal::bad_request("error decoding YAML: the patch must be an object"));
    }
    if config["apiVersion"] != version.as_str() || config["kind"] != resource.kind.as_str() {
        let text = |name: &str| config[name].as_str().unwrap_or_default();
        let given = text("apiVersion");
        let slash = if given.contains('/') { "" } else { "/" };
        return Err(Refusal::bad_request(format!(
            "invalid object type: {slash}{given}, Kind={}",
            text("kind")
        )));
    }
    let name = call.target.name.as_deref().unwrap_or_default();
    let named = object::name(&config).to_owned();
    if !named.is_empty() && named != name {
        return Err(Refusal::bad_request(format!(
            "the name of the object ({named}) does not match the name on the URL ({name})"
        )));
    }
    let namespace = object::namespace(&config).to_owned();
    if !namespace.is_empty() && Some(namespace.as_str()) != call.target.namespace.as_deref() {
        return Err(Refusal::bad_request(format!(
            "the namespace of the object ({namespace}) does not match the namespace on the request ({})",
            call.target.namespace.as_deref().unwrap_or_default()
        )));
    }
    if let Some(metadata) = object::metadata_mut(&mut config) {
        metadata.insert("name".into(), name.into());
    }
    drop_nulls(&mut config);
    let key = call.kind.key(call.target.namespace.as_deref(), name);
    if call.api.store.get(&key).is_none() {
        if call.target.subresource.is_some() {
            return Err(Refusal::not_found(resource, name));
        }
        if !object::uid_of(&config).is_empty() {
            let why = "uid mismatch: the provided object specified uid, and no existing object was found";
            return Err(Refusal::conflict(resource, name, why));
        }
        let force = writing.options.force;
        let mut new = writing.with_writer(|writer| writer.apply(&json!({}), &config, force))?;
        settle(&mut writing, &mut new)?;
        let stored = writing.store_new(Changed { object: new, tracked: true })?;
        return Ok(writing.answer(StatusCode::CREATED, &stored));
    }
    let stored = writing.store_change(|writing, old| {
        let force = writing.options.force;
        let mut new = writing.with_writer(|writer| writer.apply(old, &config, force))?;
        settle(writing, &mut new)?;
        Ok(Changed { object: new, tracked: true })
    })?;
    Ok(writing.answer(StatusCode::OK, &stored))
}

/// Checks the types of what an apply has made.
fn settle(writing: &mut Writing<'_>, new: &mut Value) -> Result<(), Refusal> {
    let (kind, version) = (&writing.call.kind.resource.kind, writing.call.kind.resource.version.clone());
    let kind = kind.clone();
    writing.shape_up(new, &[]).map_err(|error| {
        Refusal::bad_request(format!("{kind} in version {version:?} cannot be handled as a {kind}: {error}"))
    })
}

/// A null in a configuration says nothing.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}
