//! `load`: logins from many pods at once, by a Job that is removed whatever comes; and what came of them.

mod target;

use std::time::Instant;

use probe::Verdict;
use serde_json::json;

use crate::cli::LoadArgs;
use crate::console::Console;
use crate::login::tell_failure;
use crate::record::{Entry, GoalRecord, StepRecord};
use crate::session::Session;
use base::{Error, Exit, Result, interrupt};
use load::{Followed, Jobs, Merged, NotMade, Worker, follow};
use target::Target;

/// Logs in from many pods.
///
/// # Errors
/// There is no cluster to do it on, it does not do it, no worker reports, or it was interrupted.
pub async fn load(
    session: &Session,
    args: &LoadArgs,
    interrupted: &mut (impl Future<Output = ()> + Unpin),
    entry: &mut Entry<'_>,
) -> Result<Exit> {
    if args.context.is_some() {
        // It is no lab that logins are made at.
        (entry.report.place, entry.report.provider, entry.report.tls) = (None, None, None);
    }
    let prepared = async {
        let target = target::of(session, args).await?;
        if session.options.dry_run {
            return Ok((target, None));
        }
        let (client, password) = (target.connect(session).await?, target.password(args).await?);
        Ok((target, Some((client, password))))
    };
    let (target, access) = unless(interrupted, prepared).await?;
    let plan = &target.plan;
    describe(&target, entry);
    let Some((client, password)) = access else { return show_plan(&session.console, &target, entry) };
    let console = &session.console;
    console.heading(&format!("load: {}", plan.announcement()));
    let jobs = Jobs::new(client, plan, target.kubectl.clone(), doctor::cluster_words);
    unless(interrupted, jobs.may()).await?;
    // What may have been made is removed: an interrupt waits until it is known whether it was.
    let began = Instant::now();
    let outcome = match jobs.create().await {
        Err(NotMade::Refused(error)) => return Err(error),
        Err(NotMade::Unknown(error)) => Err(error),
        Ok(uid) => {
            let running = console.step("follow", "starting the Job");
            let work = async {
                jobs.start(&password, &uid).await?;
                follow(&jobs, &running).await
            };
            let followed = unless(interrupted, work).await;
            running.done(word(&followed));
            followed
        }
    };
    entry.steps.push(StepRecord::new("follow", began, word(&outcome)));
    let removed = remove(&jobs, console, entry).await;
    let exit = outcome.and_then(|it| judge(session, &target, &it, entry));
    match (exit, removed) {
        (exit, Ok(())) => exit,
        (Ok(_), Err(error)) => Err(error),
        (Err(first), Err(error)) => {
            let mut both = error.context(first.message());
            both.exit = first.exit;
            Err(both)
        }
    }
}

/// Does something until an interrupt comes.
async fn unless<T>(
    interrupted: &mut (impl Future<Output = ()> + Unpin),
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::select! {
        biased;
        () = interrupted => Err(Error::interrupted()),
        done = work => done,
    }
}

async fn remove(jobs: &Jobs<'_>, console: &Console, record: &mut GoalRecord) -> Result<()> {
    if interrupt::heard() {
        console.note("interrupted: removing the Job and its Secret");
    }
    let began = Instant::now();
    let running = console.step("remove", "removing the Job and its Secret");
    let removed = jobs.remove().await;
    running.done(word(&removed));
    record.steps.push(StepRecord::new("remove", began, word(&removed)));
    removed
}

/// How a step ended.
fn word<T>(outcome: &Result<T>) -> &'static str {
    if outcome.is_ok() { "done" } else { "failed" }
}

/// Puts into the entry what is asked of whom.
fn describe(target: &Target, record: &mut GoalRecord) {
    let plan = &target.plan;
    record.say(json!({"context": target.context, "namespace": plan.namespace, "job": plan.name(),
        "image": plan.image, "url": plan.url.as_str(), "user": plan.user, "asked": plan.logins, "rate": plan.rate}));
}

fn show_plan(console: &Console, target: &Target, record: &mut GoalRecord) -> Result<Exit> {
    let plan = &target.plan;
    let mut text = format!("load: {}\n", plan.announcement());
    let mut steps = vec![];
    for (name, does, requests) in plan.steps() {
        text.push_str(&format!("  {name:<8} {does}\n"));
        requests.iter().for_each(|request| text.push_str(&format!("           > {request}\n")));
        steps.push(json!({"name": name, "after": [], "does": does, "commands": [], "requests": requests}));
    }
    console.result(&text);
    let mut documents = vec![];
    for manifest in plan.masked() {
        let text = serde_yaml::to_string(&manifest)
            .map_err(|error| Error::environment(format!("a manifest of `load` is no YAML: {error}")))?;
        console.result(&format!("---\n{text}"));
        documents.push(json!({"source": manifest["kind"], "text": text}));
    }
    record.say(json!({"plan": steps, "documents": documents}));
    Ok(Exit::Done)
}

/// Says what came of it, and gives the exit code.
fn judge(session: &Session, target: &Target, followed: &Followed, record: &mut GoalRecord) -> Result<Exit> {
    let expected = session.options.expect.unwrap_or(Verdict::LoggedIn);
    let workers: Vec<_> = followed.workers.iter().map(Worker::document).collect();
    record.say(json!({"expected": expected.name(), "workers": workers, "suspended": followed.suspended}));
    let silent = followed.workers.iter().filter_map(|it| Some((it.index, it.said.as_ref().err()?)));
    let console = &session.console;
    let Some(merged) = Merged::of(&followed.workers) else {
        record.more.insert("verdict".into(), json!(null));
        let why = silent.map(|(index, why)| format!("worker {index}: {why}")).next().unwrap_or_default();
        let workers = followed.workers.len();
        return Err(Error::environment(format!(
            "none of {workers} workers reported, so there is no verdict; {why}"
        ))
        .hint(target.advice()));
    };
    let Merged { verdict, logins, failures, latency, reported } = &merged;
    record.say(json!({"verdict": verdict, "logins": logins, "failures": failures, "latency_ms": latency}));
    let good = *verdict == expected && followed.suspended.is_none();
    let all = followed.workers.len();
    let missing = target.plan.logins - logins.total.min(target.plan.logins);
    let missing = if missing == 0 { String::new() } else { format!(", {missing} not done or not known of") };
    let headline = format!(
        "{verdict}: {} of {} logins passed{missing}; {reported} of {all} workers reported",
        logins.ok, logins.total
    );
    console.judged(good, &headline);
    if let Some(why) = &followed.suspended {
        console.result(&format!("  the Job was suspended, as further logins could lock the account: {why}"));
    }
    for (index, why) in silent {
        console.result(&format!("  worker {index} did not report: {why}"));
    }
    for failure in failures {
        let workers: Vec<String> = failure.workers.iter().map(u32::to_string).collect();
        tell_failure(console, &failure.kind, &format!(" (workers {})", workers.join(", ")), "");
    }
    if let Some(it) = latency {
        console.explain(&format!(
            "  took {} ms at best, {} ms at the median, {} ms for 95 of 100, {} ms at worst",
            it.min, it.median, it.p95, it.max
        ));
    }
    Ok(if good { Exit::Done } else { Exit::Verdict })
}
