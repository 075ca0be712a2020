//! Request bodies, decoded from what their type says.

pub mod protobuf;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::Value;

use super::status::Refusal;

pub(super) const JSON: &str = "application/json";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

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
pub fn decode(headers: &HeaderMap, body: &Bytes, kind: &str) -> Result<Value, Refusal> {
    let unrecognized = |error: String| {
        Refusal::bad_request(format!("the object provided is unrecognized (must be of type {kind}): {error}"))
    };
    match content_type(headers) {
        JSON => serde_json::from_slice(body).map_err(|error| unrecognized(error.to_string())),
        PROTOBUF => match protobuf::from_protobuf(body) {
            // There is a table for what is served; to the rest it says how to be understood.
            Ok(decoded) => decoded.ok_or_else(|| Refusal::unsupported_media_type(&[JSON])),
            Err(error) => Err(unrecognized(error)),
        },
        _ => Err(Refusal::unsupported_media_type(&[JSON, PROTOBUF])),
    }
}
