//! The flags of single commands.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
pub use doctor::command::releases;

use super::Range;
use crate::fault::{Choice, Fault};

/// What `faults` understands besides the options of all goals.
#[derive(Clone, Debug, Args)]
pub struct FaultsArgs {
    /// Only these faults [default: all].
    #[arg(value_name = "FAULT", value_parser = fault, add = faults())]
    pub only: Vec<Fault>,

    /// Write what was seen into xtask/faults.json and docs/faults.md.
    #[arg(long)]
    pub update: bool,
}

/// What a shell offers as a fault.
pub fn faults() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        Fault::all()
            .iter()
            .map(|it| CompletionCandidate::new(it.name()).help(Some(it.what().into())))
            .collect()
    })
}

fn fault(name: &str) -> Result<Fault, String> {
    match Choice::parse(name)? {
        Choice::One(fault) => Ok(fault),
        Choice::List => Err("`cargo xtask break --fault list` lists them".to_owned()),
    }
}

/// What `rotate` understands besides the options of all goals.
#[derive(Clone, Debug, Args)]
pub struct RotateArgs {
    /// Logins that begin each second meanwhile.
    #[arg(long, value_name = "R", default_value = "8", value_parser = clap::value_parser!(u32).range(1..=50))]
    pub rate: u32,
}

/// What `matrix` understands besides the options of all goals.
#[derive(Clone, Debug, Args)]
pub struct MatrixArgs {
    /// `v3.3.6`, `v3.3.x`, `v3.3.0..v3.3.7`, `newest`, `new` (since this program was
    /// written), `eras`, or a path to an argocd program [default: every program of --argocd-bins, else `eras`].
    #[arg(value_name = "RELEASE", add = releases())]
    pub releases: Vec<String>,

    /// A folder of programs named argocd-vX.Y.Z to run instead of the stand-ins.
    #[arg(long, value_name = "DIR", env = "LAB_ARGOCD_BINS")]
    pub argocd_bins: Option<PathBuf>,

    /// Labs at the same time [default: one for each core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: Option<u16>,

    /// Write what was measured on real programs into xtask/measured.json and docs/releases.md.
    #[arg(long)]
    pub update: bool,

    /// Write the table as Markdown to this file.
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,

    /// Write the table as JUnit XML to this file.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,

    /// Find the first release of this range that behaves otherwise than A; exit 1 if none does.
    #[arg(long, value_name = "A..B", value_parser = Range::parse, conflicts_with_all = ["releases", "update"])]
    pub bisect: Option<Range>,

    /// What `--bisect` looks at.
    #[arg(long, value_enum, default_value_t = Stage::Break, requires = "bisect")]
    pub story: Stage,
}

/// A place in the stories, after which logins are looked at: by a bisection, those at which a release can lose them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Stage {
    /// After `working`.
    #[value(skip)]
    Working,
    /// The secret is rotated while everything runs.
    Break,
    /// The secret comes after Argo CD's server.
    Broken,
    /// After `fix`.
    #[value(skip)]
    Fix,
    /// The first start on an empty argocd-secret.
    FirstStart,
}

/// What `report` understands.
#[derive(Clone, Debug, Args)]
pub struct ReportArgs {
    /// The run.json of a report, or a document that `--format json` wrote.
    #[arg(value_name = "RUN.json")]
    pub run: PathBuf,

    /// The folder that it goes into [default: that of RUN.json].
    #[arg(long, value_name = "DIR")]
    pub into: Option<PathBuf>,

    /// Write each drawing as an SVG file too.
    #[arg(long)]
    pub pictures: bool,
}

/// What `tools` does besides looking.
#[derive(Clone, Copy, Debug, Args)]
pub struct ToolsArgs {
    /// Download what is missing into the cache, for --offline later.
    #[arg(long)]
    pub download: bool,

    /// Add the published checksums of all these, for all platforms, to tools.lock.
    #[arg(long)]
    pub lock: bool,
}

/// What `open` does.
#[derive(Clone, Debug, Args)]
pub struct OpenArgs {
    /// Start the browser that is found, with a profile of its own in the lab's folder; `down`
    /// closes it and removes that.
    #[arg(long)]
    pub launch: bool,

    /// This browser: a path, or a name on PATH [default: the first Chromium or Chrome, else Firefox].
    #[arg(long, value_name = "PROGRAM")]
    pub browser: Option<PathBuf>,
}
