//! `compare`: the stand-ins held against the real programs, on this machine, exchange by
//! exchange.

mod cases;
mod diff;
mod reasons;

use std::time::Instant;

use serde_json::{Map, json};

use crate::cli::{Goal, Options};
use crate::commands::own_lab::OwnLab;
use crate::lab::OwnLabs;
use crate::names::Workload;
use crate::programs::Kind;
use crate::report::{GoalRecord, Report, StepRecord, millis};
use crate::session::Session;
use base::{Error, Exit, Result};

use cases::Case;
use diff::{Answer, Difference, differences};

/// Plays every case on a lab of stand-ins and on one of the real programs.
///
/// # Errors
/// No real program is named, or a lab does not come up.
pub async fn compare(session: &Session, report: &mut Report) -> Result<Exit> {
    let since = Instant::now();
    let own = OwnLabs::of(&session.lab, "compare")?;
    let argocd = session.chosen(Workload::Argocd).await?;
    let dex = session.chosen(Workload::Dex).await?;
    if argocd.kind == Kind::StandIn && dex.kind == Kind::StandIn {
        return Err(Error::usage("there is nothing real to compare the stand-ins with")
            .hint("name it: --argocd-bin PATH, --dex-bin PATH, or --real"));
    }
    let release = argocd.release().ok_or_else(|| {
        Error::environment(format!("{} names no release that a stand-in could stand in for", argocd.version))
    })?;
    let console = &session.console;
    console.note(&format!(
        "compare: the stand-ins of argocd {release} and Dex with argocd {} and dex {}",
        argocd.described(),
        dex.described()
    ));
    let quiet = |options: Options, name: &str| OwnLab::new(own.lab(name), Options { port: None, ..options });
    let stand_in = Options {
        argocd: Some(release.clone()),
        argocd_bin: None,
        dex_bin: None,
        real: false,
        ..session.options.clone()
    };
    let labs = [quiet(stand_in, "stand-in"), quiet(session.options.clone(), "real")];
    let running = console.step("labs", "bringing both up");
    let up = futures::future::join_all(labs.iter().map(|lab| cases::goal(lab, Goal::Working, None))).await;
    up.into_iter().collect::<Result<Vec<()>>>()?;
    running.done("up");

    let mut steps = vec![];
    let mut found: Vec<Difference> = vec![];
    for case in cases::all(release.era()) {
        let began = Instant::now();
        let running = console.step(case.name(), "on both labs");
        let here = one(&labs, case).await?;
        let new = differences(case.name(), &here[0], &here[1]);
        let outcome = summary(&new, here[1].len());
        running.done(&outcome);
        steps.push(StepRecord { name: case.name().into(), ms: millis(began.elapsed()), outcome });
        found.extend(new);
    }
    for lab in labs {
        lab.done().await;
    }

    let unlisted = found.iter().filter(|it| it.reason.is_none()).count();
    for difference in &found {
        let Difference { case, at, field, stand_in, real, reason } = difference;
        let why = reason.map_or_else(|| "NOT LISTED".to_owned(), |why| format!("listed: {why}"));
        console
            .result(&format!("{case}, {at}, {field}\n  stand-in  {stand_in}\n  real      {real}\n  {why}"));
    }
    console.result(&format!(
        "{} differences, {} with a reason, {unlisted} without",
        found.len(),
        found.len() - unlisted
    ));
    let mut more = Map::new();
    more.insert("argocd".into(), json!(argocd));
    more.insert("dex".into(), json!(dex));
    more.insert("differences".into(), json!(found));
    report.goals.push(GoalRecord { goal: "compare".into(), time: since.elapsed(), steps, more });
    Ok(if unlisted == 0 { Exit::Done } else { Exit::Verdict })
}

async fn one(labs: &[OwnLab; 2], case: Case) -> Result<Vec<Vec<Answer>>> {
    let played = futures::future::join_all(labs.iter().map(|lab| case.play(lab))).await;
    let names = ["the lab of stand-ins", "the lab of real programs"];
    played
        .into_iter()
        .zip(names)
        .map(|(answers, name)| answers.map_err(|error| error.context(format!("{}, {name}", case.name()))))
        .collect()
}

fn summary(found: &[Difference], answers: usize) -> String {
    let unlisted = found.iter().filter(|it| it.reason.is_none()).count();
    match (found.len(), unlisted) {
        (0, _) => format!("{answers} answers alike"),
        (all, 0) => format!("{answers} answers, {all} listed differences"),
        (all, unlisted) => format!("{answers} answers, {all} differences, {unlisted} of them not listed"),
    }
}
