//! How long each step took, and what the whole waits for.
//!
//! Times are kept with the lab, for `--dry-run --timings`: which steps are on the
//! critical path says where it pays to make one faster.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::plan::Plan;
use crate::record::StepRecord;
use base::duration;
use base::files::write_private;

/// Outcomes of a first step that made the lab: only such a run shows what a goal costs
/// from nothing.
const MADE: [&str; 2] = ["created", "started"];

/// Step times in milliseconds, by goal and step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timings {
    goals: BTreeMap<String, BTreeMap<String, f64>>,
}

/// What a plan waits for, by recorded times.
#[derive(Clone, Debug, PartialEq)]
pub struct Critical {
    /// The longest chain of steps that wait for each other, with their milliseconds.
    pub path: Vec<(&'static str, f64)>,
    /// How long that takes, in milliseconds.
    pub length: f64,
    /// All steps one after another, in milliseconds.
    pub sum: f64,
}

impl Timings {
    /// Those of the lab in `folder`; none where nothing was recorded.
    pub fn read(folder: &Path) -> Self {
        let text = std::fs::read(file(folder)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Takes in the steps of a goal that was reached. A run that found the lab up does
    /// not take the place of one that made it.
    pub fn record(folder: &Path, goal: &str, steps: &[StepRecord]) {
        let mut timings = Self::read(folder);
        let made = steps.iter().any(|step| MADE.contains(&step.outcome.as_str()));
        if timings.goals.contains_key(goal) && !made {
            return;
        }
        let times = steps.iter().map(|step| (step.name.clone(), step.ms)).collect();
        timings.goals.insert(goal.to_owned(), times);
        // Times are of use, and no goal fails for want of them.
        if folder.is_dir() {
            let text = serde_json::to_vec_pretty(&timings).unwrap_or_default();
            let _ = write_private(&file(folder), &text);
        }
    }

    /// What a plan waits for; nothing where its goal was never recorded.
    pub fn critical(&self, plan: &Plan) -> Option<Critical> {
        let times = self.goals.get(plan.name)?;
        let time = |name: &str| times.get(name).copied().unwrap_or(0.0);
        // Each step comes after those that it waits for, so one pass is enough.
        let mut ends: BTreeMap<&str, (f64, Option<&'static str>)> = BTreeMap::new();
        for step in &plan.steps {
            let end = |name: &&'static str| ends.get(name).map_or(0.0, |(end, _)| *end);
            let last = step.after.iter().copied().max_by(|a, b| end(a).total_cmp(&end(b)));
            let begin = last.as_ref().map_or(0.0, end);
            ends.insert(step.name, (begin + time(step.name), last));
        }
        let (mut name, length) =
            ends.iter().map(|(name, (end, _))| (*name, *end)).max_by(|a, b| a.1.total_cmp(&b.1))?;
        let mut path = vec![];
        loop {
            let step = plan.steps.iter().find(|step| step.name == name)?;
            path.push((step.name, time(step.name)));
            match ends.get(name).and_then(|(_, last)| *last) {
                Some(before) => name = before,
                None => break,
            }
        }
        path.reverse();
        let sum = plan.steps.iter().map(|step| time(step.name)).sum();
        Some(Critical { path, length, sum })
    }
}

impl Critical {
    /// For a person.
    pub fn text(&self) -> String {
        let shown = |ms: f64| duration(Duration::from_secs_f64(ms / 1e3));
        let share = if self.sum > 0.0 { 100.0 * self.length / self.sum } else { 100.0 };
        let mut text = format!(
            "  critical path: {} of {} in all steps ({share:.0} %)\n",
            shown(self.length),
            shown(self.sum)
        );
        for (name, ms) in &self.path {
            let _ = writeln!(text, "    {name:<20} {:>8}", shown(*ms));
        }
        text
    }
}

fn file(folder: &Path) -> PathBuf {
    folder.join("timings.json")
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::cli::Goal;
    use cluster::names::{Place, Provider};

    fn record(name: &str, ms: f64, outcome: &str) -> StepRecord {
        StepRecord { ms, ..StepRecord::new(name, Instant::now(), outcome) }
    }

    #[test]
    fn the_critical_path_is_the_chain_that_takes_longest() {
        let folder = tempfile::tempdir().unwrap();
        let plan = Plan::of(Goal::Working, None, Place::Kind, Provider::Dex).unwrap();
        assert_eq!(Timings::read(folder.path()).critical(&plan), None);
        // A slow line: the images take longer than the cluster.
        let steps = [
            record("tools", 100.0, "found"),
            record("cluster", 20_000.0, "created"),
            record("argocd-chart", 2_000.0, "done"),
            record("argocd-images", 30_000.0, "done"),
            record("ingress-images", 15_000.0, "done"),
            record("dex-images", 8_000.0, "done"),
            record("argocd-load", 5_000.0, "done"),
            record("argocd", 9_000.0, "done"),
            record("argocd-ready", 4_000.0, "ready"),
        ];
        Timings::record(folder.path(), "working", &steps);
        let critical = Timings::read(folder.path()).critical(&plan).unwrap();
        let names: Vec<&str> = critical.path.iter().map(|(name, _)| *name).collect();
        let wanted = ["tools", "argocd-chart", "argocd-images", "argocd-load", "argocd", "argocd-ready"];
        assert_eq!(names, wanted);
        assert_eq!((critical.length, critical.sum), (50_100.0, 93_100.0));
        assert!(critical.text().starts_with("  critical path: 50.1 s of 1 min 33 s in all steps (54 %)\n"));
    }

    #[test]
    fn a_run_that_found_the_lab_up_does_not_take_the_place_of_one_that_made_it() {
        let folder = tempfile::tempdir().unwrap();
        let time = || Timings::read(folder.path()).goals["working"]["cluster"];
        Timings::record(folder.path(), "working", &[record("cluster", 1.0, "already up")]);
        Timings::record(folder.path(), "working", &[record("cluster", 9.0, "created")]);
        assert!((time() - 9.0).abs() < 1e-9);
        Timings::record(folder.path(), "working", &[record("cluster", 2.0, "already up")]);
        assert!((time() - 9.0).abs() < 1e-9);
    }
}
