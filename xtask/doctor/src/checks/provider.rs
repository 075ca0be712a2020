//! The identity provider: whether Argo CD reaches it, trusts it and means the same one.

use std::time::Duration;

use probe::{Cause, CauseId, Failure};
use url::Url;

use super::commands::{edit_settings, replace_in_dex, set_field};
use super::egress::{self, is_nobody};
use super::{at_field, bundled, ends_late, in_the_log, when_settings};
use crate::advice;
use crate::evidence::{DexConfig, DexSeen, Discovery, Document, Evidence, PodSeen, Rejected, Term};
use crate::finding::{Certainty, Finding, Fix};
use crate::shown::{exact, listed, shown};
use crate::web_address;

const ISSUER: &str = "ConfigMap argocd-cm, oidc.config issuer";
const ONE_NAME: &str = "Argo CD takes a provider for the one that it was told only if both names are the same, letter for letter: scheme, host, a slash at the end";

/// Findings about the provider.
pub fn check(evidence: &Evidence) -> Vec<Finding> {
    let mut findings = vec![];
    findings.extend(issuer(evidence));
    findings.extend(certificate(evidence));
    if findings.is_empty() {
        findings.extend(egress::by_proxy(evidence).or_else(|| unreachable(evidence)));
    }
    findings.extend([several_replicas, lifetimes].into_iter().filter_map(|check| check(evidence)));
    findings
}

/// What Dex in the cluster calls itself, if that is another name than Argo CD is told, and
/// this client is one of its own: then it is the provider that is meant.
fn another_dex(evidence: &Evidence) -> Option<&DexConfig> {
    let dex = evidence.provider.dex.there().filter(|dex| dex.deployment.ready > 0)?;
    let config = dex.config.as_ref().filter(|config| config.client.is_some())?;
    (!config.issuer.is_empty() && config.issuer != evidence.provider.issuer).then_some(config)
}

/// The issuer is empty, or nobody answers at its address, and Dex is there by another name.
fn another_issuer(evidence: &Evidence) -> Option<Finding> {
    // What stands behind a reference may not have been seen.
    let plain = evidence.oidc().is_some_and(|config| matches!(config.issuer, Term::Plain(_)));
    let empty = plain && evidence.provider.issuer.trim().is_empty();
    let failure = evidence
        .failures()
        .into_iter()
        .find(|it| is_nobody(it) || empty && matches!(it.cause, Cause::FirstStart | Cause::SsoOff));
    let dex = another_dex(evidence);
    if !empty && (failure.is_none() || dex.is_none()) {
        return None;
    }
    let host = |issuer: &str| web_address(issuer).and_then(|url| url.host_str().map(str::to_owned));
    let same_host = dex.is_some_and(|dex| host(&dex.issuer) == host(&evidence.provider.issuer));
    let finding = Finding::new(CauseId::IssuerMismatch, ISSUER);
    Some(
        match empty {
            true => finding,
            // By another scheme, port or path Argo CD would not take that Dex even where it answered.
            false if same_host => finding.certainty(Certainty::Likely),
            // That Dex may be somebody else's, and the provider that is meant may be down.
            false => finding.certainty(Certainty::Possible).one_of(
                &[CauseId::IssuerMismatch, CauseId::ProviderUnreachable],
                "whose name the issuer is: if no provider of yours is called so, the setting is wrong; if one is, it is down",
            ),
        }
            .when(when_settings(evidence))
            .seen(match empty {
                true => "issuer is empty or not there".to_owned(),
                false => format!("issuer is {}", shown(&evidence.provider.issuer)),
            })
            .quoting("Argo CD says", failure)
            .seen_if(dex.map(|config| {
                format!(
                    "Dex, which knows client {}, is up and has the issuer {} ({})",
                    shown(&evidence.client_id),
                    shown(&config.issuer),
                    shown(&config.at)
                )
            }))
            .why("Argo CD asks at the issuer's address who the provider is, and that is not where the provider is")
            .fix(match dex {
                Some(config) => set_field(evidence, "issuer", &config.issuer),
                None => edit_settings(evidence, "issuer: as the provider's discovery document has it"),
            }),
    )
}

