//! Goals, one after another, and what each says at its end.

mod dry_run;
mod monitor;
mod reproduce;
mod status;
pub mod stories;
pub mod test;
mod watch;

use std::time::Instant;

use probe::Verdict;

use crate::cli::Goal;
use crate::fault::{Fault, Seen};
use crate::lab::{Lab, Lock};
use crate::plan::{self, Plan};
use crate::programs::Kind;
use crate::record::{GoalRecord, Report, StepRecord};
use crate::session::Session;
use crate::timings::Timings;
use base::{Error, Exit, Result, duration};
use cluster::names::{Provider, Scheme, Workload, hosts};

pub use dry_run::{dry_run, show_plan};
use monitor::Exporter;

/// Runs goals from left to right and stops at the first that fails.
///
/// # Errors
/// The failure; what was done until then stands in the report. A verdict other than
/// the expected one is no error but [`Exit::Verdict`].
pub async fn run(session: &Session, goals: &[Goal], report: &mut Report) -> Result<Exit> {
    applies(session, goals)?;
    // What is watched for is what somebody else does to the lab.
    let looks = |goal: &Goal| *goal == Goal::Status || *goal == Goal::Test && session.options.watch;
    let mut lock = match goals.iter().any(|goal| !looks(goal)) {
        true => Some(Lock::take(session.lab.own_folder())?),
        false => None,
    };
    let mut outcome = Ok(Exit::Done);
    for &goal in goals {
        if goal == Goal::Test && looks(&goal) {
            lock = None;
        }
        let fault = fault_of(goal, goals, session.options.fault());
        outcome = act(session, goal, fault, &mut report.begin(goal.name())).await;
        if !matches!(outcome, Ok(Exit::Done)) {
            break;
        }
    }
    if let (Err(error), Lab::Kind(lab)) = (&outcome, &session.lab)
        && error.exit == Exit::Environment
        && matches!(lab.find().await, Ok(Some(_)))
    {
        // Before anything is cleaned up: afterwards nobody can look.
        session.show_diagnosis().await;
    }
    // What runs is asked once, at the end: a report about a lab that is gone has none.
    if matches!(session.lab.find().await, Ok(Some(_))) {
        report.argocd = session.program(Workload::Argocd).await.unwrap_or_default();
        report.dex = session.program(session.dex()).await.unwrap_or_default();
    }
    drop(lock);
    outcome
}

async fn act(session: &Session, goal: Goal, fault: Option<Fault>, record: &mut GoalRecord) -> Result<Exit> {
    let console = &session.console;
    match goal {
        Goal::Status => {
            status::run(session, record).await?;
            return Ok(Exit::Done);
        }
        Goal::Reproduce => return reproduce::run(session, record).await,
        Goal::Test if session.options.watch => return watch::run(session, record).await,
        Goal::Test => {
            let expect = session.options.expect;
            let verdict = test::run(session, expect, record).await?.verdict;
            let as_expected = verdict == expect.unwrap_or(Verdict::LoggedIn);
            return Ok(if as_expected { Exit::Done } else { Exit::Verdict });
        }
        _ => {}
    }
    if goal != Goal::Down {
        console.heading(&heading(session, goal).await?);
    }
    if matches!(goal, Goal::Break | Goal::Fix | Goal::Monitor) {
        session.access().await?;
    }
    if goal == Goal::Break {
        can_fail(session, fault.unwrap_or(Fault::Rotate)).await?;
    }
    let since = Instant::now();
    reach(session, goal, fault, &mut record.steps).await?;
    let time = duration(since.elapsed());
    if goal != Goal::Down {
        Timings::record(session.lab.folder(), goal.name(), &record.steps);
    }
    match goal {
        Goal::Working | Goal::Broken => {
            let access = session.access().await?;
            let hosts: Vec<String> =
                hosts(session.provider).iter().map(|host| session.scheme().url(host)).collect();
            console.note(&format!("  up in {time}: {} by {}", hosts.join(" and "), access.front()));
        }
        Goal::Monitor => {
            let exporter = Exporter::of(session).await?;
            record.more.insert("exporter".into(), exporter.fields());
            console.note(&format!("  answers after {time}: {}", exporter.login()));
            console.note("  a Prometheus with this configuration watches the logins, and has the alerts:");
            console.result(exporter.prometheus().trim_end());
        }
        Goal::Break => {
            record.more.insert("fault".into(), fault.unwrap_or(Fault::Rotate).name().into());
        }
        Goal::Down => {
            let removed = record.steps.iter().any(|step| step.outcome == "removed");
            console.explain(if removed { "the lab is gone" } else { "there was no lab" });
        }
        _ => {}
    }
    Ok(Exit::Done)
}

