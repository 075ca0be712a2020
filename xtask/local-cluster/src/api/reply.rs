//! Answers on their way out: objects, tables, metadata, streams.

use std::io;

use bytes::Bytes;
use futures::Stream;
use futures::StreamExt as _;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, EXPIRES, HeaderValue};
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use jiff::{Timestamp, ToSpan as _};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::schema::columns::{self, Column};
use crate::serve::{Body, Response, full};

use super::accept::{Accepted, View};
use super::kinds::Kind;
use super::status::Refusal;

/// A response of an object.
pub fn object(code: StatusCode, value: &impl Serialize, yaml: bool, pretty: bool) -> Response {
    let (text, kind) = if yaml {
        (serde_yaml::to_string(value).unwrap_or_default(), "application/yaml")
    } else if pretty {
        (serde_json::to_string_pretty(value).unwrap_or_default(), "application/json")
    } else {
        (serde_json::to_string(value).unwrap_or_default() + "\n", "application/json")
    };
    respond(code, kind, full(text))
}

/// A response of a refusal.
pub fn refusal(refusal: &Refusal, pretty: bool) -> Response {
    let mut response = object(refusal.code, &refusal.status(), false, pretty);
    if let Some(seconds) = refusal.details.get("retryAfterSeconds").and_then(Value::as_u64) {
        response.headers_mut().insert("Retry-After", seconds.into());
    }
    response
}

/// A response with any body.
pub fn respond(code: StatusCode, content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

/// Lets a client keep an answer whose address changes with its content.
pub fn keep_forever(response: &mut Response) {
    let forever = Timestamp::now().checked_add(365 * 24.hours()).unwrap_or(Timestamp::MAX);
    let expires = forever.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, immutable"));
    if let Ok(expires) = HeaderValue::from_str(&expires) {
        response.headers_mut().insert(EXPIRES, expires);
    }
}

/// A body that comes piece by piece. Nothing runs ahead of the reader.
pub fn stream(pieces: impl Stream<Item = Bytes> + Send + Sync + 'static) -> Body {
    let frames = pieces.map(|piece| Ok::<_, io::Error>(Frame::data(piece)));
    BodyExt::boxed(StreamBody::new(frames))
}

/// How long all warnings of an answer may be together, and each of them.
const WARNINGS: (usize, usize) = (4096, 256);

/// How many there may be: some clients read no more than a hundred headers.
const MOST: usize = 50;

/// Says warnings in the way that clients print.
pub fn warn(response: &mut Response, warnings: &[String]) {
    let (mut left, longest) = WARNINGS;
    for warning in warnings.iter().take(MOST) {
        let Some(rest) = left.checked_sub(warning.len().min(longest)) else { return };
        left = rest;
        // A header holds no line breaks, and quotes are escaped.
        let text: String = warning
            .chars()
            .take(longest)
            .filter(|it| !it.is_control())
            .flat_map(|it| if matches!(it, '"' | '\\') { vec!['\\', it] } else { vec![it] })
            .collect();
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{text}\"")) {
            response.headers_mut().append("Warning", value);
        }
    }
}

/// People with curl get JSON with line breaks.
pub fn is_pretty(headers: &HeaderMap, asked: Option<bool>) -> bool {
    asked.unwrap_or_else(|| {
        let agent = headers.get("User-Agent").and_then(|it| it.to_str().ok()).unwrap_or_default();
        ["curl", "Wget", "Mozilla/5.0"].iter().any(|it| agent.starts_with(it))
    })
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

/// What of its object a table's row carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Include {
    /// Its metadata.
    Metadata,
    /// All of it.
    Object,
    /// Nothing.
    None,
}

impl Include {
    /// Reads `includeObject`.
    ///
    /// # Errors
    /// 400 for another word.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        match text {
            "" | "Metadata" => Ok(Self::Metadata),
            "Object" => Ok(Self::Object),
            "None" => Ok(Self::None),
            other => Err(Refusal::bad_request(format!(
                "Unable to convert to Table as requested: includeObject: Invalid value: {other:?}: must be 'Metadata', 'Object', 'None', or empty"
            ))),
        }
    }
}

/// Turns objects of one kind into what was asked for.
pub struct Shaper {
    accepted: Accepted,
    include: Include,
    kind: Kind,
    columns: Vec<Column>,
}

