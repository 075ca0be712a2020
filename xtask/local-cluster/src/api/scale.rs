//! `/scale`: how many, in the same words for every kind that has replicas.

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::schema::conform::conform;
use crate::schema::table;
use crate::serve::Response;
use crate::store::object;

use super::body;
use super::call::Call;
use super::patch::Patch;
use super::reply;
use super::status::Refusal;
use super::write::Writing;

/// GET, PUT and PATCH of `/scale`.
pub fn answer(call: &Call<'_>, bytes: &Bytes) -> Result<Response, Refusal> {
    reply::negotiate(&call.parts.headers)?;
    if call.reads() {
        return Ok(reply::object(StatusCode::OK, &scale(&*call.found()?)));
    }
    let writing = Writing::begin(call)?;
    let stored = writing.store_change(|_, old| {
        let mut scale = scale(old);
        match call.parts.method {
            Method::PUT => scale = body::decode(&call.parts.headers, bytes, "Scale")?,
            Method::PATCH => Patch::parse(call, bytes)?.make_to(&mut scale, "Scale")?,
            _ => return Err(Refusal::method_not_allowed()),
        }
        if let Some(structure) = table::named("Scale") {
            conform(&mut scale, structure)
                .map_err(|error| Refusal::bad_request(format!("it cannot be handled as a Scale: {error}")))?;
        }
        let mut new = old.clone();
        // Of another version than the stored one it is a conflict.
        if let (Some(version), Some(metadata)) =
            (object::resource_version(&scale), object::metadata_mut(&mut new))
        {
            metadata.insert("resourceVersion".into(), version.into());
        }
        new["spec"]["replicas"] = scale["spec"]["replicas"].as_i64().unwrap_or_default().into();
        Ok(new)
    })?;
    Ok(reply::object(StatusCode::OK, &scale(&stored)))
}

fn scale(object: &Value) -> Value {
    let metadata = &object["metadata"];
    let labels = object["spec"]["selector"]["matchLabels"].as_object().into_iter().flatten();
    let selector = labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
            "creationTimestamp": metadata["creationTimestamp"],
        },
        "spec": {"replicas": object["spec"]["replicas"].as_i64().unwrap_or_default()},
        "status": {
            "replicas": object["status"]["replicas"].as_i64().unwrap_or_default(),
            "selector": selector.collect::<Vec<_>>().join(","),
        },
    })
}
