//! What there is: groups, versions, resources. Clients that ask for all at once
//! (`APIGroupDiscoveryList`) take this too, and ask more often.

use http::HeaderMap;
use http::header::HOST;
use serde_json::{Value, json};

use crate::resources::{self, Resource};
use crate::store::Store;

use super::status::Refusal;

const VERBS: &[&str] = &["create", "delete", "get", "list", "patch", "update", "watch"];
const ONE: &[&str] = &["get", "patch", "update"];
const PROXY: &[&str] = &["create", "delete", "get", "patch", "update"];

/// Groups with their versions, in order.
pub fn versions(store: &Store) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = vec![];
    for resource in resources::all(store) {
        let version = (resource.group, resource.version);
        if !all.contains(&version) {
            all.push(version);
        }
    }
    all
}

/// `/api`.
pub fn core_versions(headers: &HeaderMap) -> Value {
    let address = headers.get(HOST).and_then(|it| it.to_str().ok()).unwrap_or_default();
    json!({
        "kind": "APIVersions", "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    })
}

/// `/apis`. Each group has one version.
pub fn groups(store: &Store) -> Value {
    let others = versions(store).into_iter().filter(|(group, _)| !group.is_empty());
    let groups = others.map(|(group, version)| {
        let version = json!({"groupVersion": format!("{group}/{version}"), "version": version});
        json!({"name": group, "versions": [version], "preferredVersion": version})
    });
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups.collect::<Vec<_>>()})
}

/// `/api/v1` and `/apis/GROUP/VERSION`.
///
/// # Errors
/// 404.
pub fn resources(store: &Store, group: &str, version: &str) -> Result<Value, Refusal> {
    let own = served(store, group, version)?;
    let list: Vec<Value> = own.iter().flat_map(with_subresources).collect();
    Ok(json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": own[0].api_version(), "resources": list,
    }))
}

/// The resources of a group's version: there is one at least.
///
/// # Errors
/// 404.
pub fn served(store: &Store, group: &str, version: &str) -> Result<Vec<Resource>, Refusal> {
    let mut own = resources::all(store);
    own.retain(|it| it.group == group && it.version == version);
    if own.is_empty() { Err(Refusal::no_such_path()) } else { Ok(own) }
}

fn with_subresources(resource: &Resource) -> Vec<Value> {
    let verbs = if resource.review { &VERBS[..1] } else { VERBS };
    let mut all = vec![json!({
        "name": resource.plural, "singularName": resource.singular, "namespaced": resource.namespaced,
        "kind": resource.kind, "verbs": verbs, "shortNames": resource.short, "categories": resource.categories,
    })];
    let mut below = |name: &str, kind: &str, verbs: &[&str]| {
        all.push(json!({
            "name": format!("{}/{name}", resource.plural), "singularName": "",
            "namespaced": resource.namespaced, "kind": kind, "verbs": verbs,
        }));
    };
    match resource.id().as_str() {
        "pods" => {
            below("log", "Pod", &["get"]);
            below("proxy", "PodProxyOptions", PROXY);
        }
        "services" => below("proxy", "ServiceProxyOptions", PROXY),
        _ => {}
    }
    if resource.has_status {
        below("status", &resource.kind, ONE);
    }
    if resource.has_scale {
        below("scale", "Scale", ONE);
        if let Some(scale) = all.last_mut() {
            // It is of another group than what it scales.
            scale["group"] = "autoscaling".into();
            scale["version"] = "v1".into();
        }
    }
    all
}
