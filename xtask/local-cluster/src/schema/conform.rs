//! Brings an object into the shape of its type, as decoding into Go structs
//! does: unknown fields fall away (and are named), nulls are absent, and a value
//! of another type is an error in the words of Go's decoder.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Field, Short, Struct, Type};

/// A value of the wrong type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Mismatch(pub String);

/// How many unknown fields are named; all of them fall away.
const NAMED: usize = 100;

/// Where the walk is.
#[derive(Clone)]
struct Place {
    /// `spec.containers[0].image`: as unknown fields are named.
    path: String,
    /// `spec.containers.image`: as Go names fields in type errors.
    plain: String,
    /// The struct that holds the field.
    within: String,
    /// In a custom kind: types are left to the validation by its schema, which
    /// also says what may be null.
    custom: bool,
}

/// Conforms `object` to `structure` and returns the paths of unknown fields.
///
/// # Errors
/// [`Mismatch`] with the first value of a wrong type.
pub fn conform(object: &mut Value, structure: &Struct) -> Result<Vec<String>, Mismatch> {
    let mut unknown = vec![];
    let place = Place {
        path: String::new(),
        plain: String::new(),
        within: structure.name.clone(),
        custom: structure.package.is_empty(),
    };
    conform_struct(object, structure, &place, &mut unknown, true)?;
    Ok(unknown)
}

fn conform_struct(
    value: &mut Value,
    structure: &Struct,
    place: &Place,
    unknown: &mut Vec<String>,
    root: bool,
) -> Result<(), Mismatch> {
    let Value::Object(map) = value else {
        return mismatch(value, place, &format!("v1.{}", structure.name));
    };
    let names: Vec<String> = map.keys().cloned().collect();
    for name in names {
        if root && (name == "kind" || name == "apiVersion") {
            continue;
        }
        let Some(field) = structure.field(&name) else {
            if let (Some(rest), Some(inner)) = (&structure.rest, map.get_mut(&name)) {
                let place = Place { path: join(&place.path, &name), ..place.clone() };
                conform_value(inner, rest, &place, unknown)?;
            } else if !structure.open {
                map.remove(&name);
                if unknown.len() < NAMED {
                    unknown.push(join(&place.path, &name));
                }
            }
            continue;
        };
        match map.get_mut(&name) {
            Some(Value::Null) | None if !place.custom => {
                map.remove(&name);
            }
            None => {}
            Some(inner) => conform_field(inner, field, structure, place, unknown)?,
        }
    }
    Ok(())
}

fn conform_field(
    value: &mut Value,
    field: &Field,
    structure: &Struct,
    place: &Place,
    unknown: &mut Vec<String>,
) -> Result<(), Mismatch> {
    let place = Place {
        path: join(&place.path, &field.name),
        plain: join(&place.plain, &field.name),
        within: structure.name.clone(),
        custom: place.custom && !matches!(field.of, Type::Named(_)),
    };
    conform_value(value, &field.of, &place, unknown)
}

fn conform_value(
    value: &mut Value,
    of: &Type,
    place: &Place,
    unknown: &mut Vec<String>,
) -> Result<(), Mismatch> {
    let fits = match of {
        Type::String => value.is_string(),
        Type::Bool => value.is_boolean(),
        Type::Double => value.is_number(),
        Type::Int32 => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        Type::Int64 => value.is_i64(),
        Type::IntOrString => value.is_string() || value.as_i64().is_some_and(|it| i32::try_from(it).is_ok()),
        Type::Raw => true,
        Type::Bytes => return bytes(value, place),
        Type::Quantity => return quantity(value, place),
        Type::Time => return time(value, place, 0),
        Type::MicroTime => return time(value, place, 6),
        Type::List(item) => return list(value, of, item, place, unknown),
        Type::Map(item) => return map(value, of, item, place, unknown),
        Type::SchemaOr(short) => return schema_or(value, *short, place, unknown),
        Type::Named(_) | Type::Inline(_) => {
            return match of.as_struct() {
                Some(structure) => conform_struct(value, structure, place, unknown, false),
                None => Ok(()),
            };
        }
    };
    if fits { Ok(()) } else { mismatch(value, place, &go_name(of)) }
}

fn list(
    value: &mut Value,
    of: &Type,
    item: &Type,
    place: &Place,
    unknown: &mut Vec<String>,
) -> Result<(), Mismatch> {
    let Value::Array(items) = value else { return mismatch(value, place, &go_name(of)) };
    for (index, value) in items.iter_mut().enumerate() {
        if value.is_null() && !place.custom {
            *value = zero(item);
        }
        let place = Place { path: format!("{}[{index}]", place.path), ..place.clone() };
        conform_value(value, item, &place, unknown)?;
    }
    Ok(())
}

fn map(
    value: &mut Value,
    of: &Type,
    item: &Type,
    place: &Place,
    unknown: &mut Vec<String>,
) -> Result<(), Mismatch> {
    let Value::Object(entries) = value else { return mismatch(value, place, &go_name(of)) };
    for (name, value) in entries.iter_mut() {
        if value.is_null() && !place.custom {
            *value = zero(item);
        }
        let place = Place { path: join(&place.path, name), ..place.clone() };
        conform_value(value, item, &place, unknown)?;
    }
    Ok(())
}