/// Dex that answers at one host and calls itself by another: whoever followed its word
/// would look for it elsewhere, so it is Dex that has to be told its name.
fn its_own_name(evidence: &Evidence, document: &Document) -> Option<Fix> {
    let host = |issuer: &str| issuer.parse::<Url>().ok()?.host_str().map(str::to_owned);
    let config = evidence.provider.dex.there()?.config.as_ref()?;
    let elsewhere = host(&document.issuer) != host(&evidence.provider.issuer);
    (elsewhere && config.issuer == document.issuer)
        .then(|| replace_in_dex(evidence, config, &document.issuer, &evidence.provider.issuer))?
}

/// An issuer that no provider can have.
fn no_issuer(evidence: &Evidence) -> Option<Finding> {
    let issuer = evidence.provider.issuer.as_str();
    if evidence.uses_bundled() || issuer.trim().is_empty() {
        return None;
    }
    let nobody = evidence.failures().into_iter().find(|it| is_nobody(it));
    let finding = Finding::new(CauseId::IssuerMismatch, ISSUER)
        .when(when_settings(evidence))
        .quoting("Argo CD says", nobody);
    if web_address(issuer).is_none() {
        return Some(
            finding
                .seen(format!("issuer is {}, which is no web address", exact(issuer)))
                .why("Argo CD asks at the issuer's address who the provider is")
                .fix(match another_dex(evidence) {
                    Some(dex) => set_field(evidence, "issuer", &dex.issuer),
                    None => edit_settings(
                        evidence,
                        "issuer: as the provider's discovery document has it, with its scheme",
                    ),
                }),
        );
    }
    let (before, _) = issuer.split_once("/.well-known/")?;
    Some(
        finding
            .seen(format!("issuer is {}, the address of a discovery document", shown(issuer)))
            .why("Argo CD itself puts /.well-known/openid-configuration behind the issuer, and finds nothing there")
            .fix(set_field(evidence, "issuer", before)),
    )
}

/// An issuer in files that the Dex beside it has not.
fn of_files(evidence: &Evidence) -> Option<Finding> {
    let issuer = evidence.provider.issuer.as_str();
    let config = another_dex(evidence).filter(|_| evidence.files && !evidence.uses_bundled())?;
    let own = evidence.provider.own_dex().is_some();
    Some(
        Finding::new(CauseId::IssuerMismatch, ISSUER)
            .certainty(if own { Certainty::Likely } else { Certainty::Possible })
            .seen(format!("issuer is {}", exact(issuer)))
            .seen(format!(
                "Dex, which knows client {}, has the issuer {} ({})",
                shown(&evidence.client_id),
                exact(&config.issuer),
                shown(&config.at)
            ))
            .why(ONE_NAME)
            .fix(set_field(evidence, "issuer", &config.issuer)),
    )
}

fn issuer(evidence: &Evidence) -> Option<Finding> {
    if let Some(finding) =
        no_issuer(evidence).or_else(|| another_issuer(evidence)).or_else(|| of_files(evidence))
    {
        return Some(finding);
    }
    let said = evidence.failure(&[Cause::IssuerMismatch]).filter(|_| bundled::ahead(evidence).is_none());
    let differs = evidence.provider.other_name();
    let rejected = evidence.logged(|log| log.rejected).filter(|(_, why)| *why == Rejected::Issuer);
    let rejected = rejected.filter(|_| differs.is_some() && ends_late(evidence).is_some());
    // What answers here may be another server than the one that Argo CD reaches by that name, unless it is that Dex.
    let is_dex = || {
        evidence.provider.own_config().is_some_and(|dex| differs.is_some_and(|it| it.issuer == dex.issuer))
    };
    if said.is_none() && (differs.is_none() || evidence.passes() && !is_dex()) {
        return None;
    }
    let fix = match differs {
        Some(document) => its_own_name(evidence, document)
            .unwrap_or_else(|| set_field(evidence, "issuer", &document.issuer)),
        None => {
            edit_settings(evidence, "issuer: letter for letter as the provider's discovery document has it")
        }
    };
    Some(
        Finding::new(CauseId::IssuerMismatch, ISSUER)
            .certain_if(said.is_some() || rejected.is_some())
            .when(when_settings(evidence))
            .quoting("Argo CD says", said)
            .seen_if(rejected.map(in_the_log))
            .seen_if(differs.map(|document| {
                format!(
                    "issuer is {}, and the provider's discovery document (asked {}) says {}",
                    shown(&evidence.provider.issuer),
                    evidence.provider.way.words(),
                    shown(&document.issuer)
                )
            }))
            .why(ONE_NAME)
            .fix(fix),
    )
}

