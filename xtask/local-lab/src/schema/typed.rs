//! Walks over objects that know their types: which fields an object sets, what
//! differs between two, and how one is merged into another. What server-side
//! apply is made of.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use serde_json::{Map, Value};

use super::fields::{Set, readable};
use super::{Field, ListKind, Struct, Type};

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

fn is_empty(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Object(map)) => map.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::Null) | None => true,
        Some(_) => false,
    }
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

fn keys<'v>(
    old: Option<&'v Map<String, Value>>,
    new: Option<&'v Map<String, Value>>,
) -> BTreeSet<&'v String> {
    old.into_iter().chain(new).flat_map(Map::keys).collect()
}

/// The live object with what was applied merged into it.
pub fn merge(live: &Value, applied: &Value, structure: &Struct) -> Value {
    merge_shape(Some(live), Some(applied), &root(structure)).unwrap_or_else(|| Value::Object(Map::new()))
}

fn merge_slot(live: Option<&Value>, applied: Option<&Value>, slot: Slot<'_>) -> Option<Value> {
    let shape = if applied.is_none() { shape(slot, live) } else { shape(slot, applied) };
    merge_shape(live, applied, &shape)
}

fn merge_shape(live: Option<&Value>, applied: Option<&Value>, shape: &Shape<'_>) -> Option<Value> {
    if matches!(shape, Shape::Leaf) || (is_empty(live) && is_empty(applied)) {
        return applied.or(live).cloned();
    }
    match shape {
        Shape::Leaf => None,
        Shape::Struct(_) | Shape::Map(_) => {
            let (live, applied) = (live.and_then(Value::as_object), applied.and_then(Value::as_object));
            let mut merged = Map::new();
            for name in keys(live, applied) {
                let (slot, _) = below(shape, name);
                let live = live.and_then(|it| it.get(name));
                let applied = applied.and_then(|it| it.get(name));
                if let Some(value) = merge_slot(live, applied, slot) {
                    merged.insert(name.clone(), value);
                }
            }
            (!merged.is_empty()).then_some(Value::Object(merged))
        }
        Shape::List(of, kind) => {
            let empty = vec![];
            let live = live.and_then(Value::as_array).unwrap_or(&empty);
            let applied = applied.and_then(Value::as_array).unwrap_or(&empty);
            let merged = merge_list(live, applied, of, kind);
            (!merged.is_empty()).then_some(Value::Array(merged))
        }
    }
}

/// Items of both in one order: what only the live list has keeps its place among
/// its neighbours; what is applied comes in the order that was applied.
fn merge_list(live: &[Value], applied: &[Value], of: &Type, kind: &ListKind) -> Vec<Value> {
    let mut applied_items: HashMap<String, &Value> = HashMap::new();
    let mut order: Vec<String> = vec![];
    for (item, edge) in applied.iter().zip(edges(applied, of, kind)) {
        if let Some(edge) = edge
            && applied_items.insert(edge.clone(), item).is_none()
        {
            order.push(edge);
        }
    }
    let mut live_items: HashMap<String, Option<&Value>> = HashMap::new();
    let live_edges = edges(live, of, kind);
    for (item, edge) in live.iter().zip(&live_edges) {
        // Items that are there twice are replaced, not merged.
        let Some(edge) = edge else { continue };
        live_items.entry(edge.clone()).and_modify(|it| *it = None).or_insert(Some(item));
    }
    let mut shared: VecDeque<&String> = order.iter().filter(|edge| live_items.contains_key(*edge)).collect();
    let mut merged = vec![];
    let mut done: HashSet<&String> = HashSet::new();
    let item_slot = Slot::plain(of);
    let take = |edge: &String, merged: &mut Vec<Value>| {
        let live = live_items.get(edge).copied().flatten();
        merged.extend(merge_slot(live, applied_items.get(edge).copied(), item_slot));
    };
    let (mut left, mut right) = (0, 0);
    while left < live.len() || right < order.len() {
        if left < live.len() {
            let Some(edge) = &live_edges[left] else {
                merged.push(live[left].clone());
                left += 1;
                continue;
            };
            if right < order.len() {
                if *edge == order[right] {
                    done.insert(&order[right]);
                    take(edge, &mut merged);
                    shared.pop_front();
                    left += 1;
                    right += 1;
                    continue;
                }
                if applied_items.contains_key(edge) && shared.front().is_some_and(|next| *next != edge) {
                    // It comes later, where the applied list has it.
                    left += 1;
                    continue;
                }
            }
            if !applied_items.contains_key(edge) {
                merged.push(live[left].clone());
                left += 1;
                continue;
            }
            if done.contains(edge) {
                left += 1;
                continue;
            }
        }
        if right < order.len() {
            let edge = &order[right];
            done.insert(edge);
            take(edge, &mut merged);
            if shared.front() == Some(&edge) {
                shared.pop_front();
            }
            right += 1;
        }
    }
    merged
}

/// The object without the fields and items of a set.
pub fn remove(object: &Value, gone: &Set, structure: &Struct) -> Value {
    remove_shape(object, gone, &root(structure)).map_or_else(|| Value::Object(Map::new()), Cow::into_owned)
}

fn remove_shape<'v>(value: &'v Value, gone: &Set, shape: &Shape<'_>) -> Option<Cow<'v, Value>> {
    match (shape, value) {
        (Shape::Struct(_) | Shape::Map(_), Value::Object(map)) => {
            let mut kept = Map::new();
            for (name, value) in map {
                let below_gone = gone.children.get(&format!("f:{name}"));
                if below_gone.is_some_and(|it| it.member) {
                    continue;
                }
                let (slot, _) = below(shape, name);
                let rest = match below_gone {
                    Some(gone) => remove_shape(value, gone, &self::shape(slot, Some(value))),
                    None => Some(Cow::Borrowed(value)),
                };
                kept.extend(rest.map(|it| (name.clone(), it.into_owned())));
            }
            (!kept.is_empty()).then_some(Cow::Owned(Value::Object(kept)))
        }
        (Shape::List(of, kind), Value::Array(items)) => {
            let mut kept = vec![];
            for (item, edge) in items.iter().zip(edges(items, of, kind)) {
                let below_gone = edge.and_then(|edge| gone.children.get(&edge));
                if below_gone.is_some_and(|it| it.member) {
                    continue;
                }
                let rest = match below_gone {
                    Some(gone) => remove_shape(item, gone, &self::shape(Slot::plain(of), Some(item))),
                    None => Some(Cow::Borrowed(item)),
                };
                kept.extend(rest.map(Cow::into_owned));
            }
            (!kept.is_empty()).then_some(Cow::Owned(Value::Array(kept)))
        }
        (Shape::Leaf, value) if value.is_object() || value.is_array() => None,
        (_, value) => Some(Cow::Borrowed(value)),
    }
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
#[path = "typed_tests.rs"]
mod tests;
