//! DELETE of an object. What becomes of it is for the store to say ([`deletion`]).
//!
//! [`deletion`]: crate::store::deletion

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use crate::serve::Response;
use crate::store::deletion::{Deletion, deletion};
use crate::store::object;

use super::body;
use super::call::Call;
use super::query::{dry_run, unreadable};
use super::reply;
use super::status::Refusal;

/// Namespaces that a cluster cannot do without.
const IMMORTAL: &[&str] = &["default", "kube-system", "kube-public"];

/// Refuses to delete an object that is not the one that is meant.
fn check(preconditions: &Value, call: &Call<'_>, object: &Value) -> Result<(), Refusal> {
    for field in ["uid", "resourceVersion"] {
        let (wanted, found) = (&preconditions[field], &object["metadata"][field]);
        if wanted.is_string() && wanted != found {
            let why =
                format!("the {field} in the precondition ({wanted}) is not that of the object ({found})");
            return Err(Refusal::conflict(&call.kind.resource.id(), call.name(), &why));
        }
    }
    Ok(())
}

/// DELETE of one object.
pub fn delete(call: &Call<'_>, bytes: &Bytes) -> Result<Response, Refusal> {
    reply::negotiate(&call.parts.headers)?;
    let options = match bytes.is_empty() {
        true => Value::Null,
        false => body::decode(&call.parts.headers, bytes, "DeleteOptions")?,
    };
    if !matches!(options["kind"].as_str(), None | Some("" | "DeleteOptions")) {
        return Err(Refusal::bad_request("decoded object cannot be converted to DeleteOptions"));
    }
    let text = |in_body: &Value, name: &str| in_body.as_str().unwrap_or(call.query.text(name)).to_owned();
    let policy = text(&options["propagationPolicy"], "propagationPolicy");
    // What is owned goes after its owner; no owner waits for it or leaves it behind.
    if !matches!(policy.as_str(), "" | "Background") || options["orphanDependents"] == true {
        return Err(unreadable("propagationPolicy", &policy));
    }
    let grace = options["gracePeriodSeconds"].as_i64().or(call.query.number("gracePeriodSeconds")?);
    let dry_run = dry_run(&text(&options["dryRun"][0], "dryRun"))?;
    let resource = &call.kind.resource;
    if call.kind.is_core("Namespace") && IMMORTAL.contains(&call.name()) {
        return Err(Refusal::forbidden("namespaces", call.name(), "this namespace may not be deleted"));
    }
    let (last, gone) = call.api.store.delete_if(&call.key(), |old| {
        check(&options["preconditions"], call, old)?;
        // Of a dry run nothing is left, not even a mark.
        Ok::<_, Refusal>(if dry_run { Deletion::Marked(old.clone()) } else { deletion(old, grace) })
    })?;
    if !gone && !dry_run {
        return Ok(reply::object(StatusCode::OK, &*last));
    }
    let details = json!({
        "name": call.name(), "group": resource.group, "kind": resource.plural, "uid": object::uid_of(&last),
    });
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details,
    });
    Ok(reply::object(StatusCode::OK, &status))
}
