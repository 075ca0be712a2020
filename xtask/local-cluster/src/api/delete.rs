//! Deleting: at once, gracefully, when the last finalizer goes, or all that match.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use jiff::Timestamp;
use jiff::ToSpan as _;
use serde_json::{Value, json};

use crate::serve::Response;
use crate::store::{Fate, Key, Store, WriteError, object};

use super::Call;
use super::accept::View;
use super::body;
use super::kinds::{Kind, Kinds};
use super::query::dry_run;
use super::read::{selected, shaper};
use super::reply;
use super::status::{Cause, Refusal};
use super::write::Stop;

/// What a deletion is asked to heed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeleteOptions {
    grace: Option<i64>,
    uid: Option<String>,
    version: Option<String>,
    dry_run: bool,
    orphan: bool,
    foreground: bool,
}

impl DeleteOptions {
    fn parse(call: &Call<'_>, bytes: &Bytes) -> Result<Self, Refusal> {
        let value = if bytes.is_empty() {
            let query = &call.query;
            json!({
                "gracePeriodSeconds": query.number("gracePeriodSeconds")?,
                "propagationPolicy": query.get("propagationPolicy"),
                "orphanDependents": query.flag("orphanDependents"),
                "dryRun": query.get("dryRun").map(|it| vec![it]),
            })
        } else {
            let decoded = body::decode(&call.headers, bytes, "DeleteOptions")?.value;
            if !matches!(decoded["kind"].as_str(), None | Some("" | "DeleteOptions")) {
                return Err(Refusal::bad_request("decoded object cannot be converted to DeleteOptions"));
            }
            decoded
        };
        Self::read(&value)
    }

    fn read(value: &Value) -> Result<Self, Refusal> {
        let mut causes = vec![];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let dry = value["dryRun"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let dry_run = dry_run(dry, &mut causes);
        let policy = value["propagationPolicy"].as_str();
        let orphans = value["orphanDependents"].as_bool();
        if policy.is_some() && orphans.is_some() {
            causes.push(Cause {
                reason: "FieldValueInvalid",
                field: "propagationPolicy".into(),
                message: format!(
                    "Invalid value: {:?}: orphanDependents and deletionPropagation cannot be both set",
                    policy.unwrap_or_default()
                ),
            });
        }
        if let Some(other) = policy.filter(|it| !matches!(*it, "Background" | "Foreground" | "Orphan")) {
            causes.push(super::query::not_supported(
                "propagationPolicy",
                other,
                &["Foreground", "Background", "Orphan", "nil"],
            ));
        }
        if !causes.is_empty() {
            return Err(Refusal::invalid("meta.k8s.io", "DeleteOptions", "", &causes));
        }
        Ok(Self {
            grace: value["gracePeriodSeconds"].as_i64(),
            uid: text(&value["preconditions"]["uid"]),
            version: text(&value["preconditions"]["resourceVersion"]),
            dry_run,
            orphan: policy == Some("Orphan") || orphans == Some(true),
            foreground: policy == Some("Foreground"),
        })
    }

    fn check(&self, kind: &Kind, object: &Value) -> Result<(), Refusal> {
        let name = object::name(object);
        if let Some(uid) = &self.uid
            && uid != object::uid_of(object)
        {
            let found = object::uid_of(object);
            let why = format!(
                "the UID in the precondition ({uid}) does not match the UID in record ({found}). The object might have been deleted and then recreated"
            );
            return Err(Refusal::precondition(&kind.resource, name, &why));
        }
        if let Some(version) = &self.version
            && Some(version.as_str()) != object::resource_version(object)
        {
            let found = object::resource_version(object).unwrap_or_default();
            let why = format!(
                "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({found}). The object might have been modified"
            );
            return Err(Refusal::precondition(&kind.resource, name, &why));
        }
        Ok(())
    }
}

/// Namespaces that a cluster cannot do without.
const IMMORTAL: &[&str] = &["default", "kube-system", "kube-public"];

/// DELETE of one object.
pub fn delete(call: &Call<'_>, bytes: &Bytes, pretty: bool) -> Result<Response, Refusal> {
    let (shaper, yaml) = shaper(call, |view| matches!(view, View::Plain | View::Table | View::Metadata))?;
    let options = DeleteOptions::parse(call, bytes)?;
    let name = call.target.name.as_deref().unwrap_or_default();
    let key = call.kind.key(call.target.namespace.as_deref(), name);
    let (last, gone) = one(call, &key, &options)?;
    let returns_object =
        ["Pod", "Service", "ServiceAccount", "Namespace"].iter().any(|it| call.kind.is_core(it));
    if gone && !returns_object {
        let resource = &call.kind.resource;
        let mut details = json!({"name": name, "kind": resource.plural, "uid": object::uid_of(&last)});
        if !resource.group.is_empty() {
            details["group"] = resource.group.clone().into();
        }
        let status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details,
        });
        return Ok(reply::object(StatusCode::OK, &status, yaml, pretty));
    }
    Ok(reply::object(StatusCode::OK, &shaper.one(&last, true), yaml, pretty))
}

