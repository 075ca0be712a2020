//! `--dry-run`: what goals and commands would do. Nothing here changes anything.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::cli::{Command, Goal};
use crate::commands;
use crate::console::Console;
use crate::lab::Lab;
use crate::names::Workload;
use crate::report::{GoalRecord, Report};
use crate::session::Session;
use crate::steps::DryRun;
use crate::timings::Timings;
use base::{Exit, Result};

/// Shows the plans of goals.
///
/// # Errors
/// An environment variable names nothing that could be used.
pub async fn goals(goals: &[Goal], session: &Session, report: &mut Report) -> Result<Exit> {
    let console = &session.console;
    let kind = match &session.lab {
        Lab::Kind(lab) => Some(DryRun::new(session, lab).await?),
        Lab::Local(_) => None,
    };
    if let Some(kind) = &kind {
        console.result(&kind.heading());
    }
    let commands = |action| kind.as_ref().map_or_else(Vec::new, |kind| kind.commands(action));
    let timings = session.options.timings.then(|| Timings::read(session.lab.folder()));
    for plan in crate::goals::dry_run(goals, session) {
        console.result(&match kind {
            Some(_) => plan.describe_with(commands),
            None => plan.describe(),
        });
        let critical = timings.as_ref().map(|timings| timings.critical(&plan));
        match &critical {
            Some(Some(critical)) => console.result(&critical.text()),
            Some(None) => console.result("  no times were recorded: run it once"),
            None => {}
        }
        let steps: Vec<_> = plan
            .steps
            .iter()
            .map(|step| {
                json!({"name": step.name, "after": step.after, "does": step.action.describe(),
                          "commands": commands(step.action)})
            })
            .collect();
        let mut more = serde_json::Map::new();
        more.insert("plan".into(), steps.into());
        if let Some(Some(critical)) = critical {
            let path: Vec<&str> = critical.path.iter().map(|(name, _)| *name).collect();
            let times = json!({"path": path, "ms": critical.length, "sum_ms": critical.sum});
            more.insert("critical".into(), times);
        }
        report.goals.push(GoalRecord { more, ..GoalRecord::new(plan.goal.name()) });
    }
    Ok(Exit::Done)
}

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
pub async fn command(session: &Session, command: &Command, report: &mut Report) -> Result<Option<Exit>> {
    let named = |name: &str, does: &str| (name.to_owned(), does.to_owned());
    let parts: Vec<(String, String)> = match command {
        Command::Rotate(_) => {
            let release = session.program(Workload::Argocd).await?.and_then(|program| program.release());
            let order = commands::order(release.as_ref());
            order.iter().map(|step| named(step.name, &step.action.describe())).collect()
        }
        Command::Matrix(args) => commands::plan(args)?,
        Command::Faults(args) => {
            commands::chosen(args).iter().map(|fault| named(fault.name(), fault.what())).collect()
        }
        Command::Compare => vec![
            named("labs", "bring up a lab of stand-ins and one of the real programs"),
            named(
                "cases",
                "log in under faults and changes on both, ask what no login asks, and show each field that differs",
            ),
        ],
        _ => return Ok(None),
    };
    let entry = report.entry(command.name(), |record| {
        show(&session.console, command.name(), &parts, &mut record.more);
        Ok(Exit::Done)
    });
    entry.map(Some)
}
