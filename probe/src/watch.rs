//! One login after another, until something changes that was waited for: what ended otherwise than before, when and why.

use std::time::{Duration, Instant};

use jiff::{Timestamp, Unit};
use serde::Serialize;

use crate::login::Failure;
use crate::options::Options;
use crate::pace::{Backoff, Outcome, in_words};
use crate::report::Login;
use crate::run;

/// The most changes that are kept; the oldest go first.
const MOST: usize = 1000;

/// How logins follow each other, and what ends them.
#[derive(Debug, Clone, Copy)]
pub struct Watch {
    /// From the beginning of one login to the beginning of the next.
    pub interval: Duration,
    /// What ends it.
    pub until: Option<Outcome>,
    /// How long to watch at most.
    pub limit: Option<Duration>,
}

/// A login that ended otherwise than the one before.
#[derive(Debug, Clone, Serialize)]
pub struct Change {
    /// When it ended.
    #[serde(serialize_with = "as_text")]
    pub at: Timestamp,
    /// Its number, from 1.
    pub login: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// Where and why it failed.
    pub failure: Option<Failure>,
    /// All of it in one line.
    #[serde(skip)]
    pub words: String,
}

/// What happens while logins are watched.
#[derive(Debug)]
pub struct Seen<'a> {
    /// The login that has just ended.
    pub login: &'a Login,
    /// What it changed; the first login is a change, too.
    pub change: Option<&'a Change>,
    /// How long its answer asks for no further login, where that is longer than the interval.
    pub pause: Option<Duration>,
    /// How many logins have ended so far.
    pub count: u32,
}

/// Why it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// What was waited for came.
    Reached,
    /// The time is over.
    Limit,
    /// The provider refused the password, or the account is locked. Sent again and again it would lock the account.
    PasswordRefused,
    /// Somebody interrupted it.
    Interrupted,
}

/// What was seen, all in all.
#[derive(Debug, Clone, Serialize)]
pub struct Watched {
    /// How the last login ended; None if none did.
    pub outcome: Option<Outcome>,
    /// Why it ended.
    pub end: End,
    /// How many logins ended, and how.
    pub logins: Counts,
    /// What changed, in order: a thousand at most, the last ones.
    pub changes: Vec<Change>,
}

/// How many logins ended, and how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// All.
    pub total: u32,
    /// Those that passed.
    pub ok: u32,
    /// Those that did not.
    pub failed: u32,
}

impl Counts {
    /// Whether there were logins, and none failed.
    pub fn all_passed(self) -> bool {
        self.failed == 0 && self.ok > 0
    }
}

/// Logs in again and again. `observer` hears of each login; when `cancel` resolves, the one that runs is dropped.
pub async fn watch(
    options: &Options,
    watch: &Watch,
    observer: &mut (dyn FnMut(Seen<'_>) + Send),
    cancel: impl Future<Output = ()>,
) -> Watched {
    let mut watched =
        Watched { outcome: None, end: End::Limit, logins: Counts::default(), changes: Vec::new() };
    let over = async {
        match watch.limit {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    let end = tokio::select! {
        // What has come is not lost to a limit that ends at the same time.
        biased;
        end = on_and_on(options, watch, observer, &mut watched) => end,
        () = over => End::Limit,
        () = cancel => End::Interrupted,
    };
    Watched { end, ..watched }
}

async fn on_and_on(
    options: &Options,
    watch: &Watch,
    observer: &mut (dyn FnMut(Seen<'_>) + Send),
    watched: &mut Watched,
) -> End {
    let mut backoff = Backoff::default();
    let mut before = None;
    loop {
        let begin = Instant::now();
        let mut login = run::login(options).await;
        watched.logins.total += 1;
        login.number = watched.logins.total;
        match login.outcome {
            Ok(_) => watched.logins.ok += 1,
            Err(_) => watched.logins.failed += 1,
        }
        let outcome = Outcome::of(&login);
        watched.outcome = Some(outcome);
        let kind = (outcome, login.outcome.as_ref().err().map(|failure| (failure.step, failure.cause)));
        let is_new = before.replace(kind) != Some(kind);
        if is_new {
            if watched.changes.len() == MOST {
                watched.changes.remove(0);
            }
            watched.changes.push(Change {
                at: Timestamp::now(),
                login: login.number,
                outcome,
                failure: login.outcome.as_ref().err().cloned(),
                words: in_words(&login),
            });
        }
        let pause = backoff.after(&login).filter(|pause| *pause > watch.interval);
        let change = watched.changes.last().filter(|_| is_new);
        observer(Seen { login: &login, change, pause, count: login.number });
        if watch.until == Some(outcome) {
            return End::Reached;
        }
        if login.outcome.as_ref().is_err_and(|failure| failure.ends_the_password()) {
            return End::PasswordRefused;
        }
        let next = match pause {
            Some(pause) => Instant::now() + pause,
            None => begin + watch.interval,
        };
        tokio::time::sleep_until(next.into()).await;
    }
}

/// A moment to the second.
pub fn moment(at: Timestamp) -> String {
    at.round(Unit::Second).unwrap_or(at).to_string()
}

fn as_text<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&moment(*at))
}
