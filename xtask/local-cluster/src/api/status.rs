//! What the API answers when it does not do what was asked: `Status` objects,
//! worded as kube-apiserver words them, because clients and people know the words.

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::resources::Resource;
use crate::serve::BodyError;
use crate::store::{Expired, Key, WriteError};

/// A refusal.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The HTTP status.
    pub code: StatusCode,
    /// The machine-readable reason (`NotFound`), or empty.
    pub reason: &'static str,
    /// The sentence for people.
    pub message: String,
    /// `group`, `kind`, `name`, `causes`.
    pub details: Map<String, Value>,
}

/// One thing that is wrong with an object's field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// `FieldValueInvalid`, `FieldManagerConflict`.
    pub reason: &'static str,
    /// `spec.replicas`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl Cause {
    fn json(&self) -> Value {
        let mut cause = Map::new();
        if !self.reason.is_empty() {
            cause.insert("reason".into(), self.reason.into());
        }
        cause.insert("message".into(), self.message.clone().into());
        if !self.field.is_empty() {
            cause.insert("field".into(), self.field.clone().into());
        }
        Value::Object(cause)
    }
}

impl Refusal {
    fn new(code: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: Map::new() }
    }

    fn about(mut self, group: &str, kind: &str, name: &str) -> Self {
        for (field, value) in [("group", group), ("kind", kind), ("name", name)] {
            if !value.is_empty() {
                self.details.insert(field.into(), value.into());
            }
        }
        self
    }

    /// The body that says it.
    pub fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code.as_u16(), "details": self.details,
        });
        if !self.reason.is_empty() {
            status["reason"] = self.reason.into();
        }
        status
    }

    /// 404: there is no such object.
    pub fn not_found(resource: &Resource, name: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", format!("{} {name:?} not found", resource.id())).about(
            &resource.group,
            &resource.plural,
            name,
        )
    }

    /// 404: there is nothing at this path.
    pub fn no_such_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", "the server could not find the requested resource")
    }

    /// 409: the name is taken.
    pub fn exists(resource: &Resource, name: &str) -> Self {
        Self::new(StatusCode::CONFLICT, "AlreadyExists", format!("{} {name:?} already exists", resource.id()))
            .about(&resource.group, &resource.plural, name)
    }

    /// 409: what was to be changed is not what is there.
    pub fn conflict(resource: &Resource, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} {name:?}: {why}", resource.id());
        Self::new(StatusCode::CONFLICT, "Conflict", message).about(&resource.group, &resource.plural, name)
    }

    /// 409: other managers own what an apply would change.
    pub fn apply_conflict(message: String, causes: &[Cause]) -> Self {
        let mut refusal = Self::new(StatusCode::CONFLICT, "Conflict", message);
        refusal.details.insert("causes".into(), causes.iter().map(Cause::json).collect());
        refusal
    }

    /// 403.
    pub fn forbidden(resource: &Resource, name: &str, why: &str) -> Self {
        let what = if name.is_empty() { resource.id() } else { format!("{} {name:?}", resource.id()) };
        Self::new(StatusCode::FORBIDDEN, "Forbidden", format!("{what} is forbidden: {why}")).about(
            &resource.group,
            &resource.plural,
            name,
        )
    }

    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// 401.
    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized")
    }

    /// 405 of a method that a path does not know at all.
    pub fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        )
    }

    /// 405 of what a real server would do, and this one cannot; `instead` says what can
    /// be done.
    pub fn not_in_the_lab(what: &str, instead: &str) -> Self {
        let message = format!("{what} is not there on the local lab (hint: {instead})");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
    }

    /// 403: the one identity that there is stands in for nobody.
    pub fn no_impersonation(user: &str) -> Self {
        let why = "the lab's token is the only identity, and acts for nobody else";
        Self::new(StatusCode::FORBIDDEN, "Forbidden", format!("users {user:?} is forbidden: {why}"))
            .about("", "users", user)
    }

    /// 406.
    pub fn not_acceptable(available: &str) -> Self {
        let message = format!("406: Not Acceptable\n\nAvailable representations: {available}");
        Self::new(StatusCode::NOT_ACCEPTABLE, "NotAcceptable", message)
    }

    /// 410: the version that was asked for is no longer known.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, "Expired", message)
    }

    /// 413.
    pub fn too_large(message: &str) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLarge",
            format!("Request entity too large: {message}"),
        )
    }

    /// 415.
    pub fn unsupported_media_type(accepted: &[&str]) -> Self {
        let accepted = accepted.join(", ");
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UnsupportedMediaType",
            format!(
                "the body of the request was in an unknown format - accepted media types include: {accepted}"
            ),
        )
    }

    /// 422 without fields: a patch that does not fit the object.
    pub fn unprocessable(message: &str) -> Self {
        let message = format!("the server rejected our request due to an error in our request: {message}");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message)
    }

    /// 422: fields of an object are invalid. `kind` is `Deployment.apps`.
    pub fn invalid(group: &str, kind: &str, name: &str, causes: &[Cause]) -> Self {
        let dot = if group.is_empty() { "" } else { "." };
        let each: Vec<String> = causes
            .iter()
            .map(|cause| match cause.field.as_str() {
                "" => cause.message.clone(),
                field => format!("{field}: {}", cause.message),
            })
            .collect();
        let what = match each.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let message = format!("{kind}{dot}{group} {name:?} is invalid: {what}");
        let mut refusal =
            Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message).about(group, kind, name);
        refusal.details.insert("causes".into(), causes.iter().map(Cause::json).collect());
        refusal
    }

    /// 500.
    pub fn internal(message: &str) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalError",
            format!("Internal error occurred: {message}"),
        )
    }

    /// 502 or 503: what the request was to be passed on to does not answer.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message)
    }

    /// Adds a cause to the details.
    #[must_use]
    pub fn because(mut self, cause: &Cause) -> Self {
        self.details.insert("causes".into(), json!([cause.json()]));
        self
    }

    /// What a write to the store answered.
    pub fn of_write(error: &WriteError, resource: &Resource) -> Self {
        let name = |key: &Key| key.name.to_string();
        match error {
            WriteError::Exists(key) => Self::exists(resource, &name(key)),
            WriteError::NotFound(key) => Self::not_found(resource, &name(key)),
            WriteError::Conflict(key) => Self::conflict(
                resource,
                &name(key),
                "the object has been modified; please apply your changes to the latest version and try again",
            ),
            WriteError::NotAnObject(_) => Self::bad_request(error.to_string()),
        }
    }
}

impl From<Expired> for Refusal {
    fn from(expired: Expired) -> Self {
        Self::expired(expired.to_string())
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge(limit) => Self::too_large(&format!("limit is {limit}")),
            BodyError::TooSlow => Self::new(error.status(), "Timeout", error.to_string()),
            BodyError::Broken => Self::bad_request(error.to_string()),
        }
    }
}
