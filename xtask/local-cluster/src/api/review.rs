//! Questions about who one is and what one may do. There is one token, and it may
//! do everything.

use http::request::Parts;
use http::{Method, StatusCode};
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::serve::Response;

use super::accept::plain;
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
        review["status"] = self.status();
        Ok(reply::object(StatusCode::CREATED, &review))
    }

    fn status(&self) -> Value {
        match self.kind {
            "SelfSubjectReview" => json!({"userInfo": {
                "username": "oidc-lab", "groups": ["system:masters", "system:authenticated"],
            }}),
            "SelfSubjectRulesReview" => json!({
                "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
                "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
                "incomplete": false,
            }),
            _ => json!({"allowed": true, "reason": "the lab's token may do everything"}),
        }
    }
}
