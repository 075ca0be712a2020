//! Creating and replacing objects, and what every write goes through.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;

use crate::resources::Resource;
use crate::schema::conform::conform;
use crate::serve::Response;
use crate::store::{Key, WriteError, object};

use super::body;
use super::call::Call;
use super::managed::{Writer, same_but_for_times};
use super::query::WriteOptions;
use super::reply::{self, Shaper};
use super::status::{Cause, Refusal};
use super::{admission, defaults, validate};

/// A write on its way.
pub struct Writing<'a> {
    /// The request.
    pub call: &'a Call<'a>,
    /// Its parameters.
    pub options: WriteOptions,
    /// It is an apply, which records its managers itself.
    pub applies: bool,
    shaper: Shaper,
}

impl<'a> Writing<'a> {
    /// Reads the parameters of a write.
    pub fn begin(call: &'a Call<'a>) -> Result<Self, Refusal> {
        let agent = call.parts.headers.get("User-Agent").and_then(|it| it.to_str().ok()).unwrap_or_default();
        let options = WriteOptions::parse(&call.query, agent)?;
        Ok(Self { call, options, applies: false, shaper: Shaper::of(call)? })
    }

    /// The answer.
    pub fn answer(&self, code: StatusCode, object: &Value) -> Response {
        reply::object(code, &self.shaper.one(object, true))
    }

