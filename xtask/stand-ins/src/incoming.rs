//! A request, read whole, as Go's `net/http` shows it to a handler.

use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, Method};

use crate::go_http::{self, Values};
use crate::multipart;
use local_cluster::serve::{Limits, Request, Response, read_body};
use local_cluster::store::object::uid;

/// A request with its body.
pub(crate) struct Incoming {
    pub(crate) method: Method,
    /// As it was sent, without the query.
    pub(crate) path: String,
    /// Path and query as they were sent.
    pub(crate) target: String,
    /// Whom the client meant to ask.
    pub(crate) host: String,
    pub(crate) headers: HeaderMap,
    pub(crate) query: Values,
    /// The form in the body.
    pub(crate) form: Values,
    /// Query and form could be read whole.
    pub(crate) whole: bool,
    pub(crate) body: bytes::Bytes,
    /// Told from all others by it: Dex has it in every log line about a request.
    pub(crate) id: String,
}

impl Incoming {
    /// Reads it within the limits.
    ///
    /// # Errors
    /// The answer to a body that is too long, too slow or broken.
    pub(crate) async fn read(request: Request, limits: &Limits) -> Result<Self, Box<Response>> {
        let (parts, body) = request.into_parts();
        let body = read_body(body, limits)
            .await
            .map_err(|error| Box::new(go_http::error(error.status(), error.to_string())))?;
        let content_type = text(&parts.headers, CONTENT_TYPE).trim_start();
        let (form, form_whole) = if content_type.starts_with("application/x-www-form-urlencoded") {
            Values::parse(&String::from_utf8_lossy(&body))
        } else {
            (multipart::values(content_type, &body), true)
        };
        let (query, query_whole) = Values::parse(parts.uri.query().unwrap_or_default());
        let authority = parts.uri.authority().map(ToString::to_string);
        Ok(Self {
            path: parts.uri.path().to_owned(),
            target: parts.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
            host: authority.unwrap_or_else(|| text(&parts.headers, HOST).to_owned()),
            query,
            form,
            whole: query_whole && form_whole,
            body,
            id: uid(),
            method: parts.method,
            headers: parts.headers,
        })
    }

    /// As Go's `FormValue`: the body's value if there is one, else the query's.
    pub(crate) fn value(&self, key: &str) -> &str {
        let value = self.form.get(key);
        if value.is_empty() { self.query.get(key) } else { value }
    }

    /// Body and query together.
    pub(crate) fn values(&self) -> Values {
        let mut values = self.form.clone();
        values.extend(self.query.clone());
        values
    }

    /// A header as text.
    pub(crate) fn header(&self, name: HeaderName) -> &str {
        text(&self.headers, name)
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
