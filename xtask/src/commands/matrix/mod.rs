//! `matrix`: both stories and the first start over many releases, one table.

mod bisect;
mod lab;
mod measured;
mod select;
mod table;

use std::num::NonZero;
use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};
use futures::StreamExt as _;
use releases::Release;
use serde_json::Map;

use crate::cli::Options;
use crate::console::{Console, Tone};
use crate::goals::stories::{self, Act};
use crate::known::Stage;
use crate::lab::OwnLabs;
use crate::report::{GoalRecord, Report, StepRecord, millis};
use crate::session::{Session, checkout};
use crate::shown_download::ShownDownload;
use base::{Error, Exit, Result};
use toolbox::real;

use bisect::Range;
use lab::{LOGINS, Measured};
use select::{Available, Shard, Subject};

/// What `matrix` understands besides the options of all goals.
#[derive(Clone, Debug, Args)]
pub struct MatrixArgs {
    /// `v3.3.6`, `v3.3.x`, `v3.3.0..v3.3.7`, `newest`, `new` (since this program was
    /// written), `eras`, or a path to an argocd program [default: every program of --argocd-bins, else `eras`].
    #[arg(value_name = "RELEASE")]
    releases: Vec<String>,

    /// A folder of programs named argocd-vX.Y.Z to run instead of the stand-ins.
    #[arg(long, value_name = "DIR", env = "LAB_ARGOCD_BINS")]
    argocd_bins: Option<PathBuf>,

    /// Labs at the same time [default: one for each core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: Option<u16>,

    /// What each verdict is held against; a release that differs makes the exit 1.
    #[arg(long, value_enum, default_value_t = Against::Known)]
    against: Against,

    /// Only every n-th release, beginning with the i-th, for CI.
    #[arg(long, value_name = "i/n", value_parser = Shard::parse)]
    shard: Option<Shard>,

    /// Write what was measured on real programs into xtask/measured.json and docs/releases.md.
    #[arg(long)]
    update: bool,

    /// Write the table as Markdown to this file.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,

    /// Write the table as JUnit XML to this file.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,

    /// Find the first release of this range that behaves otherwise than A; exit 1 if none does.
    #[arg(long, value_name = "A..B", value_parser = Range::parse, conflicts_with_all = ["releases", "shard", "update"])]
    bisect: Option<Range>,

    /// What `--bisect` looks at.
    #[arg(long, value_enum, default_value_t = Story::Break, requires = "bisect")]
    story: Story,
}

/// What verdicts are held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Against {
    /// What the release is known to do.
    Known,
    /// Nothing: whatever is seen is fine.
    Nothing,
}

/// What a bisection looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Story {
    /// The secret is rotated while everything runs.
    Break,
    /// The secret comes after Argo CD's server.
    Broken,
    /// The first start on an empty argocd-secret.
    FirstStart,
}

impl Story {
    fn stage(self) -> Stage {
        match self {
            Self::Break => Stage::Break,
            Self::Broken => Stage::Broken,
            Self::FirstStart => Stage::FirstStart,
        }
    }

    /// What has to be played to see it.
    fn acts(self) -> Vec<Act> {
        let upto = |stage| {
            let place = stories::BOTH.iter().position(|act| act.stage == stage).unwrap_or(0);
            stories::BOTH[..=place].to_vec()
        };
        match self {
            Self::Break => upto(Stage::Break),
            // It brings its own lab up.
            Self::Broken => stories::BOTH.iter().filter(|act| act.stage == Stage::Broken).copied().collect(),
            Self::FirstStart => [&stories::BOTH[..1], &stories::FIRST_START[..1]].concat(),
        }
    }
}

impl MatrixArgs {
    /// What would be run, by name: each release with its goals. Asks nothing of the network.
    ///
    /// # Errors
    /// The releases cannot be told.
    pub fn plan(&self) -> Result<Vec<(String, String)>> {
        let available =
            self.argocd_bins.as_deref().map_or_else(|| Ok(Available::published()), Available::in_folder)?;
        let (subjects, acts) = match &self.bisect {
            Some(range) => (range.subjects(&available)?, self.story.acts()),
            None => (available.select(&self.releases)?, [&stories::BOTH[..], &stories::FIRST_START].concat()),
        };
        let subjects = self.shard.map_or(subjects.clone(), |shard| shard.of(subjects));
        let goals: Vec<&str> = acts.iter().flat_map(|act| [act.goal.name(), "test"]).collect();
        Ok(subjects.iter().map(|subject| (subject.label(), goals.join(" "))).collect())
    }
}

/// Runs the matrix.
///
/// # Errors
/// The releases cannot be told, or a file cannot be written. A release that could not
/// be run is a row of the table and makes the exit 3.
pub async fn matrix(session: &Session, args: &MatrixArgs, report: &mut Report) -> Result<Exit> {
    let since = Instant::now();
    let labs = OwnLabs::of(&session.lab, "matrix")?;
    let available = match &args.argocd_bins {
        Some(folder) => Available::in_folder(folder)?,
        None if session.options.real => Available::of(released(session).await?),
        None => Available::published(),
    };
    let jobs = args.jobs.map_or_else(cores, usize::from);
    let run = Run { session, labs: &labs, jobs };
    let mut record =
        GoalRecord { goal: "matrix".into(), time: since.elapsed(), steps: vec![], more: Map::new() };
    let outcome = match &args.bisect {
        Some(range) => run.bisect(range, args.story, &available, &mut record).await,
        None => run.table(args, &available, &mut record).await,
    };
    record.time = since.elapsed();
    report.goals.push(record);
    outcome
}

