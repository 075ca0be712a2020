//! Looks at Argo CD as anybody can: what it tells everybody, rehearsals, and logins of a
//! user whose password was given.

use std::time::Duration;

use jiff::Timestamp;
use probe::http::{Connections, Request};
use probe::jar::is_loopback;
use probe::{Options, Password, Rehearsal};
use releases::{Era, Release};
use serde_json::Value;
use url::Url;

use super::{Subject, web};
use crate::evidence::bundled::{CLIENT, PATH};
use crate::evidence::claims;
use crate::evidence::{Evidence, Logins, Outside, Public, Rbac, Rehearsed, Seen, Taken, is_known, tells};
use crate::shown::{listed, shown};
use crate::web_address;

/// Rehearsals of one server with one handler, or where each has been met by itself.
const ONE: usize = 1;
/// Of a release that may have two handlers: the rarer was seen to take a quarter of the connections, and is then
/// missed three times in a thousand.
const TWO_HANDLERS: usize = 20;
/// Of servers whose number is not known.
const UNKNOWN: usize = 10;
/// Rehearsals at the same time.
const AT_ONCE: usize = 4;

/// How long a login waits for an Argo CD that has just started: old releases answer their
/// first API requests with 503.
const GRACE: Duration = Duration::from_secs(3);
/// Logins of a user: a second one shows what does not fail each time.
const LOGINS: u32 = 2;

/// Who logs in.
pub struct User {
    /// The name at the identity provider.
    pub name: String,
    /// The password there.
    pub password: Password,
    /// The hosts of the only provider whose user it is: at another one it is not tried. None if nobody said.
    pub only_at: Vec<String>,
}

impl User {
    /// A user of the identity provider.
    pub fn new(name: &str, password: Password) -> Self {
        Self { name: name.to_owned(), password, only_at: vec![] }
    }
}

/// What Argo CD tells everybody, and how far its clock is ahead.
pub struct Told {
    /// Its settings.
    pub public: Option<Public>,
    release: Option<Release>,
    ahead: Option<i64>,
}

/// Asks for what Argo CD tells everybody.
pub async fn ask(options: &Options) -> Told {
    let address = &options.argocd;
    let settings_url = web::below(address, "api/v1/settings");
    let version_url = web::below(address, "api/version");
    let (public, version) = futures::join!(web::get(options, &settings_url), web::get(options, &version_url));
    let release = version.ok().and_then(|answer| release(&answer.body));
    let ahead = public.as_ref().ok().and_then(web::ahead);
    let public = public.ok().filter(|answer| answer.status == 200).and_then(|answer| settings(&answer.body));
    Told { public, release, ahead }
}

/// Looks at the address of `options`.
pub async fn look(evidence: &mut Evidence, options: &Options, told: Told, given: bool, user: Option<&User>) {
    let address = options.argocd.clone();
    let Told { public, release, ahead } = told;
    evidence.release = evidence.release.take().or(release);
    let answered = |it: &Rehearsed| it.redeemed().is_some_and(|redeemed| redeemed.answer().is_some());
    let running = || evidence.pods.iter().filter(|pod| pod.runs());
    let met = running().all(|pod| pod.rehearsed.iter().any(answered));
    let count = match evidence.era() {
        Some(Era::BothAnswer) => TWO_HANDLERS,
        Some(_) if running().count() == 1 || met && running().count() > 1 => ONE,
        _ => UNKNOWN,
    };
    let page = web::below(&address, "applications");
    let (rehearsals, button) =
        futures::join!(rehearse(evidence, options, count), probe::rehearsal::knock(options, &page));
    if !given && public.is_none() {
        // What answers at the address that the settings name need not be Argo CD: this
        // machine may not reach it, or stand before a door of somebody else's.
        let because = match rehearsals.first().map(|rehearsal| &rehearsal.form) {
            Some(Err(failure)) => shown(&failure.message),
            _ => "what answers there is not Argo CD".to_owned(),
        };
        evidence.note("Argo CD at the address that its settings name", because);
        return;
    }
    notes(evidence, &rehearsals, user);
    let sent_to = rehearsals.iter().find_map(|rehearsal| rehearsal.asked.as_ref()?.provider.host_str());
    let logins = match user {
        Some(User { only_at, .. })
            if !only_at.is_empty() && sent_to.is_some_and(|to| only_at.iter().all(|host| host != to)) =>
        {
            let because = format!(
                "the user that is known is one of {}, and Argo CD sends people to {}",
                listed(only_at),
                shown(sent_to.unwrap_or_default())
            );
            evidence.note("a login of a user (credentials, tokens, rights)", because);
            None
        }
        Some(_) => Some(log_in(options).await),
        None => None,
    };
    let logins = logins.map(|logins| without_limits(evidence, logins));
    evidence.outside = Some(Outside {
        address,
        given,
        public: public.map_or(Seen::NotLooked, Seen::There),
        rehearsals,
        button: given.then_some(button),
        logins,
        ahead,
    });
}

