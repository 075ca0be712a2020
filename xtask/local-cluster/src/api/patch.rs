//! PATCH, in the four ways that clients know.

use bytes::Bytes;
use http::{Method, StatusCode};
use json_patch::PatchOperation;
use serde_json::{Map, Value, json};

use crate::schema::strategic;
use crate::schema::types::Type;
use crate::serve::Response;
use crate::store::object;

use super::body::content_type;
use super::call::Call;
use super::status::Refusal;
use super::write::{Writing, is_of_kind};

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

/// Whether it is an apply, which creates what is not there.
pub fn applies(call: &Call<'_>) -> bool {
    call.parts.method == Method::PATCH && content_type(&call.parts.headers) == APPLY
}

/// PATCH of an object or its status.
pub fn patch(call: &Call<'_>, body: &Bytes) -> Result<Response, Refusal> {
    if applies(call) {
        return apply(call, body);
    }
    let patch = Patch::parse(call, body)?;
    let writing = Writing::begin(call)?;
    let stored = writing.store_change(|writing, old| {
        let mut new = old.clone();
        patch.make_to(&mut new, &call.kind.resource.kind)?;
        is_of_kind(&call.kind.resource, &mut new)?;
        writing.is_named(&new)?;
        writing.place(&mut new)?;
        writing.shape_up(&mut new)?;
        Ok(new)
    })?;
    Ok(writing.answer(StatusCode::OK, &stored))
}

/// A patch that has been read.
pub enum Patch {
    /// Operations, one after the other.
    Json(Vec<PatchOperation>),
    /// What stands in it replaces what is there; null takes it away.
    Merge(Value),
    /// As a merge, with lists whose items have keys.
    Strategic(Map<String, Value>),
}

fn undecodable(error: &dyn std::fmt::Display) -> Refusal {
    Refusal::bad_request(format!("error decoding patch: {error}"))
}

impl Patch {
    /// Reads what the request's content type says.
    ///
    /// # Errors
    /// 400, 413 and 415.
    pub fn parse(call: &Call<'_>, body: &Bytes) -> Result<Self, Refusal> {
        let kind = content_type(&call.parts.headers);
        let known: &[&str] = match call.kind.resource.custom {
            true => &[JSON_PATCH, MERGE, APPLY],
            false => &[JSON_PATCH, MERGE, STRATEGIC, APPLY],
        };
        if !known.contains(&kind) {
            return Err(Refusal::unsupported_media_type(known));
        }
        let document: Value = serde_json::from_slice(body).map_err(|error| undecodable(&error))?;
        match (kind, document) {
            (JSON_PATCH, Value::Array(all)) if all.len() > OPERATIONS => Err(Refusal::too_large(&format!(
                "The allowed maximum operations in a JSON patch is {OPERATIONS}, got {}",
                all.len()
            ))),
            (JSON_PATCH, document) => match serde_json::from_value(document) {
                Ok(operations) => Ok(Self::Json(operations)),
                Err(error) => Err(undecodable(&error)),
            },
            (STRATEGIC, Value::Object(patch)) => Ok(Self::Strategic(patch)),
            (_, patch @ Value::Object(_)) => Ok(Self::Merge(patch)),
            _ => Err(undecodable(&"a patch must be a JSON object")),
        }
    }

    /// Changes an object of a type.
    ///
    /// # Errors
    /// 422.
    pub fn make_to(&self, object: &mut Value, of: &str) -> Result<(), Refusal> {
        match (self, &mut *object) {
            (Self::Json(operations), object) => apply_operations(object, operations)?,
            (Self::Merge(patch), object) => json_patch::merge(object, patch),
            (Self::Strategic(patch), Value::Object(map)) => {
                strategic::merge(map, patch.clone(), Some(&Type::Named(of.into())))
                    .map_err(|error| Refusal::unprocessable(&error))?;
            }
            (Self::Strategic(_), _) => {}
        }
        if !object.is_object() {
            return Err(Refusal::unprocessable("the patch leaves no object"));
        }
        if is_deeper_than(object, DEPTH) {
            return Err(Refusal::unprocessable(&format!("the patched object is nested deeper than {DEPTH}")));
        }
        Ok(())
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
                    "its copies are more than {COPIED} bytes or too deep"
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
fn apply(call: &Call<'_>, body: &Bytes) -> Result<Response, Refusal> {
    let mut writing = Writing::begin(call)?;
    // JSON is YAML too, and its parser is the quicker one.
    let mut config: Value = match serde_json::from_slice(body) {
        Ok(config) => config,
        Err(_) => serde_yaml::from_slice(body).map_err(|error| undecodable(&error))?,
    };
    is_of_kind(&call.kind.resource, &mut config)?;
    if object::name(&config).is_empty()
        && let Some(metadata) = object::metadata_mut(&mut config)
    {
        metadata.insert("name".into(), call.name().into());
    }
    writing.is_named(&config)?;
    drop_nulls(&mut config);
    // Of a field that nobody declared it could not be said how it is owned.
    writing.options.strict = true;
    writing.shape_up(&mut config)?;
    writing.applies = true;
    let applied = |writing: &Writing<'_>, old: &Value| {
        let mut object = writing.writer().apply(old, &config, writing.options.force)?;
        writing.place(&mut object)?;
        Ok(object)
    };
    if call.target.subresource.is_some() || call.api.store.get(&call.key()).is_some() {
        let stored = writing.store_change(applied)?;
        return Ok(writing.answer(StatusCode::OK, &stored));
    }
    let new = applied(&writing, &json!({}))?;
    let stored = writing.store_new(new)?;
    Ok(writing.answer(StatusCode::CREATED, &stored))
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
