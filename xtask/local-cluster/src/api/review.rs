//! Questions about who one is and what one may do.

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use crate::serve::Response;
use crate::store::Store;
use crate::store::object::text;

use super::access::User;
use super::body;
use super::call::Call;
use super::path::Target;
use super::reply;
use super::status::Refusal;

/// Answers a question.
pub fn answer(call: &Call<'_>, user: &User, bytes: &Bytes) -> Result<Response, Refusal> {
    reply::negotiate(&call.parts.headers)?;
    let resource = &call.kind.resource;
    let mut review = body::decode(&call.parts.headers, bytes, &resource.kind)?;
    let kind = review["kind"].as_str().unwrap_or(&resource.kind);
    if !review.is_object() || kind != resource.kind {
        return Err(Refusal::bad_request(format!("{kind} cannot be handled as a {}", resource.kind)));
    }
    review["kind"] = resource.kind.clone().into();
    review["apiVersion"] = resource.api_version().into();
    if !review["metadata"].is_object() {
        review["metadata"] = json!({"creationTimestamp": null});
    }
    review["status"] = status(&resource.kind, &call.api.store, user, &review["spec"]);
    Ok(reply::object(StatusCode::CREATED, &review))
}

fn status(kind: &str, store: &Store, user: &User, spec: &Value) -> Value {
    match kind {
        "SelfSubjectReview" => json!({"userInfo": {"username": user.name, "groups": user.groups}}),
        "SelfSubjectRulesReview" => json!({
            "resourceRules": user.rules(store, spec["namespace"].as_str()),
            "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["*"]}],
            "incomplete": false,
        }),
        _ => {
            let asked = &spec["resourceAttributes"];
            let given = |field: &str| asked[field].as_str().filter(|it| !it.is_empty()).map(str::to_owned);
            let target = Target {
                group: given("group").unwrap_or_default(),
                plural: given("resource").unwrap_or_default(),
                namespace: given("namespace"),
                name: given("name"),
                subresource: given("subresource"),
                ..Target::default()
            };
            // What is no object is open to all who are let in, for reading.
            let open = asked.is_null() && spec["nonResourceAttributes"]["verb"] == "get";
            json!({"allowed": open || user.may(store, text(&asked["verb"]), &target)})
        }
    }
}
