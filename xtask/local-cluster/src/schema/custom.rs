//! The types of custom kinds, out of the OpenAPI schema in their CRD.

use std::sync::Arc;

use serde_json::Value;

use super::{Field, ListKind, Struct, Type};

/// The type of a custom kind's objects: what `schema` (`openAPIV3Schema`) says,
/// with the metadata that every object has.
pub fn structure(kind: &str, schema: &Value) -> Struct {
    let mut root = match of(schema) {
        Type::Inline(inner) => Struct::clone(&inner),
        // A schema without properties: everything is kept, nothing is known.
        _ => Struct { open: true, ..Struct::default() },
    };
    root.name = kind.to_owned();
    root.fields.retain(|field| !matches!(field.name.as_str(), "metadata" | "kind" | "apiVersion"));
    root.fields.push(Field::plain("metadata", Type::Named("ObjectMeta".into())));
    root
}

fn of(schema: &Value) -> Type {
    let says = |name: &str| schema[name] == true;
    if says("x-kubernetes-int-or-string") {
        return Type::IntOrString;
    }
    match schema["type"].as_str() {
        Some("string") => Type::String,
        Some("integer") => Type::Int64,
        Some("number") => Type::Double,
        Some("boolean") => Type::Bool,
        Some("array") => Type::List(Box::new(of(&schema["items"]))),
        Some("object") => object(schema),
        _ if schema["properties"].is_object() => object(schema),
        _ => Type::Raw,
    }
}

fn object(schema: &Value) -> Type {
    let open = schema["x-kubernetes-preserve-unknown-fields"] == true;
    let rest = match &schema["additionalProperties"] {
        Value::Object(_) => Some(of(&schema["additionalProperties"])),
        Value::Bool(true) => Some(Type::Raw),
        _ => None,
    };
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut fields: Vec<Field> = schema["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, schema)| Field {
            required: required.contains(&name.as_str()),
            list: list_kind(schema),
            atomic: schema["x-kubernetes-map-type"] == "atomic",
            default: schema.get("default").cloned(),
            ..Field::plain(name, of(schema))
        })
        .collect();
    if schema["x-kubernetes-embedded-resource"] == true {
        fields.retain(|field| !matches!(field.name.as_str(), "metadata" | "kind" | "apiVersion"));
        fields.push(Field::plain("apiVersion", Type::String));
        fields.push(Field::plain("kind", Type::String));
        fields.push(Field::plain("metadata", Type::Named("ObjectMeta".into())));
    }
    match rest {
        Some(item) if fields.is_empty() => Type::Map(Box::new(item)),
        rest => Type::Inline(Arc::new(Struct { fields, rest, open, ..Struct::default() })),
    }
}

fn list_kind(schema: &Value) -> ListKind {
    match schema["x-kubernetes-list-type"].as_str() {
        Some("set") => ListKind::Set,
        Some("map") => {
            let keys = schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten();
            ListKind::Map(keys.filter_map(|key| key.as_str().map(Into::into)).collect())
        }
        _ => ListKind::Atomic,
    }
}

/// Fills in what the schema has defaults for, as deep as the object is there.
pub fn default(value: &mut Value, schema: &Value) {
    match value {
        Value::Object(map) => {
            for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
                let absent = map.get(name).is_none_or(|value| value.is_null() && schema["nullable"] != true);
                if absent && let Some(default) = schema.get("default") {
                    map.insert(name.clone(), default.clone());
                }
                if let Some(value) = map.get_mut(name) {
                    default(value, schema);
                }
            }
            if schema["additionalProperties"].is_object() {
                let known = &schema["properties"];
                for (name, value) in map.iter_mut() {
                    if known.get(name).is_none() {
                        default(value, &schema["additionalProperties"]);
                    }
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| default(item, &schema["items"])),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::conform::conform;
    use serde_json::json;

    #[test]
    fn unknown_fields_go_unless_the_schema_keeps_them() {
        let schema = json!({"type": "object", "properties": {
            "spec": {"type": "object", "properties": {
                "known": {"type": "string"},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                "map": {"type": "object", "additionalProperties": {"type": "integer"}},
            }},
        }});
        let structure = structure("Thing", &schema);
        let mut object = json!({
            "kind": "Thing", "metadata": {"name": "a"},
            "spec": {"known": "x", "other": 1, "free": {"deep": 1}, "map": {"k": 1}},
        });
        assert_eq!(conform(&mut object, &structure).unwrap(), ["spec.other"]);
        assert_eq!(object["spec"], json!({"known": "x", "free": {"deep": 1}, "map": {"k": 1}}));
    }

    #[test]
    fn defaults_go_as_deep_as_the_object() {
        let schema = json!({"properties": {"spec": {"properties": {
            "size": {"type": "integer", "default": 3},
            "list": {"items": {"properties": {"on": {"default": true}}}},
        }}}});
        let mut object = json!({"spec": {"list": [{}, {"on": false}]}});
        default(&mut object, &schema);
        assert_eq!(object, json!({"spec": {"size": 3, "list": [{"on": true}, {"on": false}]}}));
        let mut bare = json!({});
        default(&mut bare, &schema);
        assert_eq!(bare, json!({}));
    }
}