impl Shaper {
    /// Shapes objects of `kind` as `accepted` says.
    pub fn new(kind: &Kind, accepted: Accepted, include: Include) -> Self {
        let columns = match accepted.view {
            View::Table => columns::columns(&kind.resource.kind, kind.version()),
            _ => vec![],
        };
        Self { accepted, include, kind: kind.clone(), columns }
    }

    /// One object, as an answer of its own or in a watch.
    pub fn one<'v>(&self, object: &'v Value, headings: bool) -> Shaped<'v> {
        match self.accepted.view {
            View::Table => {
                let meta = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
                Shaped::Made(self.table(meta, std::iter::once(object), headings))
            }
            View::Metadata | View::MetadataList => Shaped::Made(self.metadata(object)),
            View::Plain | View::Discovery(_) => Shaped::Stored(object),
        }
    }

    /// A list.
    pub fn list<'v>(&self, metadata: Value, objects: impl Iterator<Item = &'v Value>) -> Shaped<'v> {
        match self.accepted.view {
            View::Table => Shaped::Made(self.table(metadata, objects, true)),
            View::Metadata | View::MetadataList => Shaped::Made(json!({
                "kind": "PartialObjectMetadataList", "apiVersion": self.meta_version(), "metadata": metadata,
                "items": objects.map(|object| self.metadata(object)).collect::<Vec<_>>(),
            })),
            View::Plain | View::Discovery(_) => {
                let says_kind = self.kind.custom.is_some();
                Shaped::List(List {
                    kind: format!("{}List", self.kind.resource.kind),
                    api_version: self.kind.resource.api_version(),
                    metadata,
                    items: objects.map(|object| Item { object, says_kind }).collect(),
                })
            }
        }
    }

    /// What a bookmark carries.
    pub fn bookmark(&self, version: u64, annotations: Option<Value>) -> Value {
        let mut meta = json!({"resourceVersion": version.to_string()});
        if let Some(annotations) = annotations {
            meta["annotations"] = annotations;
        }
        match self.accepted.view {
            View::Table => self.table(meta, std::iter::empty(), false),
            View::Metadata | View::MetadataList => {
                json!({"kind": "PartialObjectMetadata", "apiVersion": self.meta_version(), "metadata": meta})
            }
            View::Plain | View::Discovery(_) => json!({
                "kind": self.kind.resource.kind, "apiVersion": self.kind.resource.api_version(), "metadata": meta,
            }),
        }
    }

    /// What says of a row that its pod has ended.
    fn completed(&self, object: &Value) -> Option<Value> {
        let phase = object["status"]["phase"].as_str().filter(|_| self.kind.is_core("Pod"))?;
        let message = match phase {
            "Succeeded" => "The pod has completed successfully.",
            "Failed" => "The pod failed.",
            _ => return None,
        };
        Some(json!({"type": "Completed", "status": "True", "reason": phase, "message": message}))
    }

    fn meta_version(&self) -> String {
        format!("meta.k8s.io/{}", self.accepted.meta_version)
    }

    fn metadata(&self, object: &Value) -> Value {
        json!({
            "kind": "PartialObjectMetadata", "apiVersion": self.meta_version(), "metadata": object["metadata"],
        })
    }

    fn table<'v>(&self, meta: Value, objects: impl Iterator<Item = &'v Value>, headings: bool) -> Value {
        let now = Timestamp::now();
        let custom = self.kind.custom.is_some();
        let rows: Vec<Value> = objects
            .map(|object| {
                let cells = columns::cells(&self.kind.resource.kind, &self.columns, custom, object, now);
                let mut row = Map::from_iter([("cells".to_owned(), Value::Array(cells))]);
                if let Some(condition) = self.completed(object) {
                    row.insert("conditions".into(), json!([condition]));
                }
                match self.include {
                    Include::Metadata => {
                        row.insert("object".into(), self.metadata(object));
                    }
                    Include::Object => {
                        row.insert("object".into(), object.clone());
                    }
                    Include::None => {}
                }
                Value::Object(row)
            })
            .collect();
        let columns: Option<Vec<Value>> = headings.then(|| self.columns.iter().map(Column::json).collect());
        json!({
            "kind": "Table", "apiVersion": self.meta_version(), "metadata": meta,
            "columnDefinitions": columns, "rows": rows,
        })
    }
}
