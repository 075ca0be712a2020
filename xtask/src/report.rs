//! What was done, for `--format json`: goals or a command, their steps, how each ended.

use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::names::{Place, Provider};
use crate::programs::Program;
use base::{Error, Exit, Result};

/// A step that ended.
#[derive(Clone, Debug, Serialize)]
pub struct StepRecord {
    /// Its name in the plan.
    pub name: String,
    /// How long it took.
    pub ms: f64,
    /// `done`, or what it found, or `failed: …`.
    pub outcome: String,
}

/// A goal that ended.
#[derive(Clone, Debug)]
pub struct GoalRecord {
    /// The goal's or command's name.
    pub goal: String,
    /// How long it took.
    pub time: Duration,
    /// Its steps, in the order in which they ended.
    pub steps: Vec<StepRecord>,
    /// What else the goal has to say.
    pub more: Map<String, Value>,
}

impl GoalRecord {
    /// A goal or command that begins.
    pub fn new(goal: &str) -> Self {
        Self { goal: goal.to_owned(), time: Duration::ZERO, steps: vec![], more: Map::new() }
    }

    fn document(&self) -> Value {
        let mut document = Map::new();
        document.insert("goal".into(), self.goal.clone().into());
        document.insert("ms".into(), millis(self.time).into());
        document.insert("steps".into(), json!(self.steps));
        document.extend(self.more.clone());
        document.into()
    }
}

/// The whole run.
#[derive(Clone, Debug, Default)]
pub struct Report {
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

impl Report {
    /// Runs a command that is one entry, and makes that, however the command ends.
    ///
    /// # Errors
    /// Those of the command.
    pub fn entry(&mut self, name: &str, run: impl FnOnce(&mut GoalRecord) -> Result<Exit>) -> Result<Exit> {
        run(&mut self.begun(name, Instant::now()))
    }

    /// Begins an entry that stands in the report with what was done until then however that
    /// ends, also where it is dropped because the run was interrupted.
    pub fn begun(&mut self, name: &str, since: Instant) -> Begun<'_> {
        Begun { report: self, record: GoalRecord::new(name), since }
    }

    /// The JSON document.
    pub fn document(&self, exit: Exit, error: Option<&Error>) -> Value {
        let argocd = self.argocd.as_ref().map(|program| {
            let era = program.release().map(|release| release.era().name());
            json!({"version": program.version, "kind": program.kind, "era": era})
        });
        let goals: Vec<Value> = self.goals.iter().map(GoalRecord::document).collect();
        let mut document = json!({"lab": self.place.map(Place::name), "provider": self.provider, "tls": self.tls, "argocd": argocd, "dex": self.dex,
                                  "goals": goals, "exit": exit.code()});
        if let Some(error) = error {
            document["error"] = error.to_string().into();
        }
        document
    }
}

/// An entry of a report whose goal or command goes on.
pub struct Begun<'a> {
    report: &'a mut Report,
    record: GoalRecord,
    since: Instant,
}

impl Deref for Begun<'_> {
    type Target = GoalRecord;

    fn deref(&self) -> &GoalRecord {
        &self.record
    }
}

impl DerefMut for Begun<'_> {
    fn deref_mut(&mut self) -> &mut GoalRecord {
        &mut self.record
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.record.time = self.since.elapsed();
        self.report.goals.push(self.record.clone());
    }
}

/// Milliseconds, to the microsecond.
pub fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
