//! `faults`: puts every fault into a lab of its own, looks at a login, asks the doctor,
//! heals: one table.

mod row;
mod table;

use std::path::Path;
use std::time::Instant;

use probe::{CauseId, Step, Verdict};
use releases::{Era, Release};
use serde_json::json;

use super::doctor::of_lab;
use super::dry_run;
use super::own_lab::OwnLab;
use crate::cli::{FaultsArgs, Goal, Options};
use crate::fault::{Fault, Seen};
use crate::goals::{self, test};
use crate::lab::OwnLabs;
use crate::login;
use crate::programs::Kind;
use crate::record::{Entry, GoalRecord, StepRecord};
use crate::session::Session;
use base::{Error, Exit, Result};
use cluster::names::{Place, Provider, Workload};
use doctor::examine;

use row::{Outcome, Row};
use table::{Kept, TABLE};

/// Logins after each fault. Where two replicas differ, each takes half of them.
const LOGINS: u32 = 12;

/// The faults that are meant.
///
/// # Errors
/// One is named that there is not with this provider.
fn chosen(args: &FaultsArgs, session: &Session) -> Result<Vec<Fault>> {
    let possible = |fault: &Fault| goals::possible(*fault, session.provider, session.scheme());
    if args.only.is_empty() {
        return Ok(Fault::all().iter().filter(|fault| possible(fault).is_ok()).copied().collect());
    }
    args.only.iter().try_for_each(possible)?;
    Ok(args.only.clone())
}

/// Runs the catalogue.
///
/// # Errors
/// A lab does not come up, or a fault cannot be put in or healed. The rows that were
/// finished until then are shown.
pub async fn faults(session: &Session, args: &FaultsArgs, entry: &mut Entry<'_>) -> Result<Exit> {
    let faults = chosen(args, session)?;
    if args.update && session.scheme().is_https() && faults.iter().any(|fault| fault.over().is_none()) {
        return Err(Error::usage("--update with --tls is for the faults of https alone")
            .hint("name them: the others' rows are of a lab over http"));
    }
    if session.options.dry_run {
        return Ok(dry_run::show(&session.console, faults.iter().map(|it| (it.name(), it.what())), entry));
    }
    let labs = OwnLabs::of(&session.lab, "faults")?;
    entry.report.place = Some(Place::Local);
    let mut rows = vec![];
    let outcome = all(session, &labs.lab("lab"), &faults, entry, &mut rows).await;
    if !rows.is_empty() {
        session.console.result(&table::text(&rows, session.console.results().width));
    }
    entry.more.insert("faults".into(), json!(rows));
    if session.options.report.is_some() {
        entry.shown.insert("faults".into(), rows.iter().map(|row| json!({"trace": row.trace})).collect());
    }
    if args.update {
        let take = |kept: &mut Kept| kept.take(&rows);
        TABLE.update(&session.console, rows.len(), take, Kept::markdown)?;
    }
    outcome?;
    let good = rows.iter().all(|row| row.outcome != Outcome::Differs);
    Ok(if good { Exit::Done } else { Exit::Verdict })
}

/// Adds the rows of all faults, in their order. Faults that show on the same release share a lab.
async fn all(
    session: &Session,
    folder: &Path,
    faults: &[Fault],
    record: &mut GoalRecord,
    rows: &mut Vec<Row>,
) -> Result<()> {
    let release = |fault: &Fault| release_for(*fault, &session.options);
    let mut left = faults.to_vec();
    while let Some(shared) = left.first().map(release) {
        let (own, others): (Vec<Fault>, Vec<Fault>) =
            left.into_iter().partition(|fault| release(fault) == shared);
        left = others;
        let mut options = session.options.clone();
        (options.argocd, options.logins) = (shared, Some(options.logins.unwrap_or(LOGINS)));
        let outcome: Result<()> = OwnLab::within(folder.to_owned(), options, async |lab| {
            goals::reach(lab, Goal::Working, None, &mut vec![]).await?;
            for fault in own {
                let running = session.console.step(fault.name(), "breaking, looking, healing");
                let since = Instant::now();
                let row = one(lab, fault).await.map_err(|error| error.context(fault.name()))?;
                running.done(&row.line());
                record.steps.push(StepRecord::new(&row.fault, since, row.line()));
                rows.push(row);
            }
            Ok(())
        })
        .await;
        rows.sort_by_key(|row| faults.iter().position(|fault| fault.name() == row.fault));
        outcome?;
    }
    Ok(())
}