/// DELETE of all objects that match.
pub fn delete_collection(call: &Call<'_>, bytes: &Bytes, pretty: bool) -> Result<Response, Refusal> {
    let views = |view| matches!(view, View::Plain | View::Table | View::MetadataList);
    let (shaper, yaml) = shaper(call, views)?;
    let options = DeleteOptions::parse(call, bytes)?;
    if call.kind.resource.namespaced && call.target.namespace.is_none() || call.kind.is_core("Namespace") {
        return Err(Refusal::method_not_allowed());
    }
    let mut deleted = vec![];
    for object in selected(call)? {
        let key = call.kind.key(Some(object::namespace(&object)), object::name(&object));
        match one(call, &key, &options) {
            Ok((last, _)) => deleted.push(last),
            // Somebody was quicker.
            Err(refusal) if refusal.code == StatusCode::NOT_FOUND => {}
            Err(refusal) => return Err(refusal),
        }
    }
    let meta = json!({"resourceVersion": call.api.store.version().to_string()});
    let list = shaper.list(meta, deleted.iter().map(|it| &**it));
    Ok(reply::object(StatusCode::OK, &list, yaml, pretty))
}

/// POST of an eviction: a deletion that a real cluster might refuse.
pub fn evict(call: &Call<'_>, bytes: &Bytes, pretty: bool) -> Result<Response, Refusal> {
    let eviction = body::decode(&call.headers, bytes, "Eviction")?.value;
    let options = DeleteOptions::read(&eviction["deleteOptions"])?;
    let name = call.target.name.as_deref().unwrap_or_default();
    one(call, &call.kind.key(call.target.namespace.as_deref(), name), &options)?;
    let status =
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    Ok(reply::object(StatusCode::CREATED, &status, false, pretty))
}

fn one(call: &Call<'_>, key: &Key, options: &DeleteOptions) -> Result<(Arc<Value>, bool), Refusal> {
    let resource = &call.kind.resource;
    if call.kind.is_core("Namespace") && IMMORTAL.contains(&&*key.name) {
        return Err(Refusal::forbidden(resource, &key.name, "this namespace may not be deleted"));
    }
    let store = &call.api.store;
    if options.orphan
        && !options.dry_run
        && let Some(owner) = store.get(key)
    {
        options.check(&call.kind, &owner)?;
        orphan(store, &call.api.kinds, object::uid_of(&owner));
    }
    let deleted = store.delete_if(key, |old| {
        options.check(&call.kind, old)?;
        let fate = match options.foreground {
            true => fate(&call.kind, &held_for_dependents(old), options.grace),
            false => fate(&call.kind, old, options.grace),
        };
        match fate {
            Fate::Gone(last) | Fate::Kept(last) if options.dry_run => Err(Stop::Tried(last)),
            fate => Ok(fate),
        }
    });
    match deleted {
        Ok(done) => Ok(done),
        Err(Stop::Tried(object)) => Ok((Arc::new(object), true)),
        Err(Stop::Refused(refusal)) => Err(*refusal),
        Err(Stop::Store(error)) => Err(Refusal::of_write(&error, resource)),
    }
}

