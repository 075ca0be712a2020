//! What only a login of a user shows.

use probe::{Cause, CauseId, FailureGroup, Step, Verdict};

use super::commands::edit_settings;
use super::{at, at_field, in_the_log, rights};
use crate::advice;
use crate::evidence::{Evidence, Rejected};
use crate::finding::{Certainty, Finding};
use crate::shown::{argument, listed, shown};

/// The length of an answer's headers that ingress-nginx takes from Argo CD.
const BUFFER: &str = "nginx.ingress.kubernetes.io/proxy-buffer-size";

/// What `allowedAudiences` is to be.
const WITH_CLIENT: &str = "allowedAudiences: with the client's ID";

/// Findings about a user's logins.
pub fn check(evidence: &Evidence) -> Vec<Finding> {
    let Some(logins) = evidence.logins() else { return vec![] };
    let mut findings: Vec<Finding> =
        logins.failures.iter().filter_map(|failure| of_failure(evidence, failure)).collect();
    if logins.verdict == Verdict::LoggedIn {
        findings.extend(logins.user.as_ref().and_then(|user| rights::check(evidence, user)));
    }
    findings
}

fn said(failure: &FailureGroup) -> String {
    let status = failure.status.map_or_else(String::new, |status| format!("{status} "));
    format!("{} logins end at {}: {status}{}", failure.count, failure.step, shown(&failure.message))
}

fn of_failure(evidence: &Evidence, failure: &FailureGroup) -> Option<Finding> {
    let provider = || "the identity provider".to_owned();
    let finding = |id, place: String| Finding::new(id, place).seen(said(failure)).why(failure.explanation);
    Some(match failure.answer {
        // Keycloak, among others, says the same to the right password of an account that is locked for a while.
        Cause::WrongPassword => finding(CauseId::Credentials, provider())
            .certain_if(evidence.uses_bundled() || evidence.provider.own_dex().is_some())
            .fix(
                "log in with the user's name and password as the provider knows them; if they are right, look there \
                 whether the account is locked for a while",
            ),
        Cause::AccessDenied => finding(CauseId::IdpRefused, provider())
            .fix("let the user in at the provider: its own rules or log say why not"),
        Cause::InvalidGrant => finding(CauseId::CodeReused, provider())
            .certainty(Certainty::Likely)
            .fix("run one replica of the provider, or give its replicas a storage that they share"),
        Cause::StateMismatch => finding(CauseId::StateMismatch, "the browser".into())
            .fix("begin a new login, and only one at a time"),
        Cause::Audience => {
            finding(CauseId::Audience, at_field("allowedAudiences")).fix(edit_settings(evidence, WITH_CLIENT))
        }
        Cause::TokenTooLarge | Cause::CookieTooLarge | Cause::TooManyCookies => too_large(evidence, failure)?,
        Cause::TokenExpired => clock(evidence, failure),
        Cause::TokenRejected | Cause::NotLoggedIn => rejected(evidence, failure)?,
        Cause::SessionStore if evidence.redis.there().is_none_or(|all| all.iter().all(|it| it.ready > 0)) => {
            finding(CauseId::Redis, "Argo CD's Redis".into())
                .certainty(Certainty::Possible)
                .fix(format!("{} get pods -l app.kubernetes.io/part-of=argocd", evidence.argocd_kubectl()))
                .one_of(&[CauseId::Redis, CauseId::ProviderUnreachable], failure.decides.unwrap_or_default())
        }
        _ => return None,
    })
}

/// A token that somebody on the way finds too large. Which of the user's claims make it so,
/// only the provider shows.
fn too_large(evidence: &Evidence, failure: &FailureGroup) -> Option<Finding> {
    const GROUPS: &str =
        "let the provider put fewer groups into the token: those that argocd-rbac-cm names, or none";
    let kubectl = evidence.argocd_kubectl();
    let names: Vec<&String> = evidence.ingresses.iter().map(|(name, _)| name).collect();
    let front = || match names.as_slice() {
        [] => "the proxy in front of Argo CD".to_owned(),
        names => format!("Ingress {}", listed(names)),
    };
    let (id, place, fix) = match failure.answer {
        Cause::TokenTooLarge => {
            let annotate = |name: &&String| {
                format!("{kubectl} annotate ingress {} {BUFFER}=128k --overwrite", argument(name))
            };
            let commands: Vec<String> = names.iter().map(annotate).collect();
            let fix = match commands.is_empty() {
                true => "raise the front's limit of an answer's headers (nginx: proxy_buffer_size 128k)".to_owned(),
                false => format!("{}   # ingress-nginx; another front has a setting of its own", commands.join("\n")),
            };
            (CauseId::TokenTooLarge, front(), fix)
        }
        Cause::CookieTooLarge => (
            CauseId::CookieTooLarge,
            front(),
            "raise the front's limit of a request's headers (ingress-nginx, the controller's ConfigMap: large-client-header-buffers: 4 128k)"
                .to_owned(),
        ),
        Cause::TooManyCookies => (
            CauseId::TooManyCookies,
            advice::at_server(evidence),
            format!(
                "{GROUPS}; or: {kubectl} set env {} ARGOCD_MAX_COOKIE_NUMBER=40",
                advice::deploy_server(evidence)
            ),
        ),
        _ => return None,
    };
    // A server that ends a callback without a word makes its proxy say 502 as well.
    let finding = Finding::new(id, place).certain_if(id != CauseId::TokenTooLarge).seen(said(failure));
    let finding = limits(evidence).into_iter().fold(finding, Finding::seen).why(failure.explanation).fix(fix);
    Some(finding.lasting(Some(GROUPS.to_owned())))
}

