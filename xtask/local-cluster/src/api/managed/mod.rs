//! `metadata.managedFields`: who owns which field, and what server-side apply
//! does with that.

mod entries;

use serde_json::{Value, json};

use crate::resources::Resource;
use crate::schema::fields::{Path, Set, readable};
use crate::schema::typed::{Fields, compare, merge, remove};
use crate::schema::types::Struct;
use crate::store::object;

use super::status::{Cause, Refusal};
use entries::{Manager, Operation, managers, set_managers};

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Who writes, and what.
pub struct Writer<'a> {
    /// The manager's name; empty is `unknown`.
    pub manager: &'a str,
    /// What the objects are.
    pub resource: &'a Resource,
    /// The subresource that it writes to, or empty.
    pub subresource: &'a str,
    /// What the objects look like.
    pub structure: &'a Struct,
}

impl Writer<'_> {
    fn entry(&self, operation: Operation) -> Manager {
        Manager {
            manager: if self.manager.is_empty() { "unknown".into() } else { self.manager.into() },
            operation,
            api_version: self.resource.api_version(),
            time: None,
            fields_type: "FieldsV1".into(),
            set: Set::new(),
            subresource: self.subresource.into(),
        }
    }

    /// Whether a write of this kind leaves a field alone, whatever it says.
    fn ignores(&self, field: &str) -> bool {
        match self.subresource {
            "status" => field != "status",
            _ => field == "status" && self.resource.has_status,
        }
    }

    /// What this kind of write is about, without managers.
    fn seen(&self, object: &Value) -> Value {
        let mut object = without_managers(object);
        if let Some(fields) = object.as_object_mut() {
            fields.retain(|field, _| !self.ignores(field));
        }
        object
    }

    /// Takes from managers what is no longer as it was in `old`, and returns what of it is new or
    /// another in `new`.
    fn take(&self, managers: &mut Vec<Manager>, old: &Value, new: &Value) -> Set {
        let difference = self.difference(old, new);
        let changed = &difference.0 | &difference.1;
        for it in managers.iter_mut() {
            it.set = &it.set - &changed;
        }
        managers.retain(|it| !it.set.is_empty());
        difference.0
    }

    /// What is new or another in the second of two objects, and what is gone.
    fn difference(&self, old: &Value, new: &Value) -> (Set, Set) {
        let (old, new) = (self.seen(old), self.seen(new));
        let difference = compare(&Fields::of(&old, self.structure), &Fields::of(&new, self.structure));
        (&difference.modified | &difference.added, difference.removed)
    }

    /// Records what this writer changed between `live` (`None` if the object is
    /// new) and `new`, into `new`.
    pub fn track_update(&self, live: Option<&Value>, new: &mut Value) {
        let asked = if self.subresource.is_empty() { managers(new) } else { vec![] };
        let mut all = if asked.is_empty() { live.map(managers).unwrap_or_default() } else { asked };
        set_managers(new, vec![]);
        // An object that once dropped its record keeps none until it is applied again.
        if live.is_some() && all.is_empty() {
            return;
        }
        let mut mine = self.take(&mut all, live.unwrap_or(&json!({})), new);
        mine.retain(|path| !is_servers(path));
        if !mine.is_empty() {
            let entry = self.entry(Operation::Update);
            let last = all.iter().position(|it| it.is(&entry)).map(|at| all.swap_remove(at).set);
            mine.extend(last.unwrap_or_default());
            all.push(Manager { set: mine, time: Some(object::timestamp()), ..entry });
        }
        set_managers(new, all);
    }

    /// Applies a configuration: the live object with it merged in, what this
    /// manager no longer applies removed, and ownership recorded.
    ///
    /// # Errors
    /// 409 if it would change what others own and `force` is not set; 400 for a configuration
    /// that cannot be applied.
    pub fn apply(&self, live: &Value, config: &Value, force: bool) -> Result<Value, Refusal> {
        if !config["metadata"]["managedFields"].is_null() {
            return Err(Refusal::bad_request("metadata.managedFields must be nil"));
        }
        let seen = self.seen(config);
        let applied = Fields::of(&seen, self.structure);
        if let Some(problem) = &applied.problem {
            return Err(Refusal::bad_request(format!("failed to create typed patch object: {problem}")));
        }
        let (mut others, live) = (managers(live), without_managers(live));
        let mut mine = self.entry(Operation::Apply);
        mine.set = applied.set().into_iter().filter(|path| !is_servers(path)).collect();
        let last = others.iter().position(|it| it.is(&mine)).map(|at| others.remove(at));
        let mut new = merge(&live, config, self.structure);
        if let Some(last) = &last {
            new = self.prune(&new, others.iter().chain([&mine]), &last.set);
        }
        if !force {
            self.refuse_conflicts(&others, &live, &new)?;
        }
        self.take(&mut others, &live, &new);
        if self.manager == "kubectl" && object::annotation(&new, LAST_APPLIED).is_some() {
            let mut applied = config.clone();
            let annotations = applied.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut);
            annotations.map(|it| it.remove(LAST_APPLIED));
            new["metadata"]["annotations"][LAST_APPLIED] = format!("{applied}\n").into();
        }
        let unchanged = last.filter(|last| new == live && last.set == mine.set).and_then(|last| last.time);
        mine.time = unchanged.or_else(|| Some(object::timestamp()));
        others.push(mine);
        set_managers(&mut new, others);
        Ok(new)
    }

    /// Takes out what this manager applied last time and nobody owns now.
    fn prune<'m>(&self, merged: &Value, all: impl Iterator<Item = &'m Manager>, last: &Set) -> Value {
        let ways = |path: &Path| (1..=path.len()).map(|end| path[..end].to_vec()).collect::<Vec<_>>();
        // Who owns something owns the fields on the way to it, but not an item that it is in.
        let on_the_way = |way: &Path| way.last().is_some_and(|edge| edge.starts_with("f:"));
        let owned = all.flat_map(|it| &it.set);
        let needed: Set = owned
            .flat_map(|path| {
                ways(path).into_iter().filter(|way| way == path || on_the_way(way)).collect::<Vec<_>>()
            })
            .collect();
        let gone = last.iter().flat_map(ways).filter(|way| !needed.contains(way) && !is_servers(way));
        remove(merged, &gone.collect(), self.structure)
    }

    /// 409 if others own what is another in the new object.
    fn refuse_conflicts(&self, others: &[Manager], live: &Value, new: &Value) -> Result<(), Refusal> {
        let mut changed = self.difference(live, new).0;
        if self.manager == "kubectl" {
            // Its own client-side apply is no stranger to it.
            changed = &changed - &self.last_applied(live).unwrap_or_default();
        }
        let mut causes = vec![];
        for other in others {
            causes.extend((&other.set & &changed).iter().map(|path| Cause {
                reason: "FieldManagerConflict",
                message: format!("conflict with {}", other.named()),
                field: readable(path),
            }));
        }
        if causes.is_empty() {
            return Ok(());
        }
        let each: Vec<String> = causes.iter().map(|it| format!("{}: {}", it.message, it.field)).collect();
        let plural = if causes.len() == 1 { "" } else { "s" };
        let message = format!("Apply failed with {} conflict{plural}: {}", causes.len(), each.join("\n- "));
        Err(Refusal::apply_conflict(message, &causes))
    }

    /// The fields that kubectl applied on the client's side and that still are as it
    /// applied them.
    fn last_applied(&self, live: &Value) -> Option<Set> {
        let applied: Value = serde_json::from_str(object::annotation(live, LAST_APPLIED)?).ok()?;
        let fields = Fields::of(&applied, self.structure);
        let difference = compare(&fields, &Fields::of(live, self.structure));
        Some(&(&fields.set() - &difference.modified) - &difference.removed)
    }
}

/// What the server keeps itself, so that nobody owns it.
fn is_servers(path: &[String]) -> bool {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path[..] {
        ["f:metadata", field] => matches!(
            field,
            "f:name"
                | "f:namespace"
                | "f:creationTimestamp"
                | "f:selfLink"
                | "f:uid"
                | "f:generation"
                | "f:managedFields"
                | "f:resourceVersion"
        ),
        [field] => matches!(field, "f:apiVersion" | "f:kind" | "f:metadata"),
        _ => false,
    }
}

fn without_managers(object: &Value) -> Value {
    let mut object = object.clone();
    set_managers(&mut object, vec![]);
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
