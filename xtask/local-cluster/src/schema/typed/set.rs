//! The fields that an object sets, and whether they can be told apart at all.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value};

use super::shape::{Shape, Slot, below, edge, edges, root};
use crate::schema::fields::{Set, readable};
use crate::schema::types::Struct;

/// An item of a list that cannot be told apart, or a field that nobody declared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct Untyped {
    /// `.spec.ports[0]`.
    pub path: String,
    /// What is wrong there.
    pub message: String,
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
                {
                    return Err(Untyped {
                        path: path.clone(),
                        message: "field not declared in schema".into(),
                    });
                }
                check_shape(value, &super::shape::shape(slot, Some(value)), path, false)?;
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
                check_shape(item, &super::shape::shape(Slot::plain(of), Some(item)), path, false)?;
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
                let mut inner = set_of(value, &super::shape::shape(slot, Some(value)));
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
                    Some(1) => set_of(item, &super::shape::shape(Slot::plain(of), Some(item))),
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
        let known = match super::shape::shape(slot, None) {
            Shape::Leaf if slot.of.is_none() => Shape::Map(None),
            known => known,
        };
        let mut inner = named_fields(inner, &known);
        inner.member |= declared;
        all.attach(edge.clone(), inner);
    }
    all
}
