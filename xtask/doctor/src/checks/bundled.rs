//! The Dex inside Argo CD: its configuration, whether it runs, and whether both sides derive one secret.

use probe::{Cause, CauseId};

use super::commands::{PARAMS, edit, edit_settings, set_data, set_url};
use super::egress::is_nobody;
use super::secrets::OWN_KEY;
use super::{sure, when, when_settings};
use crate::advice;
use crate::evidence::bundled::{NAME, PATH};
use crate::evidence::{DexSettings, Evidence, Form, Seen, Taken};
use crate::finding::{Certainty, Finding, Fix, When};
use crate::shown::{argument, listed, object, shown};

const CONFIG: &str = "ConfigMap argocd-cm, dex.config";

/// Findings about it. Where one explains what is seen, the general ones say less ([`explains`]).
pub fn check(evidence: &Evidence) -> Vec<Finding> {
    if two_providers(evidence) {
        return vec![both_set(evidence)];
    }
    if let Some(finding) = unusable(evidence) {
        return vec![finding];
    }
    // Without `url` there is none, whatever else is said of it.
    if !evidence.uses_bundled() || evidence.url().trim().is_empty() {
        return vec![];
    }
    let mut findings = vec![];
    findings.extend(url_with_slash(evidence));
    findings.extend(tls(evidence));
    if findings.is_empty() {
        findings.extend(down(evidence));
    }
    let others = [hidden_client, unresolved, callback, no_connector, several, behind];
    findings.extend(others.into_iter().filter_map(|check| check(evidence)));
    findings
}

/// What is no news beside a finding of [`check`] about now.
pub fn explains(id: CauseId) -> &'static [CauseId] {
    use CauseId::{Credentials, FirstStart, IssuerMismatch, ProviderCa, ProviderUnreachable, RedirectUri};
    match id {
        CauseId::TwoProviders => &[CauseId::StaleSessionManager],
        CauseId::DexConfig => &[FirstStart, ProviderUnreachable],
        CauseId::DexDown | CauseId::ArgocdUrl => &[ProviderUnreachable, IssuerMismatch],
        CauseId::DexTls => &[ProviderUnreachable, ProviderCa],
        CauseId::DexClient => &[RedirectUri],
        CauseId::DexReference => &[Credentials],
        _ => &[],
    }
}

/// Whether there is a configuration of the Dex inside beside that of another provider.
pub fn two_providers(evidence: &Evidence) -> bool {
    evidence.dex_settings().is_some() && evidence.oidc().is_some()
}

fn both_set(evidence: &Evidence) -> Finding {
    let mut failures = evidence.login_failures().iter();
    let failure = failures.find(|it| matches!(it.answer, Cause::NotLoggedIn | Cause::TokenRejected));
    Finding::new(CauseId::TwoProviders, "ConfigMap argocd-cm, dex.config and oidc.config")
        .certain_if(failure.is_some())
        .when(if evidence.logged_in() { When::Later } else { When::Now })
        .seen("argocd-cm has oidc.config and dex.config")
        .seen_if(failure.map(|it| format!("{} logins end at {}: {}", it.count, it.step, shown(&it.message))))
        .why("a login goes to the issuer of oidc.config, and its token is then checked with the keys of the Dex inside Argo CD, which did not sign it")
        .fix(edit_settings(evidence, "take out dex.config or oidc.config, whichever is not meant"))
}

fn log(evidence: &Evidence) -> Option<String> {
    let (pod, said) = evidence.bundled.trouble.as_ref()?;
    Some(format!("the log of pod {} says: {}", shown(pod), shown(said)))
}

/// Argo CD does not take what stands in `dex.config`.
fn unusable(evidence: &Evidence) -> Option<Finding> {
    // A server that answers has taken it, or has not seen it yet.
    let certain = evidence.fails() || evidence.public().is_none();
    let finding = Finding::new(CauseId::DexConfig, CONFIG).certain_if(certain).when(when_settings(evidence));
    let (line, finding) = match &evidence.settings.there()?.dex {
        DexSettings::Unreadable(line) if evidence.uses_bundled() => (
            *line,
            finding
                .seen("dex.config is no YAML that Argo CD reads")
                .why("Argo CD takes it for not there and runs without SSO: /auth/login is 404, and its page has no button"),
        ),
        // Without an address Argo CD does not look at it.
        DexSettings::Malformed(words) if !evidence.url().is_empty() => (
            None,
            finding
                .seen(format!("dex.config can be read, and {words}"))
                .why("argocd-server ends on such a configuration (`malformed Dex configuration found`), at its start and also when it is written while the server runs: page and API are gone"),
        ),
        _ => return None,
    };
    let at = line.map_or_else(String::new, |line| format!(", line {line}"));
    let finding = Finding { at: format!("{CONFIG}{at}"), ..finding };
    Some(
        finding
            .seen_if(log(evidence))
            .fix(edit_settings(evidence, "dex.config: as Dex's documentation has it")),
    )
}