fn schema_or(
    value: &mut Value,
    short: Short,
    place: &Place,
    unknown: &mut Vec<String>,
) -> Result<(), Mismatch> {
    let schema = Type::Named("JSONSchemaProps".into());
    match (short, &value) {
        (Short::Bool, Value::Bool(_)) => Ok(()),
        (Short::Schemas, Value::Array(_)) => {
            conform_value(value, &Type::List(Box::new(schema)), place, unknown)
        }
        (Short::Strings, Value::Array(_)) => {
            conform_value(value, &Type::List(Box::new(Type::String)), place, unknown)
        }
        _ => conform_value(value, &schema, place, unknown),
    }
}

fn bytes(value: &mut Value, place: &Place) -> Result<(), Mismatch> {
    let Value::String(text) = &*value else { return mismatch(value, place, "[]uint8") };
    // Go's decoder skips line breaks, which `base64` on the command line prints.
    let packed: String = text.chars().filter(|it| !matches!(it, '\n' | '\r')).collect();
    match BASE64_STANDARD.decode(packed) {
        Ok(decoded) => {
            *value = BASE64_STANDARD.encode(decoded).into();
            Ok(())
        }
        Err(error) => {
            let place = match error {
                base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => at,
                _ => text.len(),
            };
            Err(Mismatch(format!("illegal base64 data at input byte {place}")))
        }
    }
}

fn quantity(value: &mut Value, place: &Place) -> Result<(), Mismatch> {
    if value.is_number() {
        *value = value.to_string().into();
    }
    let Value::String(text) = &*value else { return mismatch(value, place, "resource.Quantity") };
    if is_quantity(text) {
        return Ok(());
    }
    Err(Mismatch(
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'".into(),
    ))
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

fn time(value: &mut Value, place: &Place, digits: usize) -> Result<(), Mismatch> {
    let Value::String(text) = &*value else { return mismatch(value, place, "v1.Time") };
    let Ok(time) = text.parse::<Timestamp>() else {
        return Err(Mismatch(format!(
            "parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse {text:?} as \"2006\""
        )));
    };
    let format = if digits == 0 { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S.%6fZ" };
    *value = time.strftime(format).to_string().into();
    Ok(())
}

/// What Go makes of a null in a list or map.
fn zero(of: &Type) -> Value {
    match of {
        Type::String | Type::Bytes => "".into(),
        Type::Int32 | Type::Int64 | Type::Double | Type::IntOrString => 0.into(),
        Type::Bool => false.into(),
        Type::Quantity => "0".into(),
        Type::List(_) => Value::Array(vec![]),
        Type::Map(_) | Type::Named(_) | Type::Inline(_) => Value::Object(Map::new()),
        _ => Value::Null,
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn go_name(of: &Type) -> String {
    match of {
        Type::String => "string".into(),
        Type::Bytes => "[]uint8".into(),
        Type::Int32 => "int32".into(),
        Type::Int64 => "int64".into(),
        Type::Double => "float64".into(),
        Type::Bool => "bool".into(),
        Type::Quantity => "resource.Quantity".into(),
        Type::IntOrString => "intstr.IntOrString".into(),
        Type::Time => "v1.Time".into(),
        Type::MicroTime => "v1.MicroTime".into(),
        Type::Raw | Type::SchemaOr(_) => "v1.JSON".into(),
        Type::List(item) => format!("[]{}", go_name(item)),
        Type::Map(item) => format!("map[string]{}", go_name(item)),
        Type::Named(name) => format!("v1.{name}"),
        Type::Inline(inner) => format!("v1.{}", inner.name),
    }
}

fn mismatch(value: &Value, place: &Place, wanted: &str) -> Result<(), Mismatch> {
    if place.custom {
        return Ok(());
    }
    let found = match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "bool".to_owned(),
        Value::Number(number) if wanted.starts_with("int") => format!("number {number}"),
        Value::Number(_) => "number".to_owned(),
        Value::String(_) => "string".to_owned(),
        Value::Array(_) => "array".to_owned(),
        Value::Object(_) => "object".to_owned(),
    };
    if place.plain.is_empty() {
        return Err(Mismatch(format!("json: cannot unmarshal {found} into Go value of type {wanted}")));
    }
    Err(Mismatch(format!(
        "json: cannot unmarshal {found} into Go struct field {}.{} of type {wanted}",
        place.within, place.plain
    )))
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
    fn a_wrong_type_is_said_as_go_says_it() {
        let wrong = |object| deployment(object).1.unwrap_err().0;
        assert_eq!(
            wrong(json!({"spec": {"replicas": "3"}})),
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"
        );
        assert_eq!(
            wrong(json!({"spec": {"template": {"spec": {"containers": {}}}}})),
            "json: cannot unmarshal object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container"
        );
        assert_eq!(
            wrong(json!({"spec": {"replicas": 1.5}})),
            "json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32"
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
