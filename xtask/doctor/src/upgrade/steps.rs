//! What happens on the way from one release to another: each thing by itself, by what is known of the releases and of
//! the installation.

use probe::CauseId;
use releases::{Era, Release};
use serde::Serialize;

use crate::advice::{self, Reloader};
use crate::checks;
use crate::evidence::claims::behind_sub;
use crate::evidence::{Evidence, Form, Reference, SERVER_KEY, Term};
use crate::finding::{Certainty, When};
use crate::shown::{exact, listed, shown};

/// One thing that happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What kind of thing.
    pub id: Change,
    /// What happens.
    pub what: String,
    /// Why.
    pub because: String,
    /// What avoids it, or makes it harmless; nothing where it does no harm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avoid: Option<String>,
}

/// A kind of thing that happens in an upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Servers that start anew read settings that those which run do not have.
    StartsAnew,
    /// A first start without `server.secretkey` loses the settings.
    FirstStart,
    /// A changed client secret is not noticed any more, or still not, and in another way.
    KeepsOldSecret,
    /// A changed client secret leaves two handlers, with the old one and the new.
    TwoMinds,
    /// A changed client secret is taken over, unless that hangs.
    MayHang,
    /// A changed client secret is taken over.
    TakesOver,
    /// References begin to be resolved.
    References,
    /// `allowedAudiences` begins to count.
    Audiences,
    /// PKCE begins, or another side of it does it.
    Pkce,
    /// `additionalUrls` begins to count.
    AdditionalUrls,
    /// Policies know users by another name.
    Subjects,
    /// A token may need more cookies.
    Cookies,
    /// Only labelled Secrets are worth a look when they change.
    Labels,
}

impl Change {
    /// What comes of a changed client secret.
    fn of(era: Era) -> Self {
        match era {
            Era::NoReferences | Era::ComparesText | Era::KeepsClientApp => Self::KeepsOldSecret,
            Era::ReloadsInLoop => Self::MayHang,
            Era::BothAnswer => Self::TwoMinds,
            Era::Reloads | Era::ReloadsAgain => Self::TakesOver,
        }
    }
}

/// From one release to another, and what is known of the installation.
pub struct Way<'a> {
    /// The installation.
    pub evidence: &'a Evidence,
    /// What runs.
    pub from: &'a Release,
    /// What comes.
    pub to: &'a Release,
}

impl Way<'_> {
    /// Whether something that came with a release comes on this way.
    fn brings(&self, major: u32, minor: u32, patch: u32) -> bool {
        !self.from.is_at_least(major, minor, patch) && self.to.is_at_least(major, minor, patch)
    }
}

fn step(id: Change, what: impl Into<String>, because: impl Into<String>, avoid: Option<String>) -> Step {
    Step { id, what: what.into(), because: because.into(), avoid }
}

/// What happens on it.
pub fn steps(way: &Way<'_>) -> Vec<Step> {
    let settings = way.evidence.settings.there();
    if settings.is_some_and(|settings| settings.config().is_none() && !settings.dex.is_there()) {
        return vec![];
    }
    let mut steps = starts_anew(way);
    steps.extend([first_start, era].into_iter().filter_map(|step| step(way)));
    steps.extend(references(way));
    let others = [audiences, pkce, additional_urls, subjects, cookies, labels];
    steps.extend(others.into_iter().filter_map(|step| step(way)));
    steps
}

/// What servers that run do not have yet, and the new ones read at their start.
fn starts_anew(way: &Way<'_>) -> Vec<Step> {
    use CauseId::{
        ArgocdUrl, DexConfig, FirstStart, IssuerMismatch, NoRights, OidcConfig, SecretKeyMissing,
        SecretMismatch, SecretReference, SecretUnlabelled, StaleArgocd, StaleReplica,
    };
    let refused = way.evidence.takes(Form::Presented).is_refusal();
    let findings = checks::all(way.evidence).into_iter().filter(|it| it.certainty != Certainty::Possible);
    let bites = findings.filter_map(|finding| match (finding.when, finding.id) {
        (When::Now, StaleArgocd | StaleReplica) => Some(step(
            Change::StartsAnew,
            "logins that are refused now pass again, since the new servers read the client secret that is set now",
            finding.why,
            None,
        )),
        (When::Now, FirstStart) if !way.to.first_start_loses_sso() => Some(step(
            Change::StartsAnew,
            "the new servers read the settings that the running one came too early for",
            finding.why,
            None,
        )),
        (When::Later, SecretMismatch) if !refused => None,
        // What is not resolved yet is then.
        (When::Later, SecretReference) if way.brings(2, 8, 0) && !finding.at.ends_with("clientSecret") => None,
        (
            When::Later,
            ArgocdUrl | DexConfig | IssuerMismatch | NoRights | OidcConfig | SecretKeyMissing | SecretMismatch
            | SecretReference | SecretUnlabelled,
        ) => Some(step(
            Change::StartsAnew,
            format!("logins pass with what the running server has from before, and the new ones read {} ({})", finding.at, finding.id),
            finding.why,
            Some(finding.fix),
        )),
        _ => None,
    });
    bites.collect()
}

