//! Fields taken out of an object.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::shape::{Shape, Slot, below, edges, root};
use crate::schema::fields::Set;
use crate::schema::types::Struct;

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
                    Some(gone) => remove_shape(value, gone, &super::shape::shape(slot, Some(value))),
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
                    Some(gone) => remove_shape(item, gone, &super::shape::shape(Slot::plain(of), Some(item))),
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
