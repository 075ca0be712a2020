//! What is played on both labs: logins under faults and after changes, and single requests.

use std::time::Duration;

use probe::http::{Connections, Request};
use probe::{Options, Password};
use releases::Era;
use serde_json::Value;
use url::Url;

use super::browser::{Browser, multipart};
use super::diff::{Answer, of_answer, of_login};
use crate::cli::Goal;
use crate::faults::Fault;
use crate::goals;
use crate::login;
use crate::names::{ARGOCD_HOST, DEX_HOST, PASSWORD, USER, Workload};
use crate::session::Session;
use base::{Error, Result};

/// The request whose answer is compared only as far as the login page reads it.
const SETTINGS: &str = "GET /api/v1/settings";
/// How long one answer may take.
const LIMIT: Duration = Duration::from_secs(10);

/// One case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// A login on a working lab.
    Working,
    /// A login with a wrong password.
    WrongPassword,
    /// A login while Dex is down that was up when Argo CD started.
    DexDown,
    /// Requests that no login makes: what is left out, garbage, other paths.
    Requests,
    /// The login form, sent as few clients send it.
    Forms,
    /// What a token is worth after its owner logged out.
    Logout,
    /// A login after a change of `oidc.config`.
    Changed(Change),
    /// A login under a fault.
    Under(Fault),
}

/// A field of `oidc.config` that is added by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Tokens are to be for somebody else; nobody is restarted.
    Audiences,
    /// Argo CD is to show a token of Azure's; it is restarted.
    WorkloadIdentity,
    /// Groups are to come from where the provider has nothing; Argo CD is restarted.
    UserInfo,
}

impl Change {
    fn field(self) -> &'static str {
        match self {
            Self::Audiences => "allowedAudiences: [somebody-else]",
            Self::WorkloadIdentity => "azure: {useWorkloadIdentity: true}",
            Self::UserInfo => "enableUserInfoGroups: true\nuserInfoPath: /nowhere",
        }
    }
}

/// Faults that are no case: what a login meets under them is chance, or not the stand-in's.
pub fn left_out(era: Era) -> Vec<(Fault, &'static str)> {
    const CHANCE: &str = "which of two replicas is met is chance";
    let mut left_out = vec![
        (Fault::StaleReplica, CHANCE),
        (Fault::ServerKeyChanged, CHANCE),
        (Fault::Redis, "the stand-in for argocd-server has no Redis"),
        (Fault::Clock, "whether a token of a millisecond is still good is a race with the clock"),
        (Fault::CodeReused, CHANCE),
    ];
    if matches!(era, Era::BothAnswer | Era::ReloadsInLoop) {
        let chance = "what a login meets after a change is chance on these releases";
        left_out.extend([(Fault::Rotate, chance), (Fault::StaleSessionManager, chance)]);
    }
    left_out
}

/// The cases for a release, in their order.
pub fn all(era: Era) -> Vec<Case> {
    let left_out = left_out(era);
    let faults = Fault::all().iter().copied();
    let faults = faults.filter(|fault| !left_out.iter().any(|(out, _)| out == fault));
    let changes = [Change::Audiences, Change::WorkloadIdentity, Change::UserInfo].map(Case::Changed);
    [Case::Working, Case::WrongPassword, Case::Requests, Case::Forms, Case::Logout, Case::DexDown]
        .into_iter()
        .chain(changes)
        .chain(faults.map(Case::Under))
        .collect()
}

impl Case {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::WrongPassword => "wrong-password",
            Self::DexDown => "dex-down",
            Self::Requests => "requests",
            Self::Forms => "forms",
            Self::Logout => "logout",
            Self::Changed(Change::Audiences) => "audiences-changed",
            Self::Changed(Change::WorkloadIdentity) => "workload-identity",
            Self::Changed(Change::UserInfo) => "userinfo-nowhere",
            Self::Under(fault) => fault.name(),
        }
    }

    /// Plays it on a working lab, and leaves a working lab.
    ///
    /// # Errors
    /// A fault could not be put in or healed.
    pub async fn play(self, session: &Session) -> Result<Vec<Answer>> {
        match self {
            Self::Working => log_in(session).await,
            Self::WrongPassword => {
                let mut options = login::options(session).await?;
                options.password = Password::new("not-the-password");
                Ok(of_login(&probe::login(&options).await))
            }
            Self::Requests => requests(session).await,
            Self::Forms => forms(session).await,
            Self::Logout => log_out(session).await,
            Self::Changed(change) => changed(session, change).await,
            Self::DexDown => {
                // Argo CD knows its provider from a login before.
                log_in(session).await?;
                let cluster = session.cluster().await?;
                cluster.scale(Workload::Dex, 0).await?;
                cluster.wait_ready(Workload::Dex.rollout(), session.wait(), |_| {}).await?;
                let answers = log_in(session).await;
                cluster.scale(Workload::Dex, 1).await?;
                cluster.wait_ready(Workload::Dex.rollout(), session.wait(), |_| {}).await?;
                answers
            }
            Self::Under(fault) => {
                goal(session, Goal::Break, Some(fault)).await?;
                if matches!(fault, Fault::Rotate | Fault::StaleSessionManager | Fault::ServerKeyMissing) {
                    // Nobody was restarted, and the first login after a change may still meet
                    // the server that was.
                    log_in(session).await?;
                }
                let answers = log_in(session).await;
                goal(session, Goal::Fix, None).await?;
                answers
            }
        }
    }
}

