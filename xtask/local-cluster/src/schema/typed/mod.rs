//! Walks over objects that know their types: which fields an object sets, what differs between
//! two, and how one is merged into another. What server-side apply is made of.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value};

use super::fields::{Path, Set, readable};
use super::order::put_in_order;
use super::types::{Field, ListKind, Struct, Type};

/// How a value is owned.
enum Shape<'a> {
    /// As one thing.
    Leaf,
    Struct(&'a Struct),
    Map(Option<&'a Type>),
    List(&'a Type, &'a ListKind),
}

/// What is known of the place where a value stands. Where nothing is, objects are owned by field
/// and lists as one thing.
#[derive(Clone, Copy, Default)]
struct Place<'a> {
    of: Option<&'a Type>,
    field: Option<&'a Field>,
}

impl<'a> Place<'a> {
    fn shape(self, value: &Value) -> Shape<'a> {
        let Some(of) = self.of.filter(|it| **it != Type::Raw) else {
            return if value.is_object() { Shape::Map(None) } else { Shape::Leaf };
        };
        match (of, of.as_struct(), self.field.map(|it| &it.list)) {
            _ if self.field.is_some_and(|it| it.atomic) => Shape::Leaf,
            (Type::Map(item), ..) => Shape::Map(Some(item)),
            (Type::List(item), _, Some(kind)) if *kind != ListKind::Atomic => Shape::List(item, kind),
            (_, Some(inner), _) if !inner.atomic => Shape::Struct(inner),
            _ => Shape::Leaf,
        }
    }
}

impl<'a> Shape<'a> {
    fn below(&self, name: &str) -> Place<'a> {
        match self {
            Shape::Struct(inner) => inner
                .field(name)
                .map_or_else(Place::default, |it| Place { of: Some(&it.of), field: Some(it) }),
            Shape::Map(of) => Place { of: *of, field: None },
            _ => Place::default(),
        }
    }

    /// What lies below a value, each with its edge. Items that cannot be told apart have none.
    fn children<'v>(&self, value: &'v Value) -> Vec<(Result<String, String>, &'v Value, Place<'a>)> {
        match (self, value) {
            (Shape::Struct(_) | Shape::Map(_), Value::Object(map)) => {
                map.iter().map(|(name, it)| (Ok(format!("f:{name}")), it, self.below(name))).collect()
            }
            (Shape::List(of, kind), Value::Array(items)) => {
                let place = Place { of: Some(of), field: None };
                items.iter().map(|item| (edge(item, of, kind), item, place)).collect()
            }
            _ => vec![],
        }
    }
}

/// What tells an item of a list apart, as an edge of a [`Path`].
fn edge(item: &Value, of: &Type, kind: &ListKind) -> Result<String, String> {
    let ListKind::Map(keys) = kind else {
        return match item {
            Value::Null | Value::Object(_) | Value::Array(_) => {
                Err("associative list without keys has an element that is no scalar".into())
            }
            scalar => Ok(format!("v:{scalar}")),
        };
    };
    let mut named = BTreeMap::new();
    for key in keys {
        let default = || of.as_struct()?.field(key)?.default.clone();
        let value = item.get(key).filter(|it| !it.is_null()).cloned().or_else(default);
        named.insert(key, value.ok_or_else(|| {
            format!("associative list with keys has an element that omits key field {key:?} (and doesn't have default value)")
        })?);
    }
    Ok(format!("k:{}", serde_json::to_string(&named).unwrap_or_default()))
}

/// An object by its fields.
#[derive(Default)]
pub struct Fields<'v> {
    /// Whether each path is there for itself, not only on the way to others; and the value, if it
    /// is owned as one thing.
    all: BTreeMap<Path, (bool, Option<&'v Value>)>,
    /// Items of lists that cannot be told apart.
    pub problem: Option<String>,
}

impl<'v> Fields<'v> {
    /// Those of an object of a type.
    pub fn of(object: &'v Value, structure: &Struct) -> Self {
        let mut fields = Self::default();
        fields.below(object, &Shape::Struct(structure), &mut vec![]);
        fields
    }

    fn below(&mut self, value: &'v Value, shape: &Shape<'_>, path: &mut Path) {
        for (index, (edge, value, place)) in shape.children(value).into_iter().enumerate() {
            let Ok(edge) = edge.map_err(|why| self.complain(path, &format!("element {index}: {why}"))) else {
                continue;
            };
            let shape = place.shape(value);
            path.push(edge);
            let leaf = matches!(shape, Shape::Leaf).then_some(value);
            let empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
            let itself = leaf.is_some() || place.field.is_none() || empty;
            // What Go writes even if nothing is in it is nobody's addition.
            let always =
                |field: &Field| !field.pointer && (field.always || matches!(shape, Shape::Struct(_)));
            let counts = itself || !place.field.is_some_and(always);
            if counts
                && self.all.insert(path.clone(), (itself, leaf)).is_some()
                && let Some((edge, list)) = path.split_last()
            {
                let key = readable(std::slice::from_ref(edge));
                self.complain(list, &format!("duplicate entries for key {key}"));
            }
            self.below(value, &shape, path);
            path.pop();
        }
    }