/// The finalizer of an object that goes after its dependents.
pub const FOREGROUND: &str = "foregroundDeletion";

fn held_for_dependents(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object::metadata_mut(&mut object) {
        let finalizers = metadata.entry("finalizers").or_insert_with(|| json!([]));
        if let Some(finalizers) = finalizers.as_array_mut()
            && finalizers.iter().all(|it| it != FOREGROUND)
        {
            finalizers.push(FOREGROUND.into());
        }
    }
    object
}

/// What becomes of an object that is deleted.
fn fate(kind: &Kind, old: &Value, grace: Option<i64>) -> Fate {
    let held = old["metadata"]["finalizers"].as_array().is_some_and(|all| !all.is_empty());
    if kind.is_core("Namespace") {
        let mut new = object::marked_for_deletion(old);
        new["status"]["phase"] = "Terminating".into();
        return Fate::Kept(new);
    }
    let period = if kind.is_core("Pod") { grace_of(old, grace) } else { 0 };
    if period == 0 && !held {
        let last = if kind.is_core("Pod") { marked(old, 0) } else { old.clone() };
        return Fate::Gone(last);
    }
    Fate::Kept(marked(old, period))
}

/// The object with the time at which it is to be gone.
fn marked(old: &Value, period: i64) -> Value {
    let mut new = old.clone();
    let known = old["metadata"]["deletionGracePeriodSeconds"].as_i64();
    // A second request may only shorten it.
    if known.is_none_or(|known| period < known)
        && let Some(metadata) = object::metadata_mut(&mut new)
    {
        let end = Timestamp::now().checked_add(period.seconds()).unwrap_or(Timestamp::MAX);
        metadata.insert("deletionTimestamp".into(), end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into());
        metadata.insert("deletionGracePeriodSeconds".into(), period.into());
    }
    new
}

/// The seconds that a pod gets to end. One that runs nowhere needs none.
fn grace_of(pod: &Value, asked: Option<i64>) -> i64 {
    let placed = pod["spec"]["nodeName"].as_str().is_some_and(|node| !node.is_empty());
    let ended = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    if !placed || ended {
        return 0;
    }
    match asked.or_else(|| pod["spec"]["terminationGracePeriodSeconds"].as_i64()) {
        Some(seconds) if seconds < 0 => 1,
        // A year is long enough; more would overflow somebody's clock.
        Some(seconds) => seconds.min(366 * 24 * 3600),
        None => 30,
    }
}

/// Deletes an object for the cluster itself, as a client would without options.
pub fn collect(store: &Store, kind: &Kind, key: &Key) {
    // Whoever was quicker has done the same.
    let _ = store.delete_if(key, |old| Ok::<_, WriteError>(fate(kind, old, None)));
}

/// Takes an owner's name off everything that it owns.
fn orphan(store: &Store, kinds: &Kinds, owner: &str) {
    for kind in kinds.all(store) {
        for object in store.list(&kind.resource.id(), None).0 {
            if object::owners(&object).any(|it| it["uid"] == owner) {
                let key = kind.key(Some(object::namespace(&object)), object::name(&object));
                let _ = store.update(&key, |old| Ok::<_, WriteError>(without_owner(old, owner)));
            }
        }
    }
}

/// The object without the finalizer that waits for its dependents.
pub fn without_foreground(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(all) = object.pointer_mut("/metadata/finalizers").and_then(Value::as_array_mut) {
        all.retain(|it| it != FOREGROUND);
    }
    object
}

/// The object without a reference to an owner.
pub fn without_owner(object: &Value, owner: &str) -> Value {
    let mut object = object.clone();
    if let Some(owners) = object.pointer_mut("/metadata/ownerReferences").and_then(Value::as_array_mut) {
        owners.retain(|it| it["uid"] != owner);
    }
    object
}
