//! argocd-server by itself: how it started, its own key, its Redis.

use probe::{Cause, CauseId};
use releases::FIRST_START_LOST;

use super::{at, when_settings};
use crate::advice;
use crate::evidence::{DeploymentSeen, Evidence, OWN, PART_OF, PodSeen, SERVER_KEY};
use crate::finding::{Certainty, Finding, Fix, When};
use crate::shown::{argument, object, shown};

/// Findings about the server.
pub fn check(evidence: &Evidence) -> Vec<Finding> {
    let mut findings = vec![];
    findings.extend(key_missing(evidence));
    findings.extend(first_start(evidence).or_else(|| first_start_of_files(evidence)));
    findings.extend(redis(evidence));
    findings
}

fn key_missing(evidence: &Evidence) -> Option<Finding> {
    let place = format!("{}, key {SERVER_KEY}", object("Secret", &evidence.namespace, OWN));
    let said = evidence.failure(&[Cause::ServerKeyMissing]);
    // A namespace without Argo CD has no such Secret either, and of one in files Argo CD fills in the rest.
    if evidence.files || evidence.settings.there().is_none() && evidence.server.there().is_none() {
        return None;
    }
    let seen = match (&evidence.argocd_secret, said) {
        (secret, _) if secret.is_absent() => "argocd-secret is not there".to_owned(),
        (secret, _) if secret.there().is_some_and(|secret| secret.value("server.secretkey").is_none()) => {
            "argocd-secret has no server.secretkey".to_owned()
        }
        (_, Some(failure)) => format!("Argo CD says: {}", shown(&failure.message)),
        _ => return None,
    };
    let logged = evidence.logged(|log| log.key_missing);
    let kubectl = evidence.argocd_kubectl();
    Some(
        Finding::new(CauseId::ServerKeyMissing, place)
            .when(when_settings(evidence))
            .seen(seen)
            .seen_if(logged.map(|time| format!("argocd-server's log says so too, last at {}", at(time))))
            .why("Argo CD signs and encrypts with this key, and reads no settings at all while it is missing")
            .fix(Fix::from(match evidence.argocd_secret.is_absent() {
                true => format!(
                    "head -c 32 /dev/urandom | base64 | {kubectl} create secret generic argocd-secret --from-file=server.secretkey=/dev/stdin && {kubectl} label secret argocd-secret {}={}",
                    PART_OF.0,
                    PART_OF.1
                ),
                false => format!(
                    "head -c 32 /dev/urandom | base64 | jq -Rs '{{stringData: {{\"server.secretkey\": rtrimstr(\"\\n\")}}}}' | {kubectl} patch secret argocd-secret --patch-file /dev/stdin"
                ),
            }).then(&advice::restart_argocd(evidence))),
    )
}

/// A server that runs without the settings that stand in argocd-cm.
fn first_start(evidence: &Evidence) -> Option<Finding> {
    let pod = evidence.pods.iter().find(|pod| {
        pod.log.as_ref().and_then(|log| log.serving).is_some_and(|it| it.without_sso || it.without_url)
    });
    let failure = evidence.failure(&[Cause::SsoOff, Cause::FirstStart])?;
    // That a pod by itself knows no /auth/login may be a root path that nobody told of.
    let mut forms = evidence.rehearsals().iter().map(|rehearsal| rehearsal.form.as_ref());
    let at_front = forms.any(|form| form.err() == Some(failure));
    if failure.cause == Cause::SsoOff && !at_front && pod.is_none() {
        return None;
    }
    let shows = evidence.public().is_some_and(|public| public.issuer.is_some() && !public.url.is_empty());
    let configured =
        (evidence.oidc().is_some() || evidence.dex_settings().is_some()) && !evidence.url().trim().is_empty();
    // Below a root path that the address does not have there is nothing else to expect.
    let root = evidence.root_path.trim_matches('/');
    let below = |address: &str| {
        address.parse::<url::Url>().is_ok_and(|address| address.path().trim_matches('/') == root)
    };
    let asked = evidence.outside.as_ref().map(|outside| outside.address.as_str());
    if pod.is_none() && !root.is_empty() && !asked.is_some_and(below) {
        return None;
    }
    // A server that was told of no issuer asks nobody from the first moment on.
    if evidence.oidc().is_some() && evidence.provider.issuer.trim().is_empty() {
        return None;
    }
    // Without settings it is no wonder.
    if !(configured || shows) {
        return None;
    }
    let loses = evidence.release.as_ref().is_some_and(|release| release.first_start_loses_sso());
    let certain = loses || failure.cause == Cause::FirstStart || pod.is_some();
    Some(
        Finding::new(CauseId::FirstStart, advice::at_server(evidence))
            .certain_if(certain)
            .quoting("/auth/login says", failure)
            .seen_if(shows.then(|| "/api/v1/settings shows url and a provider as configured".to_owned()))
            .seen_if(pod.and_then(logged))
            .seen_if(key_times(evidence, pod))
            .seen_if(evidence.release.as_ref().filter(|_| loses).map(|release| {
                format!("argocd {release} is one of {FIRST_START_LOST}: while argocd-secret has no server.secretkey it reads none of its settings, and it makes its client app from those of its first moment")
            }))
            .why("the server was started before its settings could be read, and runs without SSO although they are there now")
            .fix(advice::restart_argocd(evidence))
            .lasting(evidence.release.as_ref().filter(|_| loses).map(|release| {
                format!(
                    "put server.secretkey into argocd-secret before the server first starts, or upgrade to {} or later",
                    release.keeps_its_first_start()
                )
            })),
    )
}

