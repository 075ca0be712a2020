//! `metadata.managedFields`: who owns which field, and what server-side apply
//! does with that.

mod entries;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::schema::complete::complete;
use crate::schema::fields::Set;
use crate::schema::typed;
use crate::schema::types::Struct;
use crate::store::object;

use super::status::{Cause, Refusal};
use entries::{Entry, Id, Managers, decode, encode};

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Who writes, and what.
pub struct Writer<'a> {
    /// The manager's name; empty is `unknown`.
    pub manager: &'a str,
    /// `apps/v1`.
    pub api_version: &'a str,
    /// The subresource that it writes to, or empty.
    pub subresource: &'a str,
    /// What the objects look like.
    pub structure: &'a Struct,
    /// What a write of this kind leaves alone, whatever it says.
    pub ignored: Set,
}

impl Writer<'_> {
    fn id(&self, applied: bool) -> Id {
        Id {
            applied,
            manager: if self.manager.is_empty() { "unknown".into() } else { self.manager.into() },
            api_version: if applied { String::new() } else { self.api_version.into() },
            subresource: self.subresource.into(),
        }
    }

    /// Records what this writer changed between `live` (`None` if the object is
    /// new) and `new`, into `new`.
    pub fn track_update(&self, live: Option<&Value>, new: &mut Value) {
        let asked = new["metadata"].get("managedFields").cloned();
        let kept = live.map(|live| live["metadata"]["managedFields"].clone()).unwrap_or_default();
        let asked = asked.filter(|_| self.subresource.is_empty());
        let managers = match asked.as_ref().and_then(decode).filter(|it| !it.is_empty()) {
            Some(managers) => managers,
            None => decode(&kept).unwrap_or_default(),
        };
        set_managed_fields(new, Value::Null);
        // An object that once dropped its record keeps none until it is applied again.
        if live.is_some() && managers.is_empty() {
            return;
        }
        let empty = json!({});
        let managers = self.update(live.unwrap_or(&empty), new, managers);
        set_managed_fields(new, encode(&managers));
    }

    /// The object as Go would have it, without its managers.
    fn completed(&self, object: &Value) -> Value {
        let mut object = without_managed_fields(object);
        if !self.structure.package.is_empty() {
            complete(&mut object, self.structure);
        }
        object
    }

    fn update(&self, live: &Value, new: &Value, mut managers: Managers) -> Managers {
        let (old, new) = (self.completed(live), self.completed(new));
        let difference = typed::compare(&old, &new, self.structure).without(&self.ignored);
        let changed = difference.modified.union(&difference.added);
        for entry in managers.values_mut() {
            entry.set = entry.set.difference(&changed).difference(&difference.removed);
        }
        managers.retain(|_, entry| !entry.set.is_empty());
        let mine = changed.difference(&not_owned());
        if !mine.is_empty() {
            let entry = managers.entry(self.id(false)).or_insert_with(|| Entry {
                api_version: self.api_version.into(),
                time: None,
                set: Set::default(),
            });
            entry.set = entry.set.union(&mine);
            entry.time = Some(object::timestamp());
        }
        managers
    }

    /// Applies a configuration: the live object with it merged in, what this
    /// manager no longer applies removed, and ownership recorded.
    ///
    /// # Errors
    /// 409 if it would change what others own and `force` is not set; 400 and 500
    /// for a configuration that cannot be applied.
    pub fn apply(&self, live: &Value, config: &Value, force: bool) -> Result<Value, Refusal> {
        if !config["metadata"]["managedFields"].is_null() {
            return Err(Refusal::bad_request("metadata.managedFields must be nil"));
        }
        typed::check(config, self.structure)
            .map_err(|error| Refusal::bad_request(format!("failed to create typed patch object: {error}")))?;
        let managers = decode(&live["metadata"]["managedFields"]).unwrap_or_default();
        let live = without_managed_fields(live);
        let merged = match self.merge(&live, config, managers.clone(), force) {
            Err(conflicts) if self.manager == "kubectl" => {
                // kubectl's own client-side apply is no stranger to it.
                let strangers = match last_applied(&live, self) {
                    Some(allowed) => conflicts
                        .iter()
                        .map(|(id, set)| (id.clone(), set.difference(&allowed)))
                        .filter(|(_, set)| !set.is_empty())
                        .collect(),
                    None => conflicts,
                };
                if strangers.is_empty() {
                    self.merge(&live, config, managers.clone(), true)
                } else {
                    Err(strangers)
                }
            }
            merged => merged,
        };
        let (mut new, mut owners) = merged.map_err(|conflicts| refuse(&conflicts))?;
        if self.manager == "kubectl" && object::annotation(&new, LAST_APPLIED).is_some() {
            let mut applied = config.clone();
            let annotations = applied.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut);
            if let Some(annotations) = annotations {
                annotations.remove(LAST_APPLIED);
            }
            new["metadata"]["annotations"][LAST_APPLIED] = format!("{applied}\n").into();
        }
        let id = self.id(true);
        let unchanged =
            new == live && managers.get(&id).map(|it| &it.set) == owners.get(&id).map(|it| &it.set);
        if let Some(entry) = owners.get_mut(&id)
            && (!unchanged || entry.time.is_none())
        {
            entry.time = Some(object::timestamp());
        }
        set_managed_fields(&mut new, encode(&owners));
        Ok(new)
    }

    /// The merged object and its owners, or who else owns what it would change.
    fn merge(
        &self,
        live: &Value,
        config: &Value,
        mut managers: Managers,
        force: bool,
    ) -> Result<(Value, Managers), BTreeMap<Id, Set>> {
        let id = self.id(true);
        let merged = typed::merge(live, config, self.structure);
        let set = typed::field_set(config, self.structure)
            .without_all_below(&self.ignored)
            .difference(&not_owned());
        let last = managers.remove(&id);
        let time = last.as_ref().and_then(|it| it.time.clone());
        managers.insert(id.clone(), Entry { api_version: self.api_version.into(), time, set });
        let new = match &last {
            Some(last) if !last.set.is_empty() => self.prune(&merged, &managers, &last.set),
            _ => merged,
        };
        let (old, completed) = (self.completed(live), self.completed(&new));
        let difference = typed::compare(&old, &completed, self.structure).without(&self.ignored);
        let changed = difference.modified.union(&difference.added);
        let conflicts: BTreeMap<Id, Set> = managers
            .iter()
            .filter(|(other, _)| **other != id)
            .map(|(other, entry)| (other.clone(), entry.set.intersection(&changed)))
            .filter(|(_, set)| !set.is_empty())
            .collect();
        if !force && !conflicts.is_empty() {
            return Err(conflicts);
        }
        for (other, entry) in &mut managers {
            if *other != id {
                entry.set = entry.set.difference(&changed).difference(&difference.removed);
            }
        }
        managers.retain(|_, entry| !entry.set.is_empty());
        Ok((new, managers))
    }

    /// Takes out what this manager applied last time and nobody owns now.
    fn prune(&self, merged: &Value, managers: &Managers, last: &Set) -> Value {
        let named = |set: &Set| typed::with_named_fields(set, self.structure);
        let fields = |object: &Value| named(&typed::field_set(object, self.structure));
        let pruned = typed::remove(merged, &named(last), self.structure);
        let owned = managers.values().fold(Set::default(), |all, entry| all.union(&entry.set));
        let everything = fields(merged);
        // Back comes what somebody owns …
        let gone = everything.difference(&fields(&pruned).union(&named(&owned)));
        let pruned = typed::remove(merged, &gone, self.structure);
        // … and what this manager never had.
        let gone = everything.difference(&fields(&pruned)).intersection(&named(last));
        typed::remove(merged, &gone, self.structure)
    }
}