/// The release to show a fault on, where the options name none.
fn release_for(fault: Fault, options: &Options) -> Option<Release> {
    let named = options.argocd.is_some() || options.argocd_bin.is_some();
    match fault {
        Fault::StaleSessionManager | Fault::RotateTwice if !named => Release::published().last(),
        _ => options.argocd.clone(),
    }
}

/// Puts one fault in, looks, heals, and looks again.
async fn one(session: &Session, fault: Fault) -> Result<Row> {
    let argocd = session.chosen(Workload::Argocd).await?;
    let dex = session.chosen_dex().await?;
    let mut row = Row {
        fault: fault.name().to_owned(),
        provider: session.provider,
        argocd: argocd.described(),
        dex: dex.described(),
        ..Row::default()
    };
    if let (Seen::RealOnly(_), Kind::StandIn) = (fault.seen(), argocd.kind) {
        row.outcome = Outcome::RealOnly;
        return Ok(row);
    }
    goals::reach(session, Goal::Break, Some(fault), &mut vec![]).await?;
    let subject = of_lab(session).await?;
    let since = Instant::now();
    let diagnosis = examine(&subject, false).await?;
    row.diagnosis_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
    let mut record = GoalRecord::new("test");
    let found = test::run(session, None, &mut record).await?;
    let by_cli = fault.seen() == Seen::CommandLine;
    (row.symptom, row.trace) = if by_cli {
        let login = login::as_cli(session).await?;
        let failure = login.outcome.as_ref().err();
        let verdict = if failure.is_some() { "refused" } else { "logged-in" };
        let failure = failure.map(|it| (it.step, it.status, it.message.as_str()));
        (format!("as the command line: {}", said(verdict, failure)), json!(login))
    } else {
        let failures = found.failures();
        let failure = failures.first().map(|it| (it.step, it.status, it.message.as_str()));
        (said(found.verdict.name(), failure), json!(found.shown(1).first()))
    };
    row.answer = diagnosis.findings.iter().map(|finding| finding.id.name().to_owned()).collect();
    row.certainty = diagnosis.findings.first().map(|finding| finding.certainty.name().to_owned());
    goals::reach(session, Goal::Fix, None, &mut vec![]).await?;
    // What users type may have been part of it.
    let healed = examine(&of_lab(session).await?, false).await?.findings.is_empty()
        && test::run(session, None, &mut record).await?.verdict == Verdict::LoggedIn;
    let named = row
        .answer
        .first()
        .is_some_and(|id| id == is(fault, session.provider, argocd.release().as_ref()).name());
    let shows_not = found.verdict == Verdict::LoggedIn && row.answer.is_empty();
    row.outcome = match (named, fault.seen()) {
        (true, _) if healed && (!by_cli || found.verdict == Verdict::LoggedIn) => Outcome::Named,
        (false, Seen::On(releases)) if healed && (shows_not || !shows_here(fault, argocd.release())) => {
            Outcome::NotHere(releases.to_owned())
        }
        _ => Outcome::Differs,
    };
    Ok(row)
}

/// The cause that a fault is on a release: where a change starts a second server beside
/// the first, a rotation leaves one of each.
fn is(fault: Fault, provider: Provider, release: Option<&Release>) -> CauseId {
    match (fault, release.map(Release::era)) {
        (Fault::Rotate, Some(Era::BothAnswer)) => CauseId::StaleReplica,
        (Fault::ProviderUnreachable, _) if provider == Provider::Bundled => CauseId::DexDown,
        _ => fault.id(),
    }
}

/// Whether a fault that shows on some releases only shows on this one.
fn shows_here(fault: Fault, release: Option<Release>) -> bool {
    let Some(release) = release else { return true };
    let reloads = doctor::reloads(&release);
    match fault {
        Fault::Rotate | Fault::StaleReplica => !reloads,
        Fault::StaleSessionManager => reloads,
        Fault::RotateTwice => release.is_at_least(2, 14, 0),
        Fault::FirstStart => release.first_start_loses_sso(),
        _ => true,
    }
}

/// How logins ended, in a line: `refused at callback 500: …`.
fn said(verdict: &str, failure: Option<(Step, Option<u16>, &str)>) -> String {
    let Some((step, status, message)) = failure else { return verdict.to_owned() };
    let status = status.map_or_else(String::new, |status| format!(" {status}"));
    format!("{verdict} at {step}{status}: {message}")
}