/// Brings a goal about, without a test.
///
/// # Errors
/// A step of it failed.
pub async fn goal(session: &Session, goal: Goal, fault: Option<Fault>) -> Result<()> {
    goals::reach(session, goal, fault, &mut vec![]).await
}

async fn log_in(session: &Session) -> Result<Vec<Answer>> {
    Ok(of_login(&probe::login(&login::options(session).await?).await))
}

/// The form in other encodings.
async fn forms(session: &Session) -> Result<Vec<Answer>> {
    let mut browser = Browser::new(session.access().await?.ingress);
    let (kind, body) = multipart(&[("login", USER), ("password", PASSWORD)]);
    browser.send_form("form as multipart", kind, &body).await;
    let (form, user) = ("application/x-www-form-urlencoded", USER.replace('@', "%40"));
    browser.send_form("form with a bad escape", form, &format!("login={user}&password=%zz")).await;
    browser
        .send_form("form with a bad escape beside", form, &format!("x=%zz&login={user}&password={PASSWORD}"))
        .await;
    browser.send_form("form with nothing in it", form, "").await;
    Ok(browser.answers())
}

async fn log_out(session: &Session) -> Result<Vec<Answer>> {
    const USERINFO: &str = "/api/v1/session/userinfo";
    let mut browser = Browser::new(session.access().await?.ingress);
    browser.log_in().await;
    let kept = browser.cookies().clone();
    browser.ask("GET /auth/logout", ARGOCD_HOST, "/auth/logout", None).await;
    browser.ask("userinfo, cookie gone", ARGOCD_HOST, USERINFO, None).await;
    *browser.cookies() = kept;
    browser.ask("userinfo, cookie kept", ARGOCD_HOST, USERINFO, None).await;
    browser.ask("GET /auth/logout again", ARGOCD_HOST, "/auth/logout", None).await;
    Ok(browser.answers())
}

