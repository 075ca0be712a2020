//! OpenAPI v3, as far as clients need it to write: which kinds there are, and what a patch may be
//! told. There are no schemas in it.

use serde_json::{Map, Value, json};

use crate::resources::Resource;

use super::types::VERSION;

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
    json!({
        "openapi": "3.0.0",
        "info": {"title": "argocd-oidc-lab cluster API", "version": VERSION},
        "paths": served.iter().map(path).collect::<Map<String, Value>>(),
    })
}

/// The path of a resource's objects: kubectl looks there whether the server validates fields.
fn path(resource: &Resource) -> (String, Value) {
    let namespace = if resource.namespaced { "/namespaces/{namespace}" } else { "" };
    let root = path_of(&resource.group, &resource.version);
    let parameter = |name| json!({"name": name, "in": "query", "schema": {"type": "string"}});
    let parameters = ["dryRun", "fieldManager", "fieldValidation", "force"].map(parameter);
    let patch = json!({
        "parameters": parameters,
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind":
            {"group": resource.group, "version": resource.version, "kind": resource.kind},
    });
    (format!("/{root}{namespace}/{}/{{name}}", resource.plural), json!({"patch": patch}))
}
