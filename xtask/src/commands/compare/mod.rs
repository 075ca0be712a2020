//! `compare`: the stand-ins held against the real programs, on this machine, exchange by
//! exchange.

mod cases;
mod diff;
mod reasons;
mod request;

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::json;
use stand_ins::DIFFERENCES;

use crate::cli::{Goal, Options};
use crate::commands::dry_run;
use crate::commands::own_lab::OwnLab;
use crate::console::Console;
use crate::lab::OwnLabs;
use crate::programs::Kind;
use crate::record::{Entry, GoalRecord, StepRecord};
use crate::session::Session;
use base::{Error, Exit, Result};
use cluster::names::{Place, Workload};

use cases::Case;
use diff::{Answer, Difference, differences};

/// What a dry run says.
const PLAN: [(&str, &str); 2] = [
    ("labs", "bring up a lab of stand-ins and one of the real programs"),
    ("cases", "log in under faults on both, ask what no login asks, and show each field that differs"),
];

/// Plays every case on a lab of stand-ins and on one of the real programs. Both labs are
/// its own; the user's is not looked at.
///
/// # Errors
/// No real program is named, or a lab does not come up. What was found until then is said.
pub async fn compare(session: &Session, record: &mut Entry<'_>) -> Result<Exit> {
    if session.scheme().is_https() {
        return Err(Error::usage("`compare` is over plain http")
            .hint("leave --tls out: what is held against what does not hang on it"));
    }
    super::of_its_own(session, "compare")?;
    if session.options.dry_run {
        return Ok(dry_run::show(&session.console, PLAN, record));
    }
    let own = OwnLabs::of(&session.lab, "compare")?;
    record.report.place = Some(Place::Local);
    let mut found: Vec<Difference> = vec![];
    let outcome = play(session, &own, record, &mut found).await;
    show(&session.console, &found, record.steps.is_empty());
    record.more.insert("differences".into(), json!(found));
    outcome?;
    Ok(if unlisted(&found) > 0 { Exit::Verdict } else { Exit::Done })
}

async fn play(
    session: &Session,
    own: &OwnLabs,
    record: &mut GoalRecord,
    found: &mut Vec<Difference>,
) -> Result<()> {
    // What is said is what is run: the lab of real programs tells which they are.
    let real = OwnLab::new(own.lab("real"), session.options.clone());
    let argocd = real.chosen(Workload::Argocd).await?;
    let dex = real.chosen(Workload::Dex).await?;
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
    let left_out = cases::left_out(release.era());
    for (fault, why) in &left_out {
        console.explain(&format!("left out: {}: {why}", fault.name()));
    }
    for difference in DIFFERENCES {
        console.explain(&format!("not asked, known to differ: {difference}"));
    }
    let left_out: BTreeMap<&str, &str> = left_out.iter().map(|(fault, why)| (fault.name(), *why)).collect();
    record.say(json!({"left_out": left_out, "known_to_differ": DIFFERENCES, "argocd": argocd, "dex": dex}));

    let stand_in = Options {
        argocd: Some(release.clone()),
        argocd_bin: None,
        dex_bin: None,
        real: false,
        ..session.options.clone()
    };
    let labs = [OwnLab::new(own.lab("stand-in"), stand_in), real];
    let outcome = async {
        let running = console.step("labs", "bringing both up");
        let up = labs.iter().map(|lab| cases::goal(lab, Goal::Working, None));
        futures::future::join_all(up).await.into_iter().collect::<Result<Vec<()>>>()?;
        running.done("up");
        for case in cases::all(release.era()) {
            let began = Instant::now();
            let running = console.step(case.name(), "on both labs");
            let here = one(&labs, case).await?;
            let new = differences(case.name(), &here[0], &here[1]);
            let outcome = summary(&new, here[1].len());
            running.done(&outcome);
            record.steps.push(StepRecord::new(case.name(), began, outcome));
            found.extend(new);
        }
        Ok(())
    }
    .await;
    for lab in labs {
        lab.done().await;
    }
    outcome
}

/// Each difference, and how many there are; `nothing` was compared.
fn show(console: &Console, found: &[Difference], nothing: bool) {
    for difference in found {
        let Difference { case, at, field, stand_in, real, reason } = difference;
        let why = reason.map_or_else(|| "NOT LISTED".to_owned(), |why| format!("listed: {why}"));
        console
            .result(&format!("{case}, {at}, {field}\n  stand-in  {stand_in}\n  real      {real}\n  {why}"));
    }
    if nothing {
        return;
    }
    let (all, unlisted) = (found.len(), unlisted(found));
    console.result(&format!("{all} differences, {} with a reason, {unlisted} without", all - unlisted));
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

fn unlisted(found: &[Difference]) -> usize {
    found.iter().filter(|it| it.reason.is_none()).count()
}

fn summary(found: &[Difference], answers: usize) -> String {
    match (found.len(), unlisted(found)) {
        (0, _) => format!("{answers} answers alike"),
        (all, 0) => format!("{answers} answers, {all} listed differences"),
        (all, unlisted) => format!("{answers} answers, {all} differences, {unlisted} of them not listed"),
    }
}
