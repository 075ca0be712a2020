//! Objects from files in the place of a cluster: what is in them can be read, and what is not may be there yet.

use serde_json::Value;

use crate::access_gaps::Right;

/// What would be applied. No value of a Secret is in it.
#[derive(Debug, Default)]
pub struct Objects(Vec<Object>);

/// One object.
#[derive(Debug)]
pub struct Object {
    /// Its kind: `ConfigMap`.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// It, as the API would give it.
    pub value: Value,
}

impl Objects {
    /// These objects; of two that are the same the later one.
    pub fn new(objects: Vec<Object>) -> Self {
        Self(objects)
    }

    /// The object that a right would lead to, if it is among them.
    pub fn one(&self, right: &Right) -> Option<&Value> {
        let found = self.of(right).into_iter().rfind(|object| Some(&object.name) == right.name.as_ref());
        found.map(|object| &object.value)
    }

    /// Those that carry labels: `key=value`, or nothing for all.
    pub fn list(&self, right: &Right, labels: &str) -> Vec<&Value> {
        let carries = |object: &&Object| match labels.split_once('=') {
            Some((key, wanted)) => object.value["metadata"]["labels"][key] == wanted,
            None => true,
        };
        self.of(right).into_iter().filter(carries).map(|object| &object.value).collect()
    }

    /// Another namespace that has an object of this kind and name.
    pub fn elsewhere(&self, right: &Right) -> Option<&str> {
        let named = self.0.iter().filter(|object| Some(&object.name) == right.name.as_ref());
        let mut there = named.filter(|object| resource(&object.kind) == right.resource);
        there.next().map(|object| object.namespace.as_str())
    }

    fn of(&self, right: &Right) -> Vec<&Object> {
        let is = |object: &&Object| {
            resource(&object.kind) == right.resource && object.namespace == right.namespace
        };
        self.0.iter().filter(is).collect()
    }
}

/// What the API calls a kind: `networkpolicies`.
fn resource(kind: &str) -> String {
    let kind = kind.to_lowercase();
    match (kind.strip_suffix('y'), kind.ends_with('s')) {
        (Some(stem), _) => format!("{stem}ies"),
        (None, true) => format!("{kind}es"),
        (None, false) => format!("{kind}s"),
    }
}
