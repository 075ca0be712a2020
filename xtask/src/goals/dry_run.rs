//! `--dry-run`: the plans of goals, with what each step does.

use serde_json::{Value, json};

use crate::cli::Goal;
use crate::plan::{Plan, Step};
use crate::record::{GoalRecord, Report};
use crate::session::Session;
use crate::steps::{Deed, DryRun};
use crate::timings::Timings;
use base::{Exit, Result};
use cluster::names::Place;

/// Shows the plans of goals.
///
/// # Errors
/// An environment variable names nothing that could be used.
pub async fn dry_run(goals: &[Goal], session: &Session, report: &mut Report) -> Result<Exit> {
    super::applies(session, goals)?;
    let mut dry_run = headed(session).await?;
    for plan in super::plans(goals, session) {
        show(session, &plan, &mut dry_run, &mut report.begin(plan.name));
    }
    Ok(Exit::Done)
}

/// Shows the plan of a command.
///
/// # Errors
/// As [`dry_run`].
pub async fn show_plan(session: &Session, plan: &Plan, record: &mut GoalRecord) -> Result<Exit> {
    show(session, plan, &mut headed(session).await?, record);
    Ok(Exit::Done)
}

/// What steps will do; shows what stands before all plans.
async fn headed(session: &Session) -> Result<DryRun> {
    let dry_run = DryRun::new(session).await?;
    if session.lab.place() == Place::Kind {
        session.console.result(&dry_run.heading());
    }
    Ok(dry_run)
}

fn show(session: &Session, plan: &Plan, dry_run: &mut DryRun, record: &mut GoalRecord) {
    let console = &session.console;
    let deeds: Vec<Vec<Deed>> = plan.steps.iter().map(|step| dry_run.deeds(step.action)).collect();
    console.result(&plan.describe(session.lab.place() == Place::Kind, &deeds));
    let step = |(step, deeds): (&Step, &Vec<Deed>)| {
        let request =
            |deed: &Deed| if let Deed::Request(request) = deed { Some(json!(request)) } else { None };
        let requests: Vec<Value> = deeds.iter().filter_map(request).collect();
        let commands = deeds.iter().filter(|deed| !matches!(deed, Deed::Request(_)));
        let commands: Vec<String> = commands.map(ToString::to_string).collect();
        json!({"name": step.name, "after": step.after, "does": step.action.describe(),
               "commands": commands, "requests": requests})
    };
    let steps: Value = plan.steps.iter().zip(&deeds).map(step).collect();
    record.more.insert("plan".into(), steps);
    if !session.options.timings {
        return;
    }
    let Some(critical) = Timings::read(session.lab.folder()).critical(plan) else {
        return console.result("  no times were recorded: run it once");
    };
    console.result(&critical.text());
    let path: Vec<&str> = critical.path.iter().map(|(name, _)| *name).collect();
    let times = json!({"path": path, "ms": critical.length, "sum_ms": critical.sum});
    record.more.insert("critical".into(), times);
}
