//! Kubernetes' protobuf: the four bytes `k8s\0`, then a `runtime.Unknown` that
//! holds the object's type and its message.
//!
//! Field numbers come from the same table as everything else that is known of a
//! field, so there is no generated code.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::schema::table;
use crate::schema::types::{Field, Struct, Type};

/// What every message begins with.
pub const MAGIC: &[u8] = b"k8s\0";

/// Why bytes are not an object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Not a message of this kind at all.
    #[error("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")]
    NoMagic,
    /// The bytes end within a field.
    #[error("unexpected EOF")]
    Truncated,
    /// A field of a shape that its type cannot have.
    #[error("proto: illegal wireType {0}")]
    WireType(u8),
    /// A string that is no UTF-8, a time that is none.
    #[error("proto: a {0} holds no such value")]
    Value(&'static str),
    /// An object of a kind that the lab has no table for.
    #[error("no kind {kind:?} is registered for version {api_version:?}")]
    UnknownKind {
        /// As the message says.
        api_version: String,
        /// As the message says.
        kind: String,
    },
}

/// Reads an object; its kind and version are in it as in JSON.
///
/// # Errors
/// [`Broken`].
pub fn from_protobuf(bytes: &[u8]) -> Result<Value, Broken> {
    let bytes = bytes.strip_prefix(MAGIC).ok_or(Broken::NoMagic)?;
    let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), &b""[..]);
    for field in Fields(bytes) {
        match field? {
            (1, Wire::Bytes(meta)) => {
                for field in Fields(meta) {
                    match field? {
                        (1, Wire::Bytes(text)) => api_version = string(text)?,
                        (2, Wire::Bytes(text)) => kind = string(text)?,
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(message)) => raw = message,
            _ => {}
        }
    }
    let Some(structure) = structure_of(&api_version, &kind) else {
        return Err(Broken::UnknownKind { api_version, kind });
    };
    let mut object = message(raw, structure)?;
    object.insert("apiVersion".into(), api_version.into());
    object.insert("kind".into(), kind.into());
    Ok(Value::Object(object))
}

fn structure_of(api_version: &str, kind: &str) -> Option<&'static Struct> {
    // Options belong to every group.
    let found = if kind == "DeleteOptions" { table::named(kind) } else { table::of_kind(api_version, kind) };
    found.map(|it| &**it)
}

/// The value of a field on the wire.
#[derive(Debug, Clone, Copy)]
enum Wire<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

impl Wire<'_> {
    fn kind(&self) -> u8 {
        match self {
            Self::Varint(_) => 0,
            Self::Fixed64(_) => 1,
            Self::Bytes(_) => 2,
            Self::Fixed32(_) => 5,
        }
    }
}

/// The fields of a message, in order.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Result<u64, Broken> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first().ok_or(Broken::Truncated)?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Broken::Value("varint"))
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Broken> {
        let length = usize::try_from(length).map_err(|_| Broken::Truncated)?;
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Broken::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    fn read(&mut self) -> Result<(u64, Wire<'a>), Broken> {
        let tag = self.varint()?;
        let wire = match tag & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => {
                let bytes = self.take(8)?;
                Wire::Fixed64(u64::from_le_bytes(bytes.try_into().map_err(|_| Broken::Truncated)?))
            }
            2 => {
                let length = self.varint()?;
                Wire::Bytes(self.take(length)?)
            }
            5 => {
                let bytes = self.take(4)?;
                Wire::Fixed32(u32::from_le_bytes(bytes.try_into().map_err(|_| Broken::Truncated)?))
            }
            other => return Err(Broken::WireType(u8::try_from(other).unwrap_or(u8::MAX))),
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
            let Wire::Bytes(entry) = wire else { return Err(Broken::WireType(wire.kind())) };
            let (mut name, mut held) = (String::new(), None);
            for field in Fields(entry) {
                match field? {
                    (1, Wire::Bytes(text)) => name = string(text)?,
                    (2, wire) => held = Some(value(item, wire)?),
                    _ => {}
                }
            }
            let held = held.unwrap_or_else(|| "".into());
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
        (Type::Double, Wire::Fixed64(bits)) => f64::from_bits(bits).into(),
        (Type::Double, Wire::Fixed32(bits)) => f64::from(f32::from_bits(bits)).into(),
        (Type::String, Wire::Bytes(text)) => string(text)?.into(),
        (Type::Bytes, Wire::Bytes(bytes)) => BASE64_STANDARD.encode(bytes).into(),
        (Type::Quantity, Wire::Bytes(bytes)) => first_string(bytes, 1)?.into(),
        (Type::IntOrString, Wire::Bytes(bytes)) => int_or_string(bytes)?,
        (Type::Time, Wire::Bytes(bytes)) => time(bytes, "%Y-%m-%dT%H:%M:%SZ")?,
        (Type::MicroTime, Wire::Bytes(bytes)) => time(bytes, "%Y-%m-%dT%H:%M:%S.%6fZ")?,
        (Type::Raw, Wire::Bytes(bytes)) => raw(bytes)?,
        (Type::Named(_), Wire::Bytes(bytes)) => match of.as_struct() {
            Some(structure) => Value::Object(message(bytes, structure)?),
            None => Value::Null,
        },
        (_, wire) => return Err(Broken::WireType(wire.kind())),
    })
}

fn string(bytes: &[u8]) -> Result<String, Broken> {
    String::from_utf8(bytes.to_vec()).map_err(|_| Broken::Value("string"))
}

/// Protobuf writes negative numbers as their two's complement in 64 bits.
fn signed(number: u64) -> i64 {
    number as i64
}

fn first_string(bytes: &[u8], number: u64) -> Result<String, Broken> {
    for field in Fields(bytes) {
        if let (found, Wire::Bytes(text)) = field?
            && found == number
        {
            return string(text);
        }
    }
    Ok(String::new())
}

fn int_or_string(bytes: &[u8]) -> Result<Value, Broken> {
    let (mut is_string, mut number, mut text) = (false, 0, String::new());
    for field in Fields(bytes) {
        match field? {
            (1, Wire::Varint(kind)) => is_string = kind == 1,
            (2, Wire::Varint(value)) => number = signed(value),
            (3, Wire::Bytes(value)) => text = string(value)?,
            _ => {}
        }
    }
    Ok(if is_string { text.into() } else { number.into() })
}

fn time(bytes: &[u8], format: &str) -> Result<Value, Broken> {
    let (mut seconds, mut nanoseconds) = (None, 0);
    for field in Fields(bytes) {
        match field? {
            (1, Wire::Varint(value)) => seconds = Some(signed(value)),
            (2, Wire::Varint(value)) => nanoseconds = signed(value),
            _ => {}
        }
    }
    // Neither set is Go's zero time, which JSON writes as null.
    let Some(seconds) = seconds else { return Ok(Value::Null) };
    let nanoseconds = i32::try_from(nanoseconds).map_err(|_| Broken::Value("time"))?;
    let time = Timestamp::new(seconds, nanoseconds).map_err(|_| Broken::Value("time"))?;
    Ok(time.strftime(format).to_string().into())
}

/// JSON in a message of its own (`FieldsV1`, `RawExtension`, `JSON`).
fn raw(bytes: &[u8]) -> Result<Value, Broken> {
    for field in Fields(bytes) {
        if let (1, Wire::Bytes(json)) = field? {
            return serde_json::from_slice(json).map_err(|_| Broken::Value("JSON document"));
        }
    }
    Ok(Value::Null)
}

#[cfg(test)]
#[path = "protobuf_tests.rs"]
mod tests;
