//! OpenAPI v3: what clients read to know fields, and how to merge them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::resources::Resource;

use super::table;
use super::types::{Field, Struct, Type, VERSION};

const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";
const INT_OR_STRING: &str = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";
const TIME: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Time";
const MICRO_TIME: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime";

fn path_of(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

/// OpenAPI's second version without a single kind, as protobuf: kubectl reads it before it applies a `List`, whose
/// items it then checks by the third.
pub const V2: &[u8] = b"\x0a\x032.0\x12\x0c\x0a\x08oidc-lab\x12\x00\x42\x00";
/// What it is served as.
pub const V2_TYPE: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// `/openapi/v3`: where the documents of groups and their versions are.
pub fn index(versions: &[(String, String)]) -> Value {
    let paths = versions.iter().map(|(group, version)| {
        let path = path_of(group, version);
        let url = format!("/openapi/v3/{path}");
        (path, json!({"serverRelativeURL": url}))
    });
    json!({"paths": paths.collect::<Map<String, Value>>()})
}

/// The document of one group's version.
pub fn document(served: &[Resource]) -> Value {
    let mut schemas = Schemas::default();
    for resource in served {
        match resource.custom {
            true => schemas.add_custom(resource),
            false => schemas.add(&resource.kind),
        }
    }
    json!({
        "openapi": "3.0.0",
        "info": {"title": "argocd-oidc-lab cluster API", "version": VERSION},
        "paths": served.iter().flat_map(paths_of).collect::<Map<String, Value>>(),
        "components": {"schemas": schemas.done},
    })
}

fn kind_of(resource: &Resource) -> Value {
    json!({"group": resource.group, "version": resource.version, "kind": resource.kind})
}

fn full_name(structure: &Struct) -> String {
    format!("{}.{}", structure.package, structure.name)
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// The paths of a resource, as far as clients look at them: which kind is there, and what a
/// patch of it may be told.
fn paths_of(resource: &Resource) -> Vec<(String, Value)> {
    let root = format!("/{}", path_of(&resource.group, &resource.version));
    let namespace = if resource.namespaced { "/namespaces/{namespace}" } else { "" };
    let collection = format!("{root}{namespace}/{}", resource.plural);
    let operation = |action: &str, parameters: &[&str]| {
        let parameter = |name: &&str| json!({"name": name, "in": "query", "schema": {"type": "string"}});
        json!({
            "parameters": parameters.iter().map(parameter).collect::<Vec<_>>(),
            "responses": {"200": {"description": "OK"}},
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": kind_of(resource),
        })
    };
    let write = ["dryRun", "fieldManager", "fieldValidation", "force"];
    let item = json!({
        "get": operation("get", &[]), "put": operation("put", &write), "patch": operation("patch", &write),
        "delete": operation("delete", &["dryRun"]),
    });
    let all = json!({"get": operation("list", &[]), "post": operation("post", &write)});
    vec![(format!("{collection}/{{name}}"), item), (collection, all)]
}

/// Schemas that are needed, with those that they refer to.
#[derive(Default)]
struct Schemas {
    done: BTreeMap<String, Value>,
}

impl Schemas {
    fn add(&mut self, name: &str) {
        let Some(structure) = table::named(name) else { return };
        if self.done.contains_key(&full_name(structure)) {
            return;
        }
        // It may refer to itself.
        self.done.insert(full_name(structure), Value::Null);
        let mut schema = json!({"type": "object", "properties": {}});
        if let Some(group_version) = &structure.group_version {
            let (group, version) = group_version.split_once('/').unwrap_or(("", group_version));
            schema["properties"] = json!({"apiVersion": {"type": "string"}, "kind": {"type": "string"}});
            schema["x-kubernetes-group-version-kind"] =
                json!([{"group": group, "version": version, "kind": name}]);
        }
        let fields = structure.json_fields();
        for field in &fields {
            schema["properties"][&field.name] = self.field(field);
        }
        let required: Vec<&str> = fields.iter().filter(|it| it.required).map(|it| it.name.as_str()).collect();
        if !required.is_empty() {
            schema["required"] = required.into();
        }
        self.done.insert(full_name(structure), schema);
    }

    /// Of a custom kind nothing is known but that it has metadata.
    fn add_custom(&mut self, resource: &Resource) {
        let schema = json!({
            "type": "object", "x-kubernetes-preserve-unknown-fields": true,
            "properties": {
                "apiVersion": {"type": "string"}, "kind": {"type": "string"},
                "metadata": {"allOf": [self.of(&Type::Named("ObjectMeta".into()))]},
            },
            "x-kubernetes-group-version-kind": [kind_of(resource)],
        });
        let group: Vec<&str> = resource.group.split('.').rev().collect();
        self.done.insert(format!("{}.{}.{}", group.join("."), resource.version, resource.kind), schema);
    }

    fn field(&mut self, field: &Field) -> Value {
        let mut schema = self.of(&field.of);
        if schema.get("$ref").is_some() {
            // Beside a reference nothing may stand.
            schema = json!({"allOf": [schema]});
        }
        let strategies = [(field.patch_merge, "merge"), (field.retain_keys, "retainKeys")];
        let strategies: Vec<&str> =
            strategies.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
        if !strategies.is_empty() {
            schema["x-kubernetes-patch-strategy"] = strategies.join(",").into();
        }
        if let Some(key) = &field.merge_key {
            schema["x-kubernetes-patch-merge-key"] = key.clone().into();
        }
        schema
    }

    fn of(&mut self, of: &Type) -> Value {
        match of {
            Type::String => json!({"type": "string"}),
            Type::Bytes => json!({"type": "string", "format": "byte"}),
            Type::Int32 => json!({"type": "integer", "format": "int32"}),
            Type::Int64 => json!({"type": "integer", "format": "int64"}),
            Type::Bool => json!({"type": "boolean"}),
            Type::Quantity => self.leaf(QUANTITY, json!({"oneOf": [{"type": "string"}, {"type": "number"}]})),
            Type::IntOrString => self.leaf(
                INT_OR_STRING,
                json!({"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]}),
            ),
            Type::Time => self.leaf(TIME, json!({"type": "string", "format": "date-time"})),
            Type::MicroTime => self.leaf(MICRO_TIME, json!({"type": "string", "format": "date-time"})),
            Type::Raw => json!({"type": "object"}),
            Type::List(item) => json!({"type": "array", "items": self.of(item)}),
            Type::Map(item) => json!({"type": "object", "additionalProperties": self.of(item)}),
            Type::Named(name) => {
                self.add(name);
                table::named(name).map_or_else(|| json!({}), |it| reference(&full_name(it)))
            }
        }
    }

    fn leaf(&mut self, name: &str, schema: Value) -> Value {
        self.done.entry(name.to_owned()).or_insert(schema);
        reference(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources;
    use crate::store::Store;

    fn served(group: &str, plural: &str) -> Resource {
        resources::find(&Store::new(), group, "v1", plural).unwrap()
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document(&[served("apps", "deployments")]);
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let text = document.to_string();
        for part in text.split("#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(schemas.contains_key(name), "{name}");
        }
        let deployment = &schemas["io.k8s.api.apps.v1.Deployment"];
        assert_eq!(deployment["x-kubernetes-group-version-kind"][0]["kind"], "Deployment");
        let containers = &schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"];
        assert_eq!(containers["x-kubernetes-patch-merge-key"], "name");
        assert_eq!(containers["x-kubernetes-patch-strategy"], "merge");
    }
}
