//! The value behind `clientSecret`: whether it is what the provider expects.

use probe::{Cause, CauseId};

use super::{at, at_field, when};
use crate::doctor::advice;
use crate::doctor::evidence::{DexSeen, Evidence, Form, PART_OF, Reference, SecretSeen, Term};
use crate::doctor::finding::{Finding, When};
use crate::doctor::hidden::Hidden;
use crate::doctor::shown::{argument, shown};

/// Whether the value is what the provider expects.
pub fn value(evidence: &Evidence) -> Vec<Finding> {
    let Some(current) = &evidence.current else { return vec![] };
    let mut findings = vec![];
    if let Some(unknown) = unknown_client(evidence) {
        return vec![unknown];
    }
    if let Some(form) = evidence.provider.takes_instead().or_else(|| dex_has_white_space(evidence, current)) {
        findings.push(another_form(evidence, current, form));
    } else if agrees(evidence) == Some(false) {
        findings.push(mismatch(evidence, current));
    }
    if findings.is_empty() {
        findings.extend(untidy(evidence));
    }
    findings
}

/// Whether the provider takes the secret that stands in the Secret now: by its own word,
/// else by what Dex was started with. `None` if nobody can tell.
pub fn agrees(evidence: &Evidence) -> Option<bool> {
    if let Some(takes) = evidence.provider.takes(Form::Presented) {
        return Some(takes);
    }
    let current = evidence.current.as_ref()?;
    let dex = evidence.provider.dex.there()?;
    let (secret, key) = dex.secret.as_ref()?;
    let same = secret.value(key)? == current;
    // Dex that was started before the Secret was written has another value.
    match (same, dex_is_stale(dex)) {
        (true, false) => Some(true),
        (false, false) => Some(false),
        (_, true) => None,
    }
}

/// Whether Dex runs since before its Secret was written.
fn dex_is_stale(dex: &DexSeen) -> bool {
    let written = dex.secret.as_ref().and_then(|(secret, key)| secret.keys.get(key)?.written.as_ref());
    match (dex.oldest(), written) {
        (Some(oldest), Some(written)) => oldest < written.at,
        _ => false,
    }
}

fn dex_has_white_space(evidence: &Evidence, current: &Hidden) -> Option<Form> {
    let (secret, key) = evidence.provider.dex.there()?.secret.as_ref()?;
    let value = secret.value(key)?;
    let differs = value != current && value.trimmed() == *current;
    // What the provider itself says comes first.
    (differs && evidence.provider.takes(Form::Presented).is_none()).then_some(Form::WithLineBreak)
}

fn unknown_client(evidence: &Evidence) -> Option<Finding> {
    let failure = evidence.failure(&[Cause::UnknownClient])?;
    Some(
        Finding::new(CauseId::SecretMismatch, at_field("clientID"))
            .seen(format!("the provider's page says: {}", shown(&failure.message)))
            .seen(format!("clientID is {}", shown(&evidence.client_id)))
            .why("the provider has no client with this ID, so it takes no secret for it either")
            .fix(format!(
                "{} edit configmap argocd-cm   # clientID: as the provider registered it\n{}",
                evidence.argocd_kubectl(),
                advice::restart_argocd(evidence)
            )),
    )
}

/// Where the client secret of Argo CD stands.
fn place(evidence: &Evidence) -> (String, Option<(String, String)>) {
    let namespace = shown(&evidence.namespace);
    match evidence.oidc().map(|config| &config.client_secret) {
        Some(Term::Reference(Reference::Of { secret, key })) => (
            format!("Secret {namespace}/{}, key {}", shown(secret), shown(key)),
            Some((secret.clone(), key.clone())),
        ),
        Some(Term::Reference(Reference::Own(key))) => (
            format!("Secret {namespace}/argocd-secret, key {}", shown(key)),
            Some(("argocd-secret".to_owned(), key.clone())),
        ),
        _ => (at_field("clientSecret"), None),
    }
}

fn another_form(evidence: &Evidence, current: &Hidden, form: Form) -> Finding {
    let (at, _) = place(evidence);
    let dex = evidence.provider.dex.there();
    let dex_secret = dex.and_then(|dex| dex.secret.as_ref());
    let fingerprints = &evidence.fingerprints;
    let dex_seen = dex_secret.and_then(|(secret, key)| {
        let value = secret.value(key)?;
        let space = value.white_space()?;
        let (namespace, name) = (shown(&secret.namespace), shown(&secret.name));
        Some(format!(
            "Secret {namespace}/{name}, key {}, has {space} ({})",
            shown(key),
            fingerprints.of(value)
        ))
    });
    let (why, fix) = match form {
        Form::AsStored | Form::WithLineBreak | Form::Presented => (
            "the provider was given white space as a part of the secret; Argo CD cuts it off before it presents the secret, so the two differ"
                .to_owned(),
            match dex_secret {
                Some((secret, key)) => format!(
                    "{} -n {} get secret {} -o json | jq '{{data: {{{}: (.data[{}] | @base64d | sub(\"\\\\s+$\"; \"\") | @base64)}}}}' | {} -n {} patch secret {} --patch-file /dev/stdin\n{}",
                    evidence.kubectl,
                    argument(&secret.namespace),
                    argument(&secret.name),
                    json_key(key),
                    json_key(key),
                    evidence.kubectl,
                    argument(&secret.namespace),
                    argument(&secret.name),
                    restart_dex(evidence)
                ),
                None => "give the provider the secret without the white space (printf, not echo)".to_owned(),
            },
        ),
        Form::Decoded => (
            "the value was encoded in base64 twice: what Kubernetes decodes is base64 still, and Argo CD presents that".to_owned(),
            format!(
                "write the secret itself into the Secret: stringData, or base64 once\n{}",
                advice::restart_argocd(evidence)
            ),
        ),
        Form::Encoded => (
            "the provider was given the base64 of the secret, as it stands in a manifest, and Argo CD presents the secret itself".to_owned(),
            "give the provider the secret itself".to_owned(),
        ),
    };
    Finding::new(CauseId::SecretWhitespace, at)
        .when(when(evidence))
        .seen(format!("Argo CD presents {} (without white space around it)", fingerprints.of(current)))
        .seen_if(evidence.provider.said_of(Form::Presented))
        .seen_if(evidence.provider.said_of(form))
        .seen_if(dex_seen)
        .why(why)
        .fix(fix)
}

