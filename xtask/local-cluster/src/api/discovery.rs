//! What there is: groups, versions, resources. Clients that ask for all at once
//! (`APIGroupDiscoveryList`) take this too, and ask more often.

use http::HeaderMap;
use http::header::HOST;
use serde_json::{Value, json};

use crate::resources::{self, Resource};
use crate::store::Store;

use super::review::REVIEWS;
use super::status::Refusal;

const VERBS: &[&str] = &["create", "delete", "get", "list", "patch", "update", "watch"];
const ONE: &[&str] = &["get", "patch", "update"];
const PROXY: &[&str] = &["create", "delete", "get", "patch", "update"];

/// Groups with their versions, in order.
pub fn versions(store: &Store) -> Vec<(String, String)> {
    let resources = resources::all(store).into_iter().map(|it| (it.group, it.version));
    let reviews = REVIEWS.iter().map(|it| (it.group.to_owned(), "v1".to_owned()));
    let mut all: Vec<(String, String)> = vec![];
    for version in resources.chain(reviews) {
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
    if !versions(store).iter().any(|it| (it.0.as_str(), it.1.as_str()) == (group, version)) {
        return Err(Refusal::no_such_path());
    }
    let own = resources::all(store).into_iter().filter(|it| it.group == group && it.version == version);
    let mut list: Vec<Value> = own.flat_map(|it| with_subresources(&it)).collect();
    list.extend(REVIEWS.iter().filter(|it| it.group == group).map(|it| {
        json!({
            "name": it.plural, "singularName": it.kind.to_lowercase(), "namespaced": false,
            "kind": it.kind, "verbs": ["create"],
        })
    }));
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    Ok(json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": list,
    }))
}

fn with_subresources(resource: &Resource) -> Vec<Value> {
    let mut all = vec![json!({
        "name": resource.plural, "singularName": resource.singular, "namespaced": resource.namespaced,
        "kind": resource.kind, "verbs": VERBS, "shortNames": resource.short, "categories": resource.categories,
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
