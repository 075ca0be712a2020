//! What names an object.

use std::sync::Arc;

use serde_json::Value;

use super::object;

/// Names an object: `resource` is the plural, with its group behind a dot unless
/// the group is the core one (`secrets`, `deployments.apps`), as `kubectl
/// api-resources -o name` prints it. `namespace` is empty for cluster scope.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Plural and group: `secrets`, `deployments.apps`.
    pub resource: Arc<str>,
    /// The namespace, or empty for an object of the cluster.
    pub namespace: Arc<str>,
    /// The object's name.
    pub name: Arc<str>,
}

impl Key {
    /// A key from its three parts.
    pub fn new(resource: &str, namespace: &str, name: &str) -> Self {
        Self { resource: resource.into(), namespace: namespace.into(), name: name.into() }
    }

    /// The key of an object of a resource.
    pub fn of(resource: &str, object: &Value) -> Self {
        Self::new(resource, object::namespace(object), object::name(object))
    }
}
