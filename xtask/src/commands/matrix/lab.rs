//! One release, in a lab of its own: brought up, put through both stories, taken down.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use probe::Verdict;

use super::select::Subject;
use crate::cli::Options;
use crate::commands::own_lab::OwnLab;
use crate::console::Running;
use crate::goals::stories::{self, Act, Logins, Row};
use crate::known::{Refusal, Stage};
use crate::programs::Program;
use crate::session::Session;
use base::{Error, Result};
use cluster::names::Workload;

/// Logins after each act, at least, unless `--logins` says otherwise: of a release whose
/// behaviour is to be found out, nothing is known beforehand.
pub const LOGINS: u32 = 20;

/// What was seen of one release.
#[derive(Debug, Default)]
pub struct Measured {
    /// What it was called on the command line.
    pub label: String,
    /// The program that ran as Argo CD, if it got that far.
    pub argocd: Option<Program>,
    /// The program that ran as Dex.
    pub dex: Option<Program>,
    /// What was seen after each act.
    pub rows: Vec<Row>,
    /// Why it ended early, if it did.
    pub error: Option<Error>,
    /// From nothing to the last verdict.
    pub time: Duration,
}

impl Measured {
    fn of(&self, stage: Stage) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.stage == stage)
    }

    /// The verdict and the logins of a stage. Of several (`fix` comes twice) the one
    /// that shows most: anything but logged in.
    pub fn stage(&self, stage: Stage) -> Option<(Verdict, Logins)> {
        let worst = self.worst(stage)?;
        let total = self.of(stage).map(|row| row.logins.total).sum();
        let ok = self.of(stage).map(|row| row.logins.ok).sum();
        Some((worst.verdict, Logins { total, ok, failed: total - ok }))
    }

    /// What was seen at a stage; of several what shows most.
    pub fn worst(&self, stage: Stage) -> Option<&Row> {
        let shows = self.of(stage).find(|row| row.verdict != Verdict::LoggedIn);
        shows.or_else(|| self.of(stage).next())
    }

    /// How logins failed at a stage, the most frequent way of each act first.
    pub fn refusals(&self, stage: Stage) -> Vec<Refusal> {
        let mut refusals: Vec<Refusal> = vec![];
        for refusal in self.of(stage).flat_map(|row| &row.refusals) {
            if !refusals.contains(refusal) {
                refusals.push(*refusal);
            }
        }
        refusals
    }

    /// Whether everything was seen, and as the release is known.
    pub fn as_known(&self) -> bool {
        self.error.is_none() && self.rows.iter().all(|row| row.as_known)
    }
}

/// Plays `acts` on a release in the lab of `folder`. What goes wrong is part of the result.
pub async fn measure(
    subject: &Subject,
    acts: &[Act],
    folder: PathBuf,
    options: &Options,
    running: &Running<'_>,
) -> Measured {
    let since = Instant::now();
    let mut options = options.clone();
    if options.logins.is_none() {
        options.least_logins = LOGINS;
    }
    options.argocd_bin.clone_from(&subject.binary);
    options.argocd = if subject.binary.is_some() { None } else { subject.release.clone() };
    let mut measured = Measured { label: subject.label(), ..Measured::default() };
    OwnLab::within(folder, options, async |lab| {
        measured.error = play(lab, acts, running, &mut measured).await.err();
        measured.time = since.elapsed();
    })
    .await;
    measured
}

async fn play(session: &Session, acts: &[Act], running: &Running<'_>, measured: &mut Measured) -> Result<()> {
    measured.argocd = Some(session.chosen(Workload::Argocd).await?);
    measured.dex = Some(session.chosen_dex().await?);
    let mut steps = vec![];
    let rows = &mut measured.rows;
    stories::play(session, acts, &mut steps, |row| {
        running.doing(&format!(
            "after {}: {} of {} logged in",
            row.after.name(),
            row.logins.ok,
            row.logins.total
        ));
        rows.push(row.clone());
    })
    .await?;
    Ok(())
}
