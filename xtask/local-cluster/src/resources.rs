//! The resources that the cluster knows: the built-in ones, and those of CRDs.

use serde_json::Value;

use crate::store::Store;
use crate::store::object::{items, text};

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
    /// Whether its objects are questions, answered when they are created and not kept.
    pub review: bool,
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

/// Group, kind, plural, short names, categories (a dash where there is none), and what it has. All
/// are of version v1.
const BUILT_IN: &str = "\
- ConfigMap configmaps cm - namespaced
- Endpoints endpoints ep - namespaced
- Event events ev - namespaced
- Namespace namespaces ns - status
- Node nodes no - status
- Pod pods po all namespaced,status
- Secret secrets - - namespaced
- Service services svc all namespaced,status
- ServiceAccount serviceaccounts sa - namespaced
apps Deployment deployments deploy all namespaced,status,scale
apps ReplicaSet replicasets rs all namespaced,status,scale
networking.k8s.io Ingress ingresses ing - namespaced,status
authentication.k8s.io SelfSubjectReview selfsubjectreviews - - review
authorization.k8s.io SelfSubjectAccessReview selfsubjectaccessreviews - - review
authorization.k8s.io SelfSubjectRulesReview selfsubjectrulesreviews - - review
rbac.authorization.k8s.io Role roles - - namespaced
rbac.authorization.k8s.io RoleBinding rolebindings - - namespaced
rbac.authorization.k8s.io ClusterRole clusterroles - - -
rbac.authorization.k8s.io ClusterRoleBinding clusterrolebindings - - -
apiextensions.k8s.io CustomResourceDefinition customresourcedefinitions crd,crds api-extensions status";

/// The API group of Roles and what binds them.
pub const RBAC: &str = "rbac.authorization.k8s.io";

/// The resource id of CRDs in the store.
pub const CRDS: &str = "customresourcedefinitions.apiextensions.k8s.io";

fn built_in() -> impl Iterator<Item = Resource> {
    let list = |text: &str| text.split(',').filter(|it| *it != "-").map(Into::into).collect::<Vec<String>>();
    BUILT_IN.lines().filter_map(move |line| {
        let [group, kind, plural, short, categories, has] = line.split(' ').collect::<Vec<_>>()[..] else {
            return None;
        };
        let has = list(has);
        let has = |what: &str| has.iter().any(|it| it == what);
        Some(Resource {
            group: group.trim_matches('-').into(),
            version: "v1".into(),
            kind: kind.into(),
            plural: plural.into(),
            singular: kind.to_lowercase(),
            short: list(short),
            categories: list(categories),
            namespaced: has("namespaced"),
            has_status: has("status"),
            has_scale: has("scale"),
            custom: false,
            review: has("review"),
        })
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
    let strings = |value| items(value).map(|it| text(it).to_owned()).collect();
    let names = &spec["names"];
    let version = items(&spec["versions"]).find(|version| version["storage"] == true)?;
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
        review: false,
    })
}
