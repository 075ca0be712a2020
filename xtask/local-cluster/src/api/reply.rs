//! Answers on their way out: objects, lists, tables, streams.

use std::io;

use bytes::Bytes;
use futures::Stream;
use futures::StreamExt as _;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::schema::columns;
use crate::serve::{Body, Response, full};

use super::accept::View;
use super::kinds::Kind;
use super::status::Refusal;

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
    /// Shapes objects of `kind` as asked.
    pub fn new(kind: &Kind, view: View) -> Self {
        Self { kind: kind.clone(), view }
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
