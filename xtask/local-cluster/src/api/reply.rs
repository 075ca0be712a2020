//! Answers on their way out: objects, lists, tables, streams. All but logs are JSON.

use std::io;

use bytes::Bytes;
use futures::Stream;
use futures::StreamExt as _;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::schema::columns;
use crate::serve::{Body, Response, full};

use super::body::JSON;
use super::call::Call;
use super::kinds::Kind;
use super::status::Refusal;

/// The shape of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// As it is.
    Plain,
    /// Rows and columns for people.
    Table,
}

/// Chooses the first of what the client takes that the API can give.
///
/// # Errors
/// 406 if there is none.
pub fn negotiate(headers: &HeaderMap) -> Result<View, Refusal> {
    let given = || headers.get_all(ACCEPT).iter().filter_map(|it| it.to_str().ok());
    if given().all(|header| header.trim().is_empty()) {
        return Ok(View::Plain);
    }
    let mut all = given().flat_map(|header| header.split(','));
    all.find_map(view).ok_or_else(|| Refusal::not_acceptable(JSON))
}

fn view(clause: &str) -> Option<View> {
    let mut parts = clause.split(';').map(str::trim);
    if !matches!(parts.next()?, JSON | "*/*" | "application/*") {
        return None;
    }
    let parameters: Vec<&str> = parts.collect();
    match parameters.iter().find_map(|it| it.strip_prefix("as=")) {
        None => Some(View::Plain),
        Some("Table") if parameters.contains(&"v=v1") => Some(View::Table),
        Some(_) => None,
    }
}

/// A response of an object.
pub fn object(code: StatusCode, value: &impl Serialize) -> Response {
    let text = serde_json::to_string(value).unwrap_or_default() + "\n";
    respond(code, "application/json", full(text))
}

/// A response of a refusal.
pub fn refusal(refusal: &Refusal) -> Response {
    object(refusal.code, &refusal.status())
}

/// A response with any body.
pub fn respond(code: StatusCode, content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

/// A body that comes piece by piece. Nothing runs ahead of the reader.
pub fn stream(pieces: impl Stream<Item = Bytes> + Send + Sync + 'static) -> Body {
    let frames = pieces.map(|piece| Ok::<_, io::Error>(Frame::data(piece)));
    BodyExt::boxed(StreamBody::new(frames))
}

/// An answer's body. What is stored is written from where it lies.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Shaped<'v> {
    /// Made for this answer.
    Made(Value),
    /// An object as it is.
    Stored(&'v Value),
    /// A list of them.
    #[serde(rename_all = "camelCase")]
    List {
        /// `ConfigMapList`.
        kind: String,
        /// `v1`.
        api_version: String,
        /// Holds the version.
        metadata: Value,
        /// The objects.
        items: Vec<&'v Value>,
    },
}

/// Turns objects of one kind into what was asked for.
pub struct Shaper {
    kind: Kind,
    view: View,
}

impl Shaper {
    /// Shapes objects as a request asks.
    ///
    /// # Errors
    /// 406.
    pub fn of(call: &Call<'_>) -> Result<Self, Refusal> {
        Ok(Self { kind: call.kind.clone(), view: negotiate(&call.parts.headers)? })
    }

    /// One object, as an answer of its own or in a watch.
    pub fn one<'v>(&self, object: &'v Value, headings: bool) -> Shaped<'v> {
        match self.view {
            View::Plain => Shaped::Stored(object),
            View::Table => {
                let version = object["metadata"]["resourceVersion"].clone();
                Shaped::Made(self.table(version, std::iter::once(object), headings))
            }
        }
    }

    /// A list, as of a version.
    pub fn list<'v>(&self, version: u64, objects: impl Iterator<Item = &'v Value>) -> Shaped<'v> {
        let version = version.to_string();
        let resource = &self.kind.resource;
        match self.view {
            View::Table => Shaped::Made(self.table(version.into(), objects, true)),
            View::Plain => Shaped::List {
                kind: format!("{}List", resource.kind),
                api_version: resource.api_version(),
                metadata: json!({"resourceVersion": version}),
                items: objects.collect(),
            },
        }
    }

    /// Says that a watch's initial events have ended.
    pub fn bookmark(&self, version: u64) -> Value {
        let mut bookmark = match self.view {
            View::Table => self.table(Value::Null, std::iter::empty(), false),
            View::Plain => {
                json!({"kind": self.kind.resource.kind, "apiVersion": self.kind.resource.api_version()})
            }
        };
        bookmark["metadata"] = json!({
            "resourceVersion": version.to_string(),
            "annotations": {"k8s.io/initial-events-end": "true"},
        });
        bookmark
    }

    fn table<'v>(&self, version: Value, objects: impl Iterator<Item = &'v Value>, headings: bool) -> Value {
        let now = Timestamp::now();
        let kind = if self.kind.resource.custom { "" } else { &self.kind.resource.kind };
        let rows: Vec<Value> = objects
            .map(|object| json!({"cells": columns::cells(kind, object, now), "object": object}))
            .collect();
        let columns = headings.then(|| columns::columns(kind));
        json!({
            "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": version},
            "columnDefinitions": columns, "rows": rows,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn negotiated(header: &str) -> Result<View, Refusal> {
        negotiate(&HeaderMap::from_iter([(ACCEPT, header.parse().unwrap())]))
    }

    #[test]
    fn the_first_that_can_be_given_is_given() {
        for (header, view) in [
            ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", View::Table),
            ("application/vnd.kubernetes.protobuf,application/json", View::Plain),
            ("application/json;as=Other;v=v1;g=meta.k8s.io, */*", View::Plain),
            (
                "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json",
                View::Plain,
            ),
        ] {
            assert_eq!(negotiated(header).unwrap(), view, "{header}");
        }
        assert_eq!(negotiated("text/html").unwrap_err().code, 406);
        assert_eq!(negotiated("application/vnd.kubernetes.protobuf").unwrap_err().code, 406);
    }
}
