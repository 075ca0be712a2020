//! Logging in to the lab, as its one user: below goals and steps, which both do it.

use std::num::NonZero;
use std::thread::available_parallelism;
use std::time::Duration;

use probe::hops::Hops;
use probe::{Event, FailureGroup, Password, Report, Resolve, Tls, Verdict};
use releases::Release;
use serde_json::{Map, Value, json};

use crate::console::{Console, Running};
use crate::fault::Fault;
use crate::known;
use crate::programs::Program;
use crate::session::Session;
use base::{Error, Result, duration};
use cluster::names::{ARGOCD_HOST, FAULTS, PASSWORD, Scheme, USER, Workload};

/// Longest time to wait for an Argo CD that restarts by itself.
const RESTART: Duration = Duration::from_secs(60);

/// What logins of a test found.
pub struct Logins {
    /// The program that ran as Argo CD.
    pub argocd: Program,
    /// What was seen.
    pub report: Report,
}

/// Logs in as often as it takes for a verdict. Where one is expected, no further.
///
/// # Errors
/// No lab is up, or it holds no Argo CD.
pub async fn test(session: &Session, expect: Option<Verdict>, running: &Running<'_>) -> Result<Logins> {
    let missing = || {
        Error::environment("the lab holds no Argo CD").hint("`cargo xtask working` installs what is missing")
    };
    let deployment = session.cluster().await?.find_deployment(Workload::Argocd).await?;
    let argocd = deployment.as_ref().and_then(Program::of_deployment).ok_or_else(missing)?;
    let dex = session.program(session.dex()).await?;
    let release = Release::parse(&argocd.version).ok();
    let (logins, up_to) = match session.options.logins {
        Some(logins) => (logins, logins),
        None => known::logins(release.as_ref(), argocd.kind),
    };
    let logins = logins.max(session.options.least_logins);
    // Where all are to end alike, it would go on to the last.
    let up_to =
        if expect.is_some_and(|expect| expect != Verdict::Mixed) { logins } else { up_to.max(logins) };
    let mut options = options(session).await?;
    options.logins = logins;
    options.up_to = up_to;
    // A login at a real Dex is one bcrypt and a little of everything else. Twice as many as there
    // are cores keep all of them busy with the one while others are at the other.
    options.concurrency = (2 * available_parallelism().map_or(1, NonZero::get)).min(16) as u32;
    // A server that is to have no pods will not come back by itself.
    let replicas = deployment.and_then(|deployment| deployment.spec?.replicas);
    let restart = if replicas == Some(0) { Duration::ZERO } else { RESTART };
    options.startup_grace = session.options.wait.unwrap_or(restart);

    let console = &session.console;
    let dex = dex.as_ref().map_or("none".into(), Program::described);
    let heading = format!("test: argocd {}, dex {dex}, {logins} logins", argocd.described());
    console.heading(&heading);
    options.each_exchange = console.is_live();
    let mut hops = Hops::new(logins);
    let mut observer = |event: &Event| {
        hops.hear(event);
        if console.is_live() {
            running.doing(&hops.ended());
            running.below(&hops.lines());
        }
        tell(console, event);
    };
    let report = probe::run(&options, &mut observer, std::future::pending()).await;
    Ok(Logins { argocd, report })
}

/// Says what happens while logins run.
fn tell(console: &Console, event: &Event) {
    match event {
        Event::Waiting { step, reason, limit, .. } => {
            let limit = duration(*limit);
            let who = if step.is_argocds() { "Argo CD" } else { "the provider" };
            console
                .note(&format!("  {who} does not answer ({reason}); waiting up to {limit} for its restart"));
        }
        Event::Answering { waited } => {
            console.note(&format!("  it answers again after {}", duration(*waited)));
        }
        Event::Finished(login) if console.shows(1) => {
            console.detail(1, &format!("login {}", login.number));
            console.detail(1, &probe::table::render(login, console.notes().into()));
            console.detail(2, &probe::table::answers(login));
        }
        Event::Finished(_) | Event::Exchange { .. } => {}
    }
}

/// Says how logins failed that are alike, and behind that whose they were and how to tell which of several causes it is.
pub fn tell_failure(console: &Console, failure: &FailureGroup, whose: &str, which: &str) {
    let status = failure.status.map_or(String::new(), |status| format!("{status} "));
    console.result(&format!("  {} x at {}: {status}{}{whose}", failure.count, failure.step, failure.message));
    console.explain(&format!("  means: {}", failure.explanation));
    let names: Vec<&str> = failure.candidates.iter().map(|id| id.name()).collect();
    match names.as_slice() {
        [] => {}
        [one] => console.explain(&format!("  cause: {one}")),
        several => console.explain(&format!("  cause: one of {}{which}", several.join(", "))),
    }
}

/// The options of a login into the lab. Its ingress is all that there is: every name leads
/// there, and never to a stranger who has it on the internet.
///
/// # Errors
/// No lab is up.
pub async fn options(session: &Session) -> Result<probe::Options> {
    let access = session.access().await?;
    let beside = session.scheme().is_https() && types_http(session).await?;
    let scheme = if beside { Scheme::Http } else { session.scheme() };
    let url = format!("{}/", scheme.url(ARGOCD_HOST));
    let url = url.parse().map_err(|error| Error::environment(format!("{url} is no URL: {error}")))?;
    let mut options = probe::Options::new(url, USER, Password::new(PASSWORD));
    // Nothing locks its account, and a test is to see each login.
    options.ends_at = |_, _| false;
    let doors = [(80, access.ingress), (443, access.front())];
    options.resolve = doors.map(|(port, to)| Resolve::new("*", port, to)).to_vec();
    if session.scheme() == Scheme::Https {
        let ca = session.authority().pem()?;
        options.tls = Tls::with_ca(ca.as_bytes()).map_err(|error| Error::environment(error.to_string()))?;
    }
    Ok(options)
}

/// Whether the users of this lab type http though it speaks https: a fault that is theirs.
async fn types_http(session: &Session) -> Result<bool> {
    let noted = session.cluster().await?.namespace_annotation(Workload::Argocd.namespace(), FAULTS).await?;
    Ok(noted.unwrap_or_default().split(',').any(|name| name == Fault::HttpBeside.name()))
}

/// Logs in once as the command line does.
///
/// # Errors
/// No lab is up.
pub async fn as_cli(session: &Session) -> Result<probe::Login> {
    let mut options = options(session).await?;
    options.as_cli = true;
    Ok(probe::login(&options).await)
}

/// What a report shows of logins besides: all of them in numbers, some in full.
pub fn shown(report: &Report) -> Map<String, Value> {
    Map::from_iter([
        ("series".to_owned(), json!(report.series())),
        ("traces".to_owned(), json!(report.shown(probe::MOST_SHOWN))),
    ])
}

/// Logs in once. Says whether that passed.
///
/// # Errors
/// No lab is up.
pub async fn once(session: &Session) -> Result<bool> {
    Ok(probe::login(&options(session).await?).await.outcome.is_ok())
}
