//! What Go writes of a struct that nobody has filled in: structs that are no
//! pointers are always there, and so are fields that are not left out when empty.
//!
//! Clients see it (`status: {loadBalancer: {}}`), and the record of managers
//! depends on it: a field that is always there is nobody's addition.

use serde_json::{Map, Value, json};

use super::table;
use super::types::{Field, Struct, Type};

/// Adds to an object of a built-in type what Go would write of it.
pub fn complete(value: &mut Value, structure: &Struct) {
    for field in &structure.fields {
        if field.inline {
            if let Some(inner) = field.of.as_struct() {
                complete(value, inner);
            }
        } else if let Value::Object(map) = value {
            complete_field(map, field);
        }
    }
}

fn complete_field(map: &mut Map<String, Value>, field: &Field) {
    if !map.contains_key(&field.name)
        && let Some(zero) = zero(field)
    {
        map.insert(field.name.clone(), zero);
    }
    if let Some(value) = map.get_mut(&field.name) {
        complete_value(value, &field.of);
    }
}

fn complete_value(value: &mut Value, of: &Type) {
    match (of, value) {
        (Type::List(item), Value::Array(items)) => items.iter_mut().for_each(|it| complete_value(it, item)),
        (Type::Map(item), Value::Object(map)) => map.values_mut().for_each(|it| complete_value(it, item)),
        (Type::Named(name), value) => {
            if let Some(structure) = table::named(name) {
                complete(value, structure);
            }
        }
        _ => {}
    }
}

/// What stands for a field that is not set; `None` if nothing does.
fn zero(field: &Field) -> Option<Value> {
    if field.omit_zero {
        return None;
    }
    if field.pointer {
        return field.always.then_some(Value::Null);
    }
    match &field.of {
        // A struct is never empty to Go's encoder.
        Type::Named(_) => Some(json!({})),
        Type::Time | Type::MicroTime => Some(Value::Null),
        Type::IntOrString => Some(json!(0)),
        Type::Quantity => Some(json!("0")),
        _ if !field.always => None,
        Type::String => Some(json!("")),
        Type::Int32 | Type::Int64 | Type::Double => Some(json!(0)),
        Type::Bool => Some(json!(false)),
        _ => Some(Value::Null),
    }
}

impl Field {
    /// The value that stands for a key of a list's item that the item leaves out.
    pub fn key_default(&self) -> Option<Value> {
        self.default.clone().or_else(|| match self.of {
            Type::String | Type::Int32 | Type::Int64 | Type::Bool if self.always && !self.pointer => {
                zero(self)
            }
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(kind: &str, mut object: Value) -> Value {
        complete(&mut object, table::named(kind).unwrap());
        object
    }

    #[test]
    fn structs_are_there_and_pointers_are_not() {
        assert_eq!(
            completed("Secret", json!({"metadata": {"name": "a"}})),
            json!({"metadata": {"name": "a"}})
        );
        assert_eq!(
            completed("Service", json!({"spec": {"ports": [{"port": 80}]}})),
            json!({
                "metadata": {},
                "spec": {"ports": [{"port": 80, "targetPort": 0}]},
                "status": {"loadBalancer": {}},
            })
        );
        assert_eq!(
            completed("Deployment", json!({})),
            json!({
                "metadata": {}, "status": {},
                "spec": {
                    "selector": null, "strategy": {},
                    "template": {"metadata": {}, "spec": {"containers": null}},
                },
            })
        );
    }

    #[test]
    fn inlined_structs_keep_their_place() {
        assert_eq!(completed("Volume", json!({"secret": {}})), json!({"name": "", "secret": {}}));
        assert_eq!(completed("SecretKeySelector", json!({"key": "a"})), json!({"key": "a"}));
    }
}
