//! Whether Argo CD still presents a client secret that its Secret no longer holds.
//!
//! What a server holds in its memory nobody can read. But it can be made to show it: a
//! code that nobody gave out is brought to it, it redeems the code with its secret, and
//! the provider's words tell whether that is the right one (see [`probe::rehearsal`]).
//! Times and releases then say why; where no rehearsal could be made they are all there is.

use jiff::Timestamp;
use probe::CauseId;
use releases::Era;
use url::Url;

use super::secrets::agrees;
use super::{at, bundled, sure};
use crate::advice;
use crate::evidence::{Evidence, Form, PodSeen, Rehearsed, Taken};
use crate::finding::{Certainty, Finding};
use crate::shown::{listed, shown};

/// Whether servers are behind their Secret.
pub fn secret(evidence: &Evidence) -> Option<Finding> {
    let presented = evidence.presented();
    let agrees = agrees(evidence);
    let refused = presented.refused + evidence.refused_logins().map_or(0, |failure| failure.count);
    match (refused, presented.taken) {
        // Which of two handlers takes a connection goes by streaks: that all tries met the
        // same one says nothing about the other.
        (0, 1..) if agrees != Some(false) && two_handlers(evidence).is_some() && behind(evidence) => {
            Some(two_minds(evidence).certainty(Certainty::Likely))
        }
        (1.., 0) if agrees == Some(true) && two_handlers(evidence).is_some() => Some(two_minds(evidence)),
        (0, 0) if agrees == Some(true) && !evidence.logged_in() => by_time(evidence),
        // Nobody can tell what the provider takes, and no login was seen to pass.
        (0, 0) if agrees.is_none() && evidence.current.is_some() && !evidence.logged_in() => {
            let decides = "log in: a login that passes shows that the server has taken the Secret over since";
            by_time(evidence).map(|finding| {
                let id = finding.id;
                finding.certainty(Certainty::Possible).one_of(&[id, CauseId::SecretMismatch], decides)
            })
        }
        (0, _) => None,
        (_, 1..) if agrees != Some(false) => Some(two_minds(evidence)),
        _ => match agrees {
            Some(true) => Some(stale(evidence, sure(evidence))),
            // The value itself is wrong, which is a finding of its own.
            Some(false) => None,
            None => Some(undecided(evidence)),
        },
    }
}

/// What the servers ask the provider for, against what argocd-cm says: some releases go on
/// with the settings of their start.
pub fn settings(evidence: &Evidence) -> Option<Finding> {
    let (settings, config) = (evidence.settings.there()?, evidence.oidc()?);
    let asked = evidence.asked()?;
    let (set, id) = (&evidence.client_id, &asked.client_id);
    let client = (!set.is_empty() && set != id && !id.starts_with('$'))
        .then(|| format!("clientID is {}, and it asks as {}", shown(set), shown(id)));
    let (url, to) = (&settings.url, &asked.redirect_uri);
    let back = |url: &String| *to == format!("{}/auth/callback", url.trim_end_matches('/'));
    let url = (!url.is_empty() && !back(url) && !settings.additional_urls.iter().any(back))
        .then(|| format!("url is {}, and it asks to be called back at {}", shown(url), shown(to)));
    let (wanted, scopes) = (config.requested(), &asked.scopes);
    let scopes = (!scopes.is_empty() && *scopes != wanted)
        .then(|| format!("the scopes are {}, and it asks for {}", listed(&wanted), listed(scopes)));
    let place = |url: &Url| (url.origin(), url.path().to_owned());
    let document = evidence.provider.document();
    let endpoint = document.and_then(|document| document.authorization_endpoint.parse::<Url>().ok());
    let endpoint = endpoint.filter(|endpoint| place(endpoint) != place(&asked.provider)).map(|endpoint| {
        format!(
            "the issuer's authorization endpoint is {}, and it sends people to {}",
            shown(endpoint.as_str()),
            shown(asked.provider.as_str())
        )
    });
    let differ: Vec<String> = [client, url, scopes, endpoint].into_iter().flatten().collect();
    if differ.is_empty() {
        return None;
    }
    let times = settings.written.zip(oldest(evidence)).map(|(written, since)| {
        format!(
            "argocd-cm was written at {}, and argocd-server made its client app last at {}",
            at(written),
            at(since)
        )
    });
    let finding = Finding::new(CauseId::StaleArgocd, format!("{}, settings", advice::at_server(evidence)));
    Some(
        differ
            .into_iter()
            .fold(finding, Finding::seen)
            .seen_if(times)
            .seen_if(noticed_in_vain(evidence))
            .seen_if(era(evidence))
            .why("argocd-server runs with the settings that argocd-cm had before")
            .fix(advice::restart_argocd(evidence))
            .lasting(advice::lasting(evidence)),
    )
}

/// Since when the server that is furthest behind holds what it holds.
fn oldest(evidence: &Evidence) -> Option<Timestamp> {
    running(evidence).filter_map(PodSeen::holds_since).min()
}

fn running(evidence: &Evidence) -> impl Iterator<Item = &PodSeen> {
    evidence.pods.iter().filter(|pod| !pod.ending)
}