/// Argo CD puts `/api/dex` behind `url` as it stands.
fn url_with_slash(evidence: &Evidence) -> Option<Finding> {
    let url = Some(evidence.url()).filter(|url| url.ends_with('/'))?;
    let failure = evidence.failures().into_iter().find(|it| it.message.contains(&format!("/{PATH}")));
    // Whoever asks for it finds nobody; in files nobody does.
    if failure.is_none() && !evidence.files {
        return None;
    }
    Some(
        Finding::new(CauseId::ArgocdUrl, "ConfigMap argocd-cm, url")
            .seen(format!("url is {}, with a slash at its end", shown(url)))
            .quoting("Argo CD says", failure)
            .why("the issuer of the Dex inside Argo CD is `url` with /api/dex behind it, letter for letter; with oidc.config the same `url` works")
            .fix(set_url(evidence, url.trim_end_matches('/'))),
    )
}

/// Dex took over another `url`, and argocd-server asks for the issuer that it was before.
pub fn ahead(evidence: &Evidence) -> Option<Finding> {
    let now = format!("\"{}{PATH}\"", evidence.url());
    let said = evidence.failure(&[Cause::IssuerMismatch]).filter(|_| evidence.uses_bundled())?;
    said.message.contains(&now).then(|| {
        Finding::new(CauseId::StaleArgocd, format!("{}, settings", advice::at_server(evidence)))
            .seen(format!("url is {}", shown(evidence.url())))
            .quoting("Argo CD says", Some(said))
            .why("the issuer of the Dex inside Argo CD is `url` with /api/dex behind it: Dex took the new one over, and argocd-server did not")
            .fix(advice::restart_argocd(evidence))
    })
}

/// argocd-server and its Dex do not agree on TLS.
fn tls(evidence: &Evidence) -> Option<Finding> {
    const PLAIN_TO_TLS: &str = "client sent an http request to an https server";
    const OTHERS: [&str; 5] = [
        PLAIN_TO_TLS,
        "server gave http response to https client",
        "first record does not look like a tls handshake",
        "dex server certificate does not match",
        "x509: ",
    ];
    let (failure, words) = evidence.failures().into_iter().find_map(|failure| {
        let message = failure.message.to_ascii_lowercase();
        let words = OTHERS.into_iter().find(|words| message.contains(words))?;
        Some((failure, words))
    })?;
    let plaintext = |value: &str| set_data(evidence, PARAMS, "server.dex.server.plaintext", value);
    let change = match words {
        PLAIN_TO_TLS => plaintext("false"),
        "dex server certificate does not match" | "x509: " => {
            "give argocd-server the certificate of its Dex (Secret argocd-dex-server-tls), or take --dex-server-strict-tls back".to_owned()
        }
        _ => format!(
            "{}   # what speaks plain http there is Dex (dexserver.disable.tls) or a mesh",
            plaintext("true")
        ),
    };
    Some(
        Finding::new(CauseId::DexTls, object("ConfigMap", &evidence.namespace, PARAMS))
            .quoting("Argo CD says", failure)
            .why("argocd-server asks its Dex in another way than Dex answers: with TLS or without, or with another certificate")
            .fix(format!("{change}\n{}", advice::restart_argocd(evidence))),
    )
}

