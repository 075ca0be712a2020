//! What is known of a type and of each of its fields. What a name stands for is in the table.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

/// The version that the API says it is: that of the Kubernetes whose types these are.
pub const VERSION: &str = "v1.34.2+oidc-lab";

/// The type of a value.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(from = "String")]
pub enum Type {
    /// A string.
    String,
    /// Bytes: base64 in JSON.
    Bytes,
    /// A whole number of 32 bits.
    Int32,
    /// A whole number of 64 bits.
    Int64,
    /// True or false.
    Bool,
    /// `100m`, `1Gi`; a number is taken too.
    Quantity,
    /// A number or a string, as a port.
    IntOrString,
    /// RFC 3339 with whole seconds.
    Time,
    /// RFC 3339 with microseconds.
    MicroTime,
    /// Any JSON.
    #[default]
    Raw,
    /// A list.
    List(Box<Type>),
    /// A map from strings.
    Map(Box<Type>),
    /// A type of the table, by name.
    Named(Arc<str>),
}

impl From<String> for Type {
    /// `[T]` is a list, `{T}` a map, a name that is none of these a type of the table.
    fn from(word: String) -> Self {
        let inside = |open, close| Some(word.strip_prefix(open)?.strip_suffix(close)?.to_owned());
        if let Some(item) = inside('[', ']') {
            return Self::List(Box::new(item.into()));
        }
        if let Some(item) = inside('{', '}') {
            return Self::Map(Box::new(item.into()));
        }
        match word.as_str() {
            "string" => Self::String,
            "bytes" => Self::Bytes,
            "int32" => Self::Int32,
            "int64" => Self::Int64,
            "bool" => Self::Bool,
            "Quantity" => Self::Quantity,
            "IntOrString" => Self::IntOrString,
            "Time" => Self::Time,
            "MicroTime" => Self::MicroTime,
            "Raw" => Self::Raw,
            name => Self::Named(name.into()),
        }
    }
}

/// A type with fields.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Struct {
    /// `apps/v1`, if objects of this type stand for themselves.
    pub group_version: Option<String>,
    /// Whether it has one owner as a whole.
    pub atomic: bool,
    /// Its fields in the order of Kubernetes' sources.
    pub fields: Vec<Field>,
    /// Whether unknown fields are kept.
    pub open: bool,
}

/// One field.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Field {
    /// Its JSON name; empty for an inlined type.
    pub name: String,
    /// Its protobuf number; 0 if it has none.
    pub number: u32,
    /// Its type.
    pub of: Type,
    /// In JSON its fields stand among those of the outer type; in protobuf they do not.
    pub inline: bool,
    /// In Go it is a pointer: zero and absent are two things.
    pub pointer: bool,
    /// Go writes it even if it is zero.
    pub always: bool,
    /// Strategic merge: lists are merged rather than replaced.
    #[serde(rename = "merge")]
    pub patch_merge: bool,
    /// Strategic merge: what tells the items of a list apart.
    #[serde(rename = "key")]
    pub merge_key: Option<String>,
    /// Server-side apply: how a list is owned.
    pub list: ListKind,
    /// It has one owner as a whole, although it is a struct or a map.
    pub atomic: bool,
    /// What it is if it is absent.
    pub default: Option<Value>,
}

/// How the items of a list are told apart and owned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListKind {
    /// The list has one owner as a whole.
    #[default]
    Atomic,
    /// Each value is an item of its own.
    Set,
    /// The values of these fields tell the items apart.
    Map(Vec<String>),
}