/// Rehearses until the servers were seen to be of two minds, or so many times.
async fn rehearse(evidence: &Evidence, options: &Options, count: usize) -> Vec<Rehearsal> {
    let mut all: Vec<Rehearsal> = vec![];
    let said = |all: &[Rehearsal], what: fn(Taken) -> bool| {
        let redeemed = all.iter().filter_map(|rehearsal| rehearsal.redeemed.as_ref());
        redeemed.chain(evidence.redeemed()).any(|redeemed| what(evidence.takes_presented(redeemed)))
    };
    while all.len() < count
        && !(said(&all, |taken| taken == Taken::Yes) && said(&all, Taken::is_refusal) && !all.is_empty())
    {
        let some = (0..AT_ONCE.min(count - all.len())).map(|_| probe::rehearse(options));
        all.extend(futures::future::join_all(some).await);
    }
    all
}

/// What rehearsals met and what tells nothing about the installation.
fn notes(evidence: &mut Evidence, rehearsals: &[Rehearsal], user: Option<&User>) {
    for rehearsal in rehearsals {
        if let Err(failure) = &rehearsal.form
            && !tells(failure)
        {
            evidence.note("the provider's login page, as this machine sees it", shown(&failure.message));
        }
        if let Some(redeemed) = &rehearsal.redeemed
            && evidence.takes_presented(redeemed) == Taken::Unclear
            && (redeemed.answer().is_some() || !is_known(&redeemed.0))
        {
            let decides = if user.is_none() { "; a login of a user decides (--user)" } else { "" };
            let because = format!(
                "to a code that nobody gave out Argo CD says: {}{decides}",
                shown(&redeemed.0.message)
            );
            evidence.note("whether the provider takes what Argo CD presents", because);
        }
    }
}

/// Looks into a token that was pasted, and asks Argo CD what it gives: Argo CD alone is shown it.
pub async fn paste(evidence: &mut Evidence, options: Option<&Options>, subject: &Subject) {
    let Some(token) = &subject.token else { return };
    let Some(claims) = probe::claims(token.reveal()).filter(Value::is_object) else { return };
    const WHAT: &str = "what the token that was pasted gives";
    let mut answer = None;
    if let Some(options) = options
        && let Ok(url) = web::below(&options.argocd, "api/v1/session/userinfo").join(probe::MAY_LOOK)
    {
        if url.scheme() == "https" || !options.resolve.is_empty() || is_loopback(&url) {
            let request = Request { bearer: Some(token.reveal()), ..Request::get(&url, web::LIMIT) };
            answer = Connections::new(options).send(request).await.ok();
        } else {
            evidence.note(WHAT, "Argo CD was not shown it: its address is plain http");
        }
    }
    let may_look = answer.as_ref().and_then(|answer| probe::may_look(&answer.body));
    if answer.is_some_and(|answer| answer.status == 401) {
        let expired = claims["exp"].as_i64().and_then(|at| Timestamp::from_second(at).ok());
        let because = match expired.filter(|at| *at < Timestamp::now()) {
            Some(at) => format!("Argo CD does not take it (401): it expired at {}", at.strftime("%F %T UTC")),
            None => "Argo CD does not take it (401), although it has not expired".to_owned(),
        };
        evidence.note(WHAT, because);
    }
    let scopes = evidence.rbac.there().map_or_else(|| Rbac::nothing().scopes, |rbac| rbac.scopes.clone());
    let name = ["email", "preferred_username", "name", "sub"].iter().find_map(|name| claims[*name].as_str());
    let username = name.unwrap_or_default().to_owned();
    evidence.pasted =
        Some(probe::User { username, groups: claims::groups(&claims, &scopes), claims, may_look });
}