fn certificate(evidence: &Evidence) -> Option<Finding> {
    if evidence.uses_bundled() {
        return None;
    }
    let failure = evidence.failure(&[Cause::ProviderCertificate])?;
    let root = evidence.oidc().map(|config| config.root_ca.as_str());
    let says = |words: &str| failure.message.contains(words);
    let at_provider = "the provider's certificate".to_owned();
    let (place, why, fix) = if says("expired") || says("not yet valid") {
        let fix = "renew the certificate at the provider, or set the clocks".into();
        (at_provider, "the provider's certificate is not valid at the time that Argo CD's clock shows", fix)
    } else if says("is valid for") || says("doesn't contain any IP SANs") || says("not valid for any names") {
        let issuer = shown(&evidence.provider.issuer);
        let fix = Fix::from(format!(
            "give the provider a certificate for {issuer}, or write the name that it is for into issuer"
        ));
        (at_provider, "the provider's certificate is for other names than the issuer's", fix)
    } else {
        let fix = edit_settings(evidence, "rootCA: the certificate of the provider's authority in PEM");
        (
            at_field("rootCA"),
            "the provider's certificate is signed by an authority that Argo CD does not trust",
            fix,
        )
    };
    // The doctor trusts the system's authorities and rootCA, as Argo CD does with what is set now.
    let held = root.map(|root| match (root, &evidence.provider.discovery) {
        ("", Discovery::Document(_)) => "is not set; this machine trusts what the provider shows".to_owned(),
        (_, Discovery::Document(_)) => {
            "is set, and what the provider shows is signed by it or by an authority of this machine"
                .to_owned()
        }
        ("", _) => "is not set".to_owned(),
        (root, _) if !root.contains("-----BEGIN CERTIFICATE-----") => {
            "is set, and is no certificate in PEM".to_owned()
        }
        (_, Discovery::NoAnswer(words)) => {
            format!("is set, and the doctor, which trusts it, is told: {}", shown(words))
        }
        _ => "is set".to_owned(),
    });
    Some(
        Finding::new(CauseId::ProviderCa, place)
            .quoting("Argo CD says", failure)
            .seen_if(held.map(|held| format!("rootCA {held}")))
            .why(why)
            .fix(fix),
    )
}

