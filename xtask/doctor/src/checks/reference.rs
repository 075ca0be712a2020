//! How `oidc.config` names the client secret, and whether that leads to one.

use probe::CauseId;
use releases::Era;

use super::client;
use super::commands::{edit_settings, set_field};
use super::secrets::Key;
use super::{at, at_field, when, when_settings};
use crate::advice;
use crate::evidence::{Evidence, OWN, PART_OF, Reference, Seen, Term};
use crate::finding::{Finding, Fix};
use crate::shown::{listed, object, shown};

/// What happens where a reference leads nowhere.
const LITERALLY: &str = "Argo CD presents the text of the reference to the provider instead of the secret, and the provider refuses it";

/// Whether the reference leads to a value.
pub fn check(evidence: &Evidence) -> Vec<Finding> {
    let Some(config) = evidence.oidc() else { return vec![] };
    let mut findings = vec![];
    match &config.client_secret {
        Term::Plain(value) if value.is_empty() => findings.extend(no_secret(evidence)),
        Term::Plain(value) if value.text().contains('$') => {
            findings.extend(misspelt(evidence, "with something before its `$`, which makes it a plain text"));
        }
        Term::Plain(_) => findings.extend(misspelt(evidence, "without a `$` before it")),
        Term::Reference(reference @ Reference::Of { .. })
            if !reference.is_name() && evidence.meant_secret.is_some() =>
        {
            findings.extend(misspelt(evidence, "with braces or blanks around the names"));
        }
        Term::Reference(Reference::Of { secret, key }) => findings.extend(of_other(evidence, secret, key)),
        Term::Reference(own @ Reference::Own(key)) => findings.extend(of_own(evidence, own, key)),
    }
    let other = client_id(evidence).or_else(|| of_other_fields(evidence));
    findings.extend(other.or_else(|| nowhere(evidence)));
    findings
}

/// A reference in `issuer`, which older releases do not resolve.
fn of_other_fields(evidence: &Evidence) -> Option<Finding> {
    let release = evidence.release.as_ref().filter(|release| !release.is_at_least(2, 8, 0))?;
    let Term::Reference(reference) = &evidence.oidc()?.issuer else { return None };
    Some(
        Finding::new(CauseId::SecretReference, at_field("issuer"))
            .when(when_settings(evidence))
            .seen(format!("issuer is {}", reference.shown(false)))
            .seen(format!(
                "argocd {release} resolves clientID and clientSecret; other fields came with v2.8.0"
            ))
            .why("Argo CD takes the text of the reference for the value")
            .fix(edit_settings(evidence, "issuer: the value itself, or upgrade to v2.8.0 or later")),
    )
}

fn no_secret(evidence: &Evidence) -> Option<Finding> {
    // A public client with PKCE has none; in files a field that nobody knows may be meant for it.
    let misspelt = client::unknown_fields(evidence).filter(|_| evidence.files);
    (!evidence.pkce() && (evidence.presented().refused > 0 || misspelt.is_some())).then(|| {
        Finding::new(CauseId::SecretKeyMissing, at_field("clientSecret"))
            .certain_if(!evidence.files)
            .seen(match evidence.files {
                true => "oidc.config has no clientSecret",
                false => {
                    "oidc.config has no clientSecret, and the provider does not let this client in without"
                }
            })
            .seen_if(misspelt)
            .why("Argo CD presents an empty secret")
            .fix(edit_settings(evidence, "clientSecret: $argocd-oidc:clientSecret"))
    })
}

/// A reference with another character than `:`, without `$`, or with braces.
fn misspelt(evidence: &Evidence, how: &str) -> Option<Finding> {
    let (secret, key) = evidence.meant_secret.as_ref()?;
    let (name, key) = (shown(&secret.name), shown(key));
    Some(
        Finding::new(CauseId::SecretReference, at_field("clientSecret"))
            .when(when(evidence))
            .seen(format!("clientSecret names Secret {name} and its key {key} {how}"))
            .seen(format!("{} is there and has the key {key}", secret.place()))
            .why(LITERALLY)
            .fix(set_field(evidence, "clientSecret", &format!("${name}:{key}"))),
    )
}