/// What is set for the length of headers, at the Ingress and at the controller; what is not set is what nginx
/// does by itself.
fn limits(evidence: &Evidence) -> Vec<String> {
    let of_ingresses = evidence.ingresses.iter().map(|(name, annotations)| {
        let set = annotations.get(BUFFER);
        let set = set.map_or("is not set (nginx: 4k)".to_owned(), |size| format!("is {}", shown(size)));
        format!("{BUFFER} of Ingress {} {set}", shown(name))
    });
    let of_controller = evidence.controller.iter().map(|(namespace, data)| {
        let set = |key: &str, default: &str| {
            data.get(key)
                .map_or(format!("{key} is not set ({default})"), |size| format!("{key} is {}", shown(size)))
        };
        format!(
            "ConfigMap {}/ingress-nginx-controller: {}, {}",
            shown(namespace),
            set("proxy-buffer-size", "4k"),
            set("large-client-header-buffers", "4 8k")
        )
    });
    of_ingresses.chain(of_controller).collect()
}

fn clock(evidence: &Evidence, failure: &FailureGroup) -> Finding {
    let provider = evidence.provider.ahead;
    let argocd = evidence.outside.as_ref().and_then(|outside| outside.ahead);
    let clocks = provider.zip(argocd).map(|(provider, argocd)| {
        format!(
            "by the Date of their answers, the provider's clock is {} s ahead of Argo CD's",
            provider - argocd
        )
    });
    Finding::new(CauseId::Clock, "clocks, or the lifetime of the provider's tokens")
        .seen(said(failure))
        .seen_if(clocks)
        .why("Argo CD takes the token for expired: its lifetime is very short, or the clocks differ")
        .fix("set the clocks (chronyc tracking, timedatectl), and let ID tokens live for minutes at least")
}

/// Argo CD does not take the token, and its log says why.
fn rejected(evidence: &Evidence, failure: &FailureGroup) -> Option<Finding> {
    // Without argocd-cm there are no settings to take a token by.
    if evidence.settings.is_absent() {
        return None;
    }
    let newest = evidence.logged(|log| log.rejected);
    let line = newest.map(in_the_log);
    Some(match newest.map(|(_, why)| why) {
        // The token is for the client that the server asks as.
        Some(Rejected::Audience) if evidence.asked().is_some_and(|it| it.client_id != evidence.client_id) => {
            return None;
        }
        // And by the provider's own name, if that is not the one that is set.
        Some(Rejected::Issuer) if evidence.provider.other_name().is_some() => return None,
        // Its own checks have more to say.
        Some(Rejected::Audience) if super::settings::audience(evidence).is_some() => return None,
        Some(Rejected::Audience) => Finding::new(CauseId::Audience, at_field("allowedAudiences"))
            .seen(said(failure))
            .seen_if(line)
            .why("the token is for another audience than Argo CD expects")
            .fix(edit_settings(evidence, WITH_CLIENT)),
        Some(Rejected::Expired) => clock(evidence, failure).seen_if(line),
        Some(Rejected::Issuer | Rejected::Signature | Rejected::Certificate)
            if failure.step == Step::Userinfo =>
        {
            stale_sessions(evidence, failure).seen_if(line)
        }
        // Those are findings of their own: the key of another replica, and of another provider.
        Some(Rejected::Signature) if super::provider::several_replicas(evidence).is_some() => return None,
        _ if super::bundled::two_providers(evidence) => return None,
        _ => {
            let log =
                "read argocd-server's log: the line `Failed to verify session token` goes on with the reason";
            stale_sessions(evidence, failure).certainty(Certainty::Possible).seen_if(line).one_of(
                &[CauseId::StaleSessionManager, CauseId::Audience, CauseId::Clock],
                failure.decides.unwrap_or(log),
            )
        }
    })
}

fn stale_sessions(evidence: &Evidence, failure: &FailureGroup) -> Finding {
    let written = evidence.settings.there().and_then(|settings| settings.written);
    let times = evidence.started().zip(written).map(|(started, written)| {
        format!("argocd-cm was written at {}, and argocd-server runs since {}", at(written), at(started))
    });
    Finding::new(CauseId::StaleSessionManager, advice::at_server(evidence))
        .seen(said(failure))
        .seen_if(times)
        .why("the login passes and the API does not take its token: what checks tokens was made once, for the issuer and the CA of that moment, on every release")
        .fix(advice::restart_argocd(evidence))
        .lasting(Some("restart argocd-server whenever the issuer or its CA changes".to_owned()))
}
