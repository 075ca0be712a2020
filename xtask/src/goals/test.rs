//! `test`: logs in, and says what that shows.

use std::num::NonZero;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use probe::{Event, Report, Verdict};
use releases::{Era, Release};
use serde_json::{Value, json};

use crate::cli::Expect;
use crate::console::Tone;
use crate::known::{self, Refusal};
use crate::login;
use crate::names::{Place, Workload};
use crate::programs::Program;
use crate::report::{GoalRecord, StepRecord, millis};
use crate::session::Session;
use crate::steps::Action;
use base::{Error, Result, duration};

/// Longest time to wait for an Argo CD that restarts by itself.
const RESTART: Duration = Duration::from_secs(60);

/// What a test found.
pub struct Found {
    /// The verdict.
    pub verdict: Verdict,
    /// Whether it is the one that was asked for.
    pub as_expected: bool,
    /// Logins that passed, of how many.
    pub ok: (usize, usize),
    /// The words of the most frequent failure.
    pub message: Option<String>,
    /// How logins failed, the most frequent way first.
    pub refusals: Vec<Refusal>,
}

/// Logs in and gives a verdict, held against `expect` (logged in, if it says nothing).
///
/// # Errors
/// No lab is up, or it holds no Argo CD.
pub async fn run(session: &Session, expect: Option<Expect>, record: &mut GoalRecord) -> Result<Found> {
    let missing = || {
        Error::environment("the lab holds no Argo CD").hint("`cargo xtask working` installs what is missing")
    };
    let deployment = session.cluster().await?.find_deployment(Workload::Argocd).await?;
    let argocd = deployment.as_ref().and_then(Program::of_deployment).ok_or_else(missing)?;
    let dex = session.program(Workload::Dex).await?;
    let release = Release::parse(&argocd.version).ok();
    let (logins, up_to) = match session.options.logins {
        Some(logins) => (logins, logins),
        None => known::logins(release.as_ref(), argocd.kind),
    };
    let logins = logins.max(session.options.least_logins);
    // Where all are to end alike, it would go on to the last.
    let up_to = if expect.is_some_and(|expect| expect != Expect::Mixed) { logins } else { up_to.max(logins) };
    let mut options = login::options(session).await?;
    options.logins = logins;
    options.up_to = up_to;
    // A login is one bcrypt at Dex and a little of everything else. Twice as many as there are
    // cores keep all of them busy with the one while others are at the other.
    options.concurrency = (2 * available_parallelism().map_or(1, NonZero::get)).min(16) as u32;
    // A server that is to have no pods will not come back by itself.
    let replicas = deployment.and_then(|deployment| deployment.spec?.replicas);
    let restart = if replicas == Some(0) { Duration::ZERO } else { RESTART };
    options.startup_grace = session.options.wait.unwrap_or(restart);

    let console = &session.console;
    let dex = dex.as_ref().map_or("none".into(), Program::described);
    let heading = format!("test: argocd {}, dex {dex}, {logins} logins", argocd.described());
    console.note(&console.toned(Tone::Strong, &heading));
    let since = Instant::now();
    let running = console.step("logins", &Action::Login.describe());
    let mut ended = 0;
    let mut observer = |event: Event<'_>| match event {
        Event::Waiting { step, reason, limit, .. } => {
            let limit = duration(limit);
            let who = if step.is_argocds() { "Argo CD" } else { "the provider" };
            console
                .note(&format!("  {who} does not answer ({reason}); waiting up to {limit} for its restart"));
        }
        Event::Answering { waited } => {
            console.note(&format!("  it answers again after {}", duration(waited)));
        }
        Event::Finished(login) => {
            ended += 1;
            running.doing(&format!("{ended} of {} logins", logins.max(ended)));
            if console.shows(1) {
                console.detail(1, &format!("login {}", login.number));
                console.detail(1, &probe::table::render(login, probe::table::Style::default()));
                console.detail(2, &probe::table::answers(login));
            }
        }
    };
    let report = probe::run(&options, &mut observer, std::future::pending()).await;
    let outcome = format!("{} of {} logged in", report.ok(), report.logins.len());
    running.done(&outcome);
    record.steps.push(StepRecord { name: "logins".into(), ms: millis(since.elapsed()), outcome });

    let expected = expect.unwrap_or(Expect::LoggedIn);
    let found = Found {
        verdict: report.verdict,
        as_expected: report.verdict == verdict_of(expected),
        ok: (report.ok(), report.logins.len()),
        message: report.failures().first().map(|failure| failure.message.clone()),
        refusals: report.failures().iter().map(Refusal::of).collect(),
    };
    if let Value::Object(fields) = json!(report) {
        record.more.extend(fields);
    }
    record.more.insert("expected".into(), verdict_of(expected).name().into());
    show(session, &report, &argocd, release.as_ref(), &found);
    Ok(found)
}

fn verdict_of(expect: Expect) -> Verdict {
    match expect {
        Expect::LoggedIn => Verdict::LoggedIn,
        Expect::Refused => Verdict::Refused,
        Expect::Mixed => Verdict::Mixed,
    }
}

fn show(session: &Session, report: &Report, argocd: &Program, release: Option<&Release>, found: &Found) {
    let console = &session.console;
    if let Some(login) = report.example() {
        console.explain(&probe::table::render(login, probe::table::Style::default()));
    }
    let tone = if found.as_expected { Tone::Good } else { Tone::Bad };
    console.result(&console.toned(tone, &headline(report, argocd, session.lab.place())));
    for failure in report.failures() {
        let status = failure.status.map_or(String::new(), |status| format!("{status} "));
        console.result(&format!("  {} x at {}: {status}{}", failure.count, failure.step, failure.message));
        console.explain(&format!("  means: {}", failure.explanation));
        let names: Vec<&str> = failure.candidates.iter().map(|id| id.name()).collect();
        match names.as_slice() {
            [] => {}
            [one] => console.explain(&format!("  cause: {one}")),
            several => console
                .explain(&format!("  cause: one of {}; `cargo xtask doctor` says which", several.join(", "))),
        }
    }
    if report.verdict == Verdict::LoggedIn {
        return;
    }
    if let Some(release) = release {
        console.explain(&format!(
            "  argocd {release} (era: {}): {}",
            release.era().name(),
            release.era().because()
        ));
    }
    if !found.as_expected {
        console.explain(&format!("  next: {}", next(report, release)));
    }
}

/// `refused at callback: 0 of 5 logged in to argocd v3.3.6 (stand-in) on the local lab`.
fn headline(report: &Report, argocd: &Program, place: Place) -> String {
    let failures = report.failures();
    let at = match failures.first() {
        Some(failure) if report.verdict != Verdict::Unreachable => format!(" at {}", failure.step),
        _ => String::new(),
    };
    let (ok, all) = (report.ok(), report.logins.len());
    let (argocd, place) = (argocd.described(), place.name());
    format!("{}{at}: {ok} of {all} logged in to argocd {argocd} on the {place} lab", report.verdict)
}

fn next(report: &Report, release: Option<&Release>) -> &'static str {
    let heals = release.is_none_or(|release| release.era() != Era::NoReferences);
    match report.verdict {
        Verdict::Unreachable => "cargo xtask kubectl -- get pods -A",
        _ if heals => "cargo xtask fix test   (restarts Argo CD's server)",
        _ => "cargo xtask --argocd v2.1.0 working test   (the first release that knows $secret:key)",
    }
}