    fn complain(&mut self, path: &[String], why: &str) {
        self.problem.get_or_insert_with(|| format!("{}: {why}", readable(path)));
    }

    /// What the object sets.
    pub fn set(&self) -> Set {
        self.all.iter().filter(|(_, (itself, _))| *itself).map(|(path, _)| path.clone()).collect()
    }
}

/// What differs between two objects. No path is in more than one of the sets.
#[derive(Debug, Default, PartialEq)]
pub struct Difference {
    /// Only the first has it.
    pub removed: Set,
    /// Both have it, with other values.
    pub modified: Set,
    /// Only the second has it.
    pub added: Set,
}

/// Compares two objects.
pub fn compare(old: &Fields<'_>, new: &Fields<'_>) -> Difference {
    let only = |one: &Fields<'_>, other: &Fields<'_>| {
        one.all.keys().filter(|path| !other.all.contains_key(*path)).cloned().collect()
    };
    let differs = |path: &Path, leaf| old.all.get(path).is_some_and(|(_, before)| before != leaf);
    let modified = new.all.iter().filter(|(path, (_, leaf))| differs(path, leaf));
    Difference {
        removed: only(old, new),
        modified: modified.map(|(path, _)| path.clone()).collect(),
        added: only(new, old),
    }
}

/// The live object with what was applied merged into it.
pub fn merge(live: &Value, applied: &Value, structure: &Struct) -> Value {
    merge_value(live, applied, &Shape::Struct(structure))
}

fn merge_value(live: &Value, applied: &Value, shape: &Shape<'_>) -> Value {
    match (shape, live, applied) {
        (Shape::Struct(_) | Shape::Map(_), Value::Object(live), Value::Object(applied)) => {
            let mut merged = live.clone();
            for (name, value) in applied {
                let live = live.get(name).unwrap_or(&Value::Null);
                merged.insert(name.clone(), merge_value(live, value, &shape.below(name).shape(value)));
            }
            Value::Object(merged)
        }
        (Shape::List(of, kind), Value::Array(live), Value::Array(applied)) => {
            Value::Array(merge_list(live, applied, of, kind))
        }
        _ => applied.clone(),
    }
}

/// Items of both in one order: what only the live list has keeps its place among its
/// neighbours; what is applied comes in the order that was applied.
fn merge_list(live: &[Value], applied: &[Value], of: &Type, kind: &ListKind) -> Vec<Value> {
    let id = |item: &Value| edge(item, of, kind).unwrap_or_default();
    let place = Place { of: Some(of), field: None };
    let (before, order): (Vec<_>, Vec<_>) = (live.iter().map(id).collect(), applied.iter().map(id).collect());
    let known: HashSet<&String> = order.iter().collect();
    let mut new: BTreeMap<&String, &Value> = order.iter().zip(applied).collect();
    let mut merged = vec![];
    for (item, id) in live.iter().zip(&before) {
        match new.remove(id) {
            Some(applied) => merged.push(merge_value(item, applied, &place.shape(applied))),
            // One that is there twice is so no more.
            None if known.contains(id) => {}
            None => merged.push(item.clone()),
        }
    }
    merged.extend(new.into_values().cloned());
    put_in_order(merged, &order, &before, true, id)
}

/// The object without what is at the paths of a set. What that leaves empty goes along.
pub fn remove(object: &Value, gone: &Set, structure: &Struct) -> Value {
    remove_below(object, gone, &Shape::Struct(structure), &mut vec![]).unwrap_or_else(|| Map::new().into())
}

fn remove_below(value: &Value, gone: &Set, shape: &Shape<'_>, path: &mut Path) -> Option<Value> {
    if !gone.range(path.clone()..).next().is_some_and(|first| first.starts_with(path)) {
        return Some(value.clone());
    }
    let mut kept = vec![];
    for (edge, value, place) in shape.children(value) {
        path.push(edge.unwrap_or_default());
        let rest =
            if gone.contains(path) { None } else { remove_below(value, gone, &place.shape(value), path) };
        kept.extend(path.pop().zip(rest));
    }
    match value {
        Value::Object(_) | Value::Array(_) if kept.is_empty() => None,
        Value::Object(_) => {
            Some(kept.into_iter().map(|(edge, value)| (edge[2..].to_owned(), value)).collect())
        }
        Value::Array(_) => Some(kept.into_iter().map(|(_, value)| value).collect()),
        scalar => Some(scalar.clone()),
    }
}

#[cfg(test)]
mod tests;
