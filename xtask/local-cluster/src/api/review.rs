//! Questions about who one is and what one may do.

use http::request::Parts;
use http::{Method, StatusCode};
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::serve::Response;
use crate::store::Store;
use crate::store::object::text;

use super::accept::plain;
use super::access::User;
use super::body;
use super::call::Shared;
use super::path::Target;
use super::reply;
use super::status::Refusal;

/// One kind of question.
pub struct Review {
    /// Its group.
    pub group: &'static str,
    /// Its plural.
    pub plural: &'static str,
    /// Its kind.
    pub kind: &'static str,
}

const fn review(group: &'static str, plural: &'static str, kind: &'static str) -> Review {
    Review { group, plural, kind }
}

/// All questions that are answered.
pub const REVIEWS: &[Review] = &[
    review("authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview"),
    review("authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview"),
    review("authorization.k8s.io", "selfsubjectrulesreviews", "SelfSubjectRulesReview"),
];

/// The question that a path asks.
pub fn find(target: &Target) -> Option<&'static Review> {
    let plain = target.version == "v1" && target.name.is_none() && target.namespace.is_none();
    REVIEWS.iter().find(|it| plain && it.group == target.group && it.plural == target.plural)
}

impl Review {
    /// Answers it.
    pub async fn answer(
        &self,
        shared: &Shared,
        user: &User,
        parts: &Parts,
        body: &mut Option<Incoming>,
    ) -> Result<Response, Refusal> {
        if parts.method != Method::POST {
            return Err(Refusal::method_not_allowed());
        }
        plain(&parts.headers)?;
        let body = shared.read(body).await?;
        let mut review = body::decode(&parts.headers, &body, self.kind)?;
        let kind = review["kind"].as_str().unwrap_or(self.kind);
        if !review.is_object() || kind != self.kind {
            return Err(Refusal::bad_request(format!("{kind} cannot be handled as a {}", self.kind)));
        }
        review["kind"] = self.kind.into();
        review["apiVersion"] = format!("{}/v1", self.group).into();
        if !review["metadata"].is_object() {
            review["metadata"] = json!({"creationTimestamp": null});
        }
        review["status"] = self.status(&shared.store, user, &review["spec"]);
        Ok(reply::object(StatusCode::CREATED, &review))
    }

    fn status(&self, store: &Store, user: &User, spec: &Value) -> Value {
        match self.kind {
            "SelfSubjectReview" => json!({"userInfo": {"username": user.name, "groups": user.groups}}),
            "SelfSubjectRulesReview" => json!({
                "resourceRules": user.rules(store, spec["namespace"].as_str()),
                "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["*"]}],
                "incomplete": false,
            }),
            _ => {
                let asked = &spec["resourceAttributes"];
                let given =
                    |field: &str| asked[field].as_str().filter(|it| !it.is_empty()).map(str::to_owned);
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
}
