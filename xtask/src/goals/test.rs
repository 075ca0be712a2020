//! `test`: logs in, and says what that shows.

use probe::{Report, Verdict};
use releases::{Era, Release};
use serde_json::{Value, json};

use crate::cli::Expect;
use crate::console::Tone;
use crate::known::Refusal;
use crate::login::shown;
use crate::plan::{self, Plan};
use crate::programs::Program;
use crate::record::GoalRecord;
use crate::session::Session;
use base::terminal::github;
use base::{Error, Result};
use cluster::names::Place;

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
    let logins = plan::run(session, &Plan::test(expect), &mut record.steps).await?;
    let logins = logins.ok_or_else(|| Error::environment("the plan of `test` has no logins"))?;
    let (report, argocd) = (logins.report, logins.argocd);
    let release = Release::parse(&argocd.version).ok();
    let expected = expect.unwrap_or(Expect::LoggedIn).verdict();
    let found = Found {
        verdict: report.verdict,
        as_expected: report.verdict == expected,
        ok: (report.ok(), report.logins.len()),
        message: report.failures().first().map(|failure| failure.message.clone()),
        refusals: report.failures().iter().map(Refusal::of).collect(),
    };
    if let Value::Object(fields) = json!(report) {
        record.more.extend(fields);
    }
    if session.options.report.is_some() {
        record.shown = shown(&report);
    }
    record.more.insert("expected".into(), expected.name().into());
    show(session, &report, &argocd, release.as_ref(), &found);
    Ok(found)
}

fn show(session: &Session, report: &Report, argocd: &Program, release: Option<&Release>, found: &Found) {
    let console = &session.console;
    if let Some(login) = report.example() {
        console.explain(&probe::table::render(login, console.results().into()));
    }
    let tone = if found.as_expected { Tone::Good } else { Tone::Bad };
    let headline = headline(report, argocd, session.lab.place());
    console.result(&console.toned(tone, &headline));
    if !found.as_expected {
        let message = found.message.as_ref().map_or_else(String::new, |message| format!("\n{message}"));
        console.annotate(&github::error(None, "test", &format!("{headline}{message}")));
    }
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