/// It does not run.
fn down(evidence: &Evidence) -> Option<Finding> {
    let failure = evidence.failures().into_iter().find(|it| is_nobody(it));
    let bundled = &evidence.bundled;
    let logs = format!("{} logs deploy/{} --tail=20", evidence.argocd_kubectl(), deployment(evidence));
    let finding = Finding::new(CauseId::DexDown, object("Deployment", &evidence.namespace, NAME));
    let finding = match &bundled.deployment {
        // Whose labels others have, its Dex may have others too.
        Seen::Absent if evidence.server.there().is_some() => finding
            .certainty(if evidence.files { Certainty::Possible } else { Certainty::Certain })
            .seen(match evidence.files {
                true => "the files have a Deployment of argocd-server and none of argocd-dex-server",
                false => "there is no Deployment of argocd-dex-server",
            })
            .fix("install it (chart: dex.enabled; manifests: all but core have it), or take dex.config out and name a provider in oidc.config"),
        Seen::There(dex) if dex.ready == 0 => {
            let states = bundled.pods.iter().filter_map(|pod| {
                Some(format!("{} {}", shown(&pod.name), shown(pod.waiting.as_ref()?)))
            });
            let states: Vec<String> = states.collect();
            finding
                .seen(format!("it is to have {} pods, and none is ready", dex.wanted))
                .seen_if((!states.is_empty()).then(|| listed(&states)))
                .fix(match (dex.wanted, &bundled.trouble) {
                    (0, _) => Fix::from(advice::scale_to_one(evidence, dex)),
                    (_, Some(_)) => edit_settings(evidence, "dex.config: mend what the log names"),
                    (_, None) => Fix::from(logs),
                })
        }
        // The wrapper goes on where Dex itself has ended, and says why in its log.
        _ => {
            failure?;
            match bundled.trouble {
                Some(_) => finding.fix(edit_settings(evidence, "dex.config: mend what the log names")),
                None => finding.certainty(Certainty::Likely).fix(format!(
                    "{logs}   # and whether --dex-server of argocd-server names its Service"
                )),
            }
        }
    };
    // Without a failure it is no news, unless nobody asked.
    let asked = evidence.outside.is_some() || evidence.redeemed().next().is_some();
    if failure.is_none() && asked && evidence.passes() {
        return None;
    }
    let certainty =
        if failure.is_some() { finding.certainty } else { finding.certainty.max(Certainty::Likely) };
    Some(
        finding.certainty(certainty).quoting("Argo CD says", failure).seen_if(log(evidence)).why(
            "Argo CD asks the Dex inside it who it is before it sends anybody there, and nobody answers",
        ),
    )
}

/// A static client of the same name comes after Argo CD's own and takes its place.
fn hidden_client(evidence: &Evidence) -> Option<Finding> {
    evidence.dex_settings().filter(|config| config.hides_own_client())?;
    let said = evidence.failure(&[Cause::UnregisteredRedirect, Cause::RedirectElsewhere]);
    let refused = evidence.takes(Form::Presented) != Taken::Yes && evidence.presented().refused > 0;
    Some(
        Finding::new(CauseId::DexClient, format!("{CONFIG} staticClients"))
            .certain_if(said.is_some() || refused)
            .when(when_settings(evidence))
            .seen("staticClients has a client with the id argo-cd")
            .quoting("Dex says", said)
            .seen_if(log(evidence))
            .why("Argo CD makes the client argo-cd itself, with its own callback and secret; one of the same name takes its place")
            .fix(edit_settings(evidence, "dex.config: staticClients without argo-cd, or with another id")),
    )
}

/// A `$…` that leads nowhere goes to the connector as it is written.
fn unresolved(evidence: &Evidence) -> Option<Finding> {
    let unresolved = &evidence.bundled.unresolved;
    let first = unresolved.first()?;
    let all: Vec<String> = unresolved.iter().map(|it| format!("{}: {}", it.field, it.reference)).collect();
    Some(
        Finding::new(CauseId::DexReference, format!("{CONFIG} {}", shown(&first.field)))
            .certainty(Certainty::Likely)
            .when(when_it_fails(evidence))
            .seen(format!("these lead to no value: {}", listed(&all)))
            .why("Argo CD hands the text of such a reference on to the connector as if it were the value: $KEY is a key of argocd-secret, $SECRET:KEY one of a Secret with the label app.kubernetes.io/part-of: argocd")
            .fix(edit(evidence, "argocd-cm", "correct the reference, or write the key that it names; Dex starts anew by itself")),
    )
}

