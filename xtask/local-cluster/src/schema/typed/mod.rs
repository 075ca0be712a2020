//! Walks over objects that know their types: which fields an object sets, what
//! differs between two, and how one is merged into another. What server-side
//! apply is made of.

mod compare;
mod merge;
mod remove;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::{Map, Value};

use super::fields::{Set, readable};
use super::{Field, ListKind, Struct, Type};

pub use compare::{Difference, compare};
pub use merge::merge;
pub use remove::remove;

/// An item of a list that cannot be told apart, or a field that nobody declared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct Untyped {
    /// `.spec.ports[0]`.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

/// What is known of the place where a value stands.
#[derive(Clone, Copy)]
struct Slot<'a> {
    of: Option<&'a Type>,
    atomic: bool,
    list: &'a ListKind,
}

const ATOMIC_LIST: &ListKind = &ListKind::Atomic;

impl<'a> Slot<'a> {
    fn field(field: &'a Field) -> Self {
        Self { of: Some(&field.of), atomic: field.atomic, list: &field.list }
    }

    fn plain(of: &'a Type) -> Self {
        Self { of: Some(of), atomic: false, list: ATOMIC_LIST }
    }

    /// Nothing is known: objects are merged by field, lists are one thing.
    const DEDUCED: Slot<'static> = Slot { of: None, atomic: false, list: ATOMIC_LIST };
}

/// How a value is owned.
enum Shape<'a> {
    /// As one thing.
    Leaf,
    Struct(&'a Struct),
    Map(Option<&'a Type>),
    List(&'a Type, &'a ListKind),
}

fn shape<'a>(slot: Slot<'a>, value: Option<&Value>) -> Shape<'a> {
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
fn below<'a>(shape: &Shape<'a>, name: &str) -> (Slot<'a>, bool) {
    match shape {
        Shape::Struct(inner) => match inner.field(name) {
            Some(field) => (Slot::field(field), true),
            None => (inner.rest.as_ref().map_or(Slot::DEDUCED, Slot::plain), false),
        },
        Shape::Map(Some(item)) => (Slot::plain(item), false),
        _ => (Slot::DEDUCED, false),
    }
}

fn root(structure: &Struct) -> Shape<'_> {
    Shape::Struct(structure)
}

/// What tells an item of a list apart, as an edge of a [`Set`].
fn edge(item: &Value, of: &Type, kind: &ListKind) -> Result<String, String> {
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
fn edges(items: &[Value], of: &Type, kind: &ListKind) -> Vec<Option<String>> {
    items.iter().map(|item| edge(item, of, kind).ok()).collect()
}

/// Checks that every field is declared and every item of a list has its key once.
///
/// # Errors
/// The first place where that is not so.
pub fn check(object: &Value, structure: &Struct) -> Result<(), Untyped> {
    check_shape(object, &root(structure), &mut String::new(), true)
}

fn check_shape(value: &Value, shape: &Shape<'_>, path: &mut String, root: bool) -> Result<(), Untyped> {
    let length = path.len();
    match (shape, value) {
        (Shape::Struct(_) | Shape::Map(_), Value::Object(map)) => {
            for (name, value) in map {
                if root && matches!(name.as_str(), "kind" | "apiVersion") {
                    continue;
                }
                path.push('.');
                path.push_str(name);
                let (slot, declared) = below(shape, name);
                if let Shape::Struct(inner) = shape
                    && !declared
                    && !inner.open
                    && inner.rest.is_none()
                {
                    return Err(Untyped {
                        path: path.clone(),
                        message: "field not declared in schema".into(),
                    });
                }
                check_shape(value, &self::shape(slot, Some(value)), path, false)?;
                path.truncate(length);
            }
        }
        (Shape::List(of, kind), Value::Array(items)) => {
            let mut seen = HashSet::new();
            for (index, item) in items.iter().enumerate() {
                let edge = edge(item, of, kind).map_err(|message| Untyped {
                    path: path.clone(),
                    message: format!("element {index}: {message}"),
                })?;
                let name = readable(&edge);
                if !seen.insert(edge) {
                    let message = format!("duplicate entries for key {name}");
                    return Err(Untyped { path: path.clone(), message });
                }
                path.push_str(&name);
                check_shape(item, &self::shape(Slot::plain(of), Some(item)), path, false)?;
                path.truncate(length);
            }
        }
        _ => {}
    }
    Ok(())
}

/// The fields that an object sets.
pub fn field_set(object: &Value, structure: &Struct) -> Set {
    set_of(object, &root(structure))
}

fn set_of(value: &Value, shape: &Shape<'_>) -> Set {
    let mut set = Set::default();
    match (shape, value) {
        (Shape::Leaf, _) => set.member = true,
        (Shape::Struct(_) | Shape::Map(_), Value::Object(map)) => {
            for (name, value) in map {
                let (slot, declared) = below(shape, name);
                let mut inner = set_of(value, &self::shape(slot, Some(value)));
                let empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
                inner.member |= empty || !declared;
                set.attach(format!("f:{name}"), inner);
            }
        }
        (Shape::List(of, kind), Value::Array(items)) => {
            let edges = edges(items, of, kind);
            let mut count: HashMap<&str, usize> = HashMap::new();
            for edge in edges.iter().flatten() {
                *count.entry(edge).or_default() += 1;
            }
            for (item, edge) in items.iter().zip(&edges) {
                let Some(edge) = edge else { continue };
                let mut inner = match count.get(edge.as_str()) {
                    // Of items that are there twice nobody knows whose fields they are.
                    Some(1) => set_of(item, &self::shape(Slot::plain(of), Some(item))),
                    _ => Set::default(),
                };
                inner.member = true;
                set.attach(edge.clone(), inner);
            }
        }
        _ => {}
    }
    set
}

fn is_empty(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Object(map)) => map.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::Null) | None => true,
        Some(_) => false,
    }
}

fn keys<'v>(
    old: Option<&'v Map<String, Value>>,
    new: Option<&'v Map<String, Value>>,
) -> BTreeSet<&'v String> {
    old.into_iter().chain(new).flat_map(Map::keys).collect()
}

/// The set with every declared field on the way to a member made a member itself:
/// an emptied struct goes as a whole.
pub fn with_named_fields(set: &Set, structure: &Struct) -> Set {
    named_fields(set, &root(structure))
}

fn named_fields(set: &Set, shape: &Shape<'_>) -> Set {
    let mut all = Set { member: set.member, children: BTreeMap::new() };
    for (edge, inner) in &set.children {
        let (slot, declared) = match (edge.strip_prefix("f:"), shape) {
            (Some(name), _) => below(shape, name),
            (None, Shape::List(of, _)) => (Slot::plain(of), false),
            (None, _) => (Slot::DEDUCED, false),
        };
        // Nothing of the value is at hand; what is not known is taken for a map.
        let known = match self::shape(slot, None) {
            Shape::Leaf if slot.of.is_none() => Shape::Map(None),
            known => known,
        };
        let mut inner = named_fields(inner, &known);
        inner.member |= declared;
        all.attach(edge.clone(), inner);
    }
    all
}

#[cfg(test)]
mod tests;
