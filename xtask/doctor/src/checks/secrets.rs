//! The value behind `clientSecret`: whether it is what the provider expects.

use probe::{Cause, CauseId};

use super::commands::{carry, edit_settings, rewrite, set_field};
use super::{at, at_field, sure, when};
use crate::advice;
use crate::evidence::{DexSeen, Evidence, Form, PART_OF, Reference, SecretSeen, Taken, Term};
use crate::finding::{Certainty, Finding, Fix, When};
use crate::hidden::Hidden;
use crate::shown::{argument, shown};

/// What a reference that leads nowhere would lead to, held against what Dex takes: a second
/// fault that the first one hides.
pub fn behind_reference(evidence: &Evidence) -> Option<Finding> {
    let dex = evidence.provider.own_dex()?;
    let (secret, key) = dex.secret.as_ref()?;
    let value = secret.value(key).filter(|_| !dex_is_stale(dex))?;
    let meant = match &evidence.oidc()?.client_secret {
        Term::Reference(Reference::Of { key, .. }) => evidence.named_secret.there()?.value(key)?,
        _ => evidence.meant_secret.as_ref().and_then(|(secret, key)| secret.value(key))?,
    };
    let named = evidence.named_secret.there().is_some();
    match (meant.trimmed() == value.trimmed(), value.white_space().is_some()) {
        (true, true) => Some(another_form(evidence, &meant.trimmed(), Form::WithLineBreak)),
        // Where the name itself is in doubt, the value behind it is as well.
        (false, _) if named => Some(mismatch(evidence, &meant.trimmed()).certainty(Certainty::Likely)),
        _ => None,
    }
}