async fn log_in(options: &Options) -> Logins {
    let options = Options { ask_rights: true, logins: LOGINS, startup_grace: GRACE, ..options.clone() };
    let report = probe::run(&options, &mut |_| {}, std::future::pending()).await;
    Logins {
        verdict: report.verdict,
        ok: report.ok(),
        total: report.logins.len(),
        failures: report.failures(),
        shown: report.shown(report.failures().len() + 1).into_iter().cloned().collect(),
        user: report.logins.into_iter().find_map(|login| login.outcome.ok()),
    }
}

/// What only shows that this program is no browser, or no person who may consent, is no failure of the
/// installation: it is said, and not counted.
fn without_limits(evidence: &mut Evidence, mut logins: Logins) -> Logins {
    use probe::Cause::{ConsentPage, FormWithoutPassword, ScriptedPage, SeveralConnectors};
    let limits = [ConsentPage, FormWithoutPassword, ScriptedPage, SeveralConnectors];
    logins.failures.retain(|failure| {
        let limit = limits.contains(&failure.answer);
        if limit {
            let because = format!("{} ({})", failure.explanation, shown(&failure.message));
            evidence.note("a login of a user (credentials, tokens, rights)", because);
            logins.total -= failure.count;
        }
        !limit
    });
    logins
}

fn release(body: &[u8]) -> Option<Release> {
    let version: Value = serde_json::from_slice(body).ok()?;
    // A build has its commit behind a plus.
    let text = version["Version"].as_str()?;
    Release::parse(text.split('+').next()?).ok()
}

fn settings(body: &[u8]) -> Option<Public> {
    let settings: Value = serde_json::from_slice(body).ok()?;
    let url = settings["url"].as_str().unwrap_or_default().to_owned();
    let oidc = &settings["oidcConfig"];
    let text = |name: &str| oidc[name].as_str().unwrap_or_default().to_owned();
    let (issuer, client_id) = match oidc.is_null() && settings["dexConfig"].is_object() {
        true => (Some(format!("{url}{PATH}")), CLIENT.to_owned()),
        false => (oidc["issuer"].as_str().map(str::to_owned), text("clientID")),
    };
    settings.is_object().then(|| Public { url, issuer, client_id, cli_client_id: text("cliClientID") })
}

/// The address of an installation, by its settings.
pub fn address(evidence: &Evidence) -> Option<Url> {
    web_address(evidence.url())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_argo_cd_tells_everybody_is_read_or_left() {
        assert_eq!(
            release(br#"{"Version":"v3.3.6+998fb59"}"#).map(|it| it.to_string()).as_deref(),
            Some("v3.3.6")
        );
        assert_eq!(
            release(br#"{"Version":"v3.3.6+stand-in"}"#).map(|it| it.to_string()).as_deref(),
            Some("v3.3.6")
        );
        for other in ["", "{}", r#"{"Version":"latest"}"#, "<html>"] {
            assert_eq!(release(other.as_bytes()), None, "{other}");
        }
        let public =
            settings(br#"{"url":"http://a","oidcConfig":{"issuer":"http://d","clientID":"c"}}"#).unwrap();
        assert_eq!((public.url.as_str(), public.issuer.as_deref()), ("http://a", Some("http://d")));
        assert_eq!(settings(b"{}").unwrap().issuer, None);
        assert_eq!(settings(b"<html>"), None);
    }
}
