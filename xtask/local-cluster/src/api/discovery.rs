//! What there is: groups, versions, resources, in the plain form and in the one
//! that says it all at once.

use http::header::{CONTENT_TYPE, HOST, HeaderValue};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::resources::{self, Resource};
use crate::serve::Response;

use super::Shared;
use super::reply;
use super::review;
use super::status::Refusal;

const VERBS: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const ONE: &[&str] = &["get", "patch", "update"];

/// Everything below a group's version.
struct Entry {
    name: String,
    group: String,
    version: String,
    kind: String,
    singular: String,
    namespaced: bool,
    verbs: Vec<&'static str>,
    short: Vec<String>,
    categories: Vec<String>,
    /// `status` of `pods`: below the one before.
    subresource: bool,
}

fn entries(shared: &Shared) -> Vec<Entry> {
    let mut all = vec![];
    for resource in resources::all(&shared.store) {
        all.push(entry(&resource));
        let mut below = |name: &str, group: &str, version: &str, kind: &str, verbs: &[&'static str]| {
            all.push(Entry {
                name: format!("{}/{name}", resource.plural),
                group: group.into(),
                version: version.into(),
                kind: kind.into(),
                singular: String::new(),
                namespaced: resource.namespaced,
                verbs: verbs.to_vec(),
                short: vec![],
                categories: vec![],
                subresource: true,
            });
        };
        let (group, version) = (&resource.group, &resource.version);
        let proxy: &[&str] = &["create", "delete", "get", "patch", "update"];
        match (group.as_str(), resource.kind.as_str()) {
            ("", "Pod") => {
                below("eviction", "policy", "v1", "Eviction", &["create"]);
                below("log", group, version, "Pod", &["get"]);
                below("proxy", group, version, "PodProxyOptions", proxy);
            }
            ("", "Service") => below("proxy", group, version, "ServiceProxyOptions", proxy),
            ("", "Namespace") => below("finalize", group, version, "Namespace", &["update"]),
            _ => {}
        }
        if resource.has_scale {
            below("scale", "autoscaling", "v1", "Scale", ONE);
        }
        if resource.has_status {
            below("status", group, version, &resource.kind, ONE);
        }
    }
    for review in review::REVIEWS {
        all.push(Entry {
            name: review.plural.into(),
            group: review.group.into(),
            version: "v1".into(),
            kind: review.kind.into(),
            singular: review.kind.to_lowercase(),
            namespaced: false,
            verbs: vec!["create"],
            short: vec![],
            categories: vec![],
            subresource: false,
        });
    }
    all
}

fn entry(resource: &Resource) -> Entry {
    let mut verbs = VERBS.to_vec();
    if resource.group.is_empty() && resource.kind == "Namespace" {
        verbs.retain(|verb| *verb != "deletecollection");
    }
    Entry {
        name: resource.plural.clone(),
        group: resource.group.clone(),
        version: resource.version.clone(),
        kind: resource.kind.clone(),
        singular: resource.singular.clone(),
        namespaced: resource.namespaced,
        verbs,
        short: resource.short.clone(),
        categories: resource.categories.clone(),
        subresource: false,
    }
}

/// Groups with their versions, in order; subresources belong to their resource.
pub fn versions(shared: &Shared) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = vec![];
    for entry in entries(shared).into_iter().filter(|it| !it.subresource) {
        let version = (entry.group, entry.version);
        if !all.contains(&version) {
            all.push(version);
        }
    }
    all
}

fn group_names(shared: &Shared) -> Vec<String> {
    let mut names: Vec<String> = vec![];
    for (group, _) in versions(shared) {
        if !group.is_empty() && !names.contains(&group) {
            names.push(group);
        }
    }
    names
}

