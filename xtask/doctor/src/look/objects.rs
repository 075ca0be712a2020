//! Objects from files in the place of a cluster: what is in them can be read, and what is not may be there yet.

use serde_json::Value;

use crate::could_not::Right;

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

    fn of(&self, right: &Right) -> Vec<&Object> {
        // `networkpolicies` is NetworkPolicy.
        let is = |object: &&Object| {
            let kind = object.kind.to_lowercase();
            let plural = kind.strip_suffix('y').map_or(format!("{kind}s"), |stem| format!("{stem}ies"));
            let plural = if kind.ends_with("ss") { format!("{kind}es") } else { plural };
            plural == right.resource && object.namespace == right.namespace
        };
        self.0.iter().filter(is).collect()
    }
}
