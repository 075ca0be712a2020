//! The post's two stories, and the first start: what is done, what is seen after it,
//! and whether that is what the release is known to do.

use probe::Verdict;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::cli::{Expect, Goal};
use crate::fault::Fault;
use crate::known::{self, Refusal, Stage};
use crate::record::{GoalRecord, StepRecord};
use crate::session::Session;
use base::Result;
use cluster::names::Workload;

/// One act: a goal, and the stage that the test after it looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Act {
    /// What is done.
    pub goal: Goal,
    /// With which fault, for `break`.
    pub fault: Fault,
    /// What the test after it looks at.
    pub stage: Stage,
}

const fn act(goal: Goal, stage: Stage) -> Act {
    Act { goal, fault: Fault::Rotate, stage }
}

/// Both stories: `working`, `break`, `fix`; then `broken`, `fix`.
pub const BOTH: [Act; 5] = [
    act(Goal::Working, Stage::Working),
    act(Goal::Break, Stage::Break),
    act(Goal::Fix, Stage::Fix),
    act(Goal::Broken, Stage::Broken),
    act(Goal::Fix, Stage::Fix),
];

/// A first start on an emptied argocd-secret, and its healing; needs a lab that is up.
pub const FIRST_START: [Act; 2] = [
    Act { goal: Goal::Break, fault: Fault::FirstStart, stage: Stage::FirstStart },
    act(Goal::Fix, Stage::Fix),
];

/// What was seen after an act.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The goal that was reached before the test.
    #[serde(serialize_with = "goal_name")]
    pub after: Goal,
    /// The stage.
    #[serde(skip)]
    pub stage: Stage,
    /// The verdict of the logins.
    pub verdict: Verdict,
    /// How many logins, and how they ended.
    pub logins: Logins,
    /// How the logins that failed did, the most frequent way first.
    pub refusals: Vec<Refusal>,
    /// The verdict that is known of this release; `None` where none is certain.
    pub known: Option<Verdict>,
    /// How logins are known to fail.
    pub known_refusals: &'static [Refusal],
    /// Whether verdict, step and answer are the known ones.
    pub as_known: bool,
    /// The first failure's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What a report shows besides: all logins in numbers, one of each way of ending in full.
    #[serde(skip)]
    pub shown: Map<String, Value>,
}

impl Row {
    /// `refused at callback (invalid-client)`.
    pub fn seen(&self) -> String {
        said(self.verdict, &self.refusals)
    }

    /// The same of what is known.
    pub fn known(&self) -> String {
        self.known.map_or_else(|| "not certain".to_owned(), |known| said(known, self.known_refusals))
    }
}

/// A verdict with the ways in which logins failed.
pub fn said(verdict: Verdict, refusals: &[Refusal]) -> String {
    let mut ways: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    ways.dedup();
    match ways.is_empty() {
        true => verdict.name().to_owned(),
        false => format!("{verdict} at {}", ways.join(" or ")),
    }
}

/// Counted logins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Logins {
    /// All.
    pub total: usize,
    /// Those that passed.
    pub ok: usize,
    /// Those that did not.
    pub failed: usize,
}

fn goal_name<S: Serializer>(goal: &Goal, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(goal.name())
}

/// Plays acts one after another and records their steps; `seen` hears of each row.
///
/// # Errors
/// An act could not be done. A verdict that is not the known one is no error.
pub async fn play(
    session: &Session,
    acts: &[Act],
    steps: &mut Vec<StepRecord>,
    mut seen: impl FnMut(&Row),
) -> Result<Vec<Row>> {
    let release = session.chosen(Workload::Argocd).await?.release();
    let (console, provider) = (&session.console, session.provider);
    let mut rows = vec![];
    for act in acts {
        let name = act.goal.name();
        console.heading(name);
        super::reach(session, act.goal, (act.goal == Goal::Break).then_some(act.fault), steps).await?;
        let known = release.as_ref().and_then(|release| known::verdict(release, act.stage, provider));
        let mut record = GoalRecord::new("test");
        let found = super::test::run(session, known.and_then(Expect::of), &mut record).await?;
        steps
            .extend(record.steps.into_iter().map(|step| StepRecord { name: format!("{name}-test"), ..step }));
        let (ok, total) = found.ok;
        // Those that ended as others did are left out.
        if let Some(Value::Array(traces)) = record.shown.get_mut("traces") {
            traces.truncate(found.refusals.len() + usize::from(ok > 0));
        }
        let row = Row {
            after: act.goal,
            stage: act.stage,
            verdict: found.verdict,
            logins: Logins { total, ok, failed: total - ok },
            known,
            known_refusals: release
                .as_ref()
                .map_or(&[], |release| known::refusals(release, act.stage, provider)),
            as_known: release.as_ref().is_none_or(|release| {
                known::as_known(release, act.stage, provider, found.verdict, &found.refusals)
            }),
            refusals: found.refusals,
            message: found.message,
            shown: record.shown,
        };
        seen(&row);
        rows.push(row);
    }
    Ok(rows)
}
