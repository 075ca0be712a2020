//! OpenAPI v3: what clients read to know fields, and how to merge them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

use ring::digest::{SHA256, digest};
use serde_json::{Map, Value, json};

use crate::resources::Resource;

use super::{Field, ListKind, Short, Struct, Type, table};

const WORDS: &str = include_str!("words.txt");

/// What there is to say of a type (`field` empty) or of a field.
static DESCRIPTIONS: LazyLock<HashMap<&'static str, &'static str>> = LazyLock::new(|| {
    let lines = WORDS.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(' ')).collect()
});

fn describe(schema: &mut Value, path: &str) {
    if let Some(words) = DESCRIPTIONS.get(path) {
        schema["description"] = (*words).into();
    }
}

/// A resource in a document.
#[derive(Clone, Debug)]
pub struct Served {
    /// The resource.
    pub resource: Resource,
    /// The schema of a custom kind.
    pub schema: Option<Value>,
}

const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";
const INT_OR_STRING: &str = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";
const TIME: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Time";
const MICRO_TIME: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime";

fn path_of(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

/// `/openapi/v3`: the documents with hashes that change when they do.
pub fn index(versions: &[(String, String, Vec<Served>)]) -> Value {
    let paths: Map<String, Value> = versions
        .iter()
        .map(|(group, version, served)| {
            let path = path_of(group, version);
            let url = format!("/openapi/v3/{path}?hash={}", hash(served));
            (path, json!({"serverRelativeURL": url}))
        })
        .collect();
    json!({"paths": paths})
}

/// A name for a document's content: what it is made of, and the program that makes it.
pub fn hash(served: &[Served]) -> String {
    let source = format!("{} {served:?} {WORDS} {}", env!("CARGO_PKG_VERSION"), table::TEXT);
    digest(&SHA256, source.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02X}")).collect()
}

/// The document of one group's version.
pub fn document(group: &str, version: &str, served: &[Served]) -> Value {
    let mut paths = Map::new();
    let mut schemas = Schemas::default();
    for one in served {
        let name = schema_name(&one.resource);
        paths.extend(paths_of(&one.resource, &name));
        match &one.schema {
            Some(schema) => schemas.add_custom(&name, &one.resource, schema),
            None => schemas.add(&one.resource.kind),
        }
    }
    json!({
        "openapi": "3.0.0",
        "info": {"title": "argocd-oidc-lab cluster API", "version": super::VERSION},
        "x-kubernetes-group-version": path_of(group, version),
        "paths": paths,
        "components": {
            "schemas": schemas.finish(),
            "securitySchemes": {"BearerToken": {"type": "apiKey", "name": "authorization", "in": "header"}},
        },
    })
}

fn schema_name(resource: &Resource) -> String {
    if !resource.custom {
        let structure = table::of_kind(&resource.api_version(), &resource.kind);
        return structure.map_or_else(String::new, |it| full_name(it));
    }
    let group: Vec<&str> = resource.group.split('.').rev().collect();
    format!("{}.{}.{}", group.join("."), resource.version, resource.kind)
}

fn full_name(structure: &Struct) -> String {
    format!("{}.{}", structure.package, structure.name)
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// The paths of a resource with what can be done at them.
fn paths_of(resource: &Resource, schema: &str) -> Vec<(String, Value)> {
    let kind = json!({"group": resource.group, "version": resource.version, "kind": resource.kind});
    let root = format!("/{}", path_of(&resource.group, &resource.version));
    let collection = if resource.namespaced {
        format!("{root}/namespaces/{{namespace}}/{}", resource.plural)
    } else {
        format!("{root}/{}", resource.plural)
    };
    let item = format!("{collection}/{{name}}");
    let operation = |action: &str, parameters: &[&str], body: &[&str]| {
        let mut operation = json!({
            "operationId": format!("{action}{}{}", resource.version, resource.kind),
            "parameters": parameters.iter().map(|name| parameter(name)).collect::<Vec<_>>(),
            "responses": {"200": {"description": "OK", "content": {"application/json": {"schema": reference(schema)}}}},
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": kind,
        });
        if !body.is_empty() {
            let content: Map<String, Value> =
                body.iter().map(|it| ((*it).to_owned(), json!({"schema": reference(schema)}))).collect();
            operation["requestBody"] = json!({"content": content, "required": true});
        }
        operation
    };
    let list =
        ["labelSelector", "fieldSelector", "limit", "continue", "resourceVersion", "watch", "timeoutSeconds"];
    let write = ["dryRun", "fieldManager", "fieldValidation"];
    let mut patches =
        vec!["application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"];
    if !resource.custom {
        patches.push("application/strategic-merge-patch+json");
    }
    let patch = ["dryRun", "fieldManager", "fieldValidation", "force"];
    let mut in_path = vec![];
    if resource.namespaced {
        in_path.push(path_parameter("namespace"));
    }
    let of_collection = json!({
        "get": operation("list", &list, &[]),
        "post": operation("post", &write, &["application/json", "application/yaml"]),
        "delete": operation("deletecollection", &["labelSelector", "fieldSelector", "dryRun"], &[]),
        "parameters": in_path,
    });
    in_path.push(path_parameter("name"));
    let of_item = json!({
        "get": operation("get", &[], &[]),
        "put": operation("put", &write, &["application/json", "application/yaml"]),
        "patch": operation("patch", &patch, &patches),
        "delete": operation("delete", &["dryRun", "gracePeriodSeconds", "propagationPolicy"], &[]),
        "parameters": in_path,
    });
    let mut all = vec![(collection, of_collection), (item.clone(), of_item)];
    if resource.has_status {
        let of_status = json!({
            "get": operation("get", &[], &[]),
            "put": operation("put", &write, &["application/json", "application/yaml"]),
            "patch": operation("patch", &patch, &patches),
            "parameters": in_path,
        });
        all.push((format!("{item}/status"), of_status));
    }
    if resource.namespaced {
        let everywhere = json!({"get": operation("list", &list, &[])});
        all.push((format!("{root}/{}", resource.plural), everywhere));
    }
    all
}

fn parameter(name: &str) -> Value {
    let kind = match name {
        "limit" | "timeoutSeconds" | "gracePeriodSeconds" => "integer",
        "watch" | "force" => "boolean",
        _ => "string",
    };
    json!({"name": name, "in": "query", "schema": {"type": kind, "uniqueItems": true}})
}

fn path_parameter(name: &str) -> Value {
    json!({"name": name, "in": "path", "required": true, "schema": {"type": "string", "uniqueItems": true}})
}

/// Schemas that are needed, with those that they refer to.
#[derive(Default)]
struct Schemas {
    done: BTreeMap<String, Value>,
    seen: BTreeSet<String>,
}

impl Schemas {
    fn add(&mut self, name: &str) {
        if !self.seen.insert(name.to_owned()) {
            return;
        }
        let Some(structure) = table::named(name) else { return };
        let mut properties = Map::new();
        let mut required = vec![];
        if let Some(group_version) = &structure.group_version {
            let (group, version) = group_version.split_once('/').unwrap_or(("", group_version));
            for field in ["apiVersion", "kind"] {
                properties.insert(field.into(), json!({"type": "string"}));
            }
            let kind = json!({"group": group, "version": version, "kind": name});
            self.done.insert(full_name(structure), json!({"x-kubernetes-group-version-kind": [kind]}));
        }
        for field in structure.json_fields() {
            let mut property = self.field(field);
            describe(&mut property, &format!("{name}.{}", field.name));
            properties.insert(field.name.clone(), property);
            if field.required {
                required.push(field.name.clone());
            }
        }
        let schema = self.done.entry(full_name(structure)).or_insert_with(|| json!({}));
        describe(schema, name);
        schema["type"] = "object".into();
        schema["properties"] = Value::Object(properties);
        if !required.is_empty() {
            schema["required"] = required.into();
        }
        if structure.atomic {
            schema["x-kubernetes-map-type"] = "atomic".into();
        }
    }

    fn add_custom(&mut self, name: &str, resource: &Resource, schema: &Value) {
        let mut schema = schema.clone();
        if !schema.is_object() {
            schema = json!({"type": "object"});
        }
        if !schema["properties"].is_object() {
            schema["properties"] = json!({});
        }
        for field in ["apiVersion", "kind"] {
            schema["properties"][field] = json!({"type": "string"});
        }
        schema["properties"]["metadata"] = json!({"allOf": [self.of(&Type::Named("ObjectMeta".into()))]});
        let kind = json!({"group": resource.group, "version": resource.version, "kind": resource.kind});
        schema["x-kubernetes-group-version-kind"] = json!([kind]);
        self.done.insert(name.to_owned(), schema);
    }

    fn field(&mut self, field: &Field) -> Value {
        let mut schema = self.of(&field.of);
        if schema.get("$ref").is_some() {
            // Beside a reference nothing may stand.
            schema = json!({"allOf": [schema]});
        }
        let strategies: Vec<&str> = [(field.patch_merge, "merge"), (field.retain_keys, "retainKeys")]
            .iter()
            .filter_map(|(set, name)| set.then_some(*name))
            .collect();
        if !strategies.is_empty() {
            schema["x-kubernetes-patch-strategy"] = strategies.join(",").into();
        }
        if let Some(key) = &field.merge_key {
            schema["x-kubernetes-patch-merge-key"] = key.clone().into();
        }
        match (&field.list, &field.of) {
            (ListKind::Atomic, Type::List(_)) => schema["x-kubernetes-list-type"] = "atomic".into(),
            (ListKind::Atomic, _) if field.atomic => schema["x-kubernetes-map-type"] = "atomic".into(),
            (ListKind::Atomic, _) => {}
            (ListKind::Set, _) => schema["x-kubernetes-list-type"] = "set".into(),
            (ListKind::Map(keys), _) => {
                schema["x-kubernetes-list-type"] = "map".into();
                schema["x-kubernetes-list-map-keys"] = keys.clone().into();
            }
        }
        if let Some(default) = &field.default {
            schema["default"] = default.clone();
        }
        schema
    }

    fn of(&mut self, of: &Type) -> Value {
        match of {
            Type::String => json!({"type": "string"}),
            Type::Bytes => json!({"type": "string", "format": "byte"}),
            Type::Int32 => json!({"type": "integer", "format": "int32"}),
            Type::Int64 => json!({"type": "integer", "format": "int64"}),
            Type::Double => json!({"type": "number", "format": "double"}),
            Type::Bool => json!({"type": "boolean"}),
            Type::Quantity => self.leaf(QUANTITY, json!({"oneOf": [{"type": "string"}, {"type": "number"}]})),
            Type::IntOrString => self.leaf(
                INT_OR_STRING,
                json!({"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]}),
            ),
            Type::Time => self.leaf(TIME, json!({"type": "string", "format": "date-time"})),
            Type::MicroTime => self.leaf(MICRO_TIME, json!({"type": "string", "format": "date-time"})),
            Type::Raw => json!({"type": "object"}),
            Type::SchemaOr(Short::Bool | Short::Schemas | Short::Strings) => json!({}),
            Type::List(item) => json!({"type": "array", "items": self.of(item)}),
            Type::Map(item) => json!({"type": "object", "additionalProperties": self.of(item)}),
            Type::Named(name) => {
                self.add(name);
                table::named(name).map_or_else(|| json!({}), |it| reference(&full_name(it)))
            }
            Type::Inline(_) => json!({"type": "object"}),
        }
    }

    fn leaf(&mut self, name: &str, schema: Value) -> Value {
        self.done.entry(name.to_owned()).or_insert(schema);
        reference(name)
    }

    fn finish(self) -> Map<String, Value> {
        self.done.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources;
    use crate::store::Store;

    fn served(group: &str, plural: &str) -> Served {
        Served { resource: resources::find(&Store::new(), group, "v1", plural).unwrap(), schema: None }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document("apps", "v1", &[served("apps", "deployments")]);
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
        assert_eq!(containers["x-kubernetes-list-map-keys"], json!(["name"]));
    }

    #[test]
    fn every_word_is_about_something() {
        assert_eq!(
            DESCRIPTIONS.len(),
            WORDS.lines().filter(|it| !it.is_empty() && !it.starts_with('#')).count()
        );
        for path in DESCRIPTIONS.keys() {
            let (name, field) = path.split_once('.').unwrap_or((path, ""));
            let structure = table::named(name).unwrap_or_else(|| panic!("{path}"));
            assert!(field.is_empty() || structure.field(field).is_some(), "{path}");
        }
    }

    #[test]
    fn a_hash_changes_with_the_resources() {
        let index = |served: Vec<Served>| index(&[("apps".into(), "v1".into(), served)]);
        let one = index(vec![served("apps", "deployments")]);
        assert_eq!(one, index(vec![served("apps", "deployments")]));
        assert_ne!(one, index(vec![served("apps", "deployments"), served("apps", "replicasets")]));
    }
}
