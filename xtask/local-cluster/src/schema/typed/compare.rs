//! What differs between two objects, sorted by what happened to it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::shape::{Shape, Slot, below, edges, is_empty, keys, root, shape};
use crate::schema::fields::Set;
use crate::schema::types::{ListKind, Struct, Type};

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

impl Difference {
    fn attach(&mut self, edge: &str, below: Self) {
        self.removed.attach(edge.to_owned(), below.removed);
        self.modified.attach(edge.to_owned(), below.modified);
        self.added.attach(edge.to_owned(), below.added);
    }

    fn mark(&mut self, old: Option<&Value>, new: Option<&Value>) {
        match (old, new) {
            (None, _) => self.added.member = true,
            (_, None) => self.removed.member = true,
            (Some(old), Some(new)) => self.modified.member |= old != new,
        }
    }

    /// Without what lies at or below the paths of a set.
    #[must_use]
    pub fn without(&self, ignored: &Set) -> Self {
        Self {
            removed: self.removed.without_all_below(ignored),
            modified: self.modified.without_all_below(ignored),
            added: self.added.without_all_below(ignored),
        }
    }
}

/// Compares two objects of a type.
pub fn compare(old: &Value, new: &Value, structure: &Struct) -> Difference {
    compare_shape(Some(old), Some(new), &root(structure))
}

fn compare_slot(old: Option<&Value>, new: Option<&Value>, slot: Slot<'_>) -> Difference {
    let (before, after) = (shape(slot, old), shape(slot, new));
    match (before, after) {
        // What was an object is a scalar now, or the other way round.
        (Shape::Map(item), Shape::Leaf) if old.is_some() && new.is_some() => {
            let mut difference = compare_shape(old, None, &Shape::Map(item));
            difference.removed.member = false;
            difference.modified.member = true;
            difference
        }
        (Shape::Leaf, Shape::Map(item)) if old.is_some() && new.is_some() => {
            let mut difference = compare_shape(None, new, &Shape::Map(item));
            difference.added.member = false;
            difference.modified.member = true;
            difference
        }
        (before, after) => compare_shape(old, new, if new.is_none() { &before } else { &after }),
    }
}

fn compare_shape(old: Option<&Value>, new: Option<&Value>, shape: &Shape<'_>) -> Difference {
    let mut difference = Difference::default();
    if matches!(shape, Shape::Leaf) || (is_empty(old) && is_empty(new)) {
        difference.mark(old, new);
        return difference;
    }
    match shape {
        Shape::Leaf => {}
        Shape::Struct(_) | Shape::Map(_) => {
            let (before, after) = (old.and_then(Value::as_object), new.and_then(Value::as_object));
            for name in keys(before, after) {
                let (slot, _) = below(shape, name);
                let before = before.and_then(|it| it.get(name));
                let after = after.and_then(|it| it.get(name));
                difference.attach(&format!("f:{name}"), compare_slot(before, after, slot));
            }
        }
        Shape::List(of, kind) => {
            let empty = vec![];
            let before = grouped(old.and_then(Value::as_array).unwrap_or(&empty), of, kind);
            let after = grouped(new.and_then(Value::as_array).unwrap_or(&empty), of, kind);
            let all: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            for edge in all {
                let before = before.get(edge).map_or(&[][..], Vec::as_slice);
                let after = after.get(edge).map_or(&[][..], Vec::as_slice);
                difference.attach(edge, compare_items(before, after, of));
            }
        }
    }
    match (old, new) {
        (None, _) => difference.added.member = true,
        (_, None) => difference.removed.member = true,
        _ => {}
    }
    difference
}

/// Items with the same edge: one on each side, as a rule.
fn compare_items(old: &[&Value], new: &[&Value], of: &Type) -> Difference {
    let (first_old, first_new) = (old.first().copied(), new.first().copied());
    let mut difference = Difference::default();
    match (old.len(), new.len()) {
        (0 | 1, 0 | 1) => return compare_slot(first_old, first_new, Slot::plain(of)),
        (2.., 2..) => difference.modified.member = old != new,
        (2.., _) => {
            if !new.is_empty() {
                difference = compare_slot(None, first_new, Slot::plain(of));
            }
            difference.removed.member = true;
        }
        _ => {
            if !old.is_empty() {
                difference = compare_slot(first_old, None, Slot::plain(of));
            }
            difference.added.member = true;
        }
    }
    difference
}

fn grouped<'v>(items: &'v [Value], of: &Type, kind: &ListKind) -> BTreeMap<String, Vec<&'v Value>> {
    let mut groups: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for (item, edge) in items.iter().zip(edges(items, of, kind)) {
        if let Some(edge) = edge {
            groups.entry(edge).or_default().push(item);
        }
    }
    groups
}
