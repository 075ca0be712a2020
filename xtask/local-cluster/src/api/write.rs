//! Creating and replacing objects, and what every write goes through.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;

use crate::schema::complete::complete;
use crate::schema::conform::conform;
use crate::schema::custom;
use crate::schema::fields::Set;
use crate::serve::Response;
use crate::store::{WriteError, object};

use super::accept::View;
use super::admission::{check_size, check_type};
use super::body::{self, Decoded};
use super::managed::{Writer, same_but_for_times};
use super::query::{FieldValidation, Write, WriteOptions};
use super::read::shaper;
use super::reply::{self, Shaper};
use super::status::{Cause, Refusal};
use super::{Call, defaults, strategy, validate};

/// How often another name is tried for an object that wants a generated one.
const NAMES: usize = 8;

/// A write on its way.
pub struct Writing<'a> {
    /// The request.
    pub call: &'a Call<'a>,
    /// Its parameters.
    pub options: WriteOptions,
    /// What to tell the client beside the answer.
    pub warnings: Vec<String>,
    shaper: Shaper,
    yaml: bool,
    pretty: bool,
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

impl<'a> Writing<'a> {
    /// Reads the parameters of a write.
    pub fn begin(call: &'a Call<'a>, write: Write, pretty: bool) -> Result<Self, Refusal> {
        let agent = call.headers.get("User-Agent").and_then(|it| it.to_str().ok()).unwrap_or_default();
        let options = WriteOptions::parse(&call.query, write, agent)?;
        let views = |view| matches!(view, View::Plain | View::Table | View::Metadata);
        let (shaper, yaml) = shaper(call, views)?;
        Ok(Self { call, options, warnings: vec![], shaper, yaml, pretty })
    }

    /// The answer.
    pub fn answer(&self, code: StatusCode, object: &Value) -> Response {
        let mut response = reply::object(code, &self.shaper.one(object, true), self.yaml, self.pretty);
        reply::warn(&mut response, &self.warnings);
        response
    }

    /// Who writes.
    pub fn writer(&self) -> (String, Set) {
        let kind = &self.call.kind;
        let mut ignored = Set::default();
        match self.call.target.subresource.as_deref() {
            Some("status") => {
                for field in &kind.structure.fields {
                    if field.name != "status" {
                        ignored.insert(&[&format!("f:{}", field.name)]);
                    }
                }
            }
            _ if kind.resource.has_status => ignored.insert(&["f:status"]),
            _ => {}
        }
        (kind.resource.api_version(), ignored)
    }

