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
use serde::{Serialize, Serializer};
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

/// How many warnings an answer has at most, and how long each may be: some clients read no
/// more than a hundred headers.
const WARNINGS: (usize, usize) = (50, 200);

/// Says warnings in the way that clients print.
pub fn warn(response: &mut Response, warnings: &[String]) {
    let (most, longest) = WARNINGS;
    for warning in warnings.iter().take(most) {
        // A header holds no line breaks, and quotes are escaped.
        let text: String = warning.chars().take(longest).filter(|it| !it.is_control()).collect();
        let text = text.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{text}\"")) {
            response.headers_mut().append("Warning", value);
        }
    }
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
    List(List<'v>),
}

/// A list of objects as they are.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct List<'v> {
    kind: String,
    api_version: String,
    metadata: Value,
    items: Vec<Item<'v>>,
}

/// An object in a list. In that of a built-in kind it does not repeat what it is.
struct Item<'v> {
    object: &'v Value,
    says_kind: bool,
}

impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.object {
            Value::Object(map) if !self.says_kind => serializer
                .collect_map(map.iter().filter(|(name, _)| !matches!(name.as_str(), "kind" | "apiVersion"))),
            object => object.serialize(serializer),
        }
    }
}

/// Turns objects of one kind into what was asked for.
pub struct Shaper {
    kind: Kind,
    view: View,
    /// A table's rows carry their objects, not only the metadata.
    whole: bool,
}

impl Shaper {
    /// Shapes objects of `kind` as asked.
    pub fn new(kind: &Kind, view: View, whole: bool) -> Self {
        Self { kind: kind.clone(), view, whole }
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
            View::Plain => Shaped::List(List {
                kind: format!("{}List", resource.kind),
                api_version: resource.api_version(),
                metadata: json!({"resourceVersion": version}),
                items: objects.map(|object| Item { object, says_kind: resource.custom }).collect(),
            }),
        }
    }

    /// Says how far a watch has come, or that its initial events have ended.
    pub fn bookmark(&self, version: u64, initial_end: bool) -> Value {
        let mut bookmark = match self.view {
            View::Table => self.table(Value::Null, std::iter::empty(), false),
            View::Plain => {
                json!({"kind": self.kind.resource.kind, "apiVersion": self.kind.resource.api_version()})
            }
        };
        bookmark["metadata"] = json!({"resourceVersion": version.to_string()});
        if initial_end {
            bookmark["metadata"]["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        bookmark
    }

    fn table<'v>(&self, version: Value, objects: impl Iterator<Item = &'v Value>, headings: bool) -> Value {
        let now = Timestamp::now();
        let kind = if self.kind.resource.custom { "" } else { &self.kind.resource.kind };
        let rows: Vec<Value> = objects
            .map(|object| {
                let metadata = || {
                    json!({
                        "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
                        "metadata": object["metadata"],
                    })
                };
                let object_of_row = if self.whole { object.clone() } else { metadata() };
                json!({"cells": columns::cells(kind, object, now), "object": object_of_row})
            })
            .collect();
        let columns = headings.then(|| columns::columns(kind));
        json!({
            "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": version},
            "columnDefinitions": columns, "rows": rows,
        })
    }
}
