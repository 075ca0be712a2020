//! The way from argocd-server's pods to the provider: a proxy, names that are given an address, policies of the
//! network. What stands there explains why Argo CD does not reach a provider that answers others.

use probe::{Cause, CauseId, Failure, Step};
use url::Url;

use crate::advice;
use crate::evidence::egress::{Proxied, may_be_unseen, proxied};
use crate::evidence::{Discovery, Evidence};
use crate::finding::{Finding, Fix};
use crate::shown::{argument, exact, listed, shown};

/// Whether a failure says that nobody answers at the provider's address: Argo CD's own words say so, and of what a
/// browser is told the step does.
pub fn is_nobody(failure: &Failure) -> bool {
    match failure.cause {
        Cause::ProviderUnknownHost
        | Cause::ProviderRefusesConnections
        | Cause::ProviderBadGateway
        | Cause::ProviderUnreachable => true,
        Cause::FrontWithoutBackend => matches!(failure.step, Step::Authorize | Step::Form),
        _ => false,
    }
}

/// Argo CD asks by a proxy that does not lead to the provider.
pub fn by_proxy(evidence: &Evidence) -> Option<Finding> {
    let mut failures = evidence.failures().into_iter();
    let failure = failures.find(|it| it.cause == Cause::ProviderByProxy || is_nobody(it))?;
    let proxied = of_issuer(evidence);
    let said = failure.cause == Cause::ProviderByProxy;
    // Whom the doctor reaches itself is there; by the proxy Argo CD does not.
    if !said && (proxied.is_none() || !answers(evidence)) {
        return None;
    }
    let deployment = advice::at_server(evidence);
    let place = match &proxied {
        Some(proxied) => format!("{deployment}, env {}", proxied.variable),
        None => format!("{deployment}, HTTP_PROXY and HTTPS_PROXY of its pods"),
    };
    Some(
        Finding::new(CauseId::EgressProxy, place)
            .certain_if(said)
            .quoting("Argo CD says", failure)
            .seen_if(proxied.as_ref().map(in_words))
            .seen_if(proxied.as_ref().map(|proxied| exempt(evidence, proxied)))
            .seen_if(answers(evidence).then(|| reached(evidence)))
            .why(match said {
                true => "argocd-server is told to ask by a proxy, and does not reach the proxy",
                false => "argocd-server is told to ask by a proxy, and the proxy does not lead to the provider, which is there",
            })
            .fix(leave_out(evidence, proxied.as_ref())),
    )
}

/// The proxy by which argocd-server asks the issuer.
pub fn of_issuer(evidence: &Evidence) -> Option<Proxied> {
    let issuer: Url = evidence.provider.issuer.parse().ok()?;
    proxied(evidence.server.there()?, &issuer)
}

/// Whether argocd-server may ask by a proxy, so that who says that nobody answers may be the proxy.
pub fn may_be_proxied(evidence: &Evidence) -> bool {
    of_issuer(evidence).is_some() || evidence.server.there().is_some_and(may_be_unseen)
}

/// Whether the provider answered the doctor itself.
pub fn answers(evidence: &Evidence) -> bool {
    matches!(evidence.provider.discovery, Discovery::Document(_))
}

/// That it did, in words.
pub fn reached(evidence: &Evidence) -> String {
    format!("the provider gives the doctor its discovery document (asked {})", evidence.provider.way.words())
}

/// The proxy, in words.
pub fn in_words(proxied: &Proxied) -> String {
    format!("{} of argocd-server's pods is {}", proxied.variable, exact(&proxied.proxy))
}

fn exempt(evidence: &Evidence, proxied: &Proxied) -> String {
    let host = host(evidence).unwrap_or_default();
    match &proxied.no_proxy {
        Some(names) => format!("NO_PROXY is {}, without {}", exact(names), shown(&host)),
        None => format!("NO_PROXY is not set, so {} is asked for by the proxy", shown(&host)),
    }
}

fn host(evidence: &Evidence) -> Option<String> {
    evidence.provider.issuer.parse::<Url>().ok()?.host_str().map(str::to_owned)
}

fn leave_out(evidence: &Evidence, proxied: Option<&Proxied>) -> Fix {
    let kubectl = evidence.argocd_kubectl();
    let now = proxied.and_then(|it| it.no_proxy.clone());
    let names: Vec<String> = now.clone().into_iter().chain(host(evidence)).collect();
    let line = |names: &str| format!("NO_PROXY={names}");
    let to = line(&names.join(","));
    Fix::from(format!(
        "{kubectl} set env {} {}   # where the provider is reached without the proxy; else correct the proxy's address",
        advice::deploy_server(evidence),
        argument(&to)
    ))
    .changing(&format!("{}, env", advice::at_server(evidence)), now.map(|now| shown(&line(&now))), Some(shown(&to)))
}

/// What stands in the way of argocd-server's pods: the place, what was seen there, and what to do.
pub fn in_the_way(evidence: &Evidence, failure: Option<&Failure>) -> Option<(String, String, String)> {
    let kubectl = evidence.argocd_kubectl();
    let server = evidence.server.there()?;
    let host = host(evidence)?;
    let deployment = server.place();
    let aliases = server.host_aliases.iter().filter(|_| answers(evidence));
    if let Some((name, address)) = aliases.into_iter().find(|(name, _)| *name == host) {
        return Some((
            format!("{deployment}, hostAliases"),
            format!("its pods are told that {} is at {}", shown(name), shown(address)),
            format!(
                "{kubectl} edit deploy/{}   # hostAliases: {} is elsewhere, or known to DNS",
                argument(&server.name),
                shown(name)
            ),
        ));
    }
    // A policy drops packets, and says nothing: also those to the cluster's own DNS.
    let silent = ["i/o timeout", "deadline exceeded", "no such host", "server misbehaving"];
    let message = failure.map(|failure| failure.message.to_lowercase()).unwrap_or_default();
    let policies = &evidence.restricting;
    if policies.is_empty() || !silent.iter().any(|words| message.contains(words)) {
        return None;
    }
    let names: Vec<&String> = policies.iter().map(|policy| &policy.name).collect();
    let nobody = policies.iter().all(|policy| policy.nobody);
    let does = if nobody { "lets them reach nobody" } else { "restricts whom they reach" };
    Some((
        format!("NetworkPolicy {}", listed(&names)),
        format!("it holds for argocd-server's pods and {does}"),
        format!(
            "{kubectl} edit networkpolicy {}   # egress: to {}, and to the cluster's DNS (port 53)",
            argument(&policies[0].name),
            shown(&host)
        ),
    ))
}

/// `kubectl` that looks at the way itself, from inside.
pub fn look_there(evidence: &Evidence) -> String {
    format!(
        "the provider answers others: look at the way from argocd-server's pods (DNS, firewall), then\n{}",
        advice::restart_argocd(evidence)
    )
}
