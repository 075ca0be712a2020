//! The words of the command line: all goals, commands and flags, as data and without logic. Scripts rely on them: they are added to, and
//! changed only for a reason that is written down.

mod args;
mod help;
mod load;
mod range;
mod word;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use doctor::command::{DoctorArgs, EXPLAIN_EXAMPLES, ExplainArgs};
use probe::Verdict;
use probe::typing::{Shell, shells};
use releases::Release;
use serde::Serialize;

pub use self::load::LoadArgs;
use crate::fault::{Choice, Fault};
pub use args::{FaultsArgs, MatrixArgs, OpenArgs, ReportArgs, RotateArgs, Stage, ToolsArgs};
use args::{faults, releases};
use cluster::names::Provider;
pub use help::{fitted, heeds};
use kind_lab::ImageRef;
use kind_lab::Ingress;
pub use range::Range;
use word::{ingress, provider};

/// Brings up Argo CD and Dex, and breaks, heals and tests the login between them.
///
/// Goals run left to right and stop at the first that fails, as with make:
/// `cargo xtask working break test`. Commands stand alone.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    version,
    args_conflicts_with_subcommands = false,
    subcommand_negates_reqs = true,
    subcommand_value_name = "COMMAND",
    subcommand_help_heading = "Commands",
    override_usage = "cargo xtask [OPTIONS] <GOAL>...\n       cargo xtask [OPTIONS] <COMMAND> [ARGS]..."
)]
pub struct Cli {
    /// What to do, in this order; nothing shows `status` and what to type next.
    #[arg(value_enum, value_name = "GOAL")]
    pub goals: Vec<Goal>,

    /// What every goal and command understands.
    #[command(flatten)]
    pub options: Options,

    /// A command instead of goals.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// The command's word on the command line.
    #[arg(skip)]
    pub word: String,
}

/// A goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Goal {
    /// Bring up a lab whose secrets are there before Argo CD starts.
    Working,
    /// The same, but the OIDC secret comes only after Argo CD's server is up.
    Broken,
    /// Put a fault into the lab (`--fault`, default `rotate`).
    Break,
    /// Heal what the fault left behind.
    Fix,
    /// Log in `--logins` times on fresh connections and give a verdict.
    Test,
    /// Put the exporter of logins' metrics (`probe serve`) into the lab, and say how Prometheus scrapes it.
    Monitor,
    /// Run both stories and hold each verdict against what this release is known to do.
    Reproduce,
    /// Show what is up and how to reach it.
    Status,
    /// Remove the lab and everything of it.
    Down,
}

impl Goal {
    /// The word on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::Broken => "broken",
            Self::Break => "break",
            Self::Fix => "fix",
            Self::Test => "test",
            Self::Monitor => "monitor",
            Self::Reproduce => "reproduce",
            Self::Status => "status",
            Self::Down => "down",
        }
    }
}

/// The options of every goal and command.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Where the stack runs; `auto` takes the lab that is there, else `local`. Options of the
    /// kind lab name it.
    #[arg(long, global = true, value_enum, env = "OIDC_LAB", default_value_t = LabChoice::Auto)]
    pub lab: LabChoice,

    /// Who checks the user: a Dex of its own, or the one inside Argo CD [default: the lab's own, else dex].
    #[arg(long, global = true, value_parser = provider())]
    pub provider: Option<Provider>,

    /// The lab over https, with an authority of its own that only the lab's clients trust
    /// [default: the lab's own, else plain http]; `--tls=false` is http again.
    #[arg(long, global = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub tls: Option<bool>,

    /// Argo CD release for `working`, `broken` and `reproduce` [default: the lab's own, else v3.3.6].
    #[arg(long, global = true, value_name = "vX.Y.Z", value_parser = Release::parse, add = releases())]
    pub argocd: Option<Release>,

    /// Run this `argocd` program as argocd-server instead of the stand-in (local lab).
    #[arg(long, global = true, value_name = "PATH")]
    pub argocd_bin: Option<PathBuf>,

    /// Run this `dex` program instead of the stand-in (local lab).
    #[arg(long, global = true, value_name = "PATH")]
    pub dex_bin: Option<PathBuf>,

    /// Run this image, of your own build, as Argo CD (kind lab).
    #[arg(long, global = true, value_name = "REF", value_parser = ImageRef::parse)]
    pub argocd_image: Option<ImageRef>,

    /// Run this image, as .ci/image builds it, as the exporter of `monitor` (kind lab).
    #[arg(long, global = true, value_name = "REF", value_parser = ImageRef::parse)]
    pub probe_image: Option<ImageRef>,

    /// What is in front of Argo CD and Dex (kind lab) [default: the lab's own, else nginx, as in the post].
    #[arg(long, global = true, value_parser = ingress())]
    pub ingress: Option<Ingress>,

    /// Image of the cluster's node (kind lab) [default: the one that kind was built with].
    #[arg(long, global = true, value_name = "REF")]
    pub node_image: Option<String>,

    /// Leave a half-made lab as it is when a goal fails or is interrupted.
    #[arg(long, global = true)]
    pub keep: bool,

    /// Download the real programs, once, and run them instead of the stand-ins (local lab).
    #[arg(long, global = true)]
    pub real: bool,

    /// Port of the ingress on loopback, for `working` and `broken` [default: a free one].
    #[arg(long, global = true, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,

    /// The fault that `break` puts in [default: rotate]; without `break`, the only one that `fix`
    /// heals. `list` lists them.
    #[arg(long, global = true, value_name = "NAME", value_parser = Choice::parse, add = faults())]
    pub fault: Option<Choice>,

    /// Logins per test [default: enough to tell `mixed` from the rest on this release].
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub logins: Option<u32>,

    /// What a command asks for where the command line says nothing.
    #[arg(skip)]
    pub least_logins: u32,

    /// What `test` must find to exit 0 [default: logged-in].
    #[arg(long, global = true, value_enum)]
    pub expect: Option<Verdict>,

    /// `test` logs in once a second and says what changes, until `--expect` comes, `--wait` is over or Ctrl-C;
    /// another run may break and fix the lab meanwhile.
    #[arg(long)]
    pub watch: bool,

    /// Longest time to wait for a server that is starting, in seconds [default: 60; on kind 600].
    #[arg(long, global = true, value_name = "SECONDS", value_parser = seconds)]
    pub wait: Option<Duration>,

    /// Ask nothing of the network; only what is in the cache is used.
    #[arg(long, global = true)]
    pub offline: bool,

    /// Write report.html, junit.xml, trace.har and run.json of this run into this folder.
    #[arg(long, global = true, value_name = "DIR", conflicts_with = "dry_run")]
    pub report: Option<PathBuf>,

    /// Print the plan and touch nothing.
    #[arg(long, global = true)]
    pub dry_run: bool,

    /// With `--dry-run`: how long each step took last time, and what the whole waits for.
    #[arg(long, global = true, requires = "dry_run")]
    pub timings: bool,

    /// `json`: exactly one JSON document on stdout, everything for people on stderr.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub format: Format,

    /// Show each exchange; twice: every command and response.
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,

    /// Show only the outcome.
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