/// What the server keeps itself, so that nobody owns it.
fn not_owned() -> Set {
    let mut set = Set::default();
    set.insert(&[]);
    set.insert(&["f:apiVersion"]);
    set.insert(&["f:kind"]);
    set.insert(&["f:metadata"]);
    for field in [
        "f:name",
        "f:namespace",
        "f:creationTimestamp",
        "f:selfLink",
        "f:uid",
        "f:clusterName",
        "f:generation",
        "f:managedFields",
        "f:resourceVersion",
    ] {
        set.insert(&["f:metadata", field]);
    }
    set
}

/// The fields that kubectl applied on the client's side and that still are as it
/// applied them.
fn last_applied(live: &Value, writer: &Writer<'_>) -> Option<Set> {
    let text = object::annotation(live, LAST_APPLIED)?;
    let applied: Value = serde_json::from_str(text).ok()?;
    if applied["apiVersion"] != writer.api_version {
        return None;
    }
    let difference = typed::compare(&applied, live, writer.structure);
    let fields = typed::field_set(&applied, writer.structure);
    Some(
        fields.difference(&difference.modified).difference(&difference.added).difference(&difference.removed),
    )
}

fn refuse(conflicts: &BTreeMap<Id, Set>) -> Refusal {
    let of_manager = |(id, set): (&Id, &Set)| {
        let cause = |field| {
            let message = format!("conflict with {}", readable(id));
            Cause { reason: "FieldManagerConflict", message, field }
        };
        set.paths().into_iter().map(cause).collect::<Vec<_>>()
    };
    let causes: Vec<Cause> = conflicts.iter().flat_map(of_manager).collect();
    let each: Vec<String> = causes.iter().map(|it| format!("{}: {}", it.message, it.field)).collect();
    let plural = if causes.len() == 1 { "" } else { "s" };
    let message = format!("Apply failed with {} conflict{plural}: {}", causes.len(), each.join("\n- "));
    Refusal::apply_conflict(message, &causes)
}

fn readable(id: &Id) -> String {
    let mut text = format!("{:?}", id.manager);
    if !id.subresource.is_empty() {
        text += &format!(" with subresource {:?}", id.subresource);
    }
    if !id.applied {
        text += &format!(" using {}", id.api_version);
    }
    text
}

fn set_managed_fields(object: &mut Value, fields: Value) {
    if let Some(metadata) = object::metadata_mut(object) {
        if fields.is_null() {
            metadata.remove("managedFields");
        } else {
            metadata.insert("managedFields".into(), fields);
        }
    }
}

fn without_managed_fields(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    object
}

/// Whether two objects differ in nothing but the times of their managers.
pub fn same_but_for_times(old: &Value, new: &Value) -> bool {
    let timeless = |object: &Value| {
        let mut object = object.clone();
        let entries = object.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut);
        for entry in entries.into_iter().flatten() {
            if let Some(entry) = entry.as_object_mut() {
                entry.remove("time");
            }
        }
        object
    };
    old == new || timeless(old) == timeless(new)
}

#[cfg(test)]
mod tests;
