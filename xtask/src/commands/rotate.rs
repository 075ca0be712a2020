//! `rotate`: changes the client secret in the order that costs the fewest logins, and
//! counts those that fail meanwhile by logging in at a steady rate.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base::mutex::lock;
use probe::{Event, Login};
use serde::Serialize;
use serde_json::json;
use tokio::sync::{Notify, oneshot};

use super::doctor::of_lab;
use super::of_its_own;
use crate::cli::RotateArgs;
use crate::goals;
use crate::lab::Lock;
use crate::login::{self, shown};
use crate::plan::{self, Plan};
use crate::record::{Entry, GoalRecord, millis};
use crate::session::Session;
use crate::table;
use base::{Error, Exit, Result, duration};
use cluster::names::Workload;
use doctor::examine;

/// Logins that have to pass one after another before and after, so that what fails in
/// between is the rotation's.
const STEADY: usize = 5;
/// How many logins may be under way at once. One takes less than a second.
const AT_ONCE: u32 = 64;

/// A login that has ended.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Seen {
    began: Instant,
    ended: Instant,
    passed: bool,
    /// By an answer of somebody's own: no gateway's, and not for want of one.
    refused: bool,
}

/// What was seen during one step.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Phase {
    /// The step; `before` and `after` stand around all of them.
    step: String,
    /// Logins that began in it.
    logins: usize,
    /// Those of them that failed.
    failed: usize,
}

/// Rotates and counts.
///
/// # Errors
/// No lab is up, logins fail beforehand, or a step cannot be done.
pub async fn rotate(session: &Session, args: &RotateArgs, entry: &mut Entry<'_>) -> Result<Exit> {
    of_its_own(session, "rotate")?;
    // Before anything is read: what somebody else changes meanwhile would make the plan another.
    let lock = if session.options.dry_run { None } else { Some(Lock::take(session.lab.own_folder())?) };
    let argocd = session.program(Workload::Argocd).await?;
    let plan = plan::rotate(argocd.as_ref().and_then(|program| program.release()).as_ref());
    let Some(_lock) = lock else { return goals::show_plan(session, &plan, entry).await };
    entry.report.dex = session.program(session.dex()).await?;
    entry.report.argocd = argocd;
    session.console.heading(&format!("rotate: {} logins begin each second", args.rate));
    measured(session, args.rate, &plan, entry).await
}

/// Logins as they end, and a bell for each.
#[derive(Default)]
struct Watch {
    seen: Mutex<Vec<Seen>>,
    bell: Notify,
}

impl Watch {
    fn add(&self, login: &Login) {
        let ended = Instant::now();
        let began = ended.checked_sub(login.time).unwrap_or(ended);
        let status = login.outcome.as_ref().err().and_then(|failure| failure.status);
        let refused = status.is_some_and(|status| !matches!(status, 502..=504));
        let seen = Seen { began, ended, passed: login.outcome.is_ok(), refused };
        lock(&self.seen).push(seen);
        self.bell.notify_one();
    }

    fn all(&self) -> Vec<Seen> {
        lock(&self.seen).clone()
    }

    /// Waits until the last logins that began after `since` have all passed: true. Or, where
    /// nothing was changed yet, until one was refused: false.
    async fn steady(&self, since: Instant, changed: bool) -> bool {
        loop {
            let heard = self.bell.notified();
            let mut all = self.all();
            all.retain(|seen| seen.began >= since);
            all.sort_by_key(|seen| seen.began);
            if !changed && all.iter().any(|seen| seen.refused) {
                return false;
            }
            if all.len() >= STEADY && all.iter().rev().take(STEADY).all(|seen| seen.passed) {
                return true;
            }
            heard.await;
        }
    }
}

async fn measured(session: &Session, rate: u32, plan: &Plan, record: &mut GoalRecord) -> Result<Exit> {
    let mut options = login::options(session).await?;
    (options.rate, options.concurrency, options.logins) = (Some(f64::from(rate)), AT_ONCE, u32::MAX);
    // What does not answer has failed.
    options.startup_grace = Duration::ZERO;
    let watch = Arc::new(Watch::default());
    let (done, ended) = oneshot::channel::<()>();
    let logging = {
        let watch = watch.clone();
        async move {
            let mut observer = |event: &Event| {
                if let Event::Finished(login) = event {
                    watch.add(login);
                }
            };
            probe::run(&options, &mut observer, async { drop(ended.await) }).await
        }
    };
    let rotating = async {
        let outcome = steps_in(session, plan, &watch, record).await;
        // The receiver ends with the logins, which end with this.
        let _ = done.send(());
        outcome
    };
    let (outcome, logins) = futures::join!(rotating, logging);
    if session.options.report.is_some() {
        record.shown = shown(&logins);
        record.shown.insert("failures".into(), json!(logins.failures()));
    }
    let Some(marks) = outcome? else { return Err(refused(session).await) };
    let phases = phases(&marks, &watch.all());
    show(session, plan, &phases, &watch.all(), record);
    Ok(Exit::Done)
}

