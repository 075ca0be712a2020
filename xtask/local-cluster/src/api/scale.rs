//! `/scale`: how many, in the same words for every kind.

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::schema::table;
use crate::serve::Response;
use crate::store::object;

use super::Call;
use super::accept::{View, negotiate};
use super::body::{self, content_type};
use super::kinds::Kind;
use super::query::Write;
use super::reply;
use super::status::{Cause, Refusal};
use super::write::{Changed, Writing};

/// GET, PUT and PATCH of `/scale`.
pub fn answer(call: &Call<'_>, bytes: &Bytes, pretty: bool) -> Result<Response, Refusal> {
    let accepted = negotiate(&call.headers, |view| view == View::Plain)?;
    let name = call.target.name.as_deref().unwrap_or_default();
    let key = call.kind.key(call.target.namespace.as_deref(), name);
    let found = call.api.store.get(&key).ok_or_else(|| Refusal::not_found(&call.kind.resource, name))?;
    let paths = Paths::of(&call.kind);
    let write = match call.method {
        Method::GET | Method::HEAD => {
            return Ok(reply::object(StatusCode::OK, &paths.scale(&found), accepted.yaml, pretty));
        }
        Method::PUT => Write::Update,
        Method::PATCH => Write::Patch,
        _ => return Err(Refusal::method_not_allowed()),
    };
    let mut writing = Writing::begin(call, write, pretty)?;
    let stored = writing.store_change(|_, old| {
        let before = paths.scale(old);
        let mut scale = match write {
            Write::Update => body::decode(&call.headers, bytes, "Scale")?.value,
            _ => patched(call, bytes, &before)?,
        };
        if let Some(structure) = table::named("Scale") {
            crate::schema::conform::conform(&mut scale, structure).map_err(|error| {
                Refusal::bad_request(format!("Scale in version \"v1\" cannot be handled as a Scale: {error}"))
            })?;
        }
        let version = object::resource_version(&scale);
        if version.is_some() && version != object::resource_version(old) {
            return Err(Refusal::conflict(
                &call.kind.resource,
                name,
                "the object has been modified; please apply your changes to the latest version and try again",
            ));
        }
        let replicas = scale["spec"]["replicas"].as_i64().unwrap_or_default();
        if replicas < 0 {
            let cause = Cause {
                reason: "FieldValueInvalid",
                field: "spec.replicas".into(),
                message: format!("Invalid value: {replicas}: must be greater than or equal to 0"),
            };
            return Err(Refusal::invalid("autoscaling", "Scale", name, &[cause]));
        }
        let mut new = old.clone();
        paths.set(&mut new, replicas);
        Ok(Changed { object: new, tracked: false })
    })?;
    Ok(reply::object(StatusCode::OK, &paths.scale(&stored), accepted.yaml, pretty))
}

fn patched(call: &Call<'_>, bytes: &Bytes, scale: &Value) -> Result<Value, Refusal> {
    let bad = |error: &dyn std::fmt::Display| Refusal::bad_request(format!("error decoding patch: {error}"));
    let patch = body::json::from_json(bytes).map_err(|error| bad(&error))?.value;
    let mut scale = scale.clone();
    match content_type(&call.headers) {
        "application/json-patch+json" => {
            let patch: json_patch::Patch = serde_json::from_value(patch).map_err(|error| bad(&error))?;
            json_patch::patch(&mut scale, &patch)
                .map_err(|error| Refusal::unprocessable(&error.to_string()))?;
        }
        // A scale has no lists, so all of these are one.
        "application/merge-patch+json"
        | "application/strategic-merge-patch+json"
        | "application/apply-patch+yaml" => json_patch::merge(&mut scale, &patch),
        _ => {
            return Err(Refusal::unsupported_patch());
        }
    }
    Ok(scale)
}

/// Where a kind has its numbers.
struct Paths {
    spec: String,
    status: String,
    selector: String,
}

impl Paths {
    fn of(kind: &Kind) -> Self {
        let scale = kind.version().map(|it| &it["subresources"]["scale"]);
        let path = |name: &str, default: &str| {
            let own = scale.and_then(|it| it[name].as_str());
            own.unwrap_or(default).replace('.', "/")
        };
        Self {
            spec: path("specReplicasPath", ".spec.replicas"),
            status: path("statusReplicasPath", ".status.replicas"),
            selector: path("labelSelectorPath", ""),
        }
    }

    fn scale(&self, object: &Value) -> Value {
        let number = |path: &str| object.pointer(path).and_then(Value::as_i64).unwrap_or_default();
        let metadata = &object["metadata"];
        let mut scale = json!({
            "kind": "Scale", "apiVersion": "autoscaling/v1",
            "metadata": {
                "name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"],
                "resourceVersion": metadata["resourceVersion"],
                "creationTimestamp": metadata["creationTimestamp"],
            },
            "spec": {"replicas": number(&self.spec)},
            "status": {"replicas": number(&self.status)},
        });
        let selector = match object.pointer(&self.selector).and_then(Value::as_str) {
            Some(text) if !self.selector.is_empty() => text.to_owned(),
            _ => {
                let labels = object["spec"]["selector"]["matchLabels"].as_object().into_iter().flatten();
                let pairs =
                    labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
                pairs.collect::<Vec<_>>().join(",")
            }
        };
        if !selector.is_empty() {
            scale["status"]["selector"] = selector.into();
        }
        scale
    }

    fn set(&self, object: &mut Value, replicas: i64) {
        let Some((outer, name)) = self.spec.rsplit_once('/') else { return };
        let mut place = object;
        for part in outer.split('/').filter(|part| !part.is_empty()) {
            let Value::Object(map) = place else { return };
            place = map.entry(part).or_insert_with(|| json!({}));
        }
        if let Value::Object(map) = place {
            map.insert(name.to_owned(), replicas.into());
        }
    }
}
