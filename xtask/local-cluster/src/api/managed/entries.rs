//! The entries of `managedFields`, read and written.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::schema::fields::Set;

/// One manager's entry.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) api_version: String,
    pub(super) time: Option<String>,
    pub(super) set: Set,
}

/// What tells two managers apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id {
    pub(super) applied: bool,
    pub(super) manager: String,
    /// Of updates; one that applies has one entry whatever the version.
    pub(super) api_version: String,
    pub(super) subresource: String,
}

pub(super) type Managers = BTreeMap<Id, Entry>;

/// From JSON; `None` if it is no such list.
pub(super) fn decode(fields: &Value) -> Option<Managers> {
    let mut managers = Managers::new();
    for entry in fields.as_array()? {
        let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        let applied = match entry["operation"].as_str()? {
            "Apply" => true,
            "Update" => false,
            _ => return None,
        };
        let api_version = text("apiVersion");
        if entry["fieldsType"] != "FieldsV1" || api_version.is_empty() {
            return None;
        }
        let set = match entry.get("fieldsV1") {
            None | Some(Value::Null) => Set::default(),
            Some(fields) => Set::from_json(fields)?,
        };
        let id = Id {
            applied,
            manager: text("manager"),
            api_version: if applied { String::new() } else { api_version.clone() },
            subresource: text("subresource"),
        };
        let time = entry["time"].as_str().map(Into::into);
        managers.insert(id, Entry { api_version, time, set });
    }
    Some(managers)
}

/// As JSON, in the order that kube-apiserver gives them.
pub(super) fn encode(managers: &Managers) -> Value {
    if managers.is_empty() {
        return Value::Null;
    }
    let mut all: Vec<(&Id, &Entry)> = managers.iter().collect();
    all.sort_by_key(|(id, entry)| (!id.applied, &entry.time, *id));
    all.into_iter()
        .map(|(id, entry)| {
            let mut json = Map::new();
            json.insert("manager".into(), id.manager.clone().into());
            json.insert("operation".into(), if id.applied { "Apply" } else { "Update" }.into());
            json.insert("apiVersion".into(), entry.api_version.clone().into());
            if let Some(time) = &entry.time {
                json.insert("time".into(), time.clone().into());
            }
            json.insert("fieldsType".into(), "FieldsV1".into());
            json.insert("fieldsV1".into(), entry.set.to_json());
            if !id.subresource.is_empty() {
                json.insert("subresource".into(), id.subresource.clone().into());
            }
            Value::Object(json)
        })
        .collect()
}
