//! Creating and replacing objects, and what every write goes through.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;

use crate::resources::{self, Resource};
use crate::schema::complete::complete;
use crate::schema::conform::conform;
use crate::schema::fields::Set;
use crate::serve::Response;
use crate::store::{Key, WriteError, object};

use super::body;
use super::call::Call;
use super::managed::{Writer, same_but_for_times};
use super::query::{FieldValidation, WriteOptions};
use super::read::shaper;
use super::reply::{self, Shaper};
use super::status::{Cause, Refusal};
use super::{admission, defaults, validate};

/// A write on its way.
pub struct Writing<'a> {
    /// The request.
    pub call: &'a Call<'a>,
    /// Its parameters.
    pub options: WriteOptions,
    /// What to tell the client beside the answer.
    pub warnings: Vec<String>,
    shaper: Shaper,
}

/// Why a change was not stored.
pub enum Stop {
    /// It was refused.
    Refused(Box<Refusal>),
    /// It was only tried; this would have been stored.
    Tried(Value),
    /// The store refused it.
    Store(WriteError),
}

impl From<WriteError> for Stop {
    fn from(error: WriteError) -> Self {
        Self::Store(error)
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl Stop {
    /// What is answered; a dry run is over by then.
    pub fn refusal(self, resource: &Resource) -> Refusal {
        match self {
            Self::Refused(refusal) => *refusal,
            Self::Store(error) => Refusal::of_write(&error, resource),
            Self::Tried(_) => Refusal::internal("a dry run was refused"),
        }
    }
}

impl<'a> Writing<'a> {
    /// Reads the parameters of a write.
    pub fn begin(call: &'a Call<'a>) -> Result<Self, Refusal> {
        let agent = call.headers.get("User-Agent").and_then(|it| it.to_str().ok()).unwrap_or_default();
        let options = WriteOptions::parse(&call.query, agent)?;
        Ok(Self { call, options, warnings: vec![], shaper: shaper(call)? })
    }

    /// The answer.
    pub fn answer(&self, code: StatusCode, object: &Value) -> Response {
        let mut response = reply::object(code, &self.shaper.one(object, true));
        reply::warn(&mut response, &self.warnings);
        response
    }

    /// Runs `use_writer` with the description of who writes.
    pub fn with_writer<R>(&self, use_writer: impl FnOnce(&Writer<'_>) -> R) -> R {
        let kind = &self.call.kind;
        let subresource = self.call.target.subresource.as_deref().unwrap_or_default();
        let mut ignored = Set::default();
        match subresource {
            "status" => {
                for field in kind.structure.fields.iter().filter(|it| it.name != "status") {
                    ignored.insert(&[&format!("f:{}", field.name)]);
                }
            }
            _ if kind.resource.has_status => ignored.insert(&["f:status"]),
            _ => {}
        }
        use_writer(&Writer {
            manager: &self.options.manager,
            api_version: &kind.resource.api_version(),
            subresource,
            structure: &kind.structure,
            ignored,
        })
    }

    /// Brings an object into the shape of its kind, as a typed decoder does, and says or refuses
    /// what does not fit.
    ///
    /// # Errors
    /// 400.
    pub fn shape_up(&mut self, object: &mut Value) -> Result<(), Refusal> {
        let kind = &self.call.kind.resource.kind;
        let refused =
            |why: &str| Err(Refusal::bad_request(format!("it cannot be handled as a {kind}: {why}")));
        let unknown = match conform(object, &self.call.kind.structure) {
            Ok(unknown) => unknown,
            Err(mismatch) => return refused(&mismatch.0),
        };
        let unknown = unknown.iter().map(|path| format!("unknown field {path:?}"));
        match self.options.validation {
            FieldValidation::Strict if unknown.len() > 0 => {
                return refused(&format!(
                    "strict decoding error: {}",
                    unknown.collect::<Vec<_>>().join(", ")
                ));
            }
            FieldValidation::Warn => self.warnings.extend(unknown),
            _ => {}
        }
        Ok(())
    }

    /// Decodes a body into an object of the request's kind.
    pub fn decode(&mut self, body: &Bytes) -> Result<Value, Refusal> {
        let mut value = body::decode(&self.call.headers, body, &self.call.kind.resource.kind)?;
        is_of_kind(&self.call.kind.resource, &mut value)?;
        self.shape_up(&mut value)?;
        Ok(value)
    }

    /// Stores a new object.
    pub fn store_new(&mut self, new: Changed) -> Result<Arc<Value>, Refusal> {
        let Changed { mut object, tracked } = new;
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
        self.fill(&mut object);
        if !tracked {
            self.with_writer(|writer| writer.track_update(None, &mut object));
        }
        admission::before_create(&call.kind, &mut object);
        // Until it is stored, an address is nobody's, and nobody else may find it free.
        let _allocating = call.kind.is_core("Service").then(|| call.api.allocating.lock());
        admission::admit(&call.api.store, &call.kind, &mut object);
        admission::establish(&call.kind, None, &mut object);
        validate::create(&call.kind, &object).or_refuse(&call.kind, &object)?;
        let key = call.kind.key(Some(object::namespace(&object)), object::name(&object));
        if self.options.dry_run && call.api.store.get(&key).is_none() {
            object::born(&mut object);
            return Ok(Arc::new(object));
        }
        call.api.store.create(&key, object).map_err(|error| Refusal::of_write(&error, &call.kind.resource))
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
            let namespaces = resources::find(store, "", "v1", "namespaces");
            return Err(
                namespaces.map_or_else(Refusal::no_such_path, |it| Refusal::not_found(&it, namespace))
            );
        };
        if object::is_terminating(&found) {
            let why = format!(
                "unable to create new content in namespace {namespace} because it is being terminated"
            );
            return Err(Refusal::forbidden(&self.call.kind.resource, object::name(object), &why).because(
                &Cause {
                    reason: "NamespaceTerminating",
                    field: "metadata.namespace".into(),
                    message: format!("namespace {namespace} is being terminated"),
                },
            ));
        }
        Ok(())
    }

    fn fill(&self, object: &mut Value) {
        defaults::fill(&self.call.kind, object);
        if !self.call.kind.resource.custom {
            complete(object, &self.call.kind.structure);
        }
    }

    /// Changes the stored object by `change`, which is made again where somebody else has
    /// written in between.
    pub fn store_change(
        &mut self,
        mut change: impl FnMut(&mut Self, &Value) -> Result<Changed, Refusal>,
    ) -> Result<Arc<Value>, Refusal> {
        let call = self.call;
        let said = self.warnings.len();
        let stored = call.api.store.update(&call.key(), |old| {
            self.warnings.truncate(said);
            let Changed { object, tracked } = change(self, old)?;
            let new = self.finish(old, object, tracked)?;
            if self.options.dry_run { Err(Stop::Tried(new)) } else { Ok(new) }
        });
        match stored {
            Ok(object) => Ok(object),
            Err(Stop::Tried(object)) => Ok(Arc::new(object)),
            Err(stop) => Err(stop.refusal(&call.kind.resource)),
        }
    }

    /// What every changed object goes through before it is stored.
    fn finish(&mut self, old: &Value, mut new: Value, tracked: bool) -> Result<Value, Refusal> {
        let kind = &self.call.kind;
        let resource = &kind.resource;
        let name = object::name(old);
        let uid = object::uid_of(&new);
        if !uid.is_empty() && uid != object::uid_of(old) {
            let why = format!("the object's uid is {}, not {uid}", object::uid_of(old));
            return Err(Refusal::conflict(resource, name, &why));
        }
        let version = object::resource_version(&new);
        if version.is_some() && version != object::resource_version(old) {
            return Err(Refusal::of_write(&WriteError::Conflict(kind.key(None, name)), resource));
        }
        admission::before_update(kind, self.call.target.subresource.as_deref(), old, &mut new);
        self.fill(&mut new);
        if !tracked {
            self.with_writer(|writer| writer.track_update(Some(old), &mut new));
        }
        let subresource = self.call.target.subresource.as_deref();
        validate::update(kind, old, &new, subresource).or_refuse(kind, &new)?;
        admission::establish(kind, Some(old), &mut new);
        for field in ["uid", "creationTimestamp", "generation", "resourceVersion"] {
            // As the store keeps them, so that an unchanged object is seen to be one.
            if let (Some(metadata), Some(value)) =
                (object::metadata_mut(&mut new), old["metadata"].get(field))
            {
                metadata.insert(field.into(), value.clone());
            }
        }
        Ok(if same_but_for_times(old, &new) { old.clone() } else { new })
    }
}

/// A changed object, and whether its managers are recorded already.
pub struct Changed {
    /// The object.
    pub object: Value,
    /// An apply has recorded its managers itself.
    pub tracked: bool,
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
    let mut writing = Writing::begin(call)?;
    if call.kind.resource.namespaced && call.target.namespace.is_none() {
        return Err(Refusal::method_not_allowed());
    }
    let object = writing.decode(body)?;
    let stored = writing.store_new(Changed { object, tracked: false })?;
    Ok(writing.answer(StatusCode::CREATED, &stored))
}

/// PUT.
pub fn replace(call: &Call<'_>, body: &Bytes) -> Result<Response, Refusal> {
    let mut writing = Writing::begin(call)?;
    let mut object = writing.decode(body)?;
    writing.is_named(&object)?;
    writing.place(&mut object)?;
    let stored = writing.store_change(|_, _| Ok(Changed { object: object.clone(), tracked: false }))?;
    Ok(writing.answer(StatusCode::OK, &stored))
}
