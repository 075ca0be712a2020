//! Brings an object into the shape of its type, as decoding into Go structs
//! does: unknown fields fall away (and are named), nulls are absent, and a value
//! of another type is an error.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde_json::Value;

use super::types::{Struct, Type};

/// A value of the wrong type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Mismatch(pub String);

/// How many unknown fields are named; all of them fall away.
const NAMED: usize = 100;

/// Conforms `object` to `structure` and returns the paths of unknown fields.
///
/// # Errors
/// [`Mismatch`] with the first value of a wrong type.
pub fn conform(object: &mut Value, structure: &Struct) -> Result<Vec<String>, Mismatch> {
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
) -> Result<(), Mismatch> {
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

fn conform_value(
    value: &mut Value,
    of: &Type,
    path: &str,
    unknown: &mut Vec<String>,
) -> Result<(), Mismatch> {
    let is_i32 = |value: &Value| value.as_i64().is_some_and(|number| i32::try_from(number).is_ok());
    let (fits, wanted) = match of {
        Type::String => (value.is_string(), "string"),
        Type::Bool => (value.is_boolean(), "bool"),
        Type::Double => (value.is_number(), "number"),
        Type::Int32 => (is_i32(value), "int32"),
        Type::Int64 => (value.is_i64(), "int64"),
        Type::IntOrString => (value.is_string() || is_i32(value), "int32 or string"),
        Type::Raw => (true, ""),
        Type::Bytes => return bytes(value, path),
        Type::Quantity => return quantity(value, path),
        Type::Time => return time(value, path, "%Y-%m-%dT%H:%M:%SZ"),
        Type::MicroTime => return time(value, path, "%Y-%m-%dT%H:%M:%S.%6fZ"),
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
            return match of.as_struct() {
                Some(structure) => conform_struct(value, structure, path, unknown),
                None => Ok(()),
            };
        }
    };
    if fits { Ok(()) } else { mismatch(value, path, wanted) }
}

fn bytes(value: &mut Value, path: &str) -> Result<(), Mismatch> {
    let Value::String(text) = &*value else { return mismatch(value, path, "base64") };
    // Go's decoder skips line breaks, which `base64` on the command line prints.
    let packed: String = text.chars().filter(|it| !matches!(it, '\n' | '\r')).collect();
    match BASE64_STANDARD.decode(packed) {
        Ok(decoded) => *value = BASE64_STANDARD.encode(decoded).into(),
        Err(_) => return Err(Mismatch(format!("{path}: illegal base64 data"))),
    }
    Ok(())
}

fn quantity(value: &mut Value, path: &str) -> Result<(), Mismatch> {
    if value.is_number() {
        *value = value.to_string().into();
    }
    match value.as_str().is_some_and(is_quantity) {
        true => Ok(()),
        false => mismatch(value, path, "quantity"),
    }
}

/// Whether a text is an amount such as `250m`, `64Mi`, `1e3`.
pub fn is_quantity(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = unsigned.find(|it: char| !it.is_ascii_digit() && it != '.').unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(digits);
    let good_number = number.contains(|it: char| it.is_ascii_digit()) && number.matches('.').count() <= 1;
    let exponent = |it: &str| {
        let digits = it.strip_prefix(['+', '-']).unwrap_or(it);
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    let good_suffix = matches!(
        suffix,
        "" | "n" | "u" | "m" | "k" | "M" | "G" | "T" | "P" | "E" | "Ki" | "Mi" | "Gi" | "Ti" | "Pi" | "Ei"
    ) || suffix.strip_prefix(['e', 'E']).is_some_and(exponent);
    good_number && good_suffix
}

fn time(value: &mut Value, path: &str, format: &str) -> Result<(), Mismatch> {
    match value.as_str().and_then(|text| text.parse::<Timestamp>().ok()) {
        Some(time) => *value = time.strftime(format).to_string().into(),
        None => return mismatch(value, path, "RFC 3339 time"),
    }
    Ok(())
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Says what is there, but not the value, which may be nobody's business.
fn mismatch(value: &Value, path: &str, wanted: &str) -> Result<(), Mismatch> {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    Err(Mismatch(format!("{path}: cannot unmarshal {found} into {wanted}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::table;
    use serde_json::json;

    fn deployment(mut object: Value) -> (Value, Result<Vec<String>, Mismatch>) {
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
        let wrong = |object| deployment(object).1.unwrap_err().0;
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

    #[test]
    fn quantities() {
        for good in ["1", "250m", "1.5Gi", "-1", "1e3", "1E-3", ".5"] {
            assert!(is_quantity(good), "{good}");
        }
        for bad in ["", "Gi", "1 Gi", "1KiB", "1..2", "e3", "1e"] {
            assert!(!is_quantity(bad), "{bad}");
        }
    }
}
