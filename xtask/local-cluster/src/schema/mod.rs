//! What objects look like: the types of the built-in kinds and of custom ones.
//!
//! One table of fields ([`table`]) serves everything that has to know a field:
//! decoding protobuf, finding unknown fields ([`conform`]), strategic merge
//! ([`strategic`]), the ownership of server-side apply ([`typed`]) and OpenAPI
//! ([`openapi`]). A custom kind brings the same description in its CRD
//! ([`custom`]).

pub mod columns;
pub mod complete;
pub mod conform;
pub mod custom;
pub mod fields;
pub mod openapi;
pub mod strategic;
pub mod table;
pub mod typed;

use std::sync::Arc;

use serde_json::Value;

/// The version that the lab says it is: that of the Kubernetes whose types these are.
pub const VERSION: &str = "v1.34.2+oidc-lab";

/// The type of a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// A string.
    String,
    /// Bytes: base64 in JSON.
    Bytes,
    /// A whole number of 32 bits.
    Int32,
    /// A whole number of 64 bits.
    Int64,
    /// A number.
    Double,
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
    Raw,
    /// A JSON schema, or something short in its place.
    SchemaOr(Short),
    /// A list.
    List(Box<Type>),
    /// A map from strings.
    Map(Box<Type>),
    /// A type of the table, by name.
    Named(Arc<str>),
    /// A type that stands only here: of a CRD.
    Inline(Arc<Struct>),
}

/// What may stand in place of a JSON schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Short {
    /// True or false (`additionalProperties`).
    Bool,
    /// A list of schemas (`items`).
    Schemas,
    /// A list of strings (`dependencies`).
    Strings,
}

/// A type with fields.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Struct {
    /// Its name; empty for one that stands only in a CRD.
    pub name: String,
    /// Its package as OpenAPI names it: `io.k8s.api.core.v1`.
    pub package: String,
    /// `apps/v1`, if objects of this type stand for themselves.
    pub group_version: Option<String>,
    /// Whether it has one owner as a whole.
    pub atomic: bool,
    /// Its fields in the order of Kubernetes' sources.
    pub fields: Vec<Field>,
    /// The type of what the fields do not name: a CRD may allow both.
    pub rest: Option<Type>,
    /// Whether unknown fields are kept.
    pub open: bool,
}

/// One field.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its JSON name.
    pub name: String,
    /// Its protobuf number; 0 if it has none.
    pub number: u32,
    /// Its type.
    pub of: Type,
    /// In JSON its fields stand among those of the outer type; in protobuf they do not.
    pub inline: bool,
    /// It must be there.
    pub required: bool,
    /// In Go it is a pointer: zero and absent are two things.
    pub pointer: bool,
    /// Go writes it even if it is zero.
    pub always: bool,
    /// Go leaves it out if it is zero, although it is a struct.
    pub omit_zero: bool,
    /// Strategic merge: lists are merged rather than replaced.
    pub patch_merge: bool,
    /// Strategic merge: keys that the patch leaves out go (unions).
    pub retain_keys: bool,
    /// Strategic merge: what tells the items of a list apart.
    pub merge_key: Option<String>,
    /// Server-side apply: how a list is owned.
    pub list: ListKind,
    /// It has one owner as a whole, although it is a struct or a map.
    pub atomic: bool,
    /// What it is if it is absent.
    pub default: Option<Value>,
}

/// How the items of a list are told apart and owned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ListKind {
    /// The list has one owner as a whole.
    #[default]
    Atomic,
    /// Each value is an item of its own.
    Set,
    /// The values of these fields tell the items apart.
    Map(Vec<String>),
}

impl Field {
    /// A field of which only the type is known.
    pub fn plain(name: impl Into<String>, of: Type) -> Self {
        Self {
            name: name.into(),
            number: 0,
            of,
            inline: false,
            required: false,
            pointer: false,
            always: false,
            omit_zero: false,
            patch_merge: false,
            retain_keys: false,
            merge_key: None,
            list: ListKind::Atomic,
            atomic: false,
            default: None,
        }
    }
}

impl Struct {
    /// The field of this JSON name, also one of an inlined type.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find_map(|field| match &field.of {
            Type::Named(inner) if field.inline => table::named(inner)?.field(name),
            _ => (field.name == name).then_some(field),
        })
    }

    /// All fields as they stand in JSON, inlined ones included.
    pub fn json_fields(&self) -> Vec<&Field> {
        let mut all = vec![];
        for field in &self.fields {
            match &field.of {
                Type::Named(inner) if field.inline => {
                    all.extend(table::named(inner).into_iter().flat_map(|it| it.json_fields()));
                }
                _ => all.push(field),
            }
        }
        all
    }
}

impl Type {
    /// The fields of a type that has some.
    pub fn as_struct(&self) -> Option<&Struct> {
        match self {
            Self::Named(name) => table::named(name).map(|it| &**it),
            Self::Inline(inner) => Some(inner),
            _ => None,
        }
    }
}
