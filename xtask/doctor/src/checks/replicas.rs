//! Replicas that do not hold the same `server.secretkey`.

use probe::{Cause, CauseId};

use super::at;
use crate::advice;
use crate::evidence::{Evidence, OWN, PodSeen, SERVER_KEY};
use crate::finding::Finding;
use crate::shown::{listed, object, shown};

/// A login that needs two of them.
pub fn check(evidence: &Evidence) -> Option<Finding> {
    let crossed: Vec<String> = evidence
        .crossed
        .iter()
        .filter(|(.., failure)| failure.as_ref().is_some_and(|it| it.cause == Cause::ServerKeyChanged))
        .map(|(began, ended, _)| format!("{} and {}", shown(began), shown(ended)))
        .collect();
    let seen = evidence.failure(&[Cause::ServerKeyChanged]);
    if crossed.is_empty() && seen.is_none() {
        return None;
    }
    let secret = evidence.argocd_secret.there();
    let written = secret.and_then(|secret| secret.written(SERVER_KEY));
    let starts: Vec<String> = evidence
        .pods
        .iter()
        .filter_map(|pod: &PodSeen| Some(format!("{} at {}", shown(&pod.name), at(pod.started?))))
        .collect();
    let times = written.map(|written| {
        format!(
            "argocd-secret, which holds the key, was written at {}; the pods were started: {}",
            at(written.at),
            listed(&starts)
        )
    });
    Some(Finding::new(
        CauseId::ServerKeyChanged,
        format!("{}, key {SERVER_KEY}", object("Secret", &evidence.namespace, OWN)),
    )
    .seen_if((!crossed.is_empty()).then(|| {
        format!("a login that begins at one of these pods cannot end at the other: {}", crossed.join("; "))
    }))
    .quoting("Argo CD's callback says", seen)
    .seen_if(times)
    .why("the cookie that ties a login together is encrypted by one server with a key that the other does not have: each of them read server.secretkey when it was started")
    .fix(advice::restart_argocd(evidence)))
}
