//! What the API's parts share: its state, and a request with all that its answer depends on.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use http::request::Parts;
use hyper::body::Incoming;
use ring::digest::Digest;
use serde_json::Value;
use tokio_util::sync::DropGuard;

use crate::logs::Logs;
use crate::serve::{BodyError, Limits, read_body};
use crate::store::{Key, Store};

use super::access::User;
use super::audit::Audit;
use super::kinds::Kind;
use super::path::Target;
use super::query::Query;
use super::status::Refusal;

/// One API.
pub struct Shared {
    /// Its objects.
    pub store: Store,
    /// The logs of its pods.
    pub logs: Logs,
    /// Who bears which token. Not the tokens themselves: what is not kept cannot leak.
    pub tokens: Vec<(Digest, User)>,
    /// Where its requests are recorded.
    pub audit: Audit,
    /// What a request may be.
    pub limits: Limits,
    /// Ends the janitor.
    pub _janitor: DropGuard,
}

impl Shared {
    /// Reads a body. Of one that is too long the rest goes unread, but not unheard.
    ///
    /// # Errors
    /// 400, 408 and 413.
    pub async fn read(&self, body: &mut Option<Incoming>) -> Result<Bytes, Refusal> {
        let Some(mut incoming) = body.take() else { return Ok(Bytes::new()) };
        let read = read_body(&mut incoming, &self.limits).await;
        if matches!(read, Err(BodyError::TooLarge(_))) {
            *body = Some(incoming);
        }
        Ok(read?)
    }
}

/// A request for objects.
pub struct Call<'a> {
    /// Who answers it.
    pub api: &'a Shared,
    /// The kind that it is about.
    pub kind: Kind,
    /// The objects that it is about.
    pub target: Target,
    /// Its parameters.
    pub query: Query,
    /// Its method, its headers, and its path as it came.
    pub parts: &'a Parts,
}

impl Call<'_> {
    /// The name in its path.
    pub fn name(&self) -> &str {
        self.target.name.as_deref().unwrap_or_default()
    }

    /// The store's key of the object in its path.
    pub fn key(&self) -> Key {
        self.kind.key(self.target.namespace.as_deref(), self.name())
    }

    /// The object in its path.
    ///
    /// # Errors
    /// 404.
    pub fn found(&self) -> Result<Arc<Value>, Refusal> {
        self.named(self.name())
    }

    /// The object of this name where the path leads.
    ///
    /// # Errors
    /// 404.
    pub fn named(&self, name: &str) -> Result<Arc<Value>, Refusal> {
        let key = self.kind.key(self.target.namespace.as_deref(), name);
        self.api.store.get(&key).ok_or_else(|| Refusal::not_found(&key.resource, name))
    }

    /// Whether it only reads.
    pub fn reads(&self) -> bool {
        matches!(self.parts.method, Method::GET | Method::HEAD)
    }
}