/// Makes the plan of a goal and runs it.
///
/// # Errors
/// A step could not be done.
pub async fn reach(
    session: &Session,
    goal: Goal,
    fault: Option<Fault>,
    steps: &mut Vec<StepRecord>,
) -> Result<()> {
    let plan = plan_of(session, goal, fault)
        .ok_or_else(|| Error::usage(format!("goal {} has no plan of its own", goal.name())))?;
    plan::run(session, &plan, steps).await?;
    if matches!(goal, Goal::Working | Goal::Broken) {
        session.unfinished.complete();
    }
    Ok(())
}

/// The plan of a goal in this lab, or `None` for one that has none of its own.
fn plan_of(session: &Session, goal: Goal, fault: Option<Fault>) -> Option<Plan> {
    let plan = Plan::of(goal, fault, session.lab.place(), session.provider)?;
    Some(if session.scheme().is_https() { plan.over_tls() } else { plan })
}

/// The fault that a goal is about. Where one line breaks and fixes, `--fault` is what
/// breaks, and everything is fixed.
fn fault_of(goal: Goal, goals: &[Goal], fault: Option<Fault>) -> Option<Fault> {
    fault.filter(|_| goal != Goal::Fix || !goals.contains(&Goal::Break))
}

/// Refuses, before anything is done, a fault that is none where this lab's provider checks users.
///
/// # Errors
/// It is one.
pub fn applies(session: &Session, goals: &[Goal]) -> Result<()> {
    if session.options.watch && goals.last() != Some(&Goal::Test) {
        return Err(Error::usage("--watch is of the goal `test`, which then comes last"));
    }
    match session.options.fault() {
        Some(fault) if goals.contains(&Goal::Break) => possible(fault, session.provider, session.scheme()),
        _ => Ok(()),
    }
}

/// Refuses a fault that is none where a provider checks users, or a lab is spoken to so.
///
/// # Errors
/// It is one.
pub fn possible(fault: Fault, provider: Provider, scheme: Scheme) -> Result<()> {
    if fault.over().is_some_and(|over| over != scheme) {
        return Err(Error::usage(format!(
            "the fault {} is of a lab over https, and this lab speaks plain http",
            fault.name()
        ))
        .hint("`cargo xtask --tls working` makes such a lab"));
    }
    if fault.is_of(provider) {
        return Ok(());
    }
    let (of, has) = match provider {
        Provider::Dex => ("the Dex inside Argo CD", "a Dex of its own"),
        Provider::Bundled => ("a Dex of its own", "the one inside Argo CD"),
    };
    Err(Error::usage(format!("the fault {} is of {of}, and this lab has {has}", fault.name()))
        .hint("`cargo xtask break --fault list` names those that there are with --provider bundled"))
}

/// Refuses a fault that would change nothing: the stand-ins lack what it breaks.
async fn can_fail(session: &Session, fault: Fault) -> Result<()> {
    let Seen::RealOnly(why) = fault.seen() else { return Ok(()) };
    let stand_in =
        session.program(Workload::Argocd).await?.is_some_and(|program| program.kind == Kind::StandIn);
    match stand_in {
        true => Err(Error::usage(format!("the fault {} shows with real programs only: {why}", fault.name()))
            .hint("`--argocd-bin PATH working` runs a real one")),
        false => Ok(()),
    }
}

/// Says what is going to happen. A program that cannot be run ends the goal here, before
/// anything is touched.
async fn heading(session: &Session, goal: Goal) -> Result<String> {
    let what = match goal {
        Goal::Working | Goal::Broken => {
            let argocd = session.chosen(Workload::Argocd).await?;
            let dex = session.chosen_dex().await?.described();
            let (era, argocd, place) = (argocd.era(), argocd.described(), session.lab.place().name());
            let inside = if session.provider == Provider::Bundled { " inside it" } else { "" };
            format!("{}: argocd {argocd}, era: {era}, dex {dex}{inside}, on the {place} lab", goal.name())
        }
        Goal::Break => format!("break: {}", session.options.fault().unwrap_or(Fault::Rotate).name()),
        other => other.name().to_owned(),
    };
    Ok(what)
}

/// The plans of goals.
fn plans(goals: &[Goal], session: &Session) -> Vec<Plan> {
    let fault = session.options.fault();
    let stories = |goal: &Goal| match goal {
        Goal::Reproduce => reproduce::goals(),
        other => vec![*other],
    };
    // What only looks has no steps.
    let plan = |goal| {
        plan_of(session, goal, fault_of(goal, goals, fault))
            .unwrap_or(Plan { name: goal.name(), steps: vec![] })
    };
    goals.iter().flat_map(stories).map(plan).collect()
}