/// Whether the value is what the provider expects.
pub fn value(evidence: &Evidence) -> Vec<Finding> {
    // The secret of the Dex inside Argo CD stands in no Secret.
    let Some(current) = evidence.current.as_ref().filter(|_| !evidence.uses_bundled()) else { return vec![] };
    let mut findings = vec![];
    if let Some(finding) = ended_at_provider(evidence) {
        return vec![finding];
    }
    if let Some(finding) = plain_white_space(evidence) {
        return vec![finding];
    }
    if let Some(form) = evidence.takes_instead().or_else(|| dex_has_white_space(evidence, current)) {
        findings.push(another_form(evidence, current, form));
    } else if agrees(evidence) == Some(false) || dex_will_differ(evidence, current) {
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
    match evidence.takes(Form::Presented) {
        Taken::Yes => return Some(true),
        Taken::No | Taken::NoByItsWords => return Some(false),
        Taken::Unclear => {}
    }
    let current = evidence.current.as_ref()?;
    let dex = evidence.provider.own_dex()?;
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

/// Dex's Secret has white space around the value. Where Dex itself still takes the value
/// without, it has not read that yet.
fn dex_has_white_space(evidence: &Evidence, current: &Hidden) -> Option<Form> {
    let dex = evidence.provider.own_dex()?;
    let (secret, key) = dex.secret.as_ref()?;
    let value = secret.value(key)?;
    let differs = value != current && value.trimmed() == *current;
    let takes = evidence.takes(Form::Presented) == Taken::Yes;
    (differs && (!takes || dex_is_stale(dex))).then_some(Form::WithLineBreak)
}

/// Dex takes the secret that Argo CD has, and its Secret was given another one since: the
/// next start of Dex ends that.
fn dex_will_differ(evidence: &Evidence, current: &Hidden) -> bool {
    let takes = evidence.takes(Form::Presented) == Taken::Yes;
    takes
        && evidence.provider.own_dex().is_some_and(|dex| {
            let value = dex.secret.as_ref().map(|(secret, key)| secret.value(key));
            value.is_some_and(|value| value.is_none() || value != Some(current) && dex_is_stale(dex))
        })
}

/// The provider says that the secret has expired, or that the client is disabled.
fn ended_at_provider(evidence: &Evidence) -> Option<Finding> {
    let of_codes = evidence.redeemed().map(|redeemed| (redeemed.0.cause, &redeemed.0.message));
    let logins = evidence.outside.iter().filter_map(|outside| outside.logins.as_ref());
    let of_logins = logins.flat_map(|logins| &logins.failures).map(|it| (it.answer, &it.message));
    let ended = |cause: &Cause| matches!(cause, Cause::SecretExpired | Cause::ClientDisabled);
    let (cause, message) = of_codes.chain(of_logins).find(|(cause, _)| ended(cause))?;
    let (at, own) = place(evidence);
    let finding = match cause {
        Cause::SecretExpired => Finding::new(CauseId::SecretExpired, at).fix(match &own {
            Some((name, key)) => format!(
                "make a new client secret at the provider, then\n{}\n{}",
                write_key(&evidence.argocd_kubectl(), name, key),
                advice::restart_argocd(evidence)
            ),
            None => "make a new client secret at the provider and give it to Argo CD".to_owned(),
        }),
        _ => Finding::new(CauseId::ClientDisabled, "the provider's registration of this client")
            .fix("enable the client at the provider"),
    };
    // Read in the provider's documentation, and not met.
    Some(
        finding
            .certainty(Certainty::Likely)
            .seen(format!("Argo CD says: {}", shown(message)))
            .why(cause.explain()),
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

/// What is set for Argo CD now, by its fingerprint.
pub fn holds(evidence: &Evidence, current: &Hidden) -> String {
    let place = match evidence.oidc().map(|config| &config.client_secret) {
        Some(Term::Plain(_)) => "oidc.config, where the client secret stands itself,",
        _ => "Argo CD's Secret",
    };
    format!("{place} holds {}", evidence.fingerprints.of(current))
}

fn another_form(evidence: &Evidence, current: &Hidden, form: Form) -> Finding {
    let (at, own) = place(evidence);
    let dex = evidence.provider.own_dex();
    let fingerprints = &evidence.fingerprints;
    let dex_secret = dex.and_then(|dex| dex.secret.as_ref()).and_then(|(secret, key)| {
        let value = secret.value(key)?;
        let place =
            format!("Secret {}/{}, key {}", shown(&secret.namespace), shown(&secret.name), shown(key));
        Some((secret, key, place, format!("has {} ({})", value.white_space()?, fingerprints.of(value))))
    });
    let dex_seen = dex_secret.as_ref().map(|(.., place, has)| format!("{place}, {has}"));
    // Where the white space can be seen at Dex, that is the place to mend.
    let at = match (&dex_secret, form) {
        (Some((.., place, _)), Form::AsStored | Form::WithLineBreak) => place.clone(),
        _ => at,
    };
    let (why, fix): (&str, Fix) = match form {
        Form::AsStored
        | Form::WithLineBreak
        | Form::Presented
        | Form::Wrong
        | Form::WrongAgain
        | Form::None => (
            "the provider was given white space as a part of the secret; Argo CD cuts it off before it presents the secret, so the two differ",
            match &dex_secret {
                Some((secret, key, ..)) => {
                    let kubectl = format!("{} -n {}", evidence.kubectl, argument(&secret.namespace));
                    let own = own_white_space(evidence).map(|(name, key, _)| {
                        format!("{}\n", cut_key(&evidence.argocd_kubectl(), &name, &key))
                    });
                    let own = own.unwrap_or_default();
                    format!("{own}{}\n{}", cut_key(&kubectl, &secret.name, key), restart_dex(evidence)).into()
                }
                None => "give the provider the secret without the white space (printf, not echo)".into(),
            },
        ),
        Form::Decoded => (
            "the value was encoded in base64 twice: what Kubernetes decodes is base64 still, and Argo CD presents that",
            match own {
                Some((name, key)) => format!(
                    "{}\n{}",
                    decode_key(&evidence.argocd_kubectl(), &name, &key),
                    advice::restart_argocd(evidence)
                )
                .into(),
                None => edit_settings(
                    evidence,
                    "clientSecret: the secret itself, or a reference to a Secret with it",
                ),
            },
        ),
        Form::Encoded => (
            "the provider was given the base64 of the secret, as it stands in a manifest, and Argo CD presents the secret itself",
            match dex.and_then(|dex| dex.secret.as_ref()) {
                Some((secret, key)) => {
                    let kubectl = format!("{} -n {}", evidence.kubectl, argument(&secret.namespace));
                    format!("{}\n{}", decode_key(&kubectl, &secret.name, key), restart_dex(evidence)).into()
                }
                None => "give the provider the secret itself".into(),
            },
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

/// White space around the value in Argo CD's own Secret: its name, the key and what is seen.
fn own_white_space(evidence: &Evidence) -> Option<(String, String, String)> {
    let (_, place) = place(evidence);
    let (name, key) = place?;
    let secret: &SecretSeen = match name.as_str() {
        "argocd-secret" => evidence.argocd_secret.there()?,
        _ => evidence.named_secret.there()?,
    };
    let value = secret.value(&key)?;
    let seen = format!("the value has {} ({})", value.white_space()?, evidence.fingerprints.of(value));
    Some((name, key, seen))
}

/// A secret that stands in oidc.config itself, with white space around it: Argo CD cuts that off what comes out of a
/// Secret alone.
fn plain_white_space(evidence: &Evidence) -> Option<Finding> {
    let Term::Plain(value) = &evidence.oidc()?.client_secret else { return None };
    let white_space = value.white_space().filter(|_| evidence.presented().refused > 0)?;
    let dex = evidence.provider.own_dex().and_then(|dex| dex.secret.as_ref());
    let same = dex.is_some_and(|(secret, key)| secret.value(key) == Some(&value.trimmed()));
    Some(
        Finding::new(CauseId::SecretWhitespace, at_field("clientSecret"))
            .certainty(if same { Certainty::Certain } else { Certainty::Likely })
            .seen(format!("clientSecret stands in oidc.config itself and has {white_space} ({})", evidence.fingerprints.of(value)))
            .seen_if(evidence.provider.said_of(Form::Presented))
            .seen_if(same.then(|| "without it, it is what Dex takes".to_owned()))
            .why("Argo CD presents a secret that stands in oidc.config as it stands there, white space and all")
            .fix(edit_settings(evidence, "clientSecret: on one line, without `|` and without blanks in its quotes")),
    )
}

/// The Secret has white space that Argo CD cuts off, so logins pass.
fn untidy(evidence: &Evidence) -> Option<Finding> {
    let (at, _) = place(evidence);
    let (name, key, seen) = own_white_space(evidence)?;
    Some(
        Finding::new(CauseId::SecretWhitespace, at)
            .when(When::Later)
            .seen(seen)
            .why("Argo CD cuts it off and logins pass; whoever copies the value to the provider copies it too, and then the two differ")
            .fix(cut_key(&evidence.argocd_kubectl(), &name, &key)),
    )
}

fn mismatch(evidence: &Evidence, current: &Hidden) -> Finding {
    let (field, own) = place(evidence);
    let fingerprints = &evidence.fingerprints;
    let finding = Finding::new(CauseId::SecretMismatch, field)
        .when(when(evidence))
        .certainty(sure(evidence))
        .seen_if(evidence.provider.said_of(Form::Presented))
        .seen(holds(evidence, current));
    let restart = advice::restart_argocd(evidence);
    let dex = evidence.provider.own_dex();
    let Some((dex, (secret, key))) = dex.and_then(|dex| Some((dex, dex.secret.as_ref()?))) else {
        let fix = match &own {
            Some((name, key)) => write_key(&evidence.argocd_kubectl(), name, key),
            None => format!("{} edit configmap argocd-cm   # clientSecret", evidence.argocd_kubectl()),
        };
        return finding
            .why("the provider expects another client secret than the one that is set for Argo CD")
            .fix(format!("{fix}   # the secret that the provider issued for this client\n{restart}"));
    };
    let of_dex = format!("Secret {}/{}, key {}", shown(&secret.namespace), shown(&secret.name), shown(key));
    let dex_kubectl = format!("{} -n {}", evidence.kubectl, argument(&secret.namespace));
    let dex_secret = format!("secret {}", argument(&secret.name));
    let Some(value) = secret.value(key) else {
        return finding
            .seen(format!("{of_dex}, from which Dex takes it, is empty or not there"))
            .why(
                "a pod of Dex does not start without that key, and takes an empty value for the empty secret",
            )
            .fix(match &own {
                Some((name, own_key)) => {
                    let field = format!("{}: .data[{}]", json_key(key), json_key(own_key));
                    let own = (evidence.argocd_kubectl(), format!("secret {}", argument(name)));
                    let copy = carry((&own.0, &own.1), &field, (&dex_kubectl, &dex_secret));
                    format!("{copy}\n{}", restart_dex(evidence))
                }
                None => format!("write the client secret into {of_dex}\n{}", restart_dex(evidence)),
            });
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
    let copy = |name: &str, own_key: &str| {
        let field = format!("{}: .data[{}]", json_key(own_key), json_key(key));
        let own = (evidence.argocd_kubectl(), format!("secret {}", argument(name)));
        carry((&dex_kubectl, &dex_secret), &field, (&own.0, &own.1))
    };
    // Dex has not read that value yet: then both have to start with it.
    let restart = match dex_is_stale(dex) {
        true => format!("{}\n{restart}", restart_dex(evidence)),
        false => restart,
    };
    match &own {
        Some((name, own_key)) => finding
            .why("Argo CD's Secret and Dex's hold different client secrets")
            .fix(format!("{}\n{restart}", copy(name, own_key))),
        // A secret that stands in a ConfigMap is taken out of it.
        None => finding.why("oidc.config and Dex's Secret hold different client secrets").fix(
            set_field(evidence, "clientSecret", &format!("${OWN_KEY}"))
                .after(&copy("argocd-secret", OWN_KEY)),
        ),
    }
}

/// The key of argocd-secret that Argo CD's own documentation puts a client secret into.
pub const OWN_KEY: &str = "oidc.dex.clientSecret";

/// A key of a JSON object, as jq takes it inside single quotes.
fn json_key(key: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    format!("\"{}\"", key.chars().filter(|c| plain(*c)).collect::<String>())
}

/// `kubectl … rollout restart deploy/dex`.
pub fn restart_dex(evidence: &Evidence) -> String {
    let dex = evidence.provider.own_dex().map(|dex| &dex.deployment);
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

/// One layer of base64 taken off the value of a key: what it decodes to is what `data` holds.
fn decode_key(kubectl: &str, secret: &str, key: &str) -> String {
    let key = json_key(key);
    let decoded = format!("{key}: (.data[{key}] | @base64d | gsub(\"\\\\s\"; \"\"))");
    rewrite((kubectl, &format!("secret {}", argument(secret))), &decoded)
}

/// White space cut off around the value of a key, which stands in no command line.
fn cut_key(kubectl: &str, secret: &str, key: &str) -> String {
    let key = json_key(key);
    let cut = format!("{key}: (.data[{key}] | @base64d | gsub(\"\\\\A\\\\s+|\\\\s+\\\\z\"; \"\") | @base64)");
    rewrite((kubectl, &format!("secret {}", argument(secret))), &cut)
}

/// A key written from standard input, so that the value stands in no command line.
pub fn write_key(kubectl: &str, secret: &str, key: &str) -> String {
    format!(
        "printf %s \"$SECRET\" | jq -Rs '{{stringData: {{{}: .}}}}' | {kubectl} patch secret {} --patch-file /dev/stdin",
        json_key(key),
        argument(secret)
    )
}
