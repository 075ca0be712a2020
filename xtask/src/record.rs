//! What was done, for `--format json`: goals or a command, their steps, how each ended.

use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use releases::Era;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::programs::Program;
use base::{Error, Exit};
use cluster::names::{Place, Provider};

/// A step that ended.
#[derive(Clone, Debug)]
pub struct StepRecord {
    /// Its name in the plan.
    pub name: String,
    /// When it began.
    pub began: Instant,
    /// How long it took.
    pub ms: f64,
    /// `done`, or what it found, or `failed: …`.
    pub outcome: String,
}

impl StepRecord {
    /// One that began then and ends now.
    pub fn new(name: impl Into<String>, began: Instant, outcome: impl Into<String>) -> Self {
        Self { name: name.into(), began, ms: millis(began.elapsed()), outcome: outcome.into() }
    }
}

/// A goal that ended.
#[derive(Clone, Debug)]
pub struct GoalRecord {
    /// The goal's or command's name.
    pub goal: String,
    /// When it began.
    pub began: Instant,
    /// How long it took.
    pub time: Duration,
    /// Its steps, in the order in which they ended.
    pub steps: Vec<StepRecord>,
    /// What else the goal has to say.
    pub more: Map<String, Value>,
    /// What a report shows besides, such as exchanges; with `--report` alone. Where `more` has the same name, it goes
    /// into that, object by object.
    pub shown: Map<String, Value>,
}

impl GoalRecord {
    /// A goal or command that begins.
    pub fn new(goal: &str) -> Self {
        Self {
            goal: goal.to_owned(),
            began: Instant::now(),
            time: Duration::ZERO,
            steps: vec![],
            more: Map::new(),
            shown: Map::new(),
        }
    }

    /// Takes in what else it has to say, by its fields.
    pub fn say(&mut self, fields: impl Serialize) {
        if let Value::Object(fields) = json!(fields) {
            self.more.extend(fields);
        }
    }

    fn document(&self, run: Instant) -> Value {
        let step = |step: &StepRecord| json!({"name": step.name, "at_ms": since(self.began, step.began), "ms": step.ms, "outcome": step.outcome});
        let steps: Vec<Value> = self.steps.iter().map(step).collect();
        let (at, ms) = (since(run, self.began), millis(self.time));
        let mut document = json!({"goal": self.goal, "at_ms": at, "ms": ms, "steps": steps});
        merge(&mut document, Value::Object(self.more.clone()));
        document
    }
}

/// The whole run.
#[derive(Clone, Debug)]
pub struct Report {
    /// When it began.
    began: Instant,
    /// Where the lab is, once that is decided.
    pub place: Option<Place>,
    /// Who checks the user there.
    pub provider: Option<Provider>,
    /// Whether it speaks https.
    pub tls: Option<bool>,
    /// Argo CD as it is in the lab at the end.
    pub argocd: Option<Program>,
    /// Dex as it is in the lab at the end.
    pub dex: Option<Program>,
    /// The goals that ran.
    pub goals: Vec<GoalRecord>,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            place: None,
            provider: None,
            tls: None,
            argocd: None,
            dex: None,
            goals: vec![],
        }
    }
}

impl Report {
    /// Begins an entry that stands in the report with what was done until then however that
    /// ends, also where it is dropped because the run was interrupted.
    pub fn begin(&mut self, name: &str) -> Entry<'_> {
        Entry { report: self, record: GoalRecord::new(name) }
    }

    /// The JSON document.
    pub fn document(&self, exit: Exit, error: Option<&Error>) -> Value {
        let argocd = self.argocd.as_ref().map(|program| {
            let era = program.release().map(|release| release.era());
            let (name, because) = (era.map(Era::name), era.map(Era::because));
            json!({"version": program.version, "kind": program.kind, "era": name, "because": because})
        });
        let goals: Vec<Value> = self.goals.iter().map(|goal| goal.document(self.began)).collect();
        let mut document = json!({"lab": self.place.map(Place::name), "provider": self.provider, "tls": self.tls, "argocd": argocd, "dex": self.dex,
                                  "goals": goals, "exit": exit.code()});
        if let Some(error) = error {
            document["error"] = error.to_string().into();
        }
        document
    }

    /// The document of a report: the same, and what is shown besides. No password is in it.
    pub fn run(&self, exit: Exit, error: Option<&Error>) -> Value {
        let mut document = self.document(exit, error);
        for (place, goal) in self.goals.iter().enumerate() {
            let entry = &mut document["goals"][place];
            merge(entry, Value::Object(goal.shown.clone()));
            if let Some(entry) = entry.as_object_mut() {
                entry.remove("password");
            }
        }
        document
    }
}

/// Puts `more` into a value: what is an object or a list on both sides, part by part.
fn merge(into: &mut Value, more: Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (name, value) in more {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(more)) if into.len() == more.len() => {
            into.iter_mut().zip(more).for_each(|(into, more)| merge(into, more));
        }
        (into, more) => *into = more,
    }
}

/// An entry of a report whose goal or command goes on.
pub struct Entry<'a> {
    /// The whole, which says of which lab and programs it is.
    pub report: &'a mut Report,
    record: GoalRecord,
}

impl Deref for Entry<'_> {
    type Target = GoalRecord;

    fn deref(&self) -> &GoalRecord {
        &self.record
    }
}

impl DerefMut for Entry<'_> {
    fn deref_mut(&mut self) -> &mut GoalRecord {
        &mut self.record
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.record.time = self.record.began.elapsed();
        self.report.goals.push(self.record.clone());
    }
}

/// From one moment to a later one, in milliseconds.
fn since(earlier: Instant, later: Instant) -> f64 {
    millis(later.saturating_duration_since(earlier))
}

/// Milliseconds, to the microsecond.
pub fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_what_is_shown_besides_where_it_belongs_and_no_password() {
        let mut report = Report::default();
        let mut goal = report.begin("matrix");
        goal.more = Map::from_iter([
            ("releases".into(), json!([{"version": "v1"}, {"version": "v2"}])),
            ("password".into(), "x".into()),
        ]);
        goal.shown = Map::from_iter([
            ("releases".into(), json!([{"traces": 1}, {"traces": 2}])),
            ("series".into(), json!([3])),
        ]);
        drop(goal);
        let goal = &report.run(Exit::Done, None)["goals"][0];
        assert_eq!(goal["releases"], json!([{"version": "v1", "traces": 1}, {"version": "v2", "traces": 2}]));
        assert_eq!((&goal["series"], goal.get("password")), (&json!([3]), None));
        let said = &report.document(Exit::Done, None)["goals"][0];
        assert_eq!(
            (said["password"].as_str(), said.get("series"), said["releases"][0].get("traces")),
            (Some("x"), None, None)
        );
    }
}
