//! Runs a plan: independent steps side by side.

use std::collections::BTreeSet;
use std::time::Instant;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;

use super::{Plan, Step};
use crate::login::Logins;
use crate::record::StepRecord;
use crate::session::Session;
use crate::steps;
use base::{Error, Result};

/// Runs the steps of a plan and records each. At the first failure no further step
/// starts; those that run are dropped. Gives the logins, if the plan has some.
///
/// # Errors
/// The first failure.
pub async fn run(session: &Session, plan: &Plan, records: &mut Vec<StepRecord>) -> Result<Option<Logins>> {
    let mut logins = None;
    let mut waiting: Vec<&Step> = plan.steps.iter().collect();
    let mut done = BTreeSet::new();
    let mut running = FuturesUnordered::new();
    loop {
        let (ready, later): (Vec<&Step>, Vec<&Step>) =
            waiting.into_iter().partition(|step| step.after.iter().all(|name| done.contains(name)));
        waiting = later;
        running.extend(ready.into_iter().map(|step| one(session, step)));
        let Some((step, record, outcome)) = running.next().await else { break };
        records.push(record);
        logins = outcome?.or(logins);
        done.insert(step.name);
    }
    match waiting.first() {
        None => Ok(logins),
        Some(step) => {
            Err(Error::environment(format!("step {} waits for a step that is not in the plan", step.name)))
        }
    }
}

async fn one<'a>(session: &Session, step: &'a Step) -> (&'a Step, StepRecord, Result<Option<Logins>>) {
    let since = Instant::now();
    let running = session.console.step(step.name, &step.action.describe());
    let outcome = steps::perform(session, step.action, &running).await;
    let text = match &outcome {
        Ok((text, _)) => text.clone(),
        Err(_) => "failed".to_owned(),
    };
    running.done(&text);
    let record = StepRecord::new(step.name, since, text);
    (step, record, outcome.map(|(_, logins)| logins))
}
