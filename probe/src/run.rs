//! A series of logins: several at a time, at a steady rate, and patient with an Argo CD that restarts and a
//! provider that its gateway does not know yet.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base::mutex::lock;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use url::Url;

use crate::catalogue::Cause;
use crate::http::{Connections, Request};
use crate::login::{Attempt, Failure, below};
use crate::options::Options;
use crate::report::{Login, Report};
use crate::trace::{Exchange, Step};

/// The first pause before a login begins again, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(500));

/// The longest wait for a provider that only its gateway answers for: long enough for a route that is not
/// there yet, too short for one that never will be to be noticed much.
const PROVIDER_GRACE: Duration = Duration::from_secs(10);

/// Requests that have to be answered before an Argo CD counts as well, each on a connection of its own.
const HEALTHY: usize = 5;

/// Requests before each login beyond those asked for.
const KNOCKS: usize = 50;

/// How long a step that nobody answered is waited for.
fn patience(options: &Options, step: Step) -> Duration {
    match step.is_argocds() {
        true => options.startup_grace,
        false => options.startup_grace.min(PROVIDER_GRACE),
    }
}

/// What happens while a series runs.
#[derive(Debug)]
pub enum Event {
    /// Argo CD or the provider is not answering; the login begins again until it does, for `limit` at most.
    Waiting {
        /// The login that met it first.
        login: u32,
        /// The step that was not answered.
        step: Step,
        /// What was seen instead of an answer.
        reason: String,
        /// How long it is waited for.
        limit: Duration,
    },
    /// Argo CD answers again after so long.
    Answering {
        /// From the first time it did not answer.
        waited: Duration,
    },
    /// A request was answered, or was not; with [`Options::each_exchange`] alone. What came of it shows later, in the
    /// login that has ended.
    Exchange {
        /// The login that it belongs to.
        login: u32,
        /// What went to and fro.
        exchange: Box<Exchange>,
    },
    /// A login has ended, one way or the other.
    Finished(Box<Login>),
}

/// One login, on connections and cookies of its own.
pub async fn login(options: &Options) -> Login {
    one(1, options, Instant::now(), &Outage::default(), &|_| {}).await
}

/// A series of logins. `observer` hears what happens while it runs; when `cancel` resolves, or one has failed that
/// [`Options::ends_at`] names, logins that run are dropped and the report is about those that have ended.
pub async fn run(
    options: &Options,
    observer: &mut (dyn FnMut(&Event) + Send),
    cancel: impl Future<Output = ()>,
) -> Report {
    let start = Instant::now();
    let asked = options.logins.max(1);
    let shared = Arc::new((options.clone(), Outage::default(), AtomicU32::new(0), Alike::default()));
    let (sender, mut events) = mpsc::unbounded_channel();
    let mut workers = JoinSet::new();
    for _ in 0..options.concurrency.clamp(1, asked) {
        let (shared, sender) = (Arc::clone(&shared), sender.clone());
        workers.spawn(async move {
            let (options, outage, next, alike) = &*shared;
            // Nobody listening means that the series was cancelled.
            let tell = |event| drop(sender.send(event));
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= asked && (number >= options.up_to || !alike.so_far()) {
                    return;
                }
                if let Some(rate) = options.rate.filter(|rate| rate.is_finite() && *rate > 0.0) {
                    let turn = Duration::try_from_secs_f64(f64::from(number) / rate).unwrap_or_default();
                    let begin = start + options.begin_after + turn;
                    tokio::time::sleep_until(begin.into()).await;
                }
                if number >= asked {
                    knock(options).await;
                }
                let login = one(number + 1, options, start, outage, &tell).await;
                alike.add(login.outcome.is_ok());
                tell(Event::Finished(Box::new(login)));
            }
        });
    }
    drop(sender);
    let mut logins = Vec::new();
    let mut cancel = std::pin::pin!(cancel);
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            () = &mut cancel => None,
        };
        let Some(event) = event else { break };
        observer(&event);
        if let Event::Finished(login) = event {
            let ends = login.outcome.as_ref().is_err_and(|failure| failure.ends(options).is_some());
            logins.push(*login);
            if ends {
                break;
            }
        }
    }
    workers.shutdown().await;
    let waited = shared.1.waited();
    let asked = asked.max(u32::try_from(logins.len()).unwrap_or(u32::MAX));
    Report::new(logins, asked, waited, start.elapsed())
}

