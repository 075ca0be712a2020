//! Request bodies: read within limits, and decoded from what their type says.

pub mod json;
pub mod protobuf;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::Value;

use super::status::Refusal;

pub(super) const JSON: &str = "application/json";
pub(super) const YAML: &str = "application/yaml";
pub(super) const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// A decoded body.
#[derive(Debug)]
pub struct Decoded {
    /// The object.
    pub value: Value,
    /// Fields that it names twice.
    pub duplicates: Vec<String>,
}

/// The media type of a body, without parameters.
pub fn content_type(headers: &HeaderMap) -> &str {
    let text = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or(JSON);
    text.split(';').next().unwrap_or_default().trim()
}

/// Decodes an object. `kind` is what the request is about, for the error.
///
/// # Errors
/// 415 for a media type or a protobuf kind that is not known, 400 for what cannot
/// be decoded.
pub fn decode(headers: &HeaderMap, body: &Bytes, kind: &str) -> Result<Decoded, Refusal> {
    let unrecognized = |error: &str| {
        Refusal::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): {error} ({})",
            summary(body)
        ))
    };
    match content_type(headers) {
        JSON => json::from_json(body).map(Into::into).map_err(|error| unrecognized(&json_error(&error))),
        YAML => json::from_yaml(body)
            .map(Into::into)
            .map_err(|error| unrecognized(&format!("error converting YAML to JSON: yaml: {error}"))),
        PROTOBUF => match protobuf::from_protobuf(body) {
            Ok(value) => Ok(Decoded { value, duplicates: vec![] }),
            // The lab has a table for what it serves; to the rest it says how to be understood.
            Err(protobuf::Broken::UnknownKind { .. }) => Err(Refusal::unsupported_media_type(&[JSON, YAML])),
            Err(error) => Err(unrecognized(&error.to_string())),
        },
        _ => Err(Refusal::unsupported_media_type(&[JSON, YAML, PROTOBUF])),
    }
}

impl From<json::Document> for Decoded {
    fn from(document: json::Document) -> Self {
        Self { value: document.value, duplicates: document.duplicates }
    }
}

/// As kube-apiserver's JSON reader puts it.
fn json_error(error: &serde_json::Error) -> String {
    if error.is_eof() {
        "couldn't get version/kind; json parse error: unexpected end of JSON input".to_owned()
    } else {
        format!("couldn't get version/kind; json parse error: {error}")
    }
}

/// The first bytes of a body: as text if it looks like JSON, else as hex.
fn summary(body: &[u8]) -> String {
    const LONGEST: usize = 30;
    if body.is_empty() {
        return "<empty>".into();
    }
    let (start, more) = body.split_at(body.len().min(LONGEST));
    let dots = if more.is_empty() { "" } else { " ..." };
    match start {
        [b'{', ..] => format!("{}{dots}", String::from_utf8_lossy(start)),
        _ => format!("{}{dots}", start.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
    }
}
