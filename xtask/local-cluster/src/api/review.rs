//! Questions about who one is and what one may do. There is one token, and it may
//! do everything.

use http::request::Parts;
use http::{Method, StatusCode};
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::serve::Response;

use super::Shared;
use super::accept::{View, negotiate};
use super::body;
use super::path::Target;
use super::reply;
use super::status::{Cause, Refusal};

/// One kind of question.
pub struct Review {
    /// Its group.
    pub group: &'static str,
    /// Its plural.
    pub plural: &'static str,
    /// Its kind.
    pub kind: &'static str,
}

/// All questions that are answered.
pub const REVIEWS: &[Review] = &[
    Review { group: "authentication.k8s.io", plural: "selfsubjectreviews", kind: "SelfSubjectReview" },
    Review {
        group: "authorization.k8s.io",
        plural: "selfsubjectaccessreviews",
        kind: "SelfSubjectAccessReview",
    },
    Review {
        group: "authorization.k8s.io",
        plural: "selfsubjectrulesreviews",
        kind: "SelfSubjectRulesReview",
    },
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
        pretty: bool,
    ) -> Result<Response, Refusal> {
        if parts.method != Method::POST {
            return Err(Refusal::method_not_allowed());
        }
        let accepted = negotiate(&parts.headers, |view| view == View::Plain)?;
        let body = shared.read(body).await?;
        let mut review = body::decode(&parts.headers, &body, self.kind)?.value;
        let kind = review["kind"].as_str().unwrap_or(self.kind);
        if !review.is_object() || kind != self.kind {
            return Err(Refusal::bad_request(format!("{kind} cannot be handled as a {}", self.kind)));
        }
        let status = self.status(&review["spec"])?;
        review["kind"] = self.kind.into();
        review["apiVersion"] = format!("{}/v1", self.group).into();
        if !review["metadata"].is_object() {
            review["metadata"] = json!({"creationTimestamp": null});
        }
        review["status"] = status;
        Ok(reply::object(StatusCode::CREATED, &review, accepted.yaml, pretty))
    }

    fn status(&self, spec: &Value) -> Result<Value, Refusal> {
        match self.kind {
            "SelfSubjectReview" => Ok(json!({"userInfo": {
                "username": "oidc-lab", "groups": ["system:masters", "system:authenticated"],
            }})),
            "SelfSubjectRulesReview" => Ok(json!({
                "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
                "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
                "incomplete": false,
            })),
            _ => {
                let asked = spec["resourceAttributes"].is_object();
                if asked == spec["nonResourceAttributes"].is_object() {
                    let cause = Cause {
                        reason: "FieldValueInvalid",
                        field: "spec.resourceAttributes".into(),
                        message: "Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified".into(),
                    };
                    return Err(Refusal::invalid(self.group, self.kind, "", &[cause]));
                }
                Ok(json!({"allowed": true, "reason": "the lab's token may do everything"}))
            }
        }
    }
}
