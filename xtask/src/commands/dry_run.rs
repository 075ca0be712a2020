//! `--dry-run`: what commands would do. Nothing here changes anything.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::{chosen, matrix_plan, of_its_own, over_http};
use crate::cli::Command;
use crate::console::Console;
use crate::goals;
use crate::plan;
use crate::record::Report;
use crate::session::Session;
use base::{Exit, Result};
use cluster::names::Workload;

/// Shows what a command would do: its parts by name, for people and as `plan`.
pub fn show(
    console: &Console,
    command: &str,
    parts: &[(impl AsRef<str>, String)],
    more: &mut Map<String, Value>,
) {
    let mut text = format!("{command}\n");
    let mut plan = vec![];
    for (name, does) in parts {
        let name = name.as_ref();
        let _ = writeln!(text, "  {name:<20} {does}");
        plan.push(json!({"name": name, "after": [], "does": does, "commands": []}));
    }
    console.result(&text);
    more.insert("plan".into(), plan.into());
}

/// Shows what a command would do that changes something; `None` for one that only looks.
///
/// # Errors
/// What it would do cannot be told: no lab is up, or its arguments name nothing.
pub async fn dry_run(session: &Session, command: &Command, report: &mut Report) -> Result<Option<Exit>> {
    let named = |name: &str, does: &str| (name.to_owned(), does.to_owned());
    let parts: Vec<(String, String)> = match command {
        Command::Rotate(_) => {
            of_its_own(session, "rotate")?;
            let release = session.program(Workload::Argocd).await?.and_then(|program| program.release());
            return goals::show(session, &[plan::rotate(release.as_ref())], report).await.map(Some);
        }
        Command::Matrix(args) => matrix_plan(args, session.provider)?,
        Command::Faults(args) => {
            chosen(args, session)?.iter().map(|fault| named(fault.name(), fault.what())).collect()
        }
        Command::Compare => over_http(session).and_then(|()| of_its_own(session, "compare")).map(|()| {
            vec![
                named("labs", "bring up a lab of stand-ins and one of the real programs"),
                named(
                    "cases",
                    "log in under faults on both, ask what no login asks, and show each field that differs",
                ),
            ]
        })?,
        _ => return Ok(None),
    };
    let entry = report.entry(command.name(), |record| {
        show(&session.console, command.name(), &parts, &mut record.more);
        Ok(Exit::Done)
    });
    entry.map(Some)
}
