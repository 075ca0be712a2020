//! `matrix`: both stories and the first start over many releases, one table.

mod bisect;
mod lab;
mod measured;
mod select;
mod table;

use std::num::NonZero;
use std::time::Instant;

use futures::StreamExt as _;
use serde_json::json;

use super::dry_run;
use crate::cli::MatrixArgs;
use crate::goals::stories::{self, Act};
use crate::known::{self, Stage};
use crate::lab::OwnLabs;
use crate::record::{GoalRecord, StepRecord};
use crate::session::Session;
use base::{Error, Exit, Result};
use cluster::names::Provider;
use toolbox::real;

use lab::{LOGINS, Measured};
use measured::{TABLE, Table};
use select::{Available, Subject};

/// What has to be played to see a story. `broken` brings its own lab up.
fn acts(story: Stage) -> Vec<Act> {
    match story {
        Stage::Working | Stage::Break | Stage::Fix => stories::BOTH[..2].to_vec(),
        Stage::Broken => stories::BOTH[3..4].to_vec(),
        Stage::FirstStart => [&stories::BOTH[..1], &stories::FIRST_START[..1]].concat(),
    }
}

/// All that is played. A first start changes more than the client secret of the Dex inside.
fn all_acts(provider: Provider) -> Vec<Act> {
    match provider {
        Provider::Dex => [&stories::BOTH[..], &stories::FIRST_START].concat(),
        Provider::Bundled => stories::BOTH.to_vec(),
    }
}

