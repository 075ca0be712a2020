//! How the values of an object are owned, by their types: as one thing, by field, by item.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::schema::types::{Field, ListKind, Struct, Type};

/// What is known of the place where a value stands.
#[derive(Clone, Copy)]
pub(super) struct Slot<'a> {
    pub(super) of: Option<&'a Type>,
    atomic: bool,
    list: &'a ListKind,
}

const ATOMIC_LIST: &ListKind = &ListKind::Atomic;

impl<'a> Slot<'a> {
    pub(super) fn field(field: &'a Field) -> Self {
        Self { of: Some(&field.of), atomic: field.atomic, list: &field.list }
    }

    pub(super) fn plain(of: &'a Type) -> Self {
        Self { of: Some(of), atomic: false, list: ATOMIC_LIST }
    }

    /// Nothing is known: objects are merged by field, lists are one thing.
    pub(super) const DEDUCED: Slot<'static> = Slot { of: None, atomic: false, list: ATOMIC_LIST };
}

/// How a value is owned.
pub(super) enum Shape<'a> {
    /// As one thing.
    Leaf,
    Struct(&'a Struct),
    Map(Option<&'a Type>),
    List(&'a Type, &'a ListKind),
}

pub(super) fn shape<'a>(slot: Slot<'a>, value: Option<&Value>) -> Shape<'a> {
    if slot.atomic {
        return Shape::Leaf;
    }
    match slot.of {
        None | Some(Type::Raw) => match value {
            Some(Value::Object(_)) => Shape::Map(None),
            _ => Shape::Leaf,
        },
        Some(Type::Map(item)) => Shape::Map(Some(item)),
        Some(Type::List(item)) => match slot.list {
            ListKind::Atomic => Shape::Leaf,
            kind => Shape::List(item, kind),
        },
        Some(of) => match of.as_struct() {
            Some(inner) if inner.atomic => Shape::Leaf,
            Some(inner) => Shape::Struct(inner),
            None => Shape::Leaf,
        },
    }
}

/// The slot of a field of a struct or entry of a map, and whether it is declared.
pub(super) fn below<'a>(shape: &Shape<'a>, name: &str) -> (Slot<'a>, bool) {
    match shape {
        Shape::Struct(inner) => match inner.field(name) {
            Some(field) => (Slot::field(field), true),
            None => (Slot::DEDUCED, false),
        },
        Shape::Map(Some(item)) => (Slot::plain(item), false),
        _ => (Slot::DEDUCED, false),
    }
}

pub(super) fn root(structure: &Struct) -> Shape<'_> {
    Shape::Struct(structure)
}

/// What tells an item of a list apart, as an edge of a [`Set`].
pub(super) fn edge(item: &Value, of: &Type, kind: &ListKind) -> Result<String, String> {
    let ListKind::Map(keys) = kind else {
        return match item {
            Value::Null => Err("associative list without keys has an element that's an explicit null".into()),
            Value::Object(_) | Value::Array(_) => {
                Err("associative list without keys has an element that's a map or list type".into())
            }
            scalar => Ok(format!("v:{scalar}")),
        };
    };
    let Value::Object(map) = item else {
        return Err("associative list with keys may not have non-map elements".into());
    };
    let mut named = BTreeMap::new();
    for key in keys {
        let default = || of.as_struct()?.field(key)?.key_default();
        match map.get(key).filter(|it| !it.is_null()).cloned().or_else(default) {
            Some(value) => named.insert(key, value),
            None => {
                return Err(format!(
                    "associative list with keys has an element that omits key field {key:?} (and doesn't have default value)"
                ));
            }
        };
    }
    Ok(format!("k:{}", serde_json::to_string(&named).unwrap_or_default()))
}

/// The edges of a list's items, in order. Items that cannot be told apart have none.
pub(super) fn edges(items: &[Value], of: &Type, kind: &ListKind) -> Vec<Option<String>> {
    items.iter().map(|item| edge(item, of, kind).ok()).collect()
}

pub(super) fn is_empty(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Object(map)) => map.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::Null) | None => true,
        Some(_) => false,
    }
}

pub(super) fn keys<'v>(
    old: Option<&'v Map<String, Value>>,
    new: Option<&'v Map<String, Value>>,
) -> BTreeSet<&'v String> {
    old.into_iter().chain(new).flat_map(Map::keys).collect()
}