/// The releases that there are by now.
async fn released(session: &Session) -> Result<Vec<Release>> {
    let running = session.console.step("releases", "asking which there are");
    let released = real::released(&session.downloads()?, &ShownDownload::new(&running)).await?;
    let releases: Vec<Release> = released.finals().cloned().collect();
    running.done(&format!("{}{}", releases.len(), if released.cached { ", as asked earlier" } else { "" }));
    Ok(releases)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

struct Run<'a> {
    session: &'a Session,
    labs: &'a OwnLabs,
    jobs: usize,
}

impl Run<'_> {
    fn console(&self) -> &Console {
        &self.session.console
    }

    fn options(&self) -> &Options {
        &self.session.options
    }

    async fn table(&self, args: &MatrixArgs, available: &Available, record: &mut GoalRecord) -> Result<Exit> {
        let subjects = available.select(&args.releases)?;
        let subjects = args.shard.map_or(subjects.clone(), |shard| shard.of(subjects));
        let console = self.console();
        if subjects.is_empty() {
            console.note("matrix: no release to run: nothing is new, or this part of the rows is empty");
            record.more.insert("releases".into(), table::json(&[]));
            return Ok(Exit::Done);
        }
        let wished = self.options().logins;
        let logins = wished.unwrap_or(LOGINS);
        console.note(&console.toned(
            Tone::Strong,
            &format!(
                "matrix: {} releases, {} at a time, {logins} logins after each act",
                subjects.len(),
                self.jobs
            ),
        ));
        let acts = [&stories::BOTH[..], &stories::FIRST_START].concat();
        let all = self.measure(&subjects, &acts, record).await;
        console.result(&table::text(&all));
        console.explain(&confidence(logins, wished.is_some()));
        record.more.insert("releases".into(), table::json(&all));
        for (path, text) in
            [(&args.markdown, table::markdown as fn(&[Measured]) -> String), (&args.junit, table::junit)]
        {
            if let Some(path) = path {
                std::fs::write(path, text(&all)).map_err(|error| {
                    Error::environment(format!("{} cannot be written: {error}", path.display()))
                })?;
            }
        }
        if args.update {
            let root = checkout();
            let mut known = measured::Table::read(&root)?;
            let date = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
            let taken = known.take(&all, &date);
            known.write(&root)?;
            console.note(&format!("{taken} of {} rows went into the table of docs/releases.md", all.len()));
        }
        if all.iter().any(|measured| measured.error.is_some()) {
            return Ok(Exit::Environment);
        }
        let differs = args.against == Against::Known && !all.iter().all(Measured::as_known);
        Ok(if differs { Exit::Verdict } else { Exit::Done })
    }

    async fn bisect(
        &self,
        range: &Range,
        story: Story,
        available: &Available,
        record: &mut GoalRecord,
    ) -> Result<Exit> {
        let subjects = range.subjects(available)?;
        let console = self.console();
        console.note(&console.toned(Tone::Strong, &format!("bisect: {} releases", subjects.len())));
        let acts = story.acts();
        let found = bisect::bisect(&subjects, story.stage(), async |subjects: &[Subject]| {
            self.measure(subjects, &acts, record).await
        })
        .await?;
        console.result(&found.text(story.stage()));
        let change = found.change().map(|ends| ends.map(|it| it.label.clone()));
        let exit = if change.is_some() { Exit::Done } else { Exit::Verdict };
        let [before, after] = change.map_or([None, None], |ends| ends.map(Some));
        record.more.insert("before".into(), before.into());
        record.more.insert("after".into(), after.into());
        record.more.insert("releases".into(), table::json(&found.into_seen()));
        Ok(exit)
    }

    /// Measures releases, as many at a time as there are jobs, and gives them in the
    /// order in which they were asked for.
    async fn measure(&self, subjects: &[Subject], acts: &[Act], record: &mut GoalRecord) -> Vec<Measured> {
        let one = |place: usize, subject: Subject| async move {
            let label = subject.label();
            let running = self.console().step(&label, "starting its lab");
            // A path says little about who it is, and may say the same as another.
            let folder = self.labs.lab(&format!("{place}-{label}"));
            let measured = lab::measure(&subject, acts, folder, self.options(), &running).await;
            let outcome = match (&measured.error, measured.as_known()) {
                (Some(error), _) => error.to_string(),
                (None, true) => "as known".to_owned(),
                (None, false) => "NOT as known".to_owned(),
            };
            running.done(&outcome);
            (place, measured, outcome)
        };
        let labs =
            futures::stream::iter(subjects.iter().cloned().enumerate().map(|(place, it)| one(place, it)));
        let mut all: Vec<_> = labs.buffer_unordered(self.jobs).collect().await;
        all.sort_by_key(|(place, ..)| *place);
        let measured = all.into_iter().map(|(_, measured, outcome)| {
            let ms = millis(measured.time);
            record.steps.push(StepRecord { name: measured.label.clone(), ms, outcome });
            measured
        });
        measured.collect()
    }
}

/// How sure a number of logins makes a verdict. Exactly as many as are wished for are
/// made; else more where it takes more.
fn confidence(logins: u32, wished: bool) -> String {
    let missed = 0.75_f64.powi(i32::try_from(logins).unwrap_or(i32::MAX));
    let more = match wished {
        true => "",
        false => "; where a release is known to answer with two minds, up to 100 until both are seen",
    };
    format!(
        "{logins} logins after each act: one failure in four is missed in {:.1} % of runs, if logins fare \
         independently{more}",
        missed * 100.0
    )
}