/// Runs the matrix.
///
/// # Errors
/// The releases cannot be told, or a file cannot be written. A release that could not
/// be run is a row of the table and makes the exit 3.
pub async fn matrix(session: &Session, args: &MatrixArgs, record: &mut GoalRecord) -> Result<Exit> {
    let options = &session.options;
    // Whoever is in the way is told before anybody is asked.
    let labs = if options.dry_run { None } else { Some(OwnLabs::of(&session.lab, "matrix")?) };
    let available = match &args.argocd_bins {
        Some(folder) => Available::in_folder(folder)?,
        // A dry run asks nothing of the network, and who names releases need not be told which there are.
        None if options.real && !options.dry_run && !options.offline && !select::named(&args.releases) => {
            let running = session.console.step("releases", "asking which there are");
            let released = real::released(&session.downloads()?).await?;
            running.done(&released.len().to_string());
            Available::of(released)
        }
        None => Available::published(),
    };
    let inside = session.provider == Provider::Bundled;
    if inside && (args.update || args.story == Stage::FirstStart) {
        return Err(Error::usage("the table of releases and the first start are of a Dex of its own")
            .hint("leave out --update and --story first-start, or --provider bundled"));
    }
    let (subjects, acts) = match &args.bisect {
        Some(range) => (bisect::subjects(range, &available)?, acts(args.story)),
        None => (available.select(&args.releases)?, all_acts(session.provider)),
    };
    let Some(labs) = labs else {
        let goals: Vec<&str> = acts.iter().flat_map(|act| [act.goal.name(), "test"]).collect();
        let goals = goals.join(" ");
        return Ok(dry_run::show(&session.console, subjects.iter().map(|it| (it.label(), &goals)), record));
    };
    let real = args.argocd_bins.is_some() || options.real || options.dex_bin.is_some();
    // A machine has one place for the configuration of a real Dex inside Argo CD.
    let one = (inside && real).then_some(1);
    let jobs = one.unwrap_or_else(|| args.jobs.map_or_else(cores, usize::from));
    let run = Run { session, labs: &labs, jobs, acts: &acts };
    match &args.bisect {
        Some(_) => run.bisect(&subjects, args.story, record).await,
        None => run.table(args, &subjects, record).await,
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

struct Run<'a> {
    session: &'a Session,
    labs: &'a OwnLabs,
    jobs: usize,
    acts: &'a [Act],
}

impl Run<'_> {
    async fn table(&self, args: &MatrixArgs, subjects: &[Subject], record: &mut GoalRecord) -> Result<Exit> {
        let Session { console, options, provider, .. } = self.session;
        if subjects.is_empty() {
            let unasked = if options.offline { ", as far as is known without asking" } else { "" };
            console.note(&format!("matrix: no release to run: nothing is new{unasked}"));
            record.more.insert("releases".into(), table::json(&[]));
            return Ok(Exit::Done);
        }
        let logins = options.logins.unwrap_or(LOGINS);
        console.heading(&format!(
            "matrix: {} releases, {} at a time, {logins} logins after each act",
            subjects.len(),
            self.jobs
        ));
        let all = self.measure(subjects, record).await;
        console.result(&table::text(&all, console.results().width));
        let assumed = all.iter().filter_map(|measured| measured.argocd.as_ref()?.release());
        let assumed: Vec<String> =
            assumed.filter(|it| !known::is_measured(it, *provider)).map(|it| it.to_string()).collect();
        if !assumed.is_empty() {
            console.result(&known::assumed(&assumed));
        }
        console.explain(&confidence(logins, options.logins.is_some()));
        record.more.insert("releases".into(), table::json(&all));
        if options.report.is_some() {
            record.shown.insert("releases".into(), table::shown(&all));
        }
        for (path, text) in
            [(&args.markdown, table::markdown as fn(&[Measured]) -> String), (&args.junit, table::junit)]
        {
            if let Some(path) = path {
                std::fs::write(path, text(&all)).map_err(|error| Error::unwritable(path, error))?;
            }
        }
        if args.update {
            let date = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
            let take = |known: &mut Table| known.take(&all, &date);
            TABLE.update(console, all.len(), take, Table::markdown)?;
        }
        if all.iter().any(|measured| measured.error.is_some()) {
            return Ok(Exit::Environment);
        }
        Ok(if all.iter().all(Measured::as_known) { Exit::Done } else { Exit::Verdict })
    }

    async fn bisect(&self, subjects: &[Subject], stage: Stage, record: &mut GoalRecord) -> Result<Exit> {
        let console = &self.session.console;
        console.heading(&format!("bisect: {} releases", subjects.len()));
        let measure = async |subjects: &[Subject]| self.measure(subjects, record).await;
        let found = bisect::bisect(subjects, stage, measure).await?;
        console.result(&found.text(stage));
        let change = found.change().map(|ends| ends.map(|it| it.label.clone()));
        let exit = if change.is_some() { Exit::Done } else { Exit::Verdict };
        let [before, after] = change.map_or([None, None], |ends| ends.map(Some));
        record.say(json!({"before": before, "after": after, "releases": table::json(&found.into_seen())}));
        Ok(exit)
    }

    /// Measures releases, as many at a time as there are jobs, and gives them in the
    /// order in which they were asked for.
    async fn measure(&self, subjects: &[Subject], record: &mut GoalRecord) -> Vec<Measured> {
        let one = |place: usize, subject: Subject| async move {
            let label = subject.label();
            let (running, since) = (self.session.console.step(&label, "starting its lab"), Instant::now());
            // A path says little about who it is, and may say the same as another.
            let folder = self.labs.lab(&format!("{place}-{label}"));
            let measured = lab::measure(&subject, self.acts, folder, &self.session.options, &running).await;
            let outcome = match (&measured.error, measured.as_known()) {
                (Some(error), _) => error.to_string(),
                (None, true) => "as known".to_owned(),
                (None, false) => "NOT as known".to_owned(),
            };
            running.done(&outcome);
            let step = StepRecord::new(&measured.label, since, outcome);
            (place, measured, step)
        };
        let labs =
            futures::stream::iter(subjects.iter().cloned().enumerate().map(|(place, it)| one(place, it)));
        let mut all: Vec<_> = labs.buffer_unordered(self.jobs).collect().await;
        all.sort_by_key(|(place, ..)| *place);
        let measured = all.into_iter().map(|(_, measured, step)| {
            record.steps.push(step);
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