/// A connector that is called back at an address which is not Dex's.
fn callback(evidence: &Evidence) -> Option<Finding> {
    let wanted = format!("{}{PATH}/callback", evidence.url().trim_end_matches('/'));
    let (id, callback) =
        evidence.dex_settings()?.callbacks.iter().find(|(_, callback)| *callback != wanted)?;
    Some(
        Finding::new(CauseId::RedirectUri, format!("{CONFIG} connectors, {}", shown(id)))
            .certainty(Certainty::Likely)
            .when(when_it_fails(evidence))
            .seen(format!("its redirectURI is {}, and Dex is called back at {}", shown(callback), shown(&wanted)))
            .why("what stands behind the connector sends people back to that address, and Dex does not answer there")
            .fix(edit_settings(evidence, &format!("dex.config: redirectURI: {}", shown(&wanted)))),
    )
}

/// Without a connector the page has no button.
fn no_connector(evidence: &Evidence) -> Option<Finding> {
    evidence.dex_settings()?.connectors.is_empty().then(|| {
        Finding::new(CauseId::DexConnector, format!("{CONFIG} connectors"))
            .seen("connectors is an empty list")
            .why("Argo CD's page shows a button for a login only where dex.config has a connector, although /auth/login works")
            .fix(edit_settings(evidence, "dex.config: a connector"))
    })
}

/// Several of it have each their own memory.
fn several(evidence: &Evidence) -> Option<Finding> {
    let dex = evidence.bundled.deployment.there().filter(|dex| dex.wanted > 1)?;
    Some(
        Finding::new(CauseId::CodeReused, format!("{}, spec.replicas", dex.place()))
            .seen(format!("it has {} replicas, of which {} are ready", dex.wanted, dex.ready))
            .why("each keeps the logins and codes that it began itself in its memory, and Argo CD gives it no other storage")
            .fix(advice::scale_to_one(evidence, dex)),
    )
}

/// It does not take the secret that is derived from `server.secretkey` now.
fn behind(evidence: &Evidence) -> Option<Finding> {
    let own_client = !evidence.dex_settings()?.hides_own_client();
    (own_client && evidence.takes(Form::Presented).is_refusal()).then(|| {
        Finding::new(CauseId::SecretMismatch, object("Deployment", &evidence.namespace, NAME))
            .certainty(sure(evidence))
            .when(when(evidence))
            .seen_if(evidence.provider.said_of(Form::Presented))
            .seen_if(key_written(evidence))
            .seen_if(of_openshift(evidence))
            .why("Dex does not take the client secret that is derived from server.secretkey as it is now: it still runs with the one of before")
            .fix(format!("{} rollout restart deploy/{}", evidence.argocd_kubectl(), deployment(evidence)))
    })
}

/// The name of its Deployment, for a command.
fn deployment(evidence: &Evidence) -> String {
    argument(evidence.bundled.deployment.there().map_or(NAME, |dex| dex.name.as_str()))
}

/// When something in its configuration matters that no failure has to show: now, if anything fails or nothing runs.
fn when_it_fails(evidence: &Evidence) -> When {
    if evidence.files || evidence.fails() { When::Now } else { When::Later }
}

/// When `server.secretkey` was written, and by whom.
fn key_written(evidence: &Evidence) -> Option<String> {
    let written = evidence.secret_written()?;
    let by =
        if written.by.is_empty() { "nobody says by whom" } else { &format!("by {}", shown(&written.by)) };
    Some(format!(
        "server.secretkey, from which both sides derive the client secret, was written at {}, {by}",
        super::at(written.at)
    ))
}

/// What OpenShift's operator writes into argocd-secret for a Dex of its own.
pub fn of_openshift(evidence: &Evidence) -> Option<String> {
    evidence.argocd_secret.there()?.value(OWN_KEY)?;
    Some(format!(
        "argocd-secret has {OWN_KEY}, which may be OpenShift GitOps': its operator manages this secret and may write it anew"
    ))
}

/// What has to be done so that the key does not change again.
pub fn keep_the_key(evidence: &Evidence) -> Option<String> {
    let written = evidence.secret_written()?;
    let by =
        if written.by.is_empty() { String::new() } else { format!("{} was the last; ", shown(&written.by)) };
    Some(format!(
        "find out what writes argocd-secret anew ({by}a sync, a chart, an operator) and keep server.secretkey out of it: each change ends all sessions too"
    ))
}
