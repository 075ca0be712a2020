//! `reproduce`: both stories, each verdict held against what the release is known to do.

use std::time::Instant;

use probe::Verdict;
use serde_json::{Map, Value, json};

use crate::cli::{Expect, Fault, Goal};
use crate::console::Tone;
use crate::error::{Error, Exit, Result};
use crate::known::{self, Stage};
use crate::names::Workload;
use crate::plan::Plan;
use crate::report::{GoalRecord, Report, StepRecord};
use crate::run;
use crate::session::Session;

/// The goals of both stories, in their order.
pub const GOALS: [Goal; 9] = [
    Goal::Working,
    Goal::Test,
    Goal::Break,
    Goal::Test,
    Goal::Fix,
    Goal::Test,
    Goal::Broken,
    Goal::Test,
    Goal::Fix,
];

/// Both stories: what is done, and the stage that the test after it looks at.
const STORIES: [(Goal, Stage); 5] = [
    (Goal::Working, Stage::Working),
    (Goal::Break, Stage::Break),
    (Goal::Fix, Stage::Fix),
    (Goal::Broken, Stage::Broken),
    (Goal::Fix, Stage::Fix),
];

/// Runs both stories. The record of the goal carries a row for each stage.
///
/// # Errors
/// A goal could not be done. A verdict that is not the known one is [`Exit::Verdict`].
pub async fn run(session: &Session, report: &mut Report) -> Result<Exit> {
    let since = Instant::now();
    let mut record = GoalRecord {
        goal: Goal::Reproduce.name().into(),
        time: since.elapsed(),
        steps: vec![],
        more: Map::new(),
    };
    let outcome = stories(session, &mut record).await;
    record.time = since.elapsed();
    report.goals.push(record);
    outcome
}

async fn stories(session: &Session, record: &mut GoalRecord) -> Result<Exit> {
    let argocd = session.chosen(Workload::Argocd).await?;
    let release = argocd.release();
    let console = session.console.clone();
    let mut rows = vec![];
    let mut all_known = true;
    for (goal, stage) in STORIES {
        console.note(&console.toned(Tone::Strong, goal.name()));
        let plan = Plan::of(goal, Fault::Rotate)
            .ok_or_else(|| Error::usage(format!("goal {} has no plan of its own", goal.name())))?;
        run::run(session, &plan, &mut record.steps).await?;
        if matches!(goal, Goal::Working | Goal::Broken) {
            session.complete();
        }
        let known = release.as_ref().and_then(|release| known::verdict(release, stage));
        let mut test = GoalRecord {
            goal: "test".into(),
            time: std::time::Duration::ZERO,
            steps: vec![],
            more: Map::new(),
        };
        let found = super::test::run(session, known.and_then(expect_of), &mut test).await?;
        record.steps.extend(
            test.steps.into_iter().map(|step| StepRecord { name: format!("{}-test", goal.name()), ..step }),
        );
        let as_known = known.is_none_or(|known| known == found.verdict);
        all_known &= as_known;
        let (ok, total) = found.ok;
        let known = known.map_or("not certain", Verdict::name);
        rows.push((goal.name(), found.verdict.name(), ok, total, known, as_known));
    }
    let era = release.map_or("unknown", |release| release.era().name());
    let mut text = format!("argocd {}, era: {era}\n", argocd.described());
    text.push_str("  after      verdict      logged in  known        as known\n");
    for (goal, verdict, ok, total, known, as_known) in &rows {
        let logged_in = format!("{ok} of {total}");
        let as_known = if *as_known { "yes" } else { "NO" };
        text.push_str(&format!("  {goal:<10} {verdict:<12} {logged_in:<10} {known:<12} {as_known}\n"));
    }
    console.result(&text);
    let rows: Vec<Value> = rows
        .into_iter()
        .map(|(after, verdict, ok, total, known, as_known)| {
            json!({"after": after, "verdict": verdict, "logins": {"total": total, "ok": ok, "failed": total - ok},
                   "known": known, "as_known": as_known})
        })
        .collect();
    record.more.insert("stories".into(), rows.into());
    record.more.insert("as_known".into(), all_known.into());
    Ok(if all_known { Exit::Done } else { Exit::Verdict })
}

fn expect_of(verdict: Verdict) -> Option<Expect> {
    match verdict {
        Verdict::LoggedIn => Some(Expect::LoggedIn),
        Verdict::Refused => Some(Expect::Refused),
        Verdict::Mixed => Some(Expect::Mixed),
        Verdict::Unreachable => None,
    }
}