/// A start without the key that older releases wait for.
fn first_start(way: &Way<'_>) -> Option<Step> {
    let secret = &way.evidence.argocd_secret;
    let lacks = secret.is_absent() || secret.there().is_some_and(|secret| secret.value(SERVER_KEY).is_none());
    let cluster = if way.evidence.files { " (the files have none; the cluster may)" } else { "" };
    (lacks && way.to.first_start_loses_sso()).then(|| {
        step(
            Change::FirstStart,
            format!("where argocd-secret has no {SERVER_KEY}{cluster}, {} starts without SSO", way.to),
            format!("{} reads argocd-secret before argocd-cm and stops at the first error", way.to),
            Some(format!(
                "write {SERVER_KEY} into argocd-secret first, or go to {}",
                way.to.keeps_its_first_start()
            )),
        )
    })
}

/// How a changed client secret is treated from then on.
fn era(way: &Way<'_>) -> Option<Step> {
    let (before, after) = (Change::of(way.from.era()), Change::of(way.to.era()));
    let plain = way.evidence.oidc().is_some_and(|config| config.client_secret.plain().is_some());
    // Whatever compares the text sees a secret that stands in it.
    let sees = |release: &Release| plain && matches!(release.era(), Era::ComparesText | Era::NoReferences);
    if before == after
        || advice::reloader(way.evidence) == Some(Reloader::Named)
        || sees(way.from)
        || sees(way.to)
    {
        return None;
    }
    let what = if way.evidence.uses_bundled() { SERVER_KEY } else { "the client secret" };
    let restart = || {
        let restart = format!("after each change: {}", advice::restart_argocd(way.evidence));
        let other = advice::nearest_that_reloads(way.to)
            .map(|release| format!("or go to {release}, which takes it over"));
        [Some(restart), other].into_iter().flatten().collect::<Vec<_>>().join("\n")
    };
    let (happens, avoid) = match after {
        Change::KeepsOldSecret => ("every login is refused until argocd-server is restarted", restart()),
        Change::TwoMinds => ("logins are refused now and then until argocd-server is restarted", restart()),
        Change::MayHang => ("logins pass again, or argocd-server hangs until it is restarted", restart()),
        _ => (
            "argocd-server takes it over by itself, and needs no restart",
            "change it once, and wait: a second change while open requests end (20 s at most) is lost"
                .to_owned(),
        ),
    };
    Some(step(
        after,
        format!("when {what} changes, {happens}"),
        [&way.to, &way.from]
            .map(|it| format!("{it} (era `{}`): {}", it.era(), it.era().because()))
            .join("; "),
        Some(avoid),
    ))
}

/// References that older releases take for the value itself.
fn references(way: &Way<'_>) -> Vec<Step> {
    let Some(config) = way.evidence.oidc() else { return vec![] };
    let mut steps = vec![];
    if let Term::Reference(reference @ Reference::Of { .. }) = &config.client_secret
        && way.brings(2, 1, 0)
    {
        steps.push(step(
            Change::References,
            format!(
                "{} of clientSecret is resolved, and the secret is presented in its place",
                reference.shown(false)
            ),
            "references to other Secrets than argocd-secret came with v2.1.0",
            None,
        ));
    }
    if let (Term::Reference(reference), true) = (&config.issuer, way.brings(2, 8, 0)) {
        steps.push(step(
            Change::References,
            format!(
                "{} of issuer is resolved, and no longer taken for the value itself",
                reference.shown(false)
            ),
            "fields other than clientID and clientSecret are resolved from v2.8.0 on",
            None,
        ));
    }
    steps
}

fn audiences(way: &Way<'_>) -> Option<Step> {
    let (config, client) = (way.evidence.oidc()?, &way.evidence.client_id);
    let begins = !way.from.knows_allowed_audiences() && way.to.knows_allowed_audiences();
    if !begins || config.audiences.is_empty() || client.is_empty() || config.audiences.contains(client) {
        return None;
    }
    Some(step(
        Change::Audiences,
        format!("tokens for {} are refused", shown(client)),
        format!(
            "allowedAudiences is {}, without the client's own ID, and {} begins to look at it",
            listed(&config.audiences),
            way.to
        ),
        Some(format!("put {} into allowedAudiences", shown(client))),
    ))
}