    /// Runs `use_writer` with the description of who writes.
    pub fn with_writer<R>(&self, use_writer: impl FnOnce(&Writer<'_>) -> R) -> R {
        let (api_version, ignored) = self.writer();
        use_writer(&Writer {
            manager: &self.options.manager,
            api_version: &api_version,
            subresource: self.call.target.subresource.as_deref().unwrap_or_default(),
            structure: &self.call.kind.structure,
            ignored,
        })
    }

    /// Says or refuses what strict decoding found.
    fn strict(&mut self, problems: Vec<String>) -> Result<(), String> {
        if problems.is_empty() {
            return Ok(());
        }
        match self.options.validation {
            FieldValidation::Ignore => Ok(()),
            FieldValidation::Warn => {
                self.warnings.extend(problems);
                Ok(())
            }
            FieldValidation::Strict => Err(format!("strict decoding error: {}", problems.join(", "))),
        }
    }

    /// Brings an object into the shape of its kind: what a typed decoder does.
    ///
    /// # Errors
    /// In words that the caller puts into its own refusal.
    pub fn shape_up(&mut self, object: &mut Value, duplicates: &[String]) -> Result<(), String> {
        let mut problems: Vec<String> =
            duplicates.iter().map(|path| format!("duplicate field {path:?}")).collect();
        let unknown = conform(object, &self.call.kind.structure).map_err(|error| error.0)?;
        problems.extend(unknown.iter().map(|path| format!("unknown field {path:?}")));
        self.strict(problems)
    }

    /// Decodes a body into an object of the request's kind.
    pub fn decode(&mut self, body: &Bytes) -> Result<Value, Refusal> {
        let kind = &self.call.kind.resource;
        let Decoded { mut value, duplicates } = body::decode(&self.call.headers, body, &kind.kind)?;
        let served = |version: &str, kind: &str| {
            crate::resources::of_kind(&self.call.api.store, version, kind).is_some()
        };
        check_type(&self.call.kind, &mut value, &served)?;
        self.shape_up(&mut value, &duplicates).map_err(|error| {
            let (kind, version) = (&self.call.kind.resource.kind, &self.call.kind.resource.version);
            Refusal::bad_request(format!(
                "{kind} in version {version:?} cannot be handled as a {kind}: {error}"
            ))
        })?;
        Ok(value)
    }

    /// Stores a new object.
    pub fn store_new(&mut self, new: Changed) -> Result<Arc<Value>, Refusal> {
        let Changed { mut object, tracked } = new;
        let call = self.call;
        let resource = &call.kind.resource;
        self.place(&mut object)?;
        let Some(metadata) = object::metadata_mut(&mut object) else {
            return Err(Refusal::bad_request("the object provided is unrecognized"));
        };
        for field in [
            "uid",
            "selfLink",
            "creationTimestamp",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "generation",
        ] {
            metadata.remove(field);
        }
        if metadata.get("resourceVersion").and_then(Value::as_str).is_some_and(|it| !it.is_empty()) {
            return Err(Refusal::bad_request("resourceVersion should not be set on objects to be created"));
        }
        metadata.remove("resourceVersion");
        let generated = match metadata.get("name").and_then(Value::as_str).unwrap_or_default() {
            "" => metadata.get("generateName").and_then(Value::as_str).unwrap_or_default().to_owned(),
            _ => String::new(),
        };
        self.check_namespace(&object)?;
        self.fill(&mut object);
        if !tracked {
            self.with_writer(|writer| writer.track_update(None, &mut object));
        }
        strategy::before_create(&call.kind, &mut object);
        // Until it is stored, an address is nobody's, and nobody else may find it free.
        let _allocating = call.kind.is_core("Service").then(|| call.api.allocating.lock());
        strategy::admit(&call.api.store, &call.kind, &mut object);
        for attempt in 1.. {
            let mut object = object.clone();
            if !generated.is_empty() {
                let name = format!("{generated}{}", object::suffix(5));
                if let Some(metadata) = object::metadata_mut(&mut object) {
                    metadata.insert("name".into(), name.into());
                }
                // What follows from the name.
                self.fill(&mut object);
            }
            strategy::after_create(&call.kind, &mut object);
            validate::create(&call.kind, &object).or_refuse(&call.kind, &object)?;
            check_size(&object)?;
            let key = call.kind.key(Some(object::namespace(&object)), object::name(&object));
            if self.options.dry_run {
                if call.api.store.get(&key).is_some() {
                    return Err(Refusal::exists(resource, &key.name));
                }
                object::born(&mut object);
                return Ok(Arc::new(object));
            }
            match call.api.store.create(&key, object) {
                Err(WriteError::Exists(_)) if !generated.is_empty() && attempt < NAMES => {}
                other => return other.map_err(|error| Refusal::of_write(&error, resource)),
            }
        }
        Err(Refusal::internal("no name was free"))
    }

    /// Puts the object into the request's namespace.
    pub fn place(&self, object: &mut Value) -> Result<(), Refusal> {
        let named = object::namespace(object).to_owned();
        let wanted = self.call.target.namespace.as_deref().unwrap_or_default();
        if !named.is_empty() && named != wanted {
            return Err(Refusal::bad_request(if self.call.kind.resource.namespaced {
                "the namespace of the provided object does not match the namespace sent on the request"
            } else {
                "namespace may not be set on an object of the cluster"
            }));
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
        let kinds = &self.call.api.kinds;
        let Some(namespaces) = kinds.find(&self.call.api.store, "", "v1", "namespaces") else {
            return Ok(());
        };
        let Some(found) = self.call.api.store.get(&namespaces.key(None, namespace)) else {
            return Err(Refusal::not_found(&namespaces.resource, namespace));
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
        if let Some(schema) = self.call.kind.schema() {
            custom::default(object, schema);
        }
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
        let name = call.target.name.as_deref().unwrap_or_default();
        let key = call.kind.key(call.target.namespace.as_deref(), name);
        let said = self.warnings.len();
        let stored = call.api.store.update(&key, |old| {
            self.warnings.truncate(said);
            let Changed { object, tracked } = change(self, old)?;
            let new = self.finish(old, object, tracked)?;
            if self.options.dry_run { Err(Stop::Tried(new)) } else { Ok(new) }
        });
        match stored {
            Ok(object) => {
                strategy::after_update(&call.api.store, &call.kind, &key, &object);
                Ok(object)
            }
            Err(Stop::Tried(object)) => Ok(Arc::new(object)),
            Err(Stop::Refused(refusal)) => Err(*refusal),
            Err(Stop::Store(error)) => Err(Refusal::of_write(&error, &call.kind.resource)),
        }
    }

    /// What every changed object goes through before it is stored.
    fn finish(&mut self, old: &Value, mut new: Value, tracked: bool) -> Result<Value, Refusal> {
        let kind = &self.call.kind;
        let resource = &kind.resource;
        let name = object::name(old);
        let uid = object::uid_of(&new);
        if !uid.is_empty() && uid != object::uid_of(old) {
            let why = format!(
                "StorageError: invalid object, Code: 4, Key: /registry/{}/{name}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
                match object::namespace(old) {
                    "" => resource.plural.clone(),
                    namespace => format!("{}/{namespace}", resource.plural),
                },
                object::uid_of(old)
            );
            return Err(Refusal::conflict(resource, name, &why));
        }
        let version = object::resource_version(&new);
        if version.is_some() && version != object::resource_version(old) {
            return Err(Refusal::of_write(&WriteError::Conflict(kind.key(None, name)), resource));
        }
        strategy::before_update(kind, self.call.target.subresource.as_deref(), old, &mut new);
        self.fill(&mut new);
        if !tracked {
            self.with_writer(|writer| writer.track_update(Some(old), &mut new));
        }
        let subresource = self.call.target.subresource.as_deref();
        validate::update(kind, old, &new, subresource).or_refuse(kind, &new)?;
        check_size(&new)?;
        strategy::after_change(kind, old, &mut new);
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

/// POST.
pub fn create(call: &Call<'_>, body: &Bytes, pretty: bool) -> Result<Response, Refusal> {
    let mut writing = Writing::begin(call, Write::Create, pretty)?;
    if call.kind.resource.namespaced && call.target.namespace.is_none() {
        return Err(Refusal::method_not_allowed());
    }
    let object = writing.decode(body)?;
    let stored = writing.store_new(Changed { object, tracked: false })?;
    Ok(writing.answer(StatusCode::CREATED, &stored))
}

/// PUT.
pub fn replace(call: &Call<'_>, body: &Bytes, pretty: bool) -> Result<Response, Refusal> {
    let mut writing = Writing::begin(call, Write::Update, pretty)?;
    let mut object = writing.decode(body)?;
    let url = call.target.name.as_deref().unwrap_or_default();
    let named = object::name(&object);
    if named != url {
        return Err(Refusal::bad_request(format!(
            "the name of the object ({named}) does not match the name on the URL ({url})"
        )));
    }
    writing.place(&mut object)?;
    if call.kind.resource.custom && object::resource_version(&object).is_none() {
        let cause = Cause {
            reason: "FieldValueInvalid",
            field: "metadata.resourceVersion".into(),
            message: "Invalid value: 0: must be specified for an update".into(),
        };
        let key = call.kind.key(call.target.namespace.as_deref(), url);
        if call.api.store.get(&key).is_some() {
            let resource = &call.kind.resource;
            return Err(Refusal::invalid(&resource.group, &resource.plural, url, &[cause]));
        }
    }
    let stored = writing.store_change(|_, _| Ok(Changed { object: object.clone(), tracked: false }))?;
    Ok(writing.answer(StatusCode::OK, &stored))
}
