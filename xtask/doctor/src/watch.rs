//! Looks again until an installation is healed, after a fix: which replica still holds the old secret, and when
//! that ends. No password is used, and the provider is shown a secret once and not again while it is the same.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tokio::time::Instant;

use crate::Diagnosis;
use crate::collect::{Subject, collect_again};
use crate::evidence::{Evidence, PodSeen, Rehearsed, Taken};
use crate::finding::When;
use crate::shown::{listed, shown};
use base::{Result, duration};

/// How often it is looked at most.
const EVERY: Duration = Duration::from_secs(10);
/// How long, if nobody says so.
pub const WAIT: Duration = Duration::from_secs(300);

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Watched {
    /// Whether nothing is to be found any more.
    pub healed: bool,
    /// How often it was looked.
    pub looks: usize,
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// What was seen to change, in order.
    pub changes: Vec<Change>,
}

/// Something that was otherwise before.
#[derive(Clone, Debug, Serialize)]
pub struct Change {
    /// When it was seen.
    pub at: Timestamp,
    /// What is so from then on.
    pub what: String,
}

impl Watched {
    /// The outcome in a line.
    pub fn headline(&self, diagnosis: &Diagnosis) -> String {
        let time = duration(Duration::from_millis(self.ms));
        match self.healed {
            true => format!("healed after {time}: {}", diagnosis.headline()),
            false => {
                let looks = if self.looks == 1 { "look" } else { "looks" };
                format!("not healed after {} {looks} in {time}: {}", self.looks, diagnosis.headline())
            }
        }
    }
}

/// Looks until nothing is found that explains a failure, or `wait` is over.
///
/// # Errors
/// Those of looking.
pub async fn watch(subject: &Subject, wait: Duration) -> Result<(Watched, Diagnosis)> {
    let start = Instant::now();
    let mut watched = Watched { healed: false, looks: 0, ms: 0, changes: vec![] };
    let mut before: Option<Evidence> = None;
    loop {
        let looked = Instant::now();
        let evidence = collect_again(subject, before.as_ref()).await?;
        let diagnosis = Diagnosis::of(&evidence, false);
        watched.looks += 1;
        let now = state(&evidence, &diagnosis);
        if watched.changes.last().is_none_or(|last| last.what != now) {
            let at = Timestamp::now();
            subject.say(&format!("{}  {now}", at.strftime("%H:%M:%S UTC")));
            watched.changes.push(Change { at, what: now });
        }
        watched.healed = diagnosis.looked && is_healed(&evidence, &diagnosis, subject.cluster.is_some());
        watched.ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let next = looked + EVERY;
        if watched.healed || next > start + wait {
            return Ok((watched, diagnosis));
        }
        before = Some(evidence);
        tokio::time::sleep_until(next).await;
    }
}

/// Whether nothing fails. A server that is only being replaced has nothing to show yet; without a cluster, what
/// answers at its address is all there is.
fn is_healed(evidence: &Evidence, diagnosis: &Diagnosis, cluster: bool) -> bool {
    let found = diagnosis.findings.iter().any(|finding| finding.when == When::Now);
    let replaced = evidence.pods.iter().all(PodSeen::runs) && !(cluster && evidence.pods.is_empty());
    !found && diagnosis.unexplained.is_empty() && replaced
}

/// What is so now, in a line.
fn state(evidence: &Evidence, diagnosis: &Diagnosis) -> String {
    if !diagnosis.looked {
        return "could not look".to_owned();
    }
    let holds = |pod: &PodSeen, wanted: fn(Taken) -> bool| {
        let mut redeemed = pod.rehearsed.iter().filter_map(Rehearsed::redeemed);
        redeemed.any(|redeemed| wanted(evidence.takes_presented(redeemed)))
    };
    let named = |wanted: &dyn Fn(&PodSeen) -> bool| {
        let pods = evidence.pods.iter().filter(|pod| wanted(pod));
        pods.map(|pod| shown(&pod.name)).collect::<Vec<_>>()
    };
    let old = named(&|pod| pod.runs() && holds(pod, Taken::is_refusal));
    let new = named(&|pod| pod.runs() && holds(pod, |taken| taken == Taken::Yes));
    let moving = named(&|pod| !pod.runs());
    let mut parts = vec![];
    for (pods, what) in [(old, "a secret that the provider refuses"), (new, "the secret that it takes")] {
        match pods.as_slice() {
            [] => {}
            [_] => parts.push(format!("{} presents {what}", listed(&pods))),
            _ => parts.push(format!("{} present {what}", listed(&pods))),
        }
    }
    if !moving.is_empty() {
        parts.push(format!("{} starting or ending", listed(&moving)));
    }
    let found = diagnosis.findings.iter().filter(|finding| finding.when == When::Now);
    let ids: Vec<&str> = found.map(|finding| finding.id.name()).collect();
    parts.push(match (ids.is_empty(), diagnosis.unexplained.is_empty()) {
        (false, _) => format!("found: {}", ids.join(", ")),
        (true, false) => "logins fail in a way that no check explains".to_owned(),
        (true, true) => "nothing found".to_owned(),
    });
    parts.join("; ")
}
