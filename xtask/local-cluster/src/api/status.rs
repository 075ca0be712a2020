//! What the API answers when it does not do what was asked: `Status` objects,
//! worded as kube-apiserver words them, because clients and people know the words.

use http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::serve::BodyError;
use crate::store::{Expired, WriteError};

/// A refusal.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The HTTP status.
    pub code: StatusCode,
    /// The machine-readable reason (`NotFound`).
    pub reason: &'static str,
    /// The sentence for people.
    pub message: String,
    /// `group`, `kind`, `name`, `causes`.
    pub details: Map<String, Value>,
}

/// One thing that is wrong with an object's field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// `FieldValueInvalid`, `FieldManagerConflict`.
    pub reason: &'static str,
    /// `spec.replicas`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
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
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": self.reason,
            "message": self.message, "code": self.code.as_u16(), "details": self.details,
        })
    }

    /// A refusal about an object of a resource (`deployments.apps`); `{}` in the message is its
    /// name there.
    fn of(code: StatusCode, reason: &'static str, id: &str, name: &str, what: &str) -> Self {
        let named = if name.is_empty() { id.to_owned() } else { format!("{id} {name:?}") };
        let (plural, group) = id.split_once('.').unwrap_or((id, ""));
        Self::new(code, reason, what.replacen("{}", &named, 1)).about(group, plural, name)
    }

    /// 404: there is no such object.
    pub fn not_found(id: &str, name: &str) -> Self {
        Self::of(StatusCode::NOT_FOUND, "NotFound", id, name, "{} not found")
    }

    /// 404: there is nothing at this path.
    pub fn no_such_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", "the server could not find the requested resource")
    }

    /// 409: what was to be changed is not what is there.
    pub fn conflict(id: &str, name: &str, why: &str) -> Self {
        let what = format!("Operation cannot be fulfilled on {{}}: {why}");
        Self::of(StatusCode::CONFLICT, "Conflict", id, name, &what)
    }

    /// 409: other managers own what an apply would change.
    pub fn apply_conflict(message: String, causes: &[Cause]) -> Self {
        Self::new(StatusCode::CONFLICT, "Conflict", message).because(causes)
    }

    /// 403.
    pub fn forbidden(id: &str, name: &str, why: &str) -> Self {
        let what = format!("{{}} is forbidden: {why}");
        Self::of(StatusCode::FORBIDDEN, "Forbidden", id, name, &what)
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
        let message = "the server does not allow this method on the requested resource";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
    }

    /// 405 of what a real server would do, and this one cannot; `instead` says what can
    /// be done.
    pub fn not_in_the_lab(what: &str, instead: &str) -> Self {
        let message = format!("{what} is not there on the local lab (hint: {instead})");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
    }

    /// 406.
    pub fn not_acceptable(available: &str) -> Self {
        let message = format!("406: Not Acceptable\n\nAvailable representations: {available}");
        Self::new(StatusCode::NOT_ACCEPTABLE, "NotAcceptable", message)
    }

    /// 413.
    pub fn too_large(message: &str) -> Self {
        let message = format!("Request entity too large: {message}");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", message)
    }

    /// 415.
    pub fn unsupported_media_type(accepted: &[&str]) -> Self {
        let unknown = "the body of the request was in an unknown format - accepted media types include";
        let message = format!("{unknown}: {}", accepted.join(", "));
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message)
    }

    /// 422 without fields: a patch that does not fit the object.
    pub fn unprocessable(message: &str) -> Self {
        let message = format!("the server rejected our request due to an error in our request: {message}");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message)
    }

    /// 422: fields of an object are invalid. `kind` is `Deployment.apps`.
    pub fn invalid(group: &str, kind: &str, name: &str, causes: &[Cause]) -> Self {
        let dot = if group.is_empty() { "" } else { "." };
        let each: Vec<String> = causes.iter().map(|it| format!("{}: {}", it.field, it.message)).collect();
        let what = match each.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let message = format!("{kind}{dot}{group} {name:?} is invalid: {what}");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message)
            .about(group, kind, name)
            .because(causes)
    }

    /// 500.
    pub fn internal(message: &str) -> Self {
        let message = format!("Internal error occurred: {message}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message)
    }

    /// 502 or 503: what the request was to be passed on to does not answer.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message)
    }

    /// Adds the causes to the details.
    #[must_use]
    pub fn because(mut self, causes: &[Cause]) -> Self {
        self.details.insert("causes".into(), json!(causes));
        self
    }
}

impl From<WriteError> for Refusal {
    fn from(error: WriteError) -> Self {
        let modified =
            "the object has been modified; please apply your changes to the latest version and try again";
        match &error {
            WriteError::Exists(key) => {
                Self::of(StatusCode::CONFLICT, "AlreadyExists", &key.resource, &key.name, "{} already exists")
            }
            WriteError::NotFound(key) => Self::not_found(&key.resource, &key.name),
            WriteError::Conflict(key) => Self::conflict(&key.resource, &key.name, modified),
            WriteError::NotAnObject(_) => Self::bad_request(error.to_string()),
        }
    }
}

impl From<Expired> for Refusal {
    fn from(expired: Expired) -> Self {
        Self::new(StatusCode::GONE, "Expired", expired.to_string())
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