    /// Who writes, and what.
    pub fn writer(&self) -> Writer<'_> {
        let kind = &self.call.kind;
        Writer {
            manager: &self.options.manager,
            resource: &kind.resource,
            subresource: self.call.target.subresource.as_deref().unwrap_or_default(),
            structure: kind.structure,
        }
    }

    /// Brings an object into the shape of its kind, as a typed decoder does.
    ///
    /// # Errors
    /// 400 for what does not fit.
    pub fn shape_up(&self, object: &mut Value) -> Result<(), Refusal> {
        let kind = &self.call.kind.resource.kind;
        let refused = |why: &str| Refusal::bad_request(format!("it cannot be handled as a {kind}: {why}"));
        let unknown = conform(object, self.call.kind.structure).map_err(|mismatch| refused(&mismatch))?;
        let unknown: Vec<String> = unknown.iter().map(|path| format!("unknown field {path:?}")).collect();
        if self.options.strict && !unknown.is_empty() {
            return Err(refused(&format!("strict decoding error: {}", unknown.join(", "))));
        }
        Ok(())
    }

    /// Decodes a body into an object of the request's kind.
    pub fn decode(&self, body: &Bytes) -> Result<Value, Refusal> {
        let mut value = body::decode(&self.call.parts.headers, body, &self.call.kind.resource.kind)?;
        is_of_kind(&self.call.kind.resource, &mut value)?;
        self.shape_up(&mut value)?;
        Ok(value)
    }

    /// Stores a new object.
    pub fn store_new(&self, mut object: Value) -> Result<Arc<Value>, Refusal> {
        let call = self.call;
        self.place(&mut object)?;
        let Some(metadata) = object::metadata_mut(&mut object) else {
            return Err(Refusal::bad_request("the object provided is unrecognized"));
        };
        if metadata.remove("resourceVersion").is_some_and(|it| it.as_str().is_some_and(|it| !it.is_empty())) {
            return Err(Refusal::bad_request("resourceVersion should not be set on objects to be created"));
        }
        let given =
            ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation"];
        metadata.retain(|field, _| !given.contains(&field.as_str()));
        let text = |name: &str| metadata.get(name).and_then(Value::as_str).filter(|it| !it.is_empty());
        if let (None, Some(prefix)) = (text("name"), text("generateName")) {
            let name = format!("{prefix}{}", object::suffix(5));
            metadata.insert("name".into(), name.into());
        }
        self.check_namespace(&object)?;
        defaults::fill(&call.kind, &mut object);
        if !self.applies {
            self.writer().track_update(None, &mut object);
        }
        admission::before_create(&call.kind, &mut object);
        admission::establish(&call.kind, None, &mut object);
        validate::refuse(&validate::create(&call.kind, &object), &call.kind, &object)?;
        let key = Key::of(&call.kind.resource.id(), &object);
        if self.options.dry_run && call.api.store.get(&key).is_none() {
            object::born(&mut object);
            return Ok(Arc::new(object));
        }
        Ok(call.api.store.create(&key, object)?)
    }

    /// Checks that the object has the name of the request's path.
    pub fn is_named(&self, object: &Value) -> Result<(), Refusal> {
        let (named, url) = (object::name(object), self.call.name());
        if named == url {
            return Ok(());
        }
        Err(Refusal::bad_request(format!(
            "the name of the object ({named}) does not match the name on the URL ({url})"
        )))
    }

    /// Puts the object into the request's namespace.
    pub fn place(&self, object: &mut Value) -> Result<(), Refusal> {
        let named = object::namespace(object).to_owned();
        let wanted = self.call.target.namespace.as_deref().unwrap_or_default();
        if !named.is_empty() && named != wanted {
            return Err(Refusal::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        if let Some(metadata) = object::metadata_mut(object) {
            if wanted.is_empty() {
                metadata.remove("namespace");
            } else {
                metadata.insert("namespace".into(), wanted.into());
            }
        }
        Ok(())
    }

    fn check_namespace(&self, object: &Value) -> Result<(), Refusal> {
        let Some(namespace) = self.call.target.namespace.as_deref() else { return Ok(()) };
        let store = &self.call.api.store;
        let Some(found) = store.get(&Key::new("namespaces", "", namespace)) else {
            return Err(Refusal::not_found("namespaces", namespace));
        };
        if !object::is_terminating(&found) {
            return Ok(());
        }
        let ending = "because it is being terminated";
        let why = format!("unable to create new content in namespace {namespace} {ending}");
        let cause = Cause {
            reason: "NamespaceTerminating",
            field: "metadata.namespace".into(),
            message: format!("namespace {namespace} is being terminated"),
        };
        Err(Refusal::forbidden(&self.call.kind.resource.id(), object::name(object), &why).because(&[cause]))
    }

    /// Changes the stored object by `change`, which is made again where somebody else has
    /// written in between.
    pub fn store_change(
        &self,
        mut change: impl FnMut(&Self, &Value) -> Result<Value, Refusal>,
    ) -> Result<Arc<Value>, Refusal> {
        let call = self.call;
        let mut tried = None;
        let stored = call.api.store.update(&call.key(), |old| {
            let new = change(self, old)?;
            let new = self.finish(old, new)?;
            if !self.options.dry_run {
                return Ok::<_, Refusal>(new);
            }
            tried = Some(new);
            Ok(old.clone())
        })?;
        Ok(tried.map_or(stored, Arc::new))
    }

    /// What every changed object goes through before it is stored.
    fn finish(&self, old: &Value, mut new: Value) -> Result<Value, Refusal> {
        let kind = &self.call.kind;
        let (key, uid) = (Key::of(&kind.resource.id(), old), object::uid_of(&new));
        if !uid.is_empty() && uid != object::uid_of(old) {
            let why = format!("the object's uid is {}, not {uid}", object::uid_of(old));
            return Err(Refusal::conflict(&key.resource, &key.name, &why));
        }
        let version = object::resource_version(&new);
        if version.is_some() && version != object::resource_version(old) {
            return Err(WriteError::Conflict(key).into());
        }
        let subresource = self.call.target.subresource.as_deref();
        admission::before_update(kind, subresource, old, &mut new);
        defaults::fill(kind, &mut new);
        if !self.applies {
            self.writer().track_update(Some(old), &mut new);
        }
        validate::refuse(&validate::update(kind, old, &new, subresource), kind, &new)?;
        admission::establish(kind, Some(old), &mut new);
        // So that an unchanged object is seen to be one.
        object::keep_identity(old, &mut new);
        Ok(if same_but_for_times(old, &new) { old.clone() } else { new })
    }
}

/// Checks that an object says it is of a kind, and completes it where it says nothing.
///
/// # Errors
/// 400.
pub fn is_of_kind(resource: &Resource, value: &mut Value) -> Result<(), Refusal> {
    let Value::Object(map) = value else {
        return Err(Refusal::bad_request(format!("the {} provided is no JSON object", resource.kind)));
    };
    for (field, wanted) in [("apiVersion", resource.api_version()), ("kind", resource.kind.clone())] {
        let given = map.get(field).and_then(Value::as_str).unwrap_or_default();
        if !given.is_empty() && given != wanted {
            return Err(Refusal::bad_request(format!("the object's {field} is {given:?}, not {wanted:?}")));
        }
        map.insert(field.into(), wanted.into());
    }
    Ok(())
}

/// POST.
pub fn create(call: &Call<'_>, body: &Bytes) -> Result<Response, Refusal> {
    let writing = Writing::begin(call)?;
    if call.kind.resource.namespaced && call.target.namespace.is_none() {
        return Err(Refusal::method_not_allowed());
    }
    let object = writing.decode(body)?;
    let stored = writing.store_new(object)?;
    Ok(writing.answer(StatusCode::CREATED, &stored))
}

/// PUT.
pub fn replace(call: &Call<'_>, body: &Bytes) -> Result<Response, Refusal> {
    let writing = Writing::begin(call)?;
    let mut object = writing.decode(body)?;
    writing.is_named(&object)?;
    writing.place(&mut object)?;
    let stored = writing.store_change(|_, _| Ok(object.clone()))?;
    Ok(writing.answer(StatusCode::OK, &stored))
}
