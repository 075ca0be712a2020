//! `reproduce`: both stories, each verdict held against what the release is known to do.

use std::time::Instant;

use probe::Verdict;
use serde_json::{Map, json};

use super::stories::{self, Row};
use crate::cli::Goal;
use crate::names::Workload;
use crate::report::{GoalRecord, Report};
use crate::session::Session;
use base::{Exit, Result};

/// The goals of both stories with their tests, in their order.
pub fn goals() -> Vec<Goal> {
    stories::BOTH.iter().flat_map(|act| [act.goal, Goal::Test]).collect()
}

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
    let outcome = both(session, &mut record).await;
    record.time = since.elapsed();
    report.goals.push(record);
    outcome
}

async fn both(session: &Session, record: &mut GoalRecord) -> Result<Exit> {
    let argocd = session.chosen(Workload::Argocd).await?;
    let rows = stories::play(session, &stories::BOTH, &mut record.steps, |_| {}).await?;
    let mut text = format!("argocd {}, era: {}\n", argocd.described(), argocd.era());
    text.push_str("  after      verdict      logged in  known        as known\n");
    for row in &rows {
        text.push_str(&line(row));
    }
    session.console.result(&text);
    let all_known = rows.iter().all(|row| row.as_known);
    record.more.insert("stories".into(), json!(rows));
    record.more.insert("as_known".into(), all_known.into());
    Ok(if all_known { Exit::Done } else { Exit::Verdict })
}

fn line(row: &Row) -> String {
    let logged_in = format!("{} of {}", row.logins.ok, row.logins.total);
    let known = row.known.map_or("not certain", Verdict::name);
    let as_known = if row.as_known { "yes" } else { "NO" };
    let (goal, verdict) = (row.after.name(), row.verdict.name());
    format!("  {goal:<10} {verdict:<12} {logged_in:<10} {known:<12} {as_known}\n")
}