/// Adds a field to `oidc.config`, logs in, and puts things back.
async fn changed(session: &Session, change: Change) -> Result<Vec<Answer>> {
    const CM: (&str, &str) = ("argocd", "argocd-cm");
    let cluster = session.cluster().await?;
    let before = cluster.config_map(CM.0, CM.1).await?;
    let restart = async || {
        cluster.restart(Workload::Argocd).await?;
        cluster.wait_ready(Workload::Argocd.rollout(), session.wait(), |_| {}).await
    };
    let oidc = before.get("oidc.config").map(String::as_str).unwrap_or_default();
    let oidc = format!("{}\n{}\n", oidc.trim_end(), change.field());
    cluster.set_config_map(CM.0, CM.1, "oidc.config", Some(&oidc)).await?;
    match change {
        Change::Audiences => {
            // No restart follows from this, and `/api/v1/settings` shows when it is read.
            cluster.set_config_map(CM.0, CM.1, "admin.enabled", Some("false")).await?;
            let read = async {
                while !shows_settings(session, "\"userLoginsDisabled\":true").await? {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Ok::<_, Error>(())
            };
            tokio::time::timeout(session.wait(), read).await.map_err(|_| {
                Error::environment("argocd-server does not show a changed argocd-cm in /api/v1/settings")
            })??;
            log_in(session).await?;
        }
        Change::WorkloadIdentity | Change::UserInfo => restart().await?,
    }
    let answers = log_in(session).await;
    for key in ["oidc.config", "admin.enabled"] {
        cluster.set_config_map(CM.0, CM.1, key, before.get(key).map(String::as_str)).await?;
    }
    restart().await?;
    answers
}

async fn shows_settings(session: &Session, words: &str) -> Result<bool> {
    let options = login::options(session).await?;
    let url = format!("http://{ARGOCD_HOST}/api/v1/settings");
    let url: Url = url.parse().map_err(|error| Error::environment(format!("{url}: {error}")))?;
    let answer = Connections::new(&options).send(Request::get(&url, LIMIT)).await;
    Ok(answer.is_ok_and(|answer| answer.text().contains(words)))
}

/// What the login page reads of `/api/v1/settings`.
fn of_the_page(settings: &str) -> String {
    let Ok(Value::Object(mut settings)) = serde_json::from_str(settings) else { return settings.to_owned() };
    settings
        .retain(|name, _| ["url", "oidcConfig", "dexConfig", "userLoginsDisabled"].contains(&name.as_str()));
    Value::Object(settings).to_string()
}

/// A request: what it is called, URL, cookies, form.
type Asked = (&'static str, String, Option<&'static str>, Option<&'static str>);

async fn requests(session: &Session) -> Result<Vec<Answer>> {
    let options: Options = login::options(session).await?;
    let argocd = |path: &str| format!("http://{ARGOCD_HOST}{path}");
    let dex = |path: &str| format!("http://{DEX_HOST}{path}");
    let client = "client_id=argo-cd&response_type=code&scope=openid&state=s";
    let redirect = "redirect_uri=http%3A%2F%2Fargocd.host%2Fauth%2Fcallback";
    let asked: Vec<Asked> = vec![
        ("GET /api/version", argocd("/api/version"), None, None),
        ("GET /healthz", argocd("/healthz"), None, None),
        ("GET /api/v1/session/userinfo", argocd("/api/v1/session/userinfo"), None, None),
        ("GET userinfo, bad token", argocd("/api/v1/session/userinfo"), Some("argocd.token=x.y.z"), None),
        (
            "GET /auth/login, other host",
            argocd("/auth/login?return_url=http%3A%2F%2Fevil.example%2F"),
            None,
            None,
        ),
        (
            "GET /auth/login, own path",
            argocd("/auth/login?return_url=http%3A%2F%2Fargocd.host%2Fapplications"),
            None,
            None,
        ),
        ("GET /auth/callback, nothing", argocd("/auth/callback"), None, None),
        ("GET /auth/callback, no cookie", argocd("/auth/callback?code=c&state=s"), None, None),
        (
            "GET /auth/callback, bad cookie",
            argocd("/auth/callback?code=c&state=s"),
            Some("argocd.oauthstate=00"),
            None,
        ),
        (
            "GET /auth/callback, refused",
            argocd("/auth/callback?error=access_denied&error_description=nope"),
            None,
            None,
        ),
        ("GET /nowhere", argocd("/nowhere"), None, None),
        (SETTINGS, argocd("/api/v1/settings"), None, None),
        ("Dex GET discovery", dex("/.well-known/openid-configuration"), None, None),
        (
            "Dex GET /auth, unknown client",
            dex("/auth?client_id=other&response_type=code&scope=openid&redirect_uri=x"),
            None,
            None,
        ),
        (
            "Dex GET /auth, other redirect",
            dex(&format!("/auth?{client}&redirect_uri=http%3A%2F%2Fevil.example")),
            None,
            None,
        ),
        ("Dex GET /auth, unknown scope", dex(&format!("/auth?{client}%20nonsense&{redirect}")), None, None),
        ("Dex GET /userinfo, no token", dex("/userinfo"), None, None),
        ("Dex POST /token, no grant", dex("/token"), None, Some("x=y")),
        (
            "Dex POST /token, wrong secret",
            dex("/token"),
            None,
            Some("grant_type=authorization_code&code=c&client_id=argo-cd&client_secret=wrong"),
        ),
        ("Dex GET /nowhere", dex("/nowhere"), None, None),
    ];
    let mut answers = vec![];
    for (name, url, cookies, form) in asked {
        let url: Url = url.parse().map_err(|error| Error::environment(format!("{url}: {error}")))?;
        let mut request = Request::get(&url, LIMIT);
        request.cookies = cookies.map(str::to_owned);
        request.form = form;
        // A connection of its own for each, as for each login.
        answers.push(match Connections::new(&options).send(request).await {
            Ok(answer) => {
                let headers = answer.headers.iter();
                let headers =
                    headers.map(|(name, value)| (name.as_str(), value.to_str().unwrap_or("(no text)")));
                let body = answer.text();
                let body = if name == SETTINGS { of_the_page(&body) } else { body };
                of_answer(name, answer.status, headers, &body)
            }
            Err((no_answer, _)) => {
                Answer { at: name.into(), status: no_answer.message(), headers: vec![], body: String::new() }
            }
        });
    }
    let mut browser = Browser::new(session.access().await?.ingress);
    for target in ["//auth/login", "/auth/../auth/login?x=1", "/auth/./login", "//auth/logout"] {
        browser.ask(&format!("GET {target}"), ARGOCD_HOST, target, None).await;
    }
    answers.extend(browser.answers());
    Ok(answers)
}
