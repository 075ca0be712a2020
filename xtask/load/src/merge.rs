//! What workers reported, as one: a verdict, the failures by kind and worker, the times of all logins.

use std::time::Duration;

use probe::{Cause, CauseId, FailureGroup, Latency, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use base::shown::shown;

/// A worker's document, as far as it is needed. What stands in a log may be anybody's.
#[derive(Clone, Debug, Deserialize)]
pub struct Document {
    verdict: Option<Verdict>,
    logins: Option<Counts>,
    #[serde(default)]
    failures: Vec<Value>,
    #[serde(default)]
    series: Vec<Point>,
    /// The sign after which it did no further login.
    pub stopped: Option<String>,
    error: Option<String>,
}

/// How many logins there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Counts {
    /// All.
    pub total: u32,
    /// Those that passed.
    pub ok: u32,
    /// Those that did not.
    pub failed: u32,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Point {
    ms: f64,
    failure: Option<usize>,
}

impl Document {
    /// The one that a log holds, of a worker that had so many logins to do; else what is the matter with it.
    pub fn of(log: &str, share: u32) -> Result<Self, String> {
        let begin = if log.starts_with('{') { Some(0) } else { log.find("\n{").map(|at| at + 1) };
        let Some(begin) = begin else {
            let said = log.lines().rfind(|line| !line.trim().is_empty());
            return Err(said.map_or("its log is empty".into(), |line| format!("it said: {}", shown(line))));
        };
        let mut documents = serde_json::Deserializer::from_str(&log[begin..]).into_iter::<Self>();
        let document = match documents.next() {
            Some(Ok(document)) => document,
            Some(Err(error)) if error.is_eof() => {
                return Err("its log ends in the middle of its report".into());
            }
            _ => return Err("its log holds no report that can be read".into()),
        };
        if let Some(error) = &document.error {
            return Err(format!("it failed: {}", shown(error)));
        }
        match document.logins {
            Some(Counts { total, ok, failed })
                if total <= share && ok.checked_add(failed) == Some(total) && document.verdict.is_some() =>
            {
                Ok(document)
            }
            _ => Err("its log holds no report that can be true".into()),
        }
    }

    /// How many logins it did.
    pub fn logins(&self) -> Counts {
        self.logins.unwrap_or_default()
    }

    /// The times of logins that somebody answered.
    fn times(&self) -> impl Iterator<Item = Duration> {
        let answered = |failure: usize| {
            let status = self.failures.get(failure).and_then(|it| it["status"].as_u64());
            status.is_some_and(|status| !matches!(status, 502..=504))
        };
        let points = self.series.iter().filter(move |point| point.failure.is_none_or(answered));
        points.filter_map(|point| Duration::try_from_secs_f64(point.ms / 1000.0).ok())
    }
}

/// A worker and what came of it.
#[derive(Clone, Debug)]
pub struct Worker {
    /// Its number, from 0.
    pub index: u32,
    /// Its report, or why there is none.
    pub said: Result<Document, String>,
}

impl Worker {
    /// For `--format json`.
    pub fn document(&self) -> Value {
        match &self.said {
            Ok(it) => json!({"index": self.index, "verdict": it.verdict, "logins": it.logins()}),
            Err(why) => json!({"index": self.index, "verdict": null, "logins": null, "error": why}),
        }
    }
}

/// One kind of failure, and who met it.
#[derive(Clone, Debug, Serialize)]
pub struct Failures {
    /// The kind.
    #[serde(flatten)]
    pub kind: FailureGroup,
    /// The workers.
    pub workers: Vec<u32>,
}

/// All of them together.
#[derive(Clone, Debug)]
pub struct Merged {
    /// Over all logins that were reported.
    pub verdict: Verdict,
    /// Likewise.
    pub logins: Counts,
    /// The most frequent first.
    pub failures: Vec<Failures>,
    /// Of all logins.
    pub latency: Option<Latency>,
    /// How many workers reported.
    pub reported: usize,
}

impl Merged {
    /// None where nobody reported.
    pub fn of(workers: &[Worker]) -> Option<Self> {
        let told: Vec<(u32, &Document)> =
            workers.iter().filter_map(|it| Some((it.index, it.said.as_ref().ok()?))).collect();
        if told.is_empty() {
            return None;
        }
        let mut logins = Counts::default();
        for (_, document) in &told {
            let Counts { total, ok, failed } = document.logins();
            logins.total += total;
            logins.ok += ok;
            logins.failed += failed;
        }
        let answered = told.iter().any(|(_, it)| it.verdict != Some(Verdict::Unreachable));
        let verdict = Verdict::of(logins.ok as usize, logins.failed as usize, answered);
        let mut failures: Vec<Failures> = vec![];
        for (index, document) in &told {
            for kind in document.failures.iter().filter_map(|it| kind(it, verdict == Verdict::Mixed)) {
                let same = |it: &&mut Failures| {
                    let known = &it.kind;
                    (known.step, known.status, known.answer, &known.message)
                        == (kind.step, kind.status, kind.answer, &kind.message)
                };
                match failures.iter_mut().find(same) {
                    Some(known) => {
                        known.kind.count += kind.count;
                        known.workers.push(*index);
                    }
                    None => failures.push(Failures { kind, workers: vec![*index] }),
                }
            }
        }
        failures.sort_by_key(|it| std::cmp::Reverse(it.kind.count));
        let latency = Latency::of(told.iter().flat_map(|(_, it)| it.times()).collect());
        Some(Self { verdict, logins, failures, latency, reported: told.len() })
    }
}

/// A kind of failure of a worker's. Whether other logins passed is known of all workers only here.
fn kind(written: &Value, mixed: bool) -> Option<FailureGroup> {
    let mut written = written.clone();
    if mixed && written["answer"] == json!(Cause::InvalidClient) {
        written["candidates"] = json!([CauseId::StaleReplica]);
    }
    let mut kind: FailureGroup = serde_json::from_value(written).ok()?;
    kind.message = shown(&kind.message);
    Some(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log of a worker, as `probe --format json --series` writes it.
    fn log(verdict: &str, times: &[(f64, Option<usize>)], failures: Value) -> String {
        let failed = times.iter().filter(|(_, failure)| failure.is_some()).count();
        let logins = json!({"total": times.len(), "ok": times.len() - failed, "failed": failed});
        let point = |(at, (ms, failure)): (usize, &(f64, Option<usize>))| json!({"login": at + 1, "at_ms": 0.0, "ms": ms, "failure": failure});
        let series: Vec<Value> = times.iter().enumerate().map(point).collect();
        let document = json!({"verdict": verdict, "logins": logins, "failures": failures, "series": series});
        format!("{document:#}\n")
    }

    fn refused(count: usize, message: &str) -> Value {
        json!([{"step": "callback", "status": 500, "message": message, "count": count, "cause": null,
                "candidates": ["stale-argocd", "secret-mismatch"], "answer": "invalid-client", "explanation": "words of the log"}])
    }

    fn workers(logs: &[&str]) -> Vec<Worker> {
        let worker =
            |(index, log): (usize, &&str)| Worker { index: index as u32, said: Document::of(log, 10) };
        logs.iter().enumerate().map(worker).collect()
    }

    #[test]
    fn times_of_all_logins_are_one_distribution() {
        let fast = log("logged-in", &[(10.0, None), (20.0, None), (30.0, None)], json!([]));
        let slow = log("logged-in", &[(100.0, None), (1000.0, None)], json!([]));
        let merged = Merged::of(&workers(&[&fast, &slow])).unwrap();
        assert_eq!(merged.verdict, Verdict::LoggedIn);
        assert_eq!(merged.logins, Counts { total: 5, ok: 5, failed: 0 });
        // The median of the workers' medians would be 60 or more.
        assert_eq!(merged.latency, Some(Latency { min: 10.0, median: 30.0, p95: 1000.0, max: 1000.0 }));
    }

    #[test]
    fn failures_are_counted_by_kind_and_worker() {
        let words = "\u{1b}[31minvalid_client";
        let (one, two) = (refused(2, words), refused(1, words));
        let one = log("refused", &[(10.0, Some(0)), (10.0, Some(0))], one);
        let two = log("mixed", &[(10.0, Some(0)), (10.0, None)], two);
        let merged = Merged::of(&workers(&[&one, "", &two])).unwrap();
        assert_eq!((merged.verdict, merged.reported), (Verdict::Mixed, 2));
        let [failures] = merged.failures.as_slice() else { panic!("{:?}", merged.failures) };
        assert_eq!((failures.kind.count, failures.workers.as_slice()), (3, [0, 2].as_slice()));
        assert!(!failures.kind.message.contains('\u{1b}') && failures.kind.explanation != "words of the log");
        assert_eq!(failures.kind.cause, Some(CauseId::StaleReplica), "others were taken");
    }

    #[test]
    fn logins_that_nobody_answered_have_no_time() {
        let gone = json!([{"step": "login", "status": 502, "message": "m", "count": 1, "cause": null, "candidates": [], "answer": "front-without-backend"}]);
        let log = log("mixed", &[(5.0, Some(0)), (10.0, None)], gone);
        assert_eq!(Merged::of(&workers(&[&log])).unwrap().latency.unwrap().min, 10.0);
    }

    #[test]
    fn nobody_is_no_verdict() {
        assert!(Merged::of(&workers(&["", "x"])).is_none());
    }

    #[test]
    fn logs_that_are_no_report_say_what_they_are() {
        let whole = log("logged-in", &[(10.0, None)], json!([]));
        let noise = format!("error: a line before\n{whole}");
        assert!(Document::of(&noise, 1).is_ok());
        let cut = &whole[..whole.len() / 2];
        let failed = r#"{"verdict": null, "error": "--ca x cannot be read", "exit": 3}"#;
        let lie = log("logged-in", &[(10.0, None), (10.0, None)], json!([]));
        for (log, why) in [
            ("", "its log is empty"),
            ("exec /probe: \u{1b}[1mno such file\n", "it said: exec /probe: \u{fffd}[1mno such file"),
            (cut, "its log ends in the middle of its report"),
            (failed, "it failed: --ca x cannot be read"),
            ("{\"a\": 1}", "its log holds no report that can be true"),
            ("{no", "its log holds no report that can be read"),
            (&lie, "its log holds no report that can be true"),
        ] {
            assert_eq!(Document::of(log, 1).unwrap_err(), why);
        }
    }
}