/// Why logins are refused before anything was changed: that the doctor knows.
async fn refused(session: &Session) -> Error {
    let diagnosis = async { examine(&of_lab(session).await?, false).await };
    let why = match diagnosis.await {
        Ok(diagnosis) => match diagnosis.findings.first() {
            Some(finding) => format!("{}: {}", finding.id, finding.why),
            None => diagnosis.headline(),
        },
        Err(error) => error.to_string(),
    };
    Error::environment(format!("before the rotation, logins are refused, so nothing was changed: {why}"))
        .hint("`cargo xtask doctor` says what to do")
}

/// Does the steps while logins go on, and gives the moment at which each began; `None` where
/// logins are refused already.
async fn steps_in(
    session: &Session,
    plan: &Plan,
    watch: &Watch,
    record: &mut GoalRecord,
) -> Result<Option<Vec<(String, Instant)>>> {
    let limit = session.wait();
    let steady = async |since: Instant, when: &str| {
        tokio::time::timeout(limit, watch.steady(since, when == "after")).await.map_err(|_| {
            let failed = watch.all().iter().filter(|seen| !seen.passed).count();
            Error::environment(format!(
                "{when} the rotation, logins did not pass for {} s ({failed} failed)",
                limit.as_secs()
            ))
            .hint("`cargo xtask doctor` says why")
        })
    };
    let begun = Instant::now();
    let mut marks = vec![("before".to_owned(), begun)];
    if !steady(begun, "before").await? {
        return Ok(None);
    }
    plan::run(session, plan, &mut record.steps).await?;
    marks.extend(record.steps.iter().map(|step| (step.name.clone(), step.began)));
    let after = Instant::now();
    marks.push(("after".to_owned(), after));
    steady(after, "after").await?;
    Ok(Some(marks))
}

/// Logins by the step in which they began.
fn phases(marks: &[(String, Instant)], seen: &[Seen]) -> Vec<Phase> {
    let of = |at: usize| {
        let (name, from) = &marks[at];
        let to = marks.get(at + 1).map(|(_, to)| *to);
        let within = seen.iter().filter(|it| it.began >= *from && to.is_none_or(|to| it.began < to));
        let failed = within.clone().filter(|it| !it.passed).count();
        Phase { step: name.clone(), logins: within.count(), failed }
    };
    (0..marks.len()).map(of).collect()
}

/// From the beginning of the first login that failed to the end of the last.
fn window(seen: &[Seen]) -> Duration {
    let failed = || seen.iter().filter(|it| !it.passed);
    let (first, last) = (failed().map(|it| it.began).min(), failed().map(|it| it.ended).max());
    first.zip(last).map_or(Duration::ZERO, |(first, last)| last.saturating_duration_since(first))
}

fn show(session: &Session, plan: &Plan, phases: &[Phase], seen: &[Seen], record: &mut GoalRecord) {
    let failed = seen.iter().filter(|it| !it.passed).count();
    let console = &session.console;
    let window = window(seen);
    let lasted = if failed == 0 { String::new() } else { format!(", all within {}", duration(window)) };
    console.judged(failed == 0, &format!("rotated: {failed} of {} logins failed{lasted}", seen.len()));
    let mut cells = vec![["  during", "logins", "failed"].map(str::to_owned).to_vec()];
    cells.extend(phases.iter().map(|Phase { step, logins, failed }| {
        vec![format!("  {step}"), format!("{logins:>6}"), format!("{failed:>6}")]
    }));
    console.explain(&table::text(&cells, None));
    let total = json!({"total": seen.len(), "ok": seen.len() - failed, "failed": failed});
    let steps: Vec<String> = plan.steps.iter().map(|step| step.action.describe()).collect();
    record.say(json!({"order": steps, "logins": total, "phases": phases, "window_ms": millis(window)}));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(start: Instant, from: u64, to: u64, passed: bool) -> Seen {
        let at = |ms| start + Duration::from_millis(ms);
        Seen { began: at(from), ended: at(to), passed, refused: !passed }
    }

    #[test]
    fn logins_belong_to_the_step_in_which_they_began() {
        let start = Instant::now();
        let mark = |name: &str, ms| (name.to_owned(), start + Duration::from_millis(ms));
        let marks = [mark("before", 0), mark("dex-restart", 100), mark("after", 200)];
        let seen = [
            login(start, 10, 60, true),
            login(start, 90, 150, false),
            login(start, 100, 180, false),
            login(start, 250, 300, true),
        ];
        let counts: Vec<_> = phases(&marks, &seen).iter().map(|it| (it.logins, it.failed)).collect();
        assert_eq!(counts, [(2, 1), (1, 1), (1, 0)]);
        assert_eq!(window(&seen), Duration::from_millis(90));
        assert_eq!(window(&[]), Duration::ZERO);
    }

    #[tokio::test]
    async fn steady_means_that_the_last_ones_passed() {
        let watch = Watch::default();
        let start = Instant::now();
        for number in 0..STEADY as u64 {
            watch.seen.lock().unwrap().push(login(start, number, number + 1, true));
        }
        assert!(watch.steady(start, true).await);
        watch.seen.lock().unwrap().push(login(start, 100, 101, false));
        let waiting = tokio::time::timeout(Duration::from_millis(20), watch.steady(start, true)).await;
        assert!(waiting.is_err());
        // Before anything was changed there is nothing to wait for.
        assert!(!watch.steady(start, false).await);
    }
}
