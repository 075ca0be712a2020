//! What an object must pass before anything is made of it: that it is of the kind
//! that the request is about, and not too big.

use serde_json::Value;

use crate::store::object;

use super::kinds::Kind;
use super::status::{Cause, Refusal};

/// The biggest object that is stored, as etcd has it by default.
const MAX_OBJECT: usize = 1536 * 1024;

/// Checks that an object says it is of the kind that the request is about, and
/// completes it where it says nothing.
pub fn check_type(
    kind: &Kind,
    value: &mut Value,
    served: &dyn Fn(&str, &str) -> bool,
) -> Result<(), Refusal> {
    let resource = &kind.resource;
    let found = match value {
        Value::Object(_) => "",
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Number(_) => "number",
        Value::Bool(_) => "bool",
        Value::Null => "null",
    };
    let Value::Object(map) = value else {
        return Err(Refusal::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): couldn't get version/kind; json parse error: json: cannot unmarshal {found} into Go value of type struct {{ APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }}",
            resource.kind
        )));
    };
    let text = |name: &str| map.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (found_version, found_kind) = (text("apiVersion"), text("kind"));
    let version = resource.api_version();
    if resource.custom && (found_kind.is_empty() || found_version.is_empty()) {
        let missing = if found_kind.is_empty() { "Kind" } else { "apiVersion" };
        return Err(Refusal::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): Object '{missing}' is missing",
            resource.kind
        )));
    }
    let other_version = !found_version.is_empty() && found_version != version;
    let other_kind = !found_kind.is_empty() && found_kind != resource.kind;
    if other_version && !other_kind && resource.custom {
        return Err(Refusal::bad_request(format!(
            "the API version in the data ({found_version}) does not match the expected API version ({version})"
        )));
    }
    if resource.custom && other_kind {
        let cause = Cause {
            reason: "FieldValueInvalid",
            field: "kind".into(),
            message: format!("Invalid value: {found_kind:?}: must be {}", resource.kind),
        };
        return Err(Refusal::invalid(&resource.group, &found_kind, object::name(value), &[cause]));
    }
    if other_version || other_kind {
        let short_version = found_version.rsplit_once('/').map_or(found_version.as_str(), |(_, it)| it);
        let why = if served(&found_version, &found_kind) {
            let group = resource.group.split('.').next().filter(|it| !it.is_empty()).unwrap_or("core");
            format!(
                "converting ({short_version}.{found_kind}) to ({group}.{}): unknown conversion",
                resource.kind
            )
        } else {
            format!(
                "no kind {found_kind:?} is registered for version {found_version:?} in scheme \"pkg/runtime/scheme.go:110\""
            )
        };
        return Err(Refusal::bad_request(format!(
            "{found_kind} in version {short_version:?} cannot be handled as a {}: {why}",
            resource.kind
        )));
    }
    map.insert("apiVersion".into(), version.into());
    map.insert("kind".into(), resource.kind.clone().into());
    Ok(())
}

/// Checks that an object can be stored.
pub fn check_size(object: &Value) -> Result<(), Refusal> {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    let written = serde_json::to_writer(&mut count, object);
    if written.is_err() || count.0 > MAX_OBJECT {
        return Err(Refusal::too_large(&format!("limit is {MAX_OBJECT}")));
    }
    Ok(())
}
