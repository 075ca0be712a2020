//! A series of logins summed up: counts, failures by kind, latencies.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::catalogue::{Cause, CauseId};
use crate::login::{Failure, User};
use crate::trace::{Exchange, Step, milliseconds};
use crate::verdict::Verdict;

/// One login: how it ended and every exchange of its last attempt.
#[derive(Debug, Clone, Serialize)]
pub struct Login {
    /// Its number in the series, from 1.
    #[serde(rename = "login")]
    pub number: u32,
    /// Who is logged in, or where and why not.
    #[serde(flatten, serialize_with = "outcome")]
    pub outcome: Result<User, Failure>,
    /// When the last attempt began.
    #[serde(serialize_with = "to_the_millisecond")]
    pub started: Timestamp,
    /// The same, from the series' beginning.
    #[serde(rename = "at_ms", serialize_with = "crate::trace::as_ms")]
    pub at: Duration,
    /// How long the last attempt took; waiting is not part of it.
    #[serde(rename = "ms", serialize_with = "crate::trace::as_ms")]
    pub time: Duration,
    /// How long it waited for an Argo CD that was not answering.
    #[serde(rename = "waited_ms", serialize_with = "crate::trace::as_ms")]
    pub waited: Duration,
    /// How often it began again because Argo CD was not answering.
    pub restarts: u32,
    /// Whether the last attempt ended on an answer of Argo CD's or the provider's own.
    pub answered: bool,
    /// The exchanges in their order, secrets masked.
    pub exchanges: Vec<Exchange>,
}

/// How many logins of a series are shown in full, at most, where all of them could be too many.
pub const MOST_SHOWN: usize = 20;

/// A series of logins. Serialises to the fields of `test` in the JSON contract.
#[derive(Debug, Clone)]
pub struct Report {
    /// What the series says.
    pub verdict: Verdict,
    /// The logins in the order of their numbers.
    pub logins: Vec<Login>,
    /// How many logins were asked for; fewer are in `logins` only when the series ended before.
    pub asked: u32,
    /// How long the series waited, all in all, for an Argo CD that was not answering.
    pub waited: Duration,
    /// From the first login's beginning to the last one's end.
    pub time: Duration,
}

/// What it means that the provider takes Argo CD's client secret only now and then.
const TWO_MINDS: &str = "The identity provider accepts the client secret of some connections to Argo CD and not of others: \
     two replicas, or two handlers of one server, hold different ones (restart all of them).";

/// Failures of the same kind: same step, same status, same words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailureGroup {
    /// The step that did not do what it should.
    pub step: Step,
    /// The status of the answer; None when there was none.
    pub status: Option<u16>,
    /// The server's words, of the first of them.
    pub message: String,
    /// How many logins ended so.
    pub count: usize,
    /// The cause in the catalogue, if the answers leave only one.
    pub cause: Option<CauseId>,
    /// All causes of the catalogue that look like this, the likeliest first.
    pub candidates: &'static [CauseId],
    /// What would tell several candidates apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decides: Option<&'static str>,
    /// What it means, in a sentence or two.
    pub explanation: &'static str,
    /// What kind of answer it was.
    pub answer: Cause,
}

/// How long logins took, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latency {
    /// The fastest.
    pub min: f64,
    /// Half of them were at least as fast.
    pub median: f64,
    /// Nineteen of twenty were at least as fast.
    pub p95: f64,
    /// The slowest.
    pub max: f64,
}

impl Report {
    /// Sums up logins.
    pub fn new(mut logins: Vec<Login>, asked: u32, waited: Duration, time: Duration) -> Self {
        logins.sort_by_key(|login| login.number);
        let ok = logins.iter().filter(|login| login.outcome.is_ok()).count();
        let answered = logins.iter().any(|login| login.answered);
        let verdict = Verdict::of(ok, logins.len() - ok, answered);
        Self { verdict, logins, asked, waited, time }
    }

    /// How many logins passed.
    pub fn ok(&self) -> usize {
        self.logins.iter().filter(|login| login.outcome.is_ok()).count()
    }

    /// How many logins did not pass.
    pub fn failed(&self) -> usize {
        self.logins.len() - self.ok()
    }

    /// The failures by kind, the most frequent first.
    pub fn failures(&self) -> Vec<FailureGroup> {
        let mut groups: Vec<FailureGroup> = Vec::new();
        let mixed = self.verdict == Verdict::Mixed;
        for failure in self.logins.iter().filter_map(|login| login.outcome.as_ref().err()) {
            match groups.iter_mut().find(|group| group.has(failure)) {
                Some(group) => group.count += 1,
                None => groups.push(FailureGroup::of(failure, mixed)),
            }
        }
        groups.sort_by_key(|group| std::cmp::Reverse(group.count));
        groups
    }

    /// The login that shows best what the verdict is about: the first of the most frequent failure, or the
    /// first that passed.
    pub fn example(&self) -> Option<&Login> {
        let worst = self.failures().into_iter().next();
        let shows = |login: &&Login| match (&login.outcome, &worst) {
            (Err(failure), Some(group)) => failure.step == group.step && failure.message == group.message,
            (Ok(_), None) => true,
            _ => false,
        };
        self.logins.iter().find(shows)
    }