fn of_other(evidence: &Evidence, secret: &str, key: &str) -> Option<Finding> {
    let own = Key::own(evidence, secret, key);
    let kubectl = &own.kubectl;
    let reference = Reference::Of { secret: secret.to_owned(), key: key.to_owned() }.shown(false);
    if evidence.era() == Some(Era::NoReferences) {
        return Some(
            Finding::new(CauseId::SecretReference, at_field("clientSecret"))
                .seen(format!("clientSecret is {reference}"))
                .seen("this release knows only keys of argocd-secret; $secret:key came with v2.1.0")
                .why(LITERALLY)
                .fix("put the client secret into a key of argocd-secret and write $key, or upgrade to v2.1.0 or later"),
        );
    }
    let at_secret = object("Secret", &evidence.namespace, secret);
    let label = format!("{}={}", PART_OF.0, PART_OF.1);
    let labelling = format!("{kubectl} label --overwrite {} {label}", own.object());
    match &evidence.named_secret {
        Seen::NotLooked => None,
        Seen::Absent => Some(
            Finding::new(CauseId::SecretKeyMissing, at_secret.clone())
                .when(when(evidence))
                .seen(format!("clientSecret is {reference}, and there is no {at_secret}"))
                .why(LITERALLY)
                .fix(Fix::from(own.create(evidence)).then(&advice::restart_argocd(evidence)))
                .lasting(advice::lasting(evidence)),
        ),
        Seen::There(seen) if seen.value(key).is_none() => {
            let keys: Vec<&String> = seen.keys.keys().collect();
            let empty = seen.keys.contains_key(key);
            let what = if empty { "is empty" } else { "is not there" };
            let label = Some(label).filter(|_| !seen.labelled);
            let same = |it: &&&String| it.eq_ignore_ascii_case(key) && seen.value(it).is_some();
            let other_case = keys.iter().find(same).map(|it| format!("${secret}:{it}"));
            Some(
                Finding::new(CauseId::SecretKeyMissing, format!("{at_secret}, key {}", shown(key)))
                    .when(when(evidence))
                    .seen(format!(
                        "clientSecret is {reference}, and the key {what}; the keys are {}",
                        listed(&keys)
                    ))
                    .seen_if(label.as_ref().map(|label| {
                        format!("nor has it the label {label}, without which Argo CD does not read it")
                    }))
                    .seen_if(unresolved(evidence))
                    .why(if empty { "Argo CD presents an empty secret to the provider" } else { LITERALLY })
                    .fix(match (evidence.files, other_case) {
                        (true, _) => Fix::from(format!(
                            "the key {} with the client secret, or another key in clientSecret{}",
                            shown(key),
                            label.map_or_else(String::new, |label| format!("; and the label {label}"))
                        )),
                        (false, Some(other)) => {
                            let fix = set_field(evidence, "clientSecret", &other);
                            if label.is_some() { fix.after(&labelling) } else { fix }
                        }
                        (false, None) => {
                            let labelled = label.map_or_else(String::new, |_| format!("{labelling}\n"));
                            let filled = own.fill(evidence);
                            format!("{filled}\n{labelled}{}", advice::restart_argocd(evidence)).into()
                        }
                    })
                    .lasting(advice::lasting(evidence)),
            )
        }
        Seen::There(seen) if !seen.labelled => {
            let place = format!("{at_secret}, metadata.labels");
            let line = format!("{}: {}", PART_OF.0, PART_OF.1);
            let fix = Fix::from(labelling).then(&advice::restart_argocd(evidence));
            Some(
                Finding::new(CauseId::SecretUnlabelled, place.clone())
                    .when(when(evidence))
                    .seen(format!("{at_secret} has the key {} and not the label {label}", shown(key)))
                    .seen_if(unresolved(evidence))
                    .why(format!(
                        "Argo CD reads only Secrets that carry the label, on every release. {LITERALLY}"
                    ))
                    .fix(fix.changing(&place, None, Some(line))),
            )
        }
        Seen::There(_) => None,
    }
}

fn of_own(evidence: &Evidence, own: &Reference, key: &str) -> Option<Finding> {
    let secret = evidence.argocd_secret.there()?;
    if secret.value(key).is_some() {
        return None;
    }
    if let Some(finding) = misspelt(evidence, "with another character than `:` between them") {
        return Some(finding);
    }
    Some(
        Finding::new(CauseId::SecretKeyMissing, object("Secret", &evidence.namespace, OWN))
            .when(when(evidence))
            .seen(format!(
                "clientSecret is {}, which names a key of argocd-secret, and there is no such key",
                own.shown(false)
            ))
            .seen_if(unresolved(evidence))
            .why(LITERALLY)
            .fix(edit_settings(evidence, "clientSecret: $SECRET:KEY, or a key that argocd-secret has")),
    )
}

/// A reference beside the client secret that leads to no value.
fn nowhere(evidence: &Evidence) -> Option<Finding> {
    let unresolved = evidence.unresolved.first()?;
    let field = &unresolved.field;
    Some(
        Finding::new(CauseId::SecretReference, at_field(field))
            .certain_if(!evidence.files)
            .when(when_settings(evidence))
            .seen(format!("{field} is {}, which leads to no value", unresolved.reference))
            .why("Argo CD takes the text of such a reference for the value: $KEY is a key of argocd-secret, $SECRET:KEY one of a Secret with the label app.kubernetes.io/part-of: argocd")
            .fix(edit_settings(evidence, &format!("{field}: the value itself, or the name of a key that is there"))),
    )
}

/// A `$…` that was seen in an authorize request.
fn client_id(evidence: &Evidence) -> Option<Finding> {
    evidence.asked()?.client_id.starts_with('$').then(|| {
        Finding::new(CauseId::SecretReference, at_field("clientID"))
            .seen("the authorize request has a client_id that begins with `$`")
            .why("Argo CD sends a reference in place of the client's ID, and the provider knows no such client")
            .fix(edit_settings(evidence, "clientID: the ID itself, or $SECRET:KEY"))
    })
}

/// What the servers' logs say about references.
fn unresolved(evidence: &Evidence) -> Option<String> {
    evidence.logged(|log| log.unresolved).map(|time| {
        format!("argocd-server's log says at {} that a key which the settings name does not exist", at(time))
    })
}
