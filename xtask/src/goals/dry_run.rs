//! `--dry-run`: the plans of goals, with what each step does.

use serde_json::{Map, json};

use crate::cli::Goal;
use crate::lab::Lab;
use crate::report::{GoalRecord, Report};
use crate::session::Session;
use crate::steps::DryRun;
use crate::timings::Timings;
use base::{Exit, Result};

/// Shows the plans of goals.
///
/// # Errors
/// An environment variable names nothing that could be used.
pub async fn dry_run(goals: &[Goal], session: &Session, report: &mut Report) -> Result<Exit> {
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
    for plan in super::plans(goals, session) {
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
        let mut more = Map::new();
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