    /// Every login in a line of numbers.
    pub fn series(&self) -> Vec<Point> {
        let failures = self.failures();
        let point = |login: &Login| Point {
            login: login.number,
            at_ms: milliseconds(login.at),
            ms: milliseconds(login.time),
            failure: login
                .outcome
                .as_ref()
                .err()
                .and_then(|it| failures.iter().position(|kind| kind.has(it))),
        };
        self.logins.iter().map(point).collect()
    }

    /// Logins with their exchanges, `most` at most: the first of each way of ending, then in their order.
    pub fn shown(&self, most: usize) -> Vec<&Login> {
        let (mut ways, mut first, mut rest) = (vec![], vec![], vec![]);
        for (login, point) in self.logins.iter().zip(self.series()) {
            if ways.contains(&point.failure) {
                rest.push(login);
            } else {
                ways.push(point.failure);
                first.push(login);
            }
        }
        first.extend(rest);
        first.truncate(most);
        first
    }

    /// How long the logins took that Argo CD answered; None if it answered none.
    pub fn latency(&self) -> Option<Latency> {
        let times = self.logins.iter().filter(|login| login.answered).map(|login| login.time);
        Latency::of(times.collect())
    }
}

/// One login among others: when, how long, and which of the failures it is, if it is one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Point {
    /// Its number in the series, from 1.
    login: u32,
    /// From the series' beginning to that of its last attempt.
    at_ms: f64,
    /// How long that took.
    ms: f64,
    /// The place in [`Report::failures`].
    failure: Option<usize>,
}

impl FailureGroup {
    fn of(failure: &Failure, mixed: bool) -> Self {
        let candidates = failure.cause.candidates(mixed);
        Self {
            step: failure.step,
            status: failure.status,
            message: failure.message.clone(),
            count: 1,
            cause: candidates.only(),
            candidates: candidates.ids,
            decides: candidates.decides,
            explanation: match candidates.only() {
                Some(CauseId::StaleReplica) => TWO_MINDS,
                _ => failure.cause.explain(),
            },
            answer: failure.cause,
        }
    }
}

impl FailureGroup {
    /// Whether a failure is of this kind.
    fn has(&self, failure: &Failure) -> bool {
        (self.step, self.status) == (failure.step, failure.status)
            && without_numbers(&self.message) == without_numbers(&failure.message)
    }
}

/// Reads what is written above; what follows from the kind of answer is found anew, by the catalogue of today.
impl<'de> Deserialize<'de> for FailureGroup {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Written {
            count: usize,
            candidates: Vec<String>,
            #[serde(flatten)]
            failure: Failure,
        }
        let Written { count, candidates, failure } = Written::deserialize(deserializer)?;
        // Nothing else makes a refused client one of a stale replica alone.
        let mixed = failure.cause == Cause::InvalidClient && candidates == [CauseId::StaleReplica.name()];
        Ok(Self { count, ..Self::of(&failure, mixed) })
    }
}

impl Latency {
    /// Sums up durations; None if there are none.
    pub fn of(mut times: Vec<Duration>) -> Option<Self> {
        times.sort();
        let (min, max) = (times.first()?, times.last()?);
        // The nearest rank: a duration that was really measured.
        let rank = |percent: usize| times[(times.len() * percent).div_ceil(100) - 1];
        let (median, p95) = (rank(50), rank(95));
        Some(Self {
            min: milliseconds(*min),
            median: milliseconds(median),
            p95: milliseconds(p95),
            max: milliseconds(*max),
        })
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Counts {
            total: usize,
            ok: usize,
            failed: usize,
        }
        #[derive(Serialize)]
        struct Document {
            verdict: Verdict,
            logins: Counts,
            failures: Vec<FailureGroup>,
            latency_ms: Option<Latency>,
            waited_ms: f64,
        }
        let logins = Counts { total: self.logins.len(), ok: self.ok(), failed: self.failed() };
        let (failures, latency_ms) = (self.failures(), self.latency());
        let waited_ms = milliseconds(self.waited);
        Document { verdict: self.verdict, logins, failures, latency_ms, waited_ms }.serialize(serializer)
    }
}

fn to_the_millisecond<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{at:.3}"))
}

/// Long numbers (ports, times, identifiers) differ from login to login where nothing else does.
fn without_numbers(message: &str) -> String {
    let mut key = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, number) = rest.split_at(start);
        let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
        key.push_str(before);
        key.push_str(if end < 4 { &number[..end] } else { "#" });
        rest = &number[end..];
    }
    key + rest
}

fn outcome<S: Serializer>(outcome: &Result<User, Failure>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "lowercase")]
    enum Tagged<'a> {
        User(&'a User),
        Failure(&'a Failure),
    }
    match outcome {
        Ok(user) => Tagged::User(user).serialize(serializer),
        Err(failure) => Tagged::Failure(failure).serialize(serializer),
    }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
