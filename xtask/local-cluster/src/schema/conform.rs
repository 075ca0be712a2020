//! Brings an object into the shape of its type, as decoding into Go structs
//! does: unknown fields fall away (and are named), nulls are absent, and a value
//! of another type is an error.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde_json::Value;

use super::types::{Struct, Type};

/// How many unknown fields are named; all of them fall away.
const NAMED: usize = 100;

/// Conforms `object` to `structure` and returns the paths of unknown fields.
///
/// # Errors
/// The first value of a wrong type: its path, and what is wrong.
pub fn conform(object: &mut Value, structure: &Struct) -> Result<Vec<String>, String> {
    let mut unknown = vec![];
    conform_struct(object, structure, "", &mut unknown)?;
    Ok(unknown)
}

/// `path` is as people read it: `spec.containers[0].image`.
fn conform_struct(
    value: &mut Value,
    structure: &Struct,
    path: &str,
    unknown: &mut Vec<String>,
) -> Result<(), String> {
    let Value::Object(map) = value else { return mismatch(value, path, "object") };
    let names: Vec<String> = map.keys().cloned().collect();
    for name in names {
        if path.is_empty() && (name == "kind" || name == "apiVersion") {
            continue;
        }
        match (structure.field(&name), map.get_mut(&name)) {
            (Some(_), Some(Value::Null)) => {
                map.remove(&name);
            }
            (Some(field), Some(inner)) => conform_value(inner, &field.of, &join(path, &name), unknown)?,
            _ if structure.open => {}
            _ => {
                map.remove(&name);
                if unknown.len() < NAMED {
                    unknown.push(join(path, &name));
                }
            }
        }
    }
    Ok(())
}

fn conform_value(value: &mut Value, of: &Type, path: &str, unknown: &mut Vec<String>) -> Result<(), String> {
    let is_i32 = |value: &Value| value.as_i64().is_some_and(|number| i32::try_from(number).is_ok());
    let (fits, wanted) = match of {
        Type::String => (value.is_string(), "string"),
        Type::Bool => (value.is_boolean(), "bool"),
        Type::Int32 => (is_i32(value), "int32"),
        Type::Int64 => (value.is_i64(), "int64"),
        Type::IntOrString => (value.is_string() || is_i32(value), "int32 or string"),
        Type::Raw => (true, ""),
        Type::Bytes => (bytes(value), "base64"),
        Type::Quantity => {
            if value.is_number() {
                *value = value.to_string().into();
            }
            (value.is_string(), "quantity")
        }
        Type::Time => (time(value, "%Y-%m-%dT%H:%M:%SZ"), "RFC 3339 time"),
        Type::MicroTime => (time(value, "%Y-%m-%dT%H:%M:%S.%6fZ"), "RFC 3339 time"),
        Type::List(item) => {
            let Value::Array(items) = value else { return mismatch(value, path, "array") };
            // Of a null Go would make something empty.
            items.retain(|value| !value.is_null());
            for (index, value) in items.iter_mut().enumerate() {
                conform_value(value, item, &format!("{path}[{index}]"), unknown)?;
            }
            return Ok(());
        }
        Type::Map(item) => {
            let Value::Object(entries) = value else { return mismatch(value, path, "object") };
            entries.retain(|_, value| !value.is_null());
            for (name, value) in entries.iter_mut() {
                conform_value(value, item, &join(path, name), unknown)?;
            }
            return Ok(());
        }
        Type::Named(_) => {
            return of
                .as_struct()
                .map_or(Ok(()), |structure| conform_struct(value, structure, path, unknown));
        }
    };
    if fits { Ok(()) } else { mismatch(value, path, wanted) }
}

/// Whether a value is bytes in base64, which are then written in one way.
fn bytes(value: &mut Value) -> bool {
    // Go's decoder skips line breaks, which `base64` on the command line prints.
    let packed = value.as_str().map(|text| text.replace(['\n', '\r'], ""));
    let decoded = packed.and_then(|packed| BASE64_STANDARD.decode(packed).ok());
    decoded.map(|decoded| *value = BASE64_STANDARD.encode(decoded).into()).is_some()
}

/// Whether a value is a time, which is then written in one way.
fn time(value: &mut Value, format: &str) -> bool {
    let time = value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    time.map(|time| *value = time.strftime(format).to_string().into()).is_some()
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Says what is there, but not the value, which may be nobody's business.
fn mismatch(value: &Value, path: &str, wanted: &str) -> Result<(), String> {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    Err(format!("{path}: cannot unmarshal {found} into {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::table;
    use serde_json::json;

    fn deployment(mut object: Value) -> (Value, Result<Vec<String>, String>) {
        let result = conform(&mut object, table::named("Deployment").unwrap());
        (object, result)
    }

    #[test]
    fn unknown_fields_fall_away_and_are_named_by_path() {
        let (object, unknown) = deployment(json!({
            "kind": "Deployment", "apiVersion": "apps/v1", "more": 1,
            "metadata": {"name": "a", "creationTimestamp": null},
            "spec": {"replica": 1, "template": {"spec": {"containers": [{"name": "a", "imag": "b"}]}}},
        }));
        assert_eq!(unknown.unwrap(), ["more", "spec.replica", "spec.template.spec.containers[0].imag"]);
        assert_eq!(
            object,
            json!({
                "kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "a"},
                "spec": {"template": {"spec": {"containers": [{"name": "a"}]}}},
            })
        );
    }

    #[test]
    fn a_wrong_type_is_said_by_path() {
        let wrong = |object| deployment(object).1.unwrap_err();
        assert_eq!(
            wrong(json!({"spec": {"replicas": "3"}})),
            "spec.replicas: cannot unmarshal string into int32"
        );
        assert_eq!(
            wrong(json!({"spec": {"template": {"spec": {"containers": {}}}}})),
            "spec.template.spec.containers: cannot unmarshal object into array"
        );
        assert_eq!(
            wrong(json!({"spec": {"replicas": 1.5}})),
            "spec.replicas: cannot unmarshal number into int32"
        );
    }
}