/// Files install a release that loses its settings where the key is not there before it.
fn first_start_of_files(evidence: &Evidence) -> Option<Finding> {
    let release =
        evidence.release.as_ref().filter(|release| evidence.files && release.first_start_loses_sso())?;
    let secret = evidence.argocd_secret.there().filter(|secret| secret.value(SERVER_KEY).is_none())?;
    evidence.settings.there().filter(|it| it.config().is_some() || it.dex.is_there())?;
    Some(
        Finding::new(
            CauseId::FirstStart,
            format!("Secret {}/argocd-secret, key {SERVER_KEY}", shown(&secret.namespace)),
        )
        .certainty(Certainty::Possible)
        .seen(format!("argocd-secret is to be applied without {SERVER_KEY}"))
        .seen(format!("argocd {release} is one of {FIRST_START_LOST}: started without that key it reads none of its settings"))
        .why("on a new cluster the server runs without SSO until it is restarted; where argocd-secret has the key already, nothing is lost")
        .fix(format!(
            "write {SERVER_KEY} (32 random bytes in base64) into argocd-secret before the server first starts, or take {} or later",
            release.keeps_its_first_start()
        )),
    )
}

fn logged(pod: &PodSeen) -> Option<String> {
    let serving = pod.log.as_ref()?.serving?;
    let url = if serving.without_url { "url: , " } else { "" };
    Some(format!(
        "the log of pod {} says `serving on port … ({url}sso: false)` at {}",
        shown(&pod.name),
        at(serving.at)
    ))
}

fn key_times(evidence: &Evidence, pod: Option<&PodSeen>) -> Option<String> {
    let started = pod.or(evidence.pods.first())?.started?;
    let written = evidence.argocd_secret.there()?.written(SERVER_KEY)?;
    (written.at >= started).then(|| {
        format!(
            "server.secretkey was written at {}, after the server was started at {}",
            at(written.at),
            at(started)
        )
    })
}

fn redis(evidence: &Evidence) -> Option<Finding> {
    let deployments = evidence.redis.there()?;
    let down: &DeploymentSeen = deployments.iter().find(|deployment| deployment.ready == 0)?;
    // One that was scaled to nothing is not missed where the server uses another.
    if evidence.redis_elsewhere {
        return None;
    }
    let logged = evidence.logged(|log| log.redis);
    let failed = evidence.login_failures().iter().any(|it| it.answer == Cause::SessionStore);
    let passes = evidence.logins().is_some_and(|logins| logins.ok == logins.total);
    Some(
        Finding::new(CauseId::Redis, down.place())
            .certain_if(failed)
            .when(if passes { When::Later } else { When::Now })
            .seen(format!("it is to have {} pods, and none is ready", down.wanted))
            .seen_if(logged.map(|time| format!("argocd-server's log says at {} that Redis does not answer", at(time))))
            .why("Argo CD keeps what belongs to a session in Redis, and a callback that cannot write there is 500")
            .fix(match down.wanted {
                0 => advice::scale_to_one(evidence, down),
                _ => format!("{} describe pods -l app.kubernetes.io/name={}", evidence.kubectl_of(&down.namespace), argument(&down.name)),
            }),
    )
}