/// Whether the release goes on with what it read at its start. `None` if the release is
/// not known.
fn never_notices(evidence: &Evidence) -> Option<bool> {
    Some(matches!(
        evidence.era()?,
        Era::NoReferences | Era::ComparesText | Era::KeepsClientApp | Era::BothAnswer
    ))
}

fn times(evidence: &Evidence) -> Option<String> {
    let written = evidence.secret_written()?;
    let said = !written.by.is_empty() && written.by != "unknown";
    let by = if said { format!(" by {}", shown(&written.by)) } else { String::new() };
    let since = oldest(evidence)?;
    let mut logs = running(evidence).filter_map(|pod| pod.log.as_ref());
    let from = match logs.any(|log| log.client_app.is_some()) {
        true => "made its client app last",
        false => "was started",
    };
    let what = if evidence.uses_bundled() { "server.secretkey" } else { "the Secret" };
    Some(format!("{what} was written at {}{by}; argocd-server {from} at {}", at(written.at), at(since)))
}

pub fn era(evidence: &Evidence) -> Option<String> {
    let (release, era) = (evidence.release.as_ref()?, evidence.era()?);
    Some(format!("argocd {release}, era `{era}`: {}", era.because()))
}

/// The line of the log that shows that a release restarted its servers and kept its
/// client app.
fn noticed_in_vain(evidence: &Evidence) -> Option<String> {
    let log = running(evidence)
        .filter_map(|pod| pod.log.as_ref())
        .find(|log| log.modified.is_some_and(|modified| log.client_app.is_none_or(|made| made < modified)))?;
    log.modified.map(|time| {
        format!(
            "its log says `oidc config modified. restarting` at {} and no `Creating client app` after it",
            at(time)
        )
    })
}

fn rehearsed(evidence: &Evidence) -> String {
    let presented = evidence.presented();
    let all = presented.refused + presented.taken;
    if let (0, Some(failure)) = (presented.refused, evidence.refused_logins()) {
        return format!(
            "{} logins of a user end at the callback: {}",
            failure.count,
            shown(&failure.message)
        );
    }
    format!(
        "brought a code that nobody gave out, Argo CD was answered as a wrong secret is in {} of {all} tries{}",
        presented.refused,
        refusal(evidence).map_or_else(String::new, |words| format!(": {}", shown(words)))
    )
}

/// Argo CD's words about a secret that it presented and that was refused.
fn refusal(evidence: &Evidence) -> Option<&str> {
    let mut all = evidence.redeemed().filter(|redeemed| evidence.takes_presented(redeemed).is_refusal());
    all.next().map(|redeemed| redeemed.0.message.as_str())
}

fn stale(evidence: &Evidence, certainty: Certainty) -> Finding {
    let finding =
        behind_its_secret(evidence, CauseId::StaleArgocd, Some(rehearsed(evidence))).certainty(certainty);
    match evidence.uses_bundled() {
        true => finding
            .seen_if(bundled::of_openshift(evidence))
            .why("argocd-server and the Dex inside Argo CD derive the client secret from server.secretkey: it changed, Dex took it over, and argocd-server did not")
            .lasting(bundled::keep_the_key(evidence).into_iter().chain(advice::lasting(evidence)).reduce(|keep, other| format!("{keep}; or {other}"))),
        false => finding.why("the Secret and the provider agree, and Argo CD presents another secret: the one that it read before"),
    }
}

/// A server that goes on with what it read before, and what came of rehearsals at it.
fn behind_its_secret(evidence: &Evidence, id: CauseId, rehearsed: Option<String>) -> Finding {
    Finding::new(id, advice::at_server(evidence))
        .seen_if(evidence.provider.said_of(Form::Presented))
        .seen_if(holds(evidence))
        .seen_if(rehearsed)
        .seen_if(times(evidence))
        .seen_if(noticed_in_vain(evidence))
        .seen_if(era(evidence))
        .fix(advice::restart_argocd(evidence))
        .lasting(advice::lasting(evidence))
}

fn holds(evidence: &Evidence) -> Option<String> {
    if evidence.uses_bundled() {
        return None;
    }
    Some(super::secrets::holds(evidence, evidence.current.as_ref()?))
}

/// No rehearsal could be made; the Secret is right and the servers are older.
fn by_time(evidence: &Evidence) -> Option<Finding> {
    let behind = oldest(evidence)? < evidence.secret_written()?.at;
    if !behind || never_notices(evidence) != Some(true) {
        return None;
    }
    let both = evidence.era() == Some(Era::BothAnswer);
    let id = if both { CauseId::StaleReplica } else { CauseId::StaleArgocd };
    let why = "the Secret was written after the server read it, and this release does not take a change over";
    Some(behind_its_secret(evidence, id, None).certainty(Certainty::Likely).why(why))
}

