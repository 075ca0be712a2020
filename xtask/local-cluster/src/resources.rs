//! The resources that the cluster knows: the built-in ones, and those of CRDs.

use serde_json::Value;

use crate::store::Store;

/// One resource of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// The API group; empty for the core one.
    pub group: String,
    /// The version that is served and stored.
    pub version: String,
    /// The kind of its objects.
    pub kind: String,
    /// The name in URLs.
    pub plural: String,
    /// The name for one of them.
    pub singular: String,
    /// Short names, for kubectl.
    pub short: Vec<String>,
    /// Categories, for kubectl (`all`).
    pub categories: Vec<String>,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Whether it has a `/status` of its own, which plain writes leave alone.
    pub has_status: bool,
    /// Whether it has a `/scale`.
    pub has_scale: bool,
    /// Whether it comes from a CRD.
    pub custom: bool,
}

impl Resource {
    /// As in [`crate::store::Key::resource`]: `secrets`, `deployments.apps`.
    pub fn id(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// `v1`, `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
}

/// group, version, kind, plural, short names, categories, namespaced, status, scale
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
    bool,
    bool,
    bool,
);

const BUILT_IN: &[Row] = &[
    ("", "v1", "ConfigMap", "configmaps", &["cm"], &[], true, false, false),
    ("", "v1", "Endpoints", "endpoints", &["ep"], &[], true, false, false),
    ("", "v1", "Event", "events", &["ev"], &[], true, false, false),
    ("", "v1", "Namespace", "namespaces", &["ns"], &[], false, true, false),
    ("", "v1", "Node", "nodes", &["no"], &[], false, true, false),
    ("", "v1", "Pod", "pods", &["po"], &["all"], true, true, false),
    ("", "v1", "Secret", "secrets", &[], &[], true, false, false),
    ("", "v1", "Service", "services", &["svc"], &["all"], true, true, false),
    ("", "v1", "ServiceAccount", "serviceaccounts", &["sa"], &[], true, false, false),
    ("apps", "v1", "Deployment", "deployments", &["deploy"], &["all"], true, true, true),
    ("apps", "v1", "ReplicaSet", "replicasets", &["rs"], &["all"], true, true, true),
    ("networking.k8s.io", "v1", "Ingress", "ingresses", &["ing"], &[], true, true, false),
    (
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        &["crd", "crds"],
        &["api-extensions"],
        false,
        true,
        false,
    ),
];

/// The resource id of CRDs in the store.
pub const CRDS: &str = "customresourcedefinitions.apiextensions.k8s.io";

fn built_in() -> impl Iterator<Item = Resource> {
    BUILT_IN.iter().map(|row| {
        let &(group, version, kind, plural, short, categories, namespaced, has_status, has_scale) = row;
        Resource {
            group: group.into(),
            version: version.into(),
            kind: kind.into(),
            plural: plural.into(),
            singular: kind.to_lowercase(),
            short: short.iter().map(|&name| name.into()).collect(),
            categories: categories.iter().map(|&name| name.into()).collect(),
            namespaced,
            has_status,
            has_scale,
            custom: false,
        }
    })
}

/// All resources: the built-in ones, then those of the CRDs in `store` (their
/// storage version).
pub fn all(store: &Store) -> Vec<Resource> {
    let (crds, _) = store.list(CRDS, None);
    built_in().chain(crds.iter().filter_map(|crd| of_crd(crd))).collect()
}

/// The resource of a group, version and plural, if there is one.
pub fn find(store: &Store, group: &str, version: &str, plural: &str) -> Option<Resource> {
    all(store).into_iter().find(|it| it.group == group && it.version == version && it.plural == plural)
}

/// The resource whose objects have this `apiVersion` and `kind`.
pub fn of_kind(store: &Store, api_version: &str, kind: &str) -> Option<Resource> {
    all(store).into_iter().find(|it| it.kind == kind && it.api_version() == api_version)
}

fn of_crd(crd: &Value) -> Option<Resource> {
    let spec = &crd["spec"];
    let strings = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|it| it.as_str().map(Into::into)).collect()
    };
    let names = &spec["names"];
    let version = spec["versions"].as_array()?.iter().find(|version| version["storage"] == true)?;
    let kind = names["kind"].as_str()?;
    Some(Resource {
        group: spec["group"].as_str()?.into(),
        version: version["name"].as_str()?.into(),
        kind: kind.into(),
        plural: names["plural"].as_str()?.into(),
        singular: names["singular"].as_str().map_or_else(|| kind.to_lowercase(), Into::into),
        short: strings(&names["shortNames"]),
        categories: strings(&names["categories"]),
        namespaced: spec["scope"] == "Namespaced",
        has_status: version["subresources"].get("status").is_some(),
        has_scale: version["subresources"].get("scale").is_some(),
        custom: true,
    })
}