/// The Secret has white space that Argo CD cuts off, so logins pass.
fn untidy(evidence: &Evidence) -> Option<Finding> {
    let (at, place) = place(evidence);
    let (name, key) = place?;
    let secret: &SecretSeen = match name.as_str() {
        "argocd-secret" => evidence.argocd_secret.there()?,
        _ => evidence.named_secret.there()?,
    };
    let value = secret.value(&key)?;
    let space = value.white_space()?;
    Some(
        Finding::new(CauseId::SecretWhitespace, at)
            .when(When::Later)
            .seen(format!("the value has {space} ({})", evidence.fingerprints.of(value)))
            .why("Argo CD cuts it off and logins pass; whoever copies the value to the provider copies it too, and then the two differ")
            .fix(write_key(&evidence.argocd_kubectl(), &name, &key)),
    )
}

fn mismatch(evidence: &Evidence, current: &Hidden) -> Finding {
    let (field, own) = place(evidence);
    let fingerprints = &evidence.fingerprints;
    let finding = Finding::new(CauseId::SecretMismatch, field)
        .when(when(evidence))
        .seen_if(evidence.provider.said_of(Form::Presented))
        .seen(format!("Argo CD's Secret holds {}", fingerprints.of(current)));
    let restart = advice::restart_argocd(evidence);
    let dex = evidence.provider.dex.there();
    let Some((dex, (secret, key))) = dex.and_then(|dex| Some((dex, dex.secret.as_ref()?))) else {
        let fix = match &own {
            Some((name, key)) => write_key(&evidence.argocd_kubectl(), name, key),
            None => format!("{} edit configmap argocd-cm   # clientSecret", evidence.argocd_kubectl()),
        };
        return finding
            .why("the provider expects another client secret than the one in Argo CD's Secret")
            .fix(format!("{fix}   # the secret that the provider issued for this client\n{restart}"));
    };
    let of_dex = format!("Secret {}/{}, key {}", shown(&secret.namespace), shown(&secret.name), shown(key));
    let Some(value) = secret.value(key) else {
        return finding
            .seen(format!("{of_dex}, from which Dex takes it, is empty or not there"))
            .why("Dex takes a variable that is not set for the empty secret")
            .fix(format!("write the client secret into {of_dex}\n{}", restart_dex(evidence)));
    };
    let finding =
        finding.seen(format!("{of_dex}, from which Dex takes it, holds {}", fingerprints.of(value)));
    if value == current {
        let written = secret.keys.get(key).and_then(|key| key.written.as_ref()).map(|written| at(written.at));
        let oldest = dex.oldest().map(at);
        let times = match (written, oldest) {
            (Some(written), Some(oldest)) => {
                Some(format!("that Secret was written at {written}, and Dex runs since {oldest}"))
            }
            _ => None,
        };
        return finding
            .seen_if(times)
            .why("both Secrets agree, and Dex still has the secret that it was started with: it reads its variables once")
            .fix(restart_dex(evidence));
    }
    let copy = match &own {
        Some((name, own_key)) => format!(
            "{} -n {} get secret {} -o json | jq '{{data: {{{}: .data[{}]}}}}' | {} patch secret {} --patch-file /dev/stdin",
            evidence.kubectl,
            argument(&secret.namespace),
            argument(&secret.name),
            json_key(own_key),
            json_key(key),
            evidence.argocd_kubectl(),
            argument(name)
        ),
        None => format!(
            "{} edit configmap argocd-cm   # clientSecret: a reference to a Secret with the value that Dex has",
            evidence.argocd_kubectl()
        ),
    };
    finding.why("Argo CD's Secret and Dex's hold different client secrets").fix(format!("{copy}\n{restart}"))
}

/// A key of a JSON object, as jq takes it inside single quotes.
fn json_key(key: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    format!("\"{}\"", key.chars().filter(|c| plain(*c)).collect::<String>())
}

fn restart_dex(evidence: &Evidence) -> String {
    let dex = evidence.provider.dex.there().map(|dex| &dex.deployment);
    let (namespace, name) = dex.map_or(("dex", "dex"), |dex| (dex.namespace.as_str(), dex.name.as_str()));
    format!("{} -n {} rollout restart deploy/{}", evidence.kubectl, argument(namespace), argument(name))
}

/// A new Secret from standard input, so that the value stands in no command line.
pub fn create(kubectl: &str, secret: &str, key: &str) -> String {
    format!(
        "printf %s \"$SECRET\" | {kubectl} create secret generic {} --from-file={}=/dev/stdin && {kubectl} label secret {} {}={}",
        argument(secret),
        argument(key),
        argument(secret),
        PART_OF.0,
        PART_OF.1
    )
}

/// A key written from standard input, so that the value stands in no command line.
pub fn write_key(kubectl: &str, secret: &str, key: &str) -> String {
    format!(
        "printf %s \"$SECRET\" | jq -Rs '{{stringData: {{{}: .}}}}' | {kubectl} patch secret {} --patch-file /dev/stdin",
        json_key(key),
        argument(secret)
    )
}