/// `/api`.
pub fn core_versions(headers: &HeaderMap) -> Value {
    let address = headers.get(HOST).and_then(|it| it.to_str().ok()).unwrap_or_default();
    json!({
        "kind": "APIVersions", "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    })
}

/// `/apis`.
pub fn groups(shared: &Shared) -> Value {
    let groups: Vec<Value> = group_names(shared).iter().map(|name| group_json(shared, name)).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

fn group_json(shared: &Shared, name: &str) -> Value {
    let versions: Vec<Value> = versions(shared)
        .into_iter()
        .filter(|(group, _)| group == name)
        .map(|(group, version)| json!({"groupVersion": format!("{group}/{version}"), "version": version}))
        .collect();
    json!({"name": name, "versions": versions, "preferredVersion": versions.first()})
}

/// `/apis/GROUP`.
pub fn group(shared: &Shared, name: &str) -> Result<Value, Refusal> {
    if !group_names(shared).iter().any(|it| it == name) {
        return Err(Refusal::no_such_path());
    }
    let mut group = group_json(shared, name);
    group["kind"] = "APIGroup".into();
    group["apiVersion"] = "v1".into();
    Ok(group)
}

/// `/api/v1` and `/apis/GROUP/VERSION`.
pub fn resources(shared: &Shared, group: &str, version: &str) -> Result<Value, Refusal> {
    if !versions(shared).iter().any(|it| (it.0.as_str(), it.1.as_str()) == (group, version)) {
        return Err(Refusal::no_such_path());
    }
    let mut list = vec![];
    for (of, entry) in with_owner(entries(shared)) {
        if (of.0.as_str(), of.1.as_str()) != (group, version) {
            continue;
        }
        let mut json = json!({
            "name": entry.name, "singularName": entry.singular, "namespaced": entry.namespaced,
            "kind": entry.kind, "verbs": entry.verbs,
        });
        if (entry.group.as_str(), entry.version.as_str()) != (group, version) {
            json["group"] = entry.group.into();
            json["version"] = entry.version.into();
        }
        if !entry.short.is_empty() {
            json["shortNames"] = entry.short.into();
        }
        if !entry.categories.is_empty() {
            json["categories"] = entry.categories.into();
        }
        list.push(json);
    }
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let mut list = json!({"kind": "APIResourceList", "groupVersion": group_version, "resources": list});
    if !group.is_empty() {
        list["apiVersion"] = "v1".into();
    }
    Ok(list)
}

/// Each entry with the group and version that it is found under.
fn with_owner(entries: Vec<Entry>) -> Vec<((String, String), Entry)> {
    let mut owner = (String::new(), String::new());
    entries
        .into_iter()
        .map(|entry| {
            if !entry.subresource {
                owner = (entry.group.clone(), entry.version.clone());
            }
            (owner.clone(), entry)
        })
        .collect()
}

/// All at once, of the core group or of the others.
pub fn aggregated(shared: &Shared, core: bool, version: &'static str) -> Response {
    let entries = with_owner(entries(shared));
    let names = if core { vec![String::new()] } else { group_names(shared) };
    let items: Vec<Value> = names
        .iter()
        .map(|name| {
            let versions: Vec<Value> = versions(shared)
                .into_iter()
                .filter(|(group, _)| group == name)
                .map(|of| {
                    json!({
                        "version": of.1, "freshness": "Current", "resources": aggregated_resources(&entries, &of),
                    })
                })
                .collect();
            let metadata = if core { json!({"creationTimestamp": null}) } else { json!({"name": name, "creationTimestamp": null}) };
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    let list = json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": format!("apidiscovery.k8s.io/{version}"),
        "metadata": {}, "items": items,
    });
    let mut response = reply::object(StatusCode::OK, &list, false, false);
    let kind = match version {
        "v2" => "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        _ => "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
    };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn aggregated_resources(entries: &[((String, String), Entry)], of: &(String, String)) -> Vec<Value> {
    let mut resources: Vec<Value> = vec![];
    for (_, entry) in entries.iter().filter(|(owner, _)| owner == of) {
        let kind = json!({"group": entry.group, "version": entry.version, "kind": entry.kind});
        if !entry.subresource {
            let mut json = json!({
                "resource": entry.name, "responseKind": kind,
                "scope": if entry.namespaced { "Namespaced" } else { "Cluster" },
                "singularResource": entry.singular, "verbs": entry.verbs,
            });
            if !entry.short.is_empty() {
                json["shortNames"] = entry.short.clone().into();
            }
            if !entry.categories.is_empty() {
                json["categories"] = entry.categories.clone().into();
            }
            resources.push(json);
            continue;
        }
        let name = entry.name.split_once('/').map_or("", |(_, name)| name);
        let json = json!({"subresource": name, "responseKind": kind, "verbs": entry.verbs});
        if let Some(last) = resources.last_mut() {
            match last["subresources"].as_array_mut() {
                Some(all) => all.push(json),
                None => last["subresources"] = json!([json]),
            }
        }
    }
    resources
}
