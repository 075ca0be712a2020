//! `reproduce`: both stories, each verdict held with its step and answer against what the
//! release is known to do.

use std::time::Instant;

use serde_json::{Value, json};

use super::stories::{self, Row};
use crate::cli::Goal;
use crate::known;
use crate::record::{GoalRecord, Report};
use crate::session::Session;
use base::{Exit, Result};
use cluster::names::Workload;

/// The goals of both stories with their tests, in their order.
pub fn goals() -> Vec<Goal> {
    stories::BOTH.iter().flat_map(|act| [act.goal, Goal::Test]).collect()
}

/// Runs both stories. The record of the goal carries a row for each stage.
///
/// # Errors
/// A goal could not be done. Logins that end otherwise than known are [`Exit::Verdict`].
pub async fn run(session: &Session, report: &mut Report) -> Result<Exit> {
    both(session, &mut report.begun(Goal::Reproduce.name(), Instant::now())).await
}

async fn both(session: &Session, record: &mut GoalRecord) -> Result<Exit> {
    let argocd = session.chosen(Workload::Argocd).await?;
    let rows = stories::play(session, &stories::BOTH, &mut record.steps, |_| {}).await?;
    let mut text = format!("argocd {}, era: {}\n", argocd.described(), argocd.era());
    let width = rows.iter().flat_map(|row| [row.seen().len(), row.known().len()]).max().unwrap_or(0);
    text.push_str(&format!("  after      {:<width$}  logged in  {:<width$}  as known\n", "verdict", "known"));
    for row in &rows {
        text.push_str(&line(row, width));
    }
    let assumed = argocd.release().filter(|release| !known::is_measured(release, session.provider));
    if let Some(release) = assumed {
        text.push_str(&format!("{}\n", known::assumed(&[release.to_string()])));
    }
    session.console.result(&text);
    let all_known = rows.iter().all(|row| row.as_known);
    record.more.insert("stories".into(), json!(rows));
    if session.options.report.is_some() {
        record
            .shown
            .insert("stories".into(), rows.iter().map(|row| Value::Object(row.shown.clone())).collect());
    }
    record.more.insert("as_known".into(), all_known.into());
    Ok(if all_known { Exit::Done } else { Exit::Verdict })
}

fn line(row: &Row, width: usize) -> String {
    let logged_in = format!("{} of {}", row.logins.ok, row.logins.total);
    let as_known = if row.as_known { "yes" } else { "NO" };
    let (goal, seen, known) = (row.after.name(), row.seen(), row.known());
    format!("  {goal:<10} {seen:<width$}  {logged_in:<9}  {known:<width$}  {as_known}\n")
}
