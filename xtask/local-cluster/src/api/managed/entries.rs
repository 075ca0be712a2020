//! The entries of `managedFields`, read and written.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::schema::fields::{Set, from_json, to_json};
use crate::store::object;

/// How a manager writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Operation {
    Apply,
    Update,
}

/// One manager's entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manager {
    #[serde(default)]
    pub(super) manager: String,
    pub(super) operation: Operation,
    pub(super) api_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) time: Option<String>,
    pub(super) fields_type: String,
    #[serde(rename = "fieldsV1", default, serialize_with = "write", deserialize_with = "read")]
    pub(super) set: Set,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) subresource: String,
}

fn write<S: Serializer>(set: &Set, serializer: S) -> Result<S::Ok, S::Error> {
    to_json(set).serialize(serializer)
}

fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Set, D::Error> {
    let fields = Option::<Value>::deserialize(deserializer)?;
    let set = fields.map_or_else(|| Some(Set::new()), |fields| from_json(&fields));
    set.ok_or_else(|| serde::de::Error::custom("no FieldsV1"))
}

impl Manager {
    /// Whether both are one manager's. One that applies has one entry, whatever the version.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.manager == other.manager
            && self.operation == other.operation
            && self.subresource == other.subresource
            && (self.operation == Operation::Apply || self.api_version == other.api_version)
    }

    /// As a conflict names it.
    pub(super) fn named(&self) -> String {
        let mut text = format!("{:?}", self.manager);
        if !self.subresource.is_empty() {
            text += &format!(" with subresource {:?}", self.subresource);
        }
        if self.operation == Operation::Update {
            text += &format!(" using {}", self.api_version);
        }
        text
    }
}

/// The managers of an object; none where what it says is no such list.
pub(super) fn managers(object: &Value) -> Vec<Manager> {
    serde_json::from_value(object["metadata"]["managedFields"].clone()).unwrap_or_default()
}

/// Writes the managers into an object, in the order that kube-apiserver gives them.
pub(super) fn set_managers(object: &mut Value, mut all: Vec<Manager>) {
    all.sort_by(|a, b| {
        let key = |it: &Manager| (it.operation, it.time.clone(), it.manager.clone(), it.subresource.clone());
        key(a).cmp(&key(b))
    });
    let Some(metadata) = object::metadata_mut(object) else { return };
    metadata.remove("managedFields");
    if let (false, Ok(all)) = (all.is_empty(), serde_json::to_value(all)) {
        metadata.insert("managedFields".into(), all);
    }
}
