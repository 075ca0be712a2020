//! The post's two stories, and the first start: what is done, what is seen after it,
//! and whether that is what the release is known to do.

use probe::Verdict;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::cli::Goal;
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
    /// What the test after it looks at.
    pub stage: Stage,
}

const fn act(goal: Goal, stage: Stage) -> Act {
    Act { goal, stage }
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
pub const FIRST_START: [Act; 2] = [act(Goal::Break, Stage::FirstStart), act(Goal::Fix, Stage::Fix)];

/// What was seen after an act.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The goal that was reached before the test.
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
        let fault = (act.stage == Stage::FirstStart).then_some(Fault::FirstStart);
        super::reach(session, act.goal, fault, steps).await?;
        let known = release.as_ref().and_then(|release| known::verdict(release, act.stage, provider));
        let mut record = GoalRecord::new("test");
        let report = super::test::run(session, known, &mut record).await?;
        steps
            .extend(record.steps.into_iter().map(|step| StepRecord { name: format!("{name}-test"), ..step }));
        let (failures, ok) = (report.failures(), report.ok());
        let refusals: Vec<Refusal> = failures.iter().map(Refusal::of).collect();
        // Those that ended as others did are left out.
        if let Some(Value::Array(traces)) = record.shown.get_mut("traces") {
            traces.truncate(refusals.len() + usize::from(ok > 0));
        }
        let row = Row {
            after: act.goal,
            stage: act.stage,
            verdict: report.verdict,
            logins: Logins { total: report.logins.len(), ok, failed: report.failed() },
            known,
            known_refusals: release
                .as_ref()
                .map_or(&[], |release| known::refusals(release, act.stage, provider)),
            as_known: release.as_ref().is_none_or(|release| {
                known::as_known(release, act.stage, provider, report.verdict, &refusals)
            }),
            refusals,
            message: failures.first().map(|failure| failure.message.clone()),
            shown: record.shown,
        };
        seen(&row);
        rows.push(row);
    }
    Ok(rows)
}
