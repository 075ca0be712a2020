//! Kubernetes' protobuf: the four bytes `k8s\0`, then a `runtime.Unknown` that
//! holds the object's type and its message.
//!
//! Field numbers come from the same table as everything else that is known of a
//! field, so there is no generated code.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::schema::table;
use crate::schema::types::{Field, Struct, Type};

/// What every message begins with.
pub const MAGIC: &[u8] = b"k8s\0";

const TRUNCATED: &str = "unexpected EOF";

/// What is wrong with bytes that are no object.
type Broken = String;

/// A string that is no UTF-8, a time that is none, a field of another type.
fn holds_no_such(what: &str) -> Broken {
    format!("proto: a {what} holds no such value")
}

/// Reads an object; its kind and version are in it as in JSON. `None` for one of a kind that is in
/// no table.
///
/// # Errors
/// What is wrong, in Go's words.
pub fn from_protobuf(bytes: &[u8]) -> Result<Option<Value>, Broken> {
    const NO_MAGIC: &str =
        "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]";
    let unknown = Numbered::of(bytes.strip_prefix(MAGIC).ok_or(NO_MAGIC)?)?;
    let of = Numbered::of(unknown.bytes(1))?;
    let (api_version, kind) = (string(of.bytes(1))?, string(of.bytes(2))?);
    // Options belong to every group.
    let found =
        if kind == "DeleteOptions" { table::named(&kind) } else { table::of_kind(&api_version, &kind) };
    let Some(structure) = found else { return Ok(None) };
    let mut object = message(unknown.bytes(2), structure)?;
    object.insert("apiVersion".into(), api_version.into());
    object.insert("kind".into(), kind.into());
    Ok(Some(Value::Object(object)))
}

/// The value of a field on the wire.
#[derive(Debug, Clone, Copy)]
enum Wire<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    /// Of four or eight bytes: no field here is such a number.
    Fixed,
}

/// The fields of a message, in order.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Result<u64, Broken> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first().ok_or(TRUNCATED)?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(holds_no_such("varint"))
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Broken> {
        let length = usize::try_from(length).map_err(|_| TRUNCATED)?;
        let (taken, rest) = self.0.split_at_checked(length).ok_or(TRUNCATED)?;
        self.0 = rest;
        Ok(taken)
    }

    fn read(&mut self) -> Result<(u64, Wire<'a>), Broken> {
        let tag = self.varint()?;
        let wire = match tag & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => self.take(8).map(|_| Wire::Fixed)?,
            2 => {
                let length = self.varint()?;
                Wire::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Wire::Fixed)?,
            _ => return Err(holds_no_such("message")),
        };
        Ok((tag >> 3, wire))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Wire<'a>), Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let read = self.read();
        if read.is_err() {
            self.0 = b"";
        }
        Some(read)
    }
}

/// A message whose fields are there once.
struct Numbered<'a>(BTreeMap<u64, Wire<'a>>);

impl<'a> Numbered<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self, Broken> {
        Fields(bytes).collect::<Result<_, _>>().map(Self)
    }

    fn bytes(&self, number: u64) -> &'a [u8] {
        match self.0.get(&number) {
            Some(Wire::Bytes(bytes)) => bytes,
            _ => b"",
        }
    }

    fn varint(&self, number: u64) -> Option<i64> {
        match self.0.get(&number) {
            Some(Wire::Varint(value)) => Some(signed(*value)),
            _ => None,
        }
    }
}

fn message(bytes: &[u8], structure: &Struct) -> Result<Map<String, Value>, Broken> {
    let mut object = Map::new();
    for read in Fields(bytes) {
        let (number, wire) = read?;
        // A field that is not in the table comes from a newer client.
        let Some(field) = structure.fields.iter().find(|it| it.number != 0 && u64::from(it.number) == number)
        else {
            continue;
        };
        if field.inline {
            if let (Wire::Bytes(inner), Some(structure)) = (wire, field.of.as_struct()) {
                object.extend(message(inner, structure)?);
            }
            continue;
        }
        add(&mut object, field, wire)?;
    }
    Ok(object)
}