/// Refused, and nobody can tell whether the Secret is right.
fn undecided(evidence: &Evidence) -> Finding {
    use CauseId::{
        SecretKeyMissing, SecretMismatch, SecretReference, SecretUnlabelled, SecretWhitespace, StaleArgocd,
    };
    // Objects know seconds, and logs more: within one second nobody can tell.
    let behind = oldest(evidence).zip(evidence.secret_written()).and_then(|(oldest, written)| {
        (oldest.as_second() != written.at.as_second()).then_some(oldest < written.at)
    });
    let looked = evidence.named_secret.there().is_some() || evidence.argocd_secret.there().is_some();
    let decides = "show the provider's token endpoint the secret that the Secret holds now, and one that is surely wrong (`doctor` does, where it may read the Secret and reach the endpoint): if the answers differ, Argo CD is behind; if they are alike, the two disagree";
    if behind == Some(true) && never_notices(evidence) == Some(true) {
        return stale(evidence, Certainty::Likely)
            .one_of(&[StaleArgocd, SecretMismatch, SecretWhitespace], decides);
    }
    let not_read = [SecretUnlabelled, SecretKeyMissing, SecretReference].as_slice();
    // The likeliest comes first.
    let candidates = match (looked, behind) {
        _ if evidence.uses_bundled() => vec![StaleArgocd, SecretMismatch],
        // The Secret was read: it is there, with its label and key.
        (true, Some(false)) => vec![SecretMismatch, SecretWhitespace],
        (true, _) => vec![SecretMismatch, SecretWhitespace, StaleArgocd],
        (false, _) if never_notices(evidence) == Some(false) => {
            [&[SecretMismatch, SecretWhitespace], not_read, &[StaleArgocd]].concat()
        }
        (false, _) => [&[StaleArgocd, SecretMismatch], not_read, &[SecretWhitespace]].concat(),
    };
    let id = candidates[0];
    let fix = match id {
        StaleArgocd => format!("{}   # if a restart heals it, it was this", advice::restart_argocd(evidence)),
        _ => "compare the client secret at the provider with the one in Argo CD's Secret".to_owned(),
    };
    Finding::new(id, advice::at_server(evidence))
        .certainty(Certainty::Possible)
        .seen(rehearsed(evidence))
        .seen_if(evidence.provider.said_of(Form::Presented))
        .seen_if(times(evidence))
        .seen_if(era(evidence))
        .why("the provider does not take the client secret that Argo CD presents; several causes look like this")
        .fix(fix)
        .lasting(advice::lasting(evidence))
        .one_of(&candidates, decides)
}

/// The log of a release that starts a second handler beside the first, where it did.
fn two_handlers(evidence: &Evidence) -> Option<String> {
    if evidence.era().is_some_and(|era| era != Era::BothAnswer) {
        return None;
    }
    let logs = running(evidence).filter_map(|pod| pod.log.as_ref());
    let log = logs.into_iter().find(|log| log.servings > 1 && log.shut_down.is_none())?;
    Some(format!(
        "one process says `serving on port` {} times and shut nothing down: that many handlers answer on one port",
        log.servings
    ))
}

/// Whether the Secret was written after one of the servers was started.
fn behind(evidence: &Evidence) -> bool {
    evidence.started().zip(evidence.secret_written()).is_some_and(|(started, written)| started < written.at)
}

/// The provider takes the secret now and then.
fn two_minds(evidence: &Evidence) -> Finding {
    let named = |wanted: fn(Taken) -> bool| -> Vec<String> {
        let is = |it: &Rehearsed| it.redeemed().is_some_and(|it| wanted(evidence.takes_presented(it)));
        let all = |pod: &&PodSeen| !pod.rehearsed.is_empty() && pod.rehearsed.iter().all(is);
        running(evidence)
            .filter(all)
            .map(|pod| match pod.holds_since() {
                Some(since) => format!("{} (since {})", shown(&pod.name), at(since)),
                None => shown(&pod.name),
            })
            .collect::<Vec<_>>()
    };
    let (stale, fresh) = (named(Taken::is_refusal), named(|taken| taken == Taken::Yes));
    let presented = evidence.presented();
    let place = match stale.as_slice() {
        [] => advice::at_server(evidence),
        _ => format!("{}, pods {}", advice::at_server(evidence), listed(&stale)),
    };
    let by_pod = (!stale.is_empty() && !fresh.is_empty()).then(|| {
        format!("the provider refuses the secret of {} and takes that of {}", listed(&stale), listed(&fresh))
    });
    let pods = running(evidence).count();
    let who = if by_pod.is_some() || pods > 1 { "replicas" } else { "several handlers of one server" };
    Finding::new(CauseId::StaleReplica, place)
        .seen(format!(
            "brought a code that nobody gave out, Argo CD presented a secret that the provider takes in {} of {} tries, and another one in {}",
            presented.taken,
            presented.taken + presented.refused,
            presented.refused
        ))
        .seen_if(evidence.provider.said_of(Form::Presented))
        .seen_if(by_pod)
        .seen_if(two_handlers(evidence))
        .seen_if(times(evidence))
        .seen_if(era(evidence))
        .why(format!("{who} hold different client secrets, and each connection meets one of them"))
        .fix(advice::restart_argocd(evidence))
        .lasting(advice::lasting(evidence))
}
