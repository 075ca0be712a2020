//! `--dry-run`: the plans of goals, with what each step does.

use serde_json::{Map, json};

use crate::cli::Goal;
use crate::plan::Plan;
use crate::record::{GoalRecord, Report};
use crate::session::Session;
use crate::steps::{Action, Deed, DryRun};
use crate::timings::Timings;
use base::{Exit, Result};
use cluster::names::Place;

/// Shows the plans of goals.
///
/// # Errors
/// An environment variable names nothing that could be used.
pub async fn dry_run(goals: &[Goal], session: &Session, report: &mut Report) -> Result<Exit> {
    super::applies(session, goals)?;
    show(session, &super::plans(goals, session), report).await
}

/// Shows plans.
///
/// # Errors
/// An environment variable names nothing that could be used.
pub async fn show(session: &Session, plans: &[Plan], report: &mut Report) -> Result<Exit> {
    let console = &session.console;
    let dry_run = DryRun::new(session).await?;
    let on_kind = session.lab.place() == Place::Kind;
    if on_kind {
        console.result(&dry_run.heading());
    }
    let timings = session.options.timings.then(|| Timings::read(session.lab.folder()));
    for plan in plans {
        // Asked for once, in the order of the plans: what is in the lab depends on what was done.
        let deeds: Vec<(Action, Vec<Deed>)> =
            plan.steps.iter().map(|step| (step.action, dry_run.deeds(step.action))).collect();
        let of =
            |action| deeds.iter().find(|(it, _)| *it == action).map_or(vec![], |(_, deeds)| deeds.clone());
        console.result(&plan.describe(on_kind, of));
        let critical = timings.as_ref().map(|timings| timings.critical(plan));
        match &critical {
            Some(Some(critical)) => console.result(&critical.text()),
            Some(None) => console.result("  no times were recorded: run it once"),
            None => {}
        }
        let steps: Vec<_> = plan
            .steps
            .iter()
            .map(|step| {
                let (mut commands, mut requests) = (vec![], vec![]);
                for deed in of(step.action) {
                    match deed {
                        Deed::Request(request) => requests.push(request),
                        command => commands.push(command.to_string()),
                    }
                }
                json!({"name": step.name, "after": step.after, "does": step.action.describe(),
                       "commands": commands, "requests": requests})
            })
            .collect();
        let mut more = Map::new();
        more.insert("plan".into(), steps.into());
        if let Some(Some(critical)) = critical {
            let path: Vec<&str> = critical.path.iter().map(|(name, _)| *name).collect();
            let times = json!({"path": path, "ms": critical.length, "sum_ms": critical.sum});
            more.insert("critical".into(), times);
        }
        report.goals.push(GoalRecord { more, ..GoalRecord::new(plan.name) });
    }
    Ok(Exit::Done)
}