impl Options {
    /// The fault that is named, if one is.
    pub fn fault(&self) -> Option<Fault> {
        match self.fault {
            Some(Choice::One(fault)) => Some(fault),
            Some(Choice::List) | None => None,
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<u64>() {
        Ok(seconds @ 1..=86_400) => Ok(Duration::from_secs(seconds)),
        _ => Err("give a whole number of seconds from 1 to 86400".to_owned()),
    }
}

/// Where the stack runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LabChoice {
    /// The lab that is there, else the local one.
    Auto,
    /// A cluster in containers.
    Kind,
    /// On this machine, without containers.
    Local,
}

/// How the outcome is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// A command.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Print every manifest and values file as it would be applied, secrets masked.
    Render,
    /// Say why a login fails and what to do: on the lab, on any cluster, or from outside.
    Doctor(Box<DoctorArgs>),
    /// Say what a pasted error, a callback's address, a HAR or lines of a log mean, without a cluster.
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(ExplainArgs),
    /// Put every fault into a lab of its own, ask the doctor, heal: one table.
    Faults(FaultsArgs),
    /// Change the client secret in the safe order, and count the logins that fail meanwhile.
    Rotate(RotateArgs),
    /// `reproduce` and the first start over many Argo CD releases, one table.
    Matrix(Box<MatrixArgs>),
    /// Log in from many pods: a Job on the lab on kind, or on a cluster that you name.
    Load(Box<LoadArgs>),
    /// Hold the stand-ins against the real programs, exchange by exchange, under every fault.
    Compare,
    /// Say how a browser is opened on the lab, its names mapped; with `--launch`, open one.
    Open(OpenArgs),
    /// Run kubectl with the lab's kubeconfig and context.
    Kubectl {
        /// What kubectl gets.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
        args: Vec<OsString>,
    },
    /// Show which outside tools are found or would be downloaded; exits 0 when all are there.
    Tools(ToolsArgs),
    /// Make a report again, from the run.json of one.
    Report(ReportArgs),
    /// For contributors: formatting, lints, tests and documentation, as CI runs them.
    Check,
    /// Print completions for a shell, which know goals, faults, releases and contexts; also as `cargo xtask`.
    Completions {
        /// The shell.
        #[arg(value_parser = shells())]
        shell: Shell,
    },
    /// Print the page for man, or write those of all commands into a folder.
    Man {
        /// The folder; it is made where it is not there.
        #[arg(value_name = "DIR")]
        folder: Option<PathBuf>,
    },
    /// What watches over a real program of the lab; the lab's process starts it.
    #[command(name = local_lab::lab::SUPERVISE, hide = true)]
    SuperviseProcess,
    /// The lab's own process; `working` starts it.
    #[command(name = "serve-local-lab", hide = true)]
    ServeLocalLab {
        /// The lab's folder.
        folder: PathBuf,
        /// How late its routes are: for tests, which say so to whoever starts it.
        #[arg(long, env = "OIDC_LAB_TEST_LAG", hide = true)]
        lag: Option<local_cluster::routes::Lag>,
    },
}
