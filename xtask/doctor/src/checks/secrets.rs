//! The value behind `clientSecret`: whether it is what the provider expects.

use probe::{Cause, CauseId, Step};

use super::commands::{carry, edit, edit_settings, rewrite, set_field};
use super::{at, at_field, sure, when};
use crate::advice;
use crate::evidence::{DexSeen, Evidence, Form, OWN, PART_OF, Reference, SecretSeen, Taken, Term};
use crate::finding::{Certainty, Finding, Fix, When};
use crate::hidden::Hidden;
use crate::shown::{argument, object, shown};

/// What a reference that leads nowhere would lead to, held against what Dex takes: a second
/// fault that the first one hides.
pub fn behind_reference(evidence: &Evidence) -> Option<Finding> {
    let (secret, key) = evidence.provider.own_secret()?;
    let value = secret.value(key).filter(|_| !dex_is_stale(evidence))?;
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
pub fn value(evidence: &Evidence) -> Option<Finding> {
    // The secret of the Dex inside Argo CD stands in no Secret.
    let current = evidence.current.as_ref().filter(|_| !evidence.uses_bundled())?;
    let other = || {
        let form = evidence.takes_instead().or_else(|| dex_has_white_space(evidence, current));
        form.map(|form| another_form(evidence, current, form))
    };
    let differs = || {
        let differs = agrees(evidence) == Some(false) || dex_will_differ(evidence, current);
        differs.then(|| mismatch(evidence, current))
    };
    ended_at_provider(evidence)
        .or_else(|| plain_white_space(evidence))
        .or_else(other)
        .or_else(differs)
        .or_else(|| untidy(evidence))
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
    let (secret, key) = evidence.provider.own_secret()?;
    let same = secret.value(key)? == current;
    // Dex that was started before the Secret was written has another value.
    (!dex_is_stale(evidence)).then_some(same)
}

/// Whether Dex runs since before its Secret was written.
fn dex_is_stale(evidence: &Evidence) -> bool {
    let written = evidence.provider.own_secret().and_then(|(secret, key)| secret.written(key));
    let oldest = evidence.provider.own_dex().and_then(DexSeen::oldest);
    oldest.zip(written).is_some_and(|(oldest, written)| oldest < written.at)
}

/// Dex's Secret has white space around the value. Where Dex itself still takes the value
/// without, it has not read that yet.
fn dex_has_white_space(evidence: &Evidence, current: &Hidden) -> Option<Form> {
    let (secret, key) = evidence.provider.own_secret()?;
    let value = secret.value(key)?;
    let differs = value != current && value.trimmed() == *current;
    let takes = evidence.takes(Form::Presented) == Taken::Yes;
    (differs && (!takes || dex_is_stale(evidence))).then_some(Form::WithLineBreak)
}

/// Dex takes the secret that Argo CD has, and its Secret was given another one since: the
/// next start of Dex ends that.
fn dex_will_differ(evidence: &Evidence, current: &Hidden) -> bool {
    let Some((secret, key)) = evidence.provider.own_secret() else { return false };
    let value = secret.value(key);
    evidence.takes(Form::Presented) == Taken::Yes
        && (value.is_none() || value != Some(current) && dex_is_stale(evidence))
}

/// The provider says that the secret has expired, or that the client is disabled.
pub fn ended_at_provider(evidence: &Evidence) -> Option<Finding> {
    let of_codes = evidence.redeemed().map(|redeemed| &redeemed.0);
    let failed = of_codes.chain(evidence.failures()).map(|it| (it.cause, it.step, &it.message));
    let of_logins = evidence.login_failures().iter().map(|it| (it.answer, it.step, &it.message));
    let ended = |cause: Cause| matches!(cause, Cause::SecretExpired | Cause::ClientDisabled);
    let (cause, step, message) = failed.chain(of_logins).find(|(cause, ..)| ended(*cause))?;
    let who = if step == Step::Authorize { "the provider's page" } else { "Argo CD" };
    let finding = match cause {
        Cause::SecretExpired => {
            Finding::new(CauseId::SecretExpired, place(evidence)).fix(match own(evidence) {
                Some(own) => format!(
                    "make a new client secret at the provider, then\n{}\n{}",
                    own.write(),
                    advice::restart_argocd(evidence)
                ),
                None => "make a new client secret at the provider and give it to Argo CD".to_owned(),
            })
        }
        _ => Finding::new(CauseId::ClientDisabled, "the provider's registration of this client")
            .fix("enable the client and its realm at the provider, and the flow that gives out codes (Keycloak: Standard flow)"),
    };
    // By words alone, of which Entra's were read in its documentation, and not met.
    Some(
        finding
            .certainty(Certainty::Likely)
            .seen(format!("{who} says: {}", shown(message)))
            .why(cause.explain()),
    )
}

/// Where the client secret of Argo CD stands.
fn place(evidence: &Evidence) -> String {
    match evidence.client_reference().map(Reference::place) {
        Some((secret, key)) => {
            format!("{}, key {}", object("Secret", &evidence.namespace, secret), shown(key))
        }
        None => at_field("clientSecret"),
    }
}

/// The same for a command, if it is a Secret.
fn own(evidence: &Evidence) -> Option<Key<'_>> {
    let (secret, key) = evidence.client_reference()?.place();
    Some(Key::own(evidence, secret, key))
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
    let fingerprints = &evidence.fingerprints;
    let of_dex = evidence.provider.own_secret();
    let dex_secret = of_dex.and_then(|(secret, key)| {
        let value = secret.value(key)?;
        let has = format!("has {} ({})", value.white_space()?, fingerprints.of(value));
        Some((Key::of(evidence, secret, key), secret.place_of(key), has))
    });
    let dex_seen = dex_secret.as_ref().map(|(_, place, has)| format!("{place}, {has}"));
    // Where the white space can be seen at Dex, that is the place to mend.
    let at = match (&dex_secret, form) {
        (Some((_, place, _)), Form::AsStored | Form::WithLineBreak) => place.clone(),
        _ => place(evidence),
    };
    let (why, fix): (&str, Fix) = match form {
        Form::Decoded => (
            "the value was encoded in base64 twice: what Kubernetes decodes is base64 still, and Argo CD presents that",
            match own(evidence) {
                Some(own) => Fix::from(own.decode()).then(&advice::restart_argocd(evidence)),
                None => edit_settings(
                    evidence,
                    "clientSecret: the secret itself, or a reference to a Secret with it",
                ),
            },
        ),
        Form::Encoded => (
            "the provider was given the base64 of the secret, as it stands in a manifest, and Argo CD presents the secret itself",
            match of_dex {
                Some((secret, key)) => {
                    Fix::from(Key::of(evidence, secret, key).decode()).then(&restart_both(evidence))
                }
                None => "give the provider the secret itself".into(),
            },
        ),
        _ => (
            "the provider was given white space as a part of the secret; Argo CD cuts it off before it presents the secret, so the two differ",
            match &dex_secret {
                Some((key, ..)) => {
                    let own = own_white_space(evidence).map(|(own, _)| format!("{}\n", own.cut()));
                    format!("{}{}\n{}", own.unwrap_or_default(), key.cut(), restart_both(evidence)).into()
                }
                None => "give the provider the secret without the white space (printf, not echo)".into(),
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

/// White space around the value in Argo CD's own Secret: the key and what is seen.
fn own_white_space(evidence: &Evidence) -> Option<(Key<'_>, String)> {
    let own = own(evidence)?;
    let value = evidence.secret_of(evidence.client_reference()?)?.value(own.key)?;
    let seen = format!("the value has {} ({})", value.white_space()?, evidence.fingerprints.of(value));
    Some((own, seen))
}

/// A secret that stands in oidc.config itself, with white space around it: Argo CD cuts that off what comes out of a
/// Secret alone.
fn plain_white_space(evidence: &Evidence) -> Option<Finding> {
    let Term::Plain(value) = &evidence.oidc()?.client_secret else { return None };
    let white_space = value.white_space().filter(|_| evidence.presented().refused > 0)?;
    let same = evidence
        .provider
        .own_secret()
        .is_some_and(|(secret, key)| secret.value(key) == Some(&value.trimmed()));
    Some(
        Finding::new(CauseId::SecretWhitespace, at_field("clientSecret"))
            .certain_if(same)
            .seen(format!("clientSecret stands in oidc.config itself and has {white_space} ({})", evidence.fingerprints.of(value)))
            .seen_if(evidence.provider.said_of(Form::Presented))
            .seen_if(same.then(|| "without it, it is what Dex takes".to_owned()))
            .why("Argo CD presents a secret that stands in oidc.config as it stands there, white space and all")
            .fix(edit_settings(evidence, "clientSecret: on one line, without `|` and without blanks in its quotes")),
    )
}

/// The Secret has white space that Argo CD cuts off, so logins pass.
fn untidy(evidence: &Evidence) -> Option<Finding> {
    let (own, seen) = own_white_space(evidence)?;
    Some(
        Finding::new(CauseId::SecretWhitespace, place(evidence))
            .when(When::Later)
            .seen(seen)
            .why("Argo CD cuts it off and logins pass; whoever copies the value to the provider copies it too, and then the two differ")
            .fix(own.cut()),
    )
}

/// Restarts Dex, and a server that would not take over what Dex takes then.
fn restart_both(evidence: &Evidence) -> String {
    format!("{}{}", advice::restart_dex(evidence), advice::and_restart(evidence))
}

fn mismatch(evidence: &Evidence, current: &Hidden) -> Finding {
    let (own, fingerprints) = (own(evidence), &evidence.fingerprints);
    let finding = Finding::new(CauseId::SecretMismatch, place(evidence))
        .when(when(evidence))
        .certainty(sure(evidence))
        .seen_if(evidence.provider.said_of(Form::Presented))
        .seen(holds(evidence, current));
    let restart = advice::restart_argocd(evidence);
    let dex = evidence.provider.own_dex();
    let Some((dex, (secret, key))) = dex.and_then(|dex| Some((dex, dex.secret.as_ref()?))) else {
        let fix = match &own {
            Some(own) => own.write(),
            None => edit(evidence, "argocd-cm", "clientSecret"),
        };
        return finding
            .why("the provider expects another client secret than the one that is set for Argo CD")
            .fix(format!("{fix}   # the secret that the provider issued for this client\n{restart}"));
    };
    let (of_dex, dex_key) = (secret.place_of(key), Key::of(evidence, secret, key));
    let Some(value) = secret.value(key) else {
        return finding
            .seen(format!("{of_dex}, from which Dex takes it, is empty or not there"))
            .why(
                "a pod of Dex does not start without that key, and takes an empty value for the empty secret",
            )
            .fix(match &own {
                Some(own) => format!("{}\n{}", dex_key.copy(own), restart_both(evidence)),
                None => format!("write the client secret into {of_dex}\n{}", advice::restart_dex(evidence)),
            });
    };
    let finding =
        finding.seen(format!("{of_dex}, from which Dex takes it, holds {}", fingerprints.of(value)));
    if value == current {
        let times = secret.written(key).zip(dex.oldest()).map(|(written, oldest)| {
            format!("that Secret was written at {}, and Dex runs since {}", at(written.at), at(oldest))
        });
        return finding
            .seen_if(times)
            .why("both Secrets agree, and Dex still has the secret that it was started with: it reads its variables once")
            .fix(restart_both(evidence));
    }
    // Dex has not read that value yet: then both have to start with it.
    let restart = match dex_is_stale(evidence) {
        true => format!("{}\n{restart}", advice::restart_dex(evidence)),
        false => restart,
    };
    match &own {
        Some(own) => finding
            .why("Argo CD's Secret and Dex's hold different client secrets")
            .fix(format!("{}\n{restart}", own.copy(&dex_key))),
        // A secret that stands in a ConfigMap is taken out of it.
        None => finding.why("oidc.config and Dex's Secret hold different client secrets").fix(
            set_field(evidence, "clientSecret", &format!("${OWN_KEY}"))
                .after(&Key::own(evidence, OWN, OWN_KEY).copy(&dex_key)),
        ),
    }
}

/// The key of argocd-secret that Argo CD's own documentation puts a client secret into.
pub const OWN_KEY: &str = "oidc.dex.clientSecret";

/// A key of a Secret, for commands. No value stands in any of them.
pub struct Key<'a> {
    /// How a command for its namespace begins.
    pub kubectl: String,
    secret: &'a str,
    key: &'a str,
}

impl<'a> Key<'a> {
    /// One of a Secret in Argo CD's namespace.
    pub fn own(evidence: &Evidence, secret: &'a str, key: &'a str) -> Self {
        Self { kubectl: evidence.argocd_kubectl(), secret, key }
    }

    /// One of a Secret that was seen.
    fn of(evidence: &Evidence, secret: &'a SecretSeen, key: &'a str) -> Self {
        Self { kubectl: evidence.kubectl_of(&secret.namespace), secret: &secret.name, key }
    }

    /// The Secret: `secret argocd-oidc`.
    pub fn object(&self) -> String {
        format!("secret {}", argument(self.secret))
    }

    /// The key as jq takes it inside single quotes.
    fn field(&self) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        format!("\"{}\"", self.key.chars().filter(|c| plain(*c)).collect::<String>())
    }

    /// The key out of which Dex takes what belongs into this one.
    fn of_dex(evidence: &'a Evidence) -> Option<Self> {
        let (secret, key) = evidence.provider.own_secret().filter(|_| !dex_is_stale(evidence))?;
        secret.value(key).map(|_| Self::of(evidence, secret, key))
    }

    /// A new Secret with this key, out of Dex's or from standard input.
    pub fn create(&self, evidence: &Evidence) -> String {
        let Self { kubectl, secret, key } = self;
        let (secret, key) = (argument(secret), argument(key));
        let value = Key::of_dex(evidence).map_or("printf %s \"$SECRET\"".to_owned(), |dex| {
            let (kubectl, object, field) = (&dex.kubectl, dex.object(), dex.field());
            format!("{kubectl} get {object} -o json | jq -j '.data[{field}] | @base64d'")
        });
        format!(
            "{value} | {kubectl} create secret generic {secret} --from-file={key}=/dev/stdin && {kubectl} label secret {secret} {}={}",
            PART_OF.0, PART_OF.1
        )
    }

    /// The key written out of Dex's, or from standard input.
    pub fn fill(&self, evidence: &Evidence) -> String {
        Key::of_dex(evidence).map_or_else(|| self.write(), |dex| self.copy(&dex))
    }

    /// The key written from standard input; without a line in it nothing is.
    pub fn write(&self) -> String {
        format!(
            "printf %s \"$SECRET\" | jq -R '{{stringData: {{{}: .}}}}' | {} patch {} --patch-file /dev/stdin",
            self.field(),
            self.kubectl,
            self.object()
        )
    }

    /// One layer of base64 taken off the value: what it decodes to is what `data` holds.
    fn decode(&self) -> String {
        self.rewrite("@base64d | gsub(\"\\\\s\"; \"\")")
    }

    /// White space cut off around the value.
    fn cut(&self) -> String {
        self.rewrite("@base64d | gsub(\"\\\\A\\\\s+|\\\\s+\\\\z\"; \"\") | @base64")
    }

    fn rewrite(&self, by: &str) -> String {
        let field = self.field();
        rewrite((&self.kubectl, &self.object()), &format!("{field}: (.data[{field}] | {by})"))
    }

    /// The value of another key written into this one.
    fn copy(&self, other: &Key<'_>) -> String {
        let fields = format!("{}: .data[{}]", self.field(), other.field());
        carry((&other.kubectl, &other.object()), &fields, (&self.kubectl, &self.object()))
    }
}
