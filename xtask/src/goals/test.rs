//! `test`: logs in, and says what that shows.

use probe::{Report, Verdict};
use releases::{Era, Release};

use crate::login::{shown, tell_failure};
use crate::plan::{self, Plan};
use crate::programs::Program;
use crate::record::GoalRecord;
use crate::session::Session;
use base::terminal::github;
use base::{Error, Result};
use cluster::names::Place;

/// Logs in and gives what that shows, held against `expect` (logged in, if it says nothing).
///
/// # Errors
/// No lab is up, or it holds no Argo CD.
pub async fn run(session: &Session, expect: Option<Verdict>, record: &mut GoalRecord) -> Result<Report> {
    let logins = plan::run(session, &Plan::test(expect), &mut record.steps).await?;
    let logins = logins.ok_or_else(|| Error::environment("the plan of `test` has no logins"))?;
    let (report, argocd) = (logins.report, logins.argocd);
    let expected = expect.unwrap_or(Verdict::LoggedIn);
    record.say(&report);
    if session.options.report.is_some() {
        record.shown = shown(&report);
    }
    record.more.insert("expected".into(), expected.name().into());
    show(session, &report, &argocd, expected);
    Ok(report)
}

fn show(session: &Session, report: &Report, argocd: &Program, expected: Verdict) {
    let (console, release, failures) = (&session.console, argocd.release(), report.failures());
    let as_expected = report.verdict == expected;
    if let Some(login) = report.example() {
        console.explain(&probe::table::render(login, console.results().into()));
    }
    let headline = headline(report, argocd, session.lab.place());
    console.judged(as_expected, &headline);
    if !as_expected {
        let message = failures.first().map_or_else(String::new, |failure| format!("\n{}", failure.message));
        console.annotate(&github::error(None, "test", &format!("{headline}{message}")));
    }
    for failure in &failures {
        tell_failure(console, failure, "", "; `cargo xtask doctor` says which");
    }
    if report.verdict == Verdict::LoggedIn {
        return;
    }
    if let Some(release) = &release {
        console.explain(&format!(
            "  argocd {release} (era: {}): {}",
            release.era().name(),
            release.era().because()
        ));
    }
    if !as_expected {
        console.explain(&format!("  next: {}", next(report, release.as_ref())));
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
