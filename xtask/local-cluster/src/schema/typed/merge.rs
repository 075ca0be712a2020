//! An applied configuration merged into a live object.

use std::collections::{HashMap, HashSet, VecDeque};

use serde_json::{Map, Value};

use super::shape::{Shape, Slot, below, edges, is_empty, keys, root, shape};
use crate::schema::types::{ListKind, Struct, Type};

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
