//! What is played on both labs: logins under each fault, and single requests.

use std::time::Duration;

use local_lab::release::Era;
use probe::http::{Connections, Request};
use probe::{Options, Password};
use url::Url;

use super::diff::{Answer, of_answer, of_login};
use crate::cli::Goal;
use crate::error::{Error, Result};
use crate::faults::Fault;
use crate::goals::login_options;
use crate::names::{ARGOCD_HOST, DEX_HOST, Workload};
use crate::plan::Plan;
use crate::run;
use crate::session::Session;

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
    /// A login under a fault.
    Under(Fault),
}

/// The cases for a release, in their order. A fault whose outcome is chance is no case.
pub fn all(era: Era) -> Vec<Case> {
    let chance = matches!(era, Era::BothAnswer | Era::ReloadsInLoop);
    let chancy = [Fault::Rotate, Fault::StaleSessionManager];
    // The stand-in has no Redis; a clock's fault is a race with the clock.
    let left_out =
        [Fault::Redis, Fault::Clock, Fault::StaleReplica, Fault::ServerKeyChanged, Fault::CodeReused];
    let faults = Fault::all().iter().copied();
    let faults = faults.filter(|fault| !(left_out.contains(fault) || chance && chancy.contains(fault)));
    [Case::Working, Case::WrongPassword, Case::Requests, Case::DexDown]
        .into_iter()
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
                let mut options = login_options(session).await?;
                options.password = Password::new("not-the-password");
                Ok(of_login(&probe::login(&options).await))
            }
            Self::Requests => requests(session).await,
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
    let plan = Plan::of(goal, fault, session.lab.place())
        .ok_or_else(|| Error::usage(format!("goal {} has no plan of its own", goal.name())))?;
    run::run(session, &plan, &mut vec![]).await
}

async fn log_in(session: &Session) -> Result<Vec<Answer>> {
    Ok(of_login(&probe::login(&login_options(session).await?).await))
}

/// A request: what it is called, URL, cookies, form.
type Asked = (&'static str, String, Option<&'static str>, Option<&'static str>);

async fn requests(session: &Session) -> Result<Vec<Answer>> {
    let options: Options = login_options(session).await?;
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
                of_answer(name, answer.status, headers, &answer.text())
            }
            Err((no_answer, _)) => {
                Answer { at: name.into(), status: no_answer.message(), headers: vec![], body: String::new() }
            }
        });
    }
    Ok(answers)
}
