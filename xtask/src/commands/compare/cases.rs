//! What is played on both labs: logins, also under faults, and single requests.

use probe::Password;
use releases::Era;
use serde_json::Value;

use super::diff::{Answer, of_login};
use super::request::{More, ask};
use crate::cli::Goal;
use crate::fault::{Fault, Seen};
use crate::goals;
use crate::login;
use crate::session::Session;
use base::Result;
use cluster::names::{ARGOCD_HOST, DEX_HOST, Provider, Workload};

/// The request whose answer is compared only as far as the login page reads it.
const SETTINGS: &str = "GET /api/v1/settings";

/// One case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// A login on a working lab.
    Working,
    /// A login as the command line.
    CommandLine,
    /// A login with a wrong password.
    WrongPassword,
    /// A login while Dex is down that was up when Argo CD started.
    DexDown,
    /// Requests that no login makes: what is left out, garbage, other paths.
    Requests,
    /// A login under a fault.
    Under(Fault),
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
    // It compares labs with a Dex of their own, over http.
    let faults = Fault::all().iter().copied();
    let faults = faults.filter(|fault| fault.is_of(Provider::Dex) && fault.over().is_none());
    let faults = faults.filter(|fault| !left_out.iter().any(|(out, _)| out == fault));
    let first = [Case::Working, Case::CommandLine, Case::WrongPassword, Case::Requests, Case::DexDown];
    first.into_iter().chain(faults.map(Case::Under)).collect()
}

impl Case {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::CommandLine => "command-line",
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
            Self::CommandLine => Ok(of_login(&login::as_cli(session).await?)),
            Self::WrongPassword => {
                let mut options = login::options(session).await?;
                options.password = Password::new("not-the-password");
                Ok(of_login(&probe::login(&options).await))
            }
            Self::Requests => requests(session).await,
            Self::DexDown => {
                // Argo CD knows its provider from a login before.
                log_in(session).await?;
                let cluster = session.cluster().await?;
                cluster.scale(Workload::Dex, 0).await?;
                cluster.wait_ready(Workload::Dex.rollout(), session.wait(), &mut |_| {}).await?;
                let answers = log_in(session).await;
                cluster.scale(Workload::Dex, 1).await?;
                cluster.wait_ready(Workload::Dex.rollout(), session.wait(), &mut |_| {}).await?;
                answers
            }
            Self::Under(fault) => {
                goal(session, Goal::Break, Some(fault)).await?;
                if matches!(fault, Fault::Rotate | Fault::StaleSessionManager | Fault::ServerKeyMissing) {
                    // Nobody was restarted, and the first login after a change may still meet
                    // the server that was.
                    log_in(session).await?;
                }
                let answers = match fault.seen() {
                    Seen::CommandLine => login::as_cli(session).await.map(|login| of_login(&login)),
                    _ => log_in(session).await,
                };
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

/// What the login page reads of `/api/v1/settings`.
fn of_the_page(settings: &str) -> String {
    let Ok(Value::Object(mut settings)) = serde_json::from_str(settings) else { return settings.to_owned() };
    settings
        .retain(|name, _| ["url", "oidcConfig", "dexConfig", "userLoginsDisabled"].contains(&name.as_str()));
    Value::Object(settings).to_string()
}

/// Requests that no login makes, one a line: what it is called, host, path; for some a cookie
/// (`name=value`) or a form.
const REQUESTS: &str = "\
GET /api/version | argocd | /api/version
GET /healthz | argocd | /healthz
GET /api/v1/session/userinfo | argocd | /api/v1/session/userinfo
GET userinfo, bad token | argocd | /api/v1/session/userinfo | cookie argocd.token=x.y.z
GET /auth/login, other host | argocd | /auth/login?return_url=http%3A%2F%2Fevil.example%2F
GET /auth/login, own path | argocd | /auth/login?return_url=http%3A%2F%2Fargocd.host%2Fapplications
GET /auth/callback, nothing | argocd | /auth/callback
GET /auth/callback, no cookie | argocd | /auth/callback?code=c&state=s
GET /auth/callback, bad cookie | argocd | /auth/callback?code=c&state=s | cookie argocd.oauthstate=00
GET /auth/callback, refused | argocd | /auth/callback?error=access_denied&error_description=nope
GET /nowhere | argocd | /nowhere
GET /api/v1/settings | argocd | /api/v1/settings
GET //auth/login | argocd | //auth/login
GET /auth/../auth/login?x=1 | argocd | /auth/../auth/login?x=1
GET /auth/./login | argocd | /auth/./login
GET //auth/logout | argocd | //auth/logout
Dex GET discovery | dex | /.well-known/openid-configuration
Dex GET /auth, unknown client | dex | /auth?client_id=other&response_type=code&scope=openid&redirect_uri=x
Dex GET /auth, other redirect | dex | /auth?CLIENT&redirect_uri=http%3A%2F%2Fevil.example
Dex GET /auth, unknown scope | dex | /auth?CLIENT%20nonsense&redirect_uri=http%3A%2F%2Fargocd.host%2Fauth%2Fcallback
Dex GET /userinfo, no token | dex | /userinfo
Dex POST /token, no grant | dex | /token | form x=y
Dex POST /token, wrong secret | dex | /token | form grant_type=authorization_code&code=c&client_id=argo-cd&client_secret=wrong
Dex GET /nowhere | dex | /nowhere";

async fn requests(session: &Session) -> Result<Vec<Answer>> {
    let ingress = session.access().await?.ingress;
    let requests = REQUESTS.replace("CLIENT", "client_id=argo-cd&response_type=code&scope=openid&state=s");
    let mut answers = vec![];
    for line in requests.lines() {
        let mut parts = line.split(" | ");
        let [name, host, path] = [(); 3].map(|()| parts.next().unwrap_or_default());
        let host = if host == "dex" { DEX_HOST } else { ARGOCD_HOST };
        let more = match parts.next().and_then(|more| more.split_once(' ')) {
            Some(("cookie", cookie)) => More::Cookie(cookie),
            Some((_, form)) => More::Form(form),
            None => More::Nothing,
        };
        answers.push(ask(ingress, name, host, path, more).await);
    }
    for settings in answers.iter_mut().filter(|answer| answer.at == SETTINGS) {
        settings.body = of_the_page(&settings.body);
    }
    Ok(answers)
}