/// Asks Argo CD whether it is well, on connections of their own; the answers do not matter. Of two
/// servers on one listener, whoever took the last connection mostly takes the next one too, for up to
/// hundreds in a row (seen on v2.4.3 and v2.12.1), so that logins alone may never meet the other.
async fn knock(options: &Options) {
    let url = below(&options.argocd, "healthz");
    for _ in 0..KNOCKS {
        let request = Request::get(&url, options.timeout);
        if Connections::new(options).send(request).await.is_err() {
            return;
        }
    }
}

/// Whether Argo CD answers each time, or somebody in its name who is no gateway.
async fn is_well(options: &Options, argocd: &Url) -> bool {
    let url = below(argocd, "healthz");
    for _ in 0..HEALTHY {
        let answer = Connections::new(options).send(Request::get(&url, options.timeout)).await;
        if answer.map_or(true, |answer| answer.is_from_a_front_alone()) {
            return false;
        }
    }
    true
}

/// One login, begun again as long as nobody is answering and patience lasts.
async fn one(
    number: u32,
    options: &Options,
    series: Instant,
    outage: &Outage,
    tell: &(impl Fn(Event) + Sync),
) -> Login {
    let heard = |exchange: &Exchange| {
        tell(Event::Exchange { login: number, exchange: Box::new(exchange.clone()) });
    };
    let mut pause = PAUSES.0;
    let mut restarts = 0;
    let mut first_unanswered = None;
    let mut tried_again = false;
    loop {
        let (mut attempt, started) = (Attempt::new(options), Timestamp::now());
        let start = attempt.began;
        attempt.heard = options.each_exchange.then_some(&heard);
        let mut outcome = attempt.run().await;
        let time = start.elapsed();
        if let Err(failure) = &mut outcome
            && (failure.step, failure.status, failure.restarting) == (Step::Callback, Some(502), true)
            && is_well(options, &attempt.argocd).await
        {
            // A restart may have ended just now, and then it is not met a second time.
            if !tried_again && !options.startup_grace.is_zero() {
                tried_again = true;
                restarts += 1;
                continue;
            }
            (failure.cause, failure.restarting) = (Cause::TokenTooLarge, false);
        }
        let answered = attempt.was_answered(&outcome);
        let waited = first_unanswered.map_or(Duration::ZERO, |first| start - first);
        if let Err(Failure { restarting: true, step, message, .. }) = &outcome {
            let since = *first_unanswered.get_or_insert(start);
            let (began, outage_since) = outage.begin(start);
            // Each login has its own patience, and the series has one for each outage: a hundred logins
            // against a dead server do not wait a hundred times.
            let left = patience(options, *step).saturating_sub(since.min(outage_since).elapsed());
            if !left.is_zero() {
                if began {
                    let (step, limit) = (*step, patience(options, *step));
                    tell(Event::Waiting { login: number, step, reason: message.clone(), limit });
                }
                tokio::time::sleep(pause.min(left)).await;
                pause = (pause * 3 / 2).min(PAUSES.1);
                restarts += 1;
                continue;
            }
        } else if let Some(waited) = outage.end() {
            tell(Event::Answering { waited });
        }
        let exchanges = std::mem::take(&mut attempt.exchanges);
        let at = start - series;
        return Login { number, outcome, started, at, time, waited, restarts, answered, exchanges };
    }
}

/// Whether all logins have ended alike.
#[derive(Default)]
struct Alike {
    passed: AtomicBool,
    failed: AtomicBool,
}

impl Alike {
    fn add(&self, passed: bool) {
        let ended = if passed { &self.passed } else { &self.failed };
        ended.store(true, Ordering::Relaxed);
    }

    fn so_far(&self) -> bool {
        !(self.passed.load(Ordering::Relaxed) && self.failed.load(Ordering::Relaxed))
    }
}

/// The time in which Argo CD is not answering, known to all logins of a series.
#[derive(Default)]
struct Outage(Mutex<(Option<Instant>, Duration)>);

impl Outage {
    /// Argo CD did not answer a login begun at `now`. Gives whether that is news, and since when it is so.
    fn begin(&self, now: Instant) -> (bool, Instant) {
        let mut state = lock(&self.0);
        match state.0 {
            Some(since) => (false, since),
            None => {
                state.0 = Some(now);
                (true, now)
            }
        }
    }

    /// Argo CD answered; gives how long it had not, if it had not.
    fn end(&self) -> Option<Duration> {
        let mut state = lock(&self.0);
        let waited = state.0.take()?.elapsed();
        state.1 += waited;
        Some(waited)
    }

    fn waited(&self) -> Duration {
        let state = lock(&self.0);
        state.1 + state.0.map_or(Duration::ZERO, |since| since.elapsed())
    }
}