/// Who logs in by PKCE: nobody up to v2.9, then Argo CD's page, and from v3.1.0 on its server.
fn pkce(way: &Way<'_>) -> Option<Step> {
    let url = way.evidence.settings.there()?.url.trim_end_matches('/');
    way.evidence.oidc().filter(|config| config.pkce)?;
    if way.brings(3, 1, 0) {
        return Some(step(
            Change::Pkce,
            "it is argocd-server that logs in by PKCE, and shows clientSecret where there is one",
            format!(
                "up to v3.0 the page did it; from v3.1.0 on people come back to {}/auth/callback",
                shown(url)
            ),
            Some(format!(
                "register {}/auth/callback at the provider, beside {}/pkce/verify",
                shown(url),
                shown(url)
            )),
        ));
    }
    way.brings(2, 10, 0).then(|| {
        step(
            Change::Pkce,
            "Argo CD's page logs in by PKCE itself, without the client secret",
            format!("enablePKCEAuthentication came with v2.10.0; people come back to {}/pkce/verify", shown(url)),
            Some(format!("register {}/pkce/verify at the provider, and make the client a public one; or set enablePKCEAuthentication: false", shown(url))),
        )
    })
}

fn additional_urls(way: &Way<'_>) -> Option<Step> {
    let urls = &way.evidence.settings.there()?.additional_urls;
    if urls.is_empty() || !way.brings(2, 13, 0) {
        return None;
    }
    let path = if way.evidence.uses_bundled() { "/api/dex/callback" } else { "/auth/callback" };
    let callbacks: Vec<_> = urls.iter().map(|url| format!("{}{path}", url.trim_end_matches('/'))).collect();
    Some(step(
        Change::AdditionalUrls,
        format!("who logs in at {} is sent back there", listed(urls)),
        "additionalUrls came with v2.13.0",
        Some(format!("register {} at the provider", listed(&callbacks))),
    ))
}

/// Policies that name what Dex makes of a user.
fn subjects(way: &Way<'_>) -> Option<Step> {
    // Of a Dex of its own only who asks for that scope is told.
    let federated =
        way.evidence.oidc().is_some_and(|config| config.scopes.iter().any(|it| it == "federated:id"));
    let told = way.evidence.uses_bundled() || federated;
    let rbac = way.evidence.rbac.there().filter(|_| told && way.brings(3, 0, 0))?;
    let named = rbac.subjects().into_iter().filter_map(|subject| Some((subject, behind_sub(subject)?)));
    let (subjects, ids): (Vec<&str>, Vec<String>) = named.unzip();
    let lines = subjects.iter().zip(&ids).flat_map(|(subject, id)| {
        rbac.roles(subject).into_iter().map(move |role| format!("g, {}, {}", exact(id), exact(role)))
    });
    let lines: Vec<String> = lines.collect();
    (!subjects.is_empty()).then(|| step(
        Change::Subjects,
        format!("what policies give to {} nobody gets any more", listed(&subjects)),
        "that is the `sub` of Dex's tokens; from v3.0.0 on users of Dex are known by federated_claims.user_id",
        Some(match lines.is_empty() {
            true => format!("name the users as their connector does: {}", listed(&ids)),
            false => format!("add to policy.csv: {}", lines.join("; ")),
        }),
    ))
}

fn cookies(way: &Way<'_>) -> Option<Step> {
    (way.evidence.token_is_too_large() && way.brings(2, 8, 2)).then(|| {
        step(
            Change::Cookies,
            "a token may need 20 cookies",
            "older releases take no more than 10 (ARGOCD_MAX_COOKIE_NUMBER)",
            None,
        )
    })
}

/// An argocd-secret whose changes nobody notices from v3.5.0 on.
fn labels(way: &Way<'_>) -> Option<Step> {
    let own = matches!(way.evidence.client_reference(), Some(Reference::Own(_)));
    let secret = way.evidence.argocd_secret.there().filter(|secret| !secret.labelled)?;
    if !(own || way.evidence.uses_bundled()) || !way.brings(3, 5, 0) {
        return None;
    }
    Some(step(
        Change::Labels,
        format!("a change of {} is not noticed before argocd-server is restarted", shown(&secret.name)),
        advice::LABELLED_ALONE,
        Some(advice::label_own_secret(way.evidence)),
    ))
}
