//! A request, read whole.

use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, Method};

use crate::go_http::{self, Values};
use local_cluster::serve::{Limits, Request, Response, read_body};

/// A request with its body.
pub(super) struct Incoming {
    pub(super) method: Method,
    /// As it was sent, without the query.
    pub(super) path: String,
    /// Path and query as they were sent.
    pub(super) target: String,
    pub(super) query: Values,
    form: Values,
    pub(super) body: bytes::Bytes,
    pub(super) headers: HeaderMap,
    /// Whom the client meant to ask.
    pub(super) host: String,
}

impl Incoming {
    /// Reads it within the limits.
    ///
    /// # Errors
    /// The answer to a body that is too long, too slow or broken.
    pub(super) async fn read(request: Request, limits: &Limits) -> Result<Self, Box<Response>> {
        let (parts, body) = request.into_parts();
        let body = read_body(body, limits)
            .await
            .map_err(|error| Box::new(go_http::error(error.status(), error.to_string())))?;
        let header = |name| parts.headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
        let is_form = header(CONTENT_TYPE)
            .is_some_and(|value| value.trim_start().starts_with("application/x-www-form-urlencoded"));
        let values = |text: &str| Values::parse_what_can_be_read(text).0;
        let host = parts.uri.authority().map(ToString::to_string);
        Ok(Self {
            path: parts.uri.path().to_owned(),
            target: parts.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
            query: values(parts.uri.query().unwrap_or_default()),
            form: if is_form { values(&String::from_utf8_lossy(&body)) } else { Values::default() },
            body,
            host: host.or_else(|| header(HOST).map(ToOwned::to_owned)).unwrap_or_default(),
            method: parts.method,
            headers: parts.headers,
        })
    }

    /// As Go's `FormValue`: the body's value if there is one, else the query's.
    pub(super) fn value(&self, key: &str) -> &str {
        let value = self.form.get(key);
        if value.is_empty() { self.query.get(key) } else { value }
    }

    /// A header as text.
    pub(super) fn header(&self, name: http::HeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}
