//! The checks: from evidence to findings. Each is a plain function, and none looks at
//! anything but the evidence.

mod bundled;
mod client;
mod command_line;
mod commands;
mod egress;
mod login;
mod provider;
mod reference;
mod replicas;
mod rights;
mod rotation;
mod secrets;
mod server;
mod settings;
mod stale;

use jiff::Timestamp;
use probe::{CauseId, Step};

use super::evidence::{DexSeen, Evidence, Rejected};
use super::finding::{Certainty, Finding, When, in_order};
use super::shown::{argument, shown};

pub use rights::NO_POLICY;
pub use rotation::safe_order;

/// Everything that is to be found, in the order in which it should be read.
pub fn all(evidence: &Evidence) -> Vec<Finding> {
    let mut findings = bundled::check(evidence);
    findings.extend(client::unreadable(evidence));
    let now = findings.iter().filter(|finding| finding.when == When::Now);
    let explained: Vec<CauseId> = now.flat_map(|finding| bundled::explains(finding.id)).copied().collect();
    let reference = reference::check(evidence);
    // What a reference that leads nowhere explains needs no other explanation.
    let leads_nowhere = !reference.is_empty();
    findings.extend(reference);
    if let Some(finding) = client::unknown(evidence).or_else(|| disabled(evidence)) {
        // It takes no secret for a client that it does not know, or lets nobody in by.
        findings.push(finding);
    } else if leads_nowhere {
        findings.extend(secrets::behind_reference(evidence));
    } else {
        findings.extend(secrets::value(evidence));
        findings.extend(stale::secret(evidence));
    }
    findings.extend(client::without_id(evidence));
    findings.extend(client::pkce(evidence));
    findings.extend(command_line::check(evidence));
    findings.extend(replicas::check(evidence));
    let mut general = settings::check(evidence);
    general.extend(provider::check(evidence));
    general.extend(server::check(evidence));
    general.extend(login::check(evidence));
    general.extend(rights::ends_on(evidence));
    general.extend(evidence.pasted.as_ref().and_then(|user| rights::check(evidence, user)));
    general.extend(rights::of_files(evidence));
    general.retain(|finding| !explained.contains(&finding.id));
    findings.extend(general);
    // Other settings than argocd-cm has are a reason only where nothing in them is one.
    if evidence.fails() && !findings.iter().any(|finding| finding.when == When::Now) {
        findings.extend(bundled::ahead(evidence).or_else(|| stale::settings(evidence)));
    }
    // Where something is sure to explain what is seen, one of several is no news.
    let explains = |finding: &Finding| {
        let beside = matches!(finding.id, CauseId::DexConnector | CauseId::CodeReused);
        finding.when == When::Now && finding.certainty == Certainty::Certain && !beside
    };
    // Nothing is seen to fail in files, so that each stands by itself.
    if findings.iter().any(explains) && !evidence.files {
        findings.retain(|finding| finding.certainty != Certainty::Possible);
    }
    let findings = findings.into_iter().map(|finding| in_files(evidence, at_its_source(evidence, finding)));
    in_order(findings.collect())
}

/// A client that is switched off; beside a secret that has expired there may be a newer one.
fn disabled(evidence: &Evidence) -> Option<Finding> {
    secrets::ended_at_provider(evidence).filter(|finding| finding.id == CauseId::ClientDisabled)
}

/// What is wrong in files shows once they are applied; a cluster may have more of a Secret than they do.
fn in_files(evidence: &Evidence, mut finding: Finding) -> Finding {
    if !evidence.files {
        return finding;
    }
    if finding.when == When::Now {
        finding.when = When::Applied;
    }
    if finding.at.starts_with("Secret ") {
        finding.certainty = finding.certainty.max(Certainty::Likely);
    }
    finding
}

/// A Secret that something else makes is not mended by writing into it.
fn at_its_source(evidence: &Evidence, mut finding: Finding) -> Finding {
    let dex = evidence.provider.dex.there().and_then(|dex| dex.secret.as_ref()).map(|(secret, _)| secret);
    let secrets = [evidence.named_secret.there(), evidence.argocd_secret.there(), dex];
    for secret in secrets.into_iter().flatten() {
        let Some(maker) = &secret.maker else { continue };
        let name = argument(&secret.name);
        let writes = ["patch secret ", "label --overwrite secret "].map(|verb| format!("{verb}{name} "));
        let is_write = |line: &str| writes.iter().any(|write| format!("{line} ").contains(write));
        if !finding.fix.lines().any(is_write) {
            continue;
        }
        let place = secret.place();
        let maker = shown(maker);
        let instead = format!(
            "change it in {maker}, or where that takes it from: what is written into {place} is lost"
        );
        let lines = finding.fix.lines().map(|line| if is_write(line) { instead.as_str() } else { line });
        let fix = lines.collect::<Vec<_>>().join("\n");
        finding = finding.seen(format!("{place} is made by {maker}")).fix(fix);
    }
    finding
}

/// What a rotation of the client secret would lead to.
pub fn before_rotation(evidence: &Evidence) -> Vec<Finding> {
    in_order(rotation::check(evidence))
}

/// How sure a refusal of the client secret is: that the provider answers a right one otherwise was seen, or it is
/// the Dex that was looked at, whose words are known. Else there are only its words.
fn sure(evidence: &Evidence) -> Certainty {
    let own_dex = evidence.provider.own_dex();
    let running = |dex: &DexSeen| dex.pods.iter().filter(|pod| pod.runs()).count();
    // Pods that were started at different times may take different secrets.
    let several = own_dex.is_some_and(|dex| running(dex) > 1);
    let known = own_dex.is_some() || evidence.bundled.same_keys == Some(true);
    if !several && (evidence.refuses_surely() || known) { Certainty::Certain } else { Certainty::Likely }
}

/// When something that is wrong with the secret matters: now, unless Argo CD was seen to
/// present one that the provider takes, which it then still has from before, or nobody takes any.
fn when(evidence: &Evidence) -> When {
    let presented = evidence.presented();
    let nobody = evidence.failures().into_iter().any(egress::is_nobody);
    if presented.refused == 0 && (presented.taken > 0 || nobody) { When::Later } else { When::Now }
}

/// When something that is wrong in the settings matters: later, if logins are seen to pass
/// with what the server has from before.
fn when_settings(evidence: &Evidence) -> When {
    if evidence.passes() { When::Later } else { When::Now }
}

/// A login of a user that came back from the provider and failed then, in words.
fn ends_late(evidence: &Evidence) -> Option<String> {
    let failure = evidence.login_failures().first()?;
    matches!(failure.step, Step::Callback | Step::Userinfo)
        .then(|| format!("a login ends at {}: {}", failure.step, shown(&failure.message)))
}

/// A field of `oidc.config`, as a place.
fn at_field(field: &str) -> String {
    format!("ConfigMap argocd-cm, oidc.config {field}")
}

/// Why argocd-server does not take a token, by its log.
fn in_the_log((time, why): (Timestamp, Rejected)) -> String {
    format!("argocd-server's log says at {} why it does not take a token: {}", at(time), why.words())
}

/// A moment, for a person.
fn at(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod bundled_tests;
#[cfg(test)]
mod by_hand_tests;
#[cfg(test)]
mod command_line_tests;
#[cfg(test)]
mod tests;