fn unreachable(evidence: &Evidence) -> Option<Finding> {
    let failure = evidence.failures().into_iter().find(|it| is_nobody(it));
    let own = match &evidence.provider.discovery {
        Discovery::NoAnswer(words) => Some(shown(words)),
        Discovery::Status(status @ (404 | 500..=599)) => Some(format!("status {status}")),
        _ => None,
    };
    // Only this machine does not reach it: that says nothing about Argo CD, unless
    // nobody asked Argo CD.
    let asked = evidence.outside.is_some() || evidence.pods.iter().any(|pod| !pod.rehearsed.is_empty());
    let dex = evidence.provider.own_dex();
    let down = dex.filter(|dex| dex.deployment.ready == 0);
    if failure.is_none() && (down.is_none() || (asked && own.is_none())) {
        return None;
    }
    let by_whom =
        |failure: &Failure| if failure.step.is_argocds() { "Argo CD says" } else { "on the way to its form" };
    // By a proxy, who says so may be the proxy.
    let proxied = egress::of_issuer(evidence).filter(|_| down.is_none());
    let in_the_way = egress::in_the_way(evidence, failure).filter(|_| down.is_none());
    let (place, way, fix) = match (down, in_the_way) {
        (_, Some((place, seen, fix))) => (place, Some(seen), Some(fix)),
        (Some(dex), None) => (dex.deployment.place(), None, None),
        (None, None) => (ISSUER.to_owned(), None, None),
    };
    let reached = egress::answers(evidence) && failure.is_some();
    let finding = Finding::new(CauseId::ProviderUnreachable, place)
        .certain_if(failure.is_some() && way.is_none() && (down.is_some() || !egress::may_be_proxied(evidence)))
        .quoting(failure.map_or("", by_whom), failure)
        .seen_if(own.map(|words| {
            format!("asked for its discovery document ({}): {words}", evidence.provider.way.words())
        }))
        .seen_if(down.map(pods_of))
        .seen_if(way)
        .seen_if(reached.then(|| egress::reached(evidence)))
        .seen_if(proxied.as_ref().map(egress::in_words))
        .why("Argo CD asks the provider who it is before it sends anybody there, and for a token after; nobody answers at its address")
        .fix(match (down, fix) {
            (Some(dex), _) if dex.deployment.wanted == 0 => advice::scale_to_one(evidence, &dex.deployment),
            (Some(dex), _) => format!("{} describe pods", evidence.kubectl_of(&dex.deployment.namespace)),
            (None, Some(fix)) => fix,
            (None, None) if reached => egress::look_there(evidence),
            (None, None) => format!(
                "bring the provider up, or make its name ({}) known to the cluster's DNS and correct the issuer",
                shown(&evidence.provider.issuer)
            ),
        });
    Some(match proxied {
        Some(proxied) => finding.one_of(
            &[CauseId::ProviderUnreachable, CauseId::EgressProxy],
            format!(
                "ask for the discovery document from a pod of that namespace, with {} and without",
                proxied.variable
            ),
        ),
        None => finding,
    })
}

fn pods_of(dex: &DexSeen) -> String {
    let state = |pod: &PodSeen| {
        format!("{} {}", shown(&pod.name), shown(pod.waiting.as_deref().unwrap_or("not ready")))
    };
    let states: Vec<String> = dex.pods.iter().map(state).collect();
    let wanted = dex.deployment.wanted;
    format!(
        "Dex's Deployment wants {wanted} pods and {} are ready; its pods: {}",
        dex.deployment.ready,
        listed(&states)
    )
}

/// Codes are in the memory of the replica that gave them out.
pub(super) fn several_replicas(evidence: &Evidence) -> Option<Finding> {
    let dex = evidence.provider.own_dex()?;
    let config = dex.config.as_ref()?;
    let running = dex.pods.iter().filter(|pod| pod.ready && !pod.ending).count();
    (config.storage == "memory" && (dex.deployment.wanted > 1 || running > 1)).then(|| {
        Finding::new(CauseId::CodeReused, format!("{}, spec.replicas", dex.deployment.place()))
            .seen(format!("Dex has {} replicas, of which {running} are ready", dex.deployment.wanted))
            .seen(format!("storage.type is memory ({})", shown(&config.at)))
            .why("each replica knows only the logins and codes that it began itself, and signs with keys of its own; a login whose requests meet two of them fails")
            .fix(advice::scale_to_one(evidence, &dex.deployment))
            .lasting(Some("give Dex a storage that its replicas share (kubernetes)".to_owned()))
    })
}

/// Tokens that end before anybody can use them.
fn lifetimes(evidence: &Evidence) -> Option<Finding> {
    const SHORTEST: Duration = Duration::from_secs(60);
    let config = evidence.provider.own_config()?;
    let text = config.id_tokens.as_ref()?;
    let time = base::go_duration(text.trim())?;
    // Zero is Go's word for the default.
    let said = ends_late(evidence);
    (!time.is_zero() && time < SHORTEST).then(|| {
        Finding::new(CauseId::Clock, format!("{}, expiry.idTokens", shown(&config.at)))
            .certain_if(said.is_some())
            .seen(format!("Dex's ID tokens live for {}", shown(text)))
            .seen_if(said)
            .why("a token that is expired when Argo CD looks at it opens nothing, and a page that finds itself logged out begins a new login")
            .fix(format!("let tokens live longer: expiry.idTokens in {} (Dex's default is 24h), and restart Dex", shown(&config.at)))
    })
}