fn add(object: &mut Map<String, Value>, field: &Field, wire: Wire<'_>) -> Result<(), Broken> {
    match &field.of {
        Type::List(item) => {
            let list = object.entry(&field.name).or_insert_with(|| Value::Array(vec![]));
            let Value::Array(list) = list else { return Ok(()) };
            match (wire, &**item) {
                (Wire::Bytes(packed), Type::Int32 | Type::Int64) => {
                    let mut packed = Fields(packed);
                    while !packed.0.is_empty() {
                        list.push(signed(packed.varint()?).into());
                    }
                }
                _ => list.push(value(item, wire)?),
            }
        }
        Type::Map(item) => {
            let Wire::Bytes(entry) = wire else { return Err(holds_no_such("map")) };
            let entry = Numbered::of(entry)?;
            let name = string(entry.bytes(1))?;
            let held = entry.0.get(&2).map_or_else(|| Ok("".into()), |wire| value(item, *wire))?;
            let map = object.entry(&field.name).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(map) = map {
                map.insert(name, held);
            }
        }
        of => {
            let value = value(of, wire)?;
            // Go writes what is not a pointer even if it is not set.
            if (field.pointer || field.always) && !value.is_null() || !is_zero(&value) {
                object.insert(field.name.clone(), value);
            }
        }
    }
    Ok(())
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(_) => false,
        Value::Object(map) => map.is_empty(),
    }
}

fn value(of: &Type, wire: Wire<'_>) -> Result<Value, Broken> {
    Ok(match (of, wire) {
        (Type::Bool, Wire::Varint(number)) => (number != 0).into(),
        (Type::Int32 | Type::Int64, Wire::Varint(number)) => signed(number).into(),
        (Type::String, Wire::Bytes(text)) => string(text)?.into(),
        (Type::Bytes, Wire::Bytes(bytes)) => BASE64_STANDARD.encode(bytes).into(),
        (Type::Quantity, Wire::Bytes(bytes)) => string(Numbered::of(bytes)?.bytes(1))?.into(),
        (Type::IntOrString, Wire::Bytes(bytes)) => {
            let either = Numbered::of(bytes)?;
            match either.varint(1) {
                Some(1) => string(either.bytes(3))?.into(),
                _ => either.varint(2).unwrap_or_default().into(),
            }
        }
        (Type::Time, Wire::Bytes(bytes)) => time(bytes, "%Y-%m-%dT%H:%M:%SZ")?,
        (Type::MicroTime, Wire::Bytes(bytes)) => time(bytes, "%Y-%m-%dT%H:%M:%S.%6fZ")?,
        // JSON in a message of its own (`FieldsV1`, `RawExtension`, `JSON`).
        (Type::Raw, Wire::Bytes(bytes)) => match Numbered::of(bytes)?.bytes(1) {
            b"" => Value::Null,
            json => serde_json::from_slice(json).map_err(|_| holds_no_such("JSON document"))?,
        },
        (Type::Named(_), Wire::Bytes(bytes)) => match of.as_struct() {
            Some(structure) => Value::Object(message(bytes, structure)?),
            None => Value::Null,
        },
        _ => return Err(holds_no_such("field")),
    })
}

fn string(bytes: &[u8]) -> Result<String, Broken> {
    String::from_utf8(bytes.to_vec()).map_err(|_| holds_no_such("string"))
}

/// Protobuf writes negative numbers as their two's complement in 64 bits.
fn signed(number: u64) -> i64 {
    number as i64
}

fn time(bytes: &[u8], format: &str) -> Result<Value, Broken> {
    let time = Numbered::of(bytes)?;
    // Neither set is Go's zero time, which JSON writes as null.
    let Some(seconds) = time.varint(1) else { return Ok(Value::Null) };
    let time = i32::try_from(time.varint(2).unwrap_or_default()).ok();
    let time = time.and_then(|nanoseconds| Timestamp::new(seconds, nanoseconds).ok());
    Ok(time.ok_or_else(|| holds_no_such("time"))?.strftime(format).to_string().into())
}

#[cfg(test)]
#[path = "protobuf_tests.rs"]
mod tests;
