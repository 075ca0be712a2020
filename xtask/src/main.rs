//! `cargo xtask`: brings up Argo CD and Dex, and breaks, heals and tests the login
//! between them. See the README for the command line's contract.

#[cfg(not(unix))]
compile_error!("the lab needs Linux or macOS; on Windows, use WSL");

mod cli;
mod cluster;
mod commands;
mod console;
mod doctor;
mod download;
mod error;
mod faults;
mod goals;
mod known;
mod lab;
mod names;
mod plan;
mod programs;
mod real;
mod render;
mod report;
mod run;
mod session;
mod steps;
mod timings;
mod tools;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use cli::{Cli, Command, Goal, LabChoice};
use console::{Console, Surroundings};
use error::{Error, Exit, Result};
use faults::{Choice, Fault};
use lab::kind::DryRun;
use lab::{Lab, Place};
use report::Report;
use session::Session;
use timings::Timings;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(Command::ServeLocalLab { folder }) = &cli.command {
        return match lab::serve(folder, cli.options.port.unwrap_or(0)) {
            Ok(()) => Exit::Done.into(),
            Err(error) => {
                Console::new(&cli.options, Surroundings::default()).error(&error);
                error.exit.into()
            }
        };
    }
    if matches!(cli.command, Some(Command::SuperviseProcess)) {
        return match local_lab::workloads::supervise() {
            Ok(()) => Exit::Done.into(),
            Err(_) => Exit::Environment.into(),
        };
    }
    let console = Arc::new(Console::new(&cli.options, Surroundings::here()));
    let mut report = Report::default();
    let outcome = start(cli, &console, &mut report);
    let (exit, error) = match outcome {
        Ok(exit) => (exit, None),
        Err(error) => (error.exit, Some(error)),
    };
    if let Some(error) = &error {
        console.error(error);
    }
    console.document(&report.document(exit, error.as_ref()));
    exit.into()
}

fn start(cli: Cli, console: &Arc<Console>, report: &mut Report) -> Result<Exit> {
    if let Some(Command::Completions { shell }) = cli.command {
        return commands::completions(console, shell);
    }
    if cli.options.fault == Some(Choice::List) {
        console.result(&Fault::list());
        return Ok(Exit::Done);
    }
    if let Some(Command::Check) = cli.command {
        return commands::check(console);
    }
    let mut options = cli.options.clone();
    if options.lab == LabChoice::Auto
        && matches!(cli.command, Some(Command::Render | Command::Tools(_) | Command::Matrix(_)))
    {
        // These need no lab that is up, so two of them are in nobody's way.
        options.lab = LabChoice::Local;
    }
    let mut goals = cli.goals.as_slice();
    loop {
        let session = Session::new(options.clone(), console.clone(), creates(goals))?;
        report.place = Some(session.lab.place());
        if let Some(Command::Kubectl { args }) = &cli.command {
            return commands::kubectl(&session, args);
        }
        if options.dry_run && cli.command.is_none() {
            return Ok(dry_run(goals, &session, report));
        }
        let before = report.goals.len();
        let fresh = session.is_fresh();
        let outcome = attempt(&session, goals, cli.command.as_ref(), report);
        let Err(error) = &outcome else { return outcome };
        // A lab that was complete, before this run or in it, is not abandoned for another.
        let fresh = fresh && session.is_fresh();
        let kind_cannot = error.elsewhere && fresh && session.lab.place() == Place::Kind;
        if options.lab != LabChoice::Auto || !kind_cannot || options.keep || session.wants_kind() {
            return outcome;
        }
        // Never silently: what is tested from here on is a stand-in on this machine.
        console.note(&format!("kind cannot come up here: {error}"));
        console.note("going on with the local lab");
        options.lab = LabChoice::Local;
        // The goal that failed begins anew; those before it were reached.
        goals = &goals[(report.goals.len() - before).saturating_sub(1)..];
    }
}

fn creates(goals: &[Goal]) -> bool {
    goals.iter().any(|goal| matches!(goal, Goal::Working | Goal::Broken | Goal::Reproduce))
}

/// Runs a command or goals on a lab, and cleans up after them if they fail.
fn attempt(
    session: &Session,
    goals: &[Goal],
    command: Option<&Command>,
    report: &mut Report,
) -> Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Error::environment(format!("the runtime cannot be started: {error}")))?;
    let outcome = runtime.block_on(async {
        let work = async {
            match command {
                Some(Command::Render) => commands::render(session, report).await,
                Some(Command::Tools(args)) => commands::tools(session, args, report).await,
                Some(Command::Doctor(args)) => commands::doctor(session, args, report).await,
                Some(Command::Faults(args)) => commands::faults(session, args, report).await,
                Some(Command::Rotate(args)) => commands::rotate(session, args, report).await,
                Some(Command::Matrix(args)) => commands::matrix(session, args, report).await,
                Some(Command::Compare) => commands::compare(session, report).await,
                _ if goals.is_empty() => overview(session).await,
                _ => goals::run(session, goals, report).await,
            }
        };
        let interrupted = interrupt()?;
        tokio::select! {
            outcome = work => outcome,
            () = interrupted => Err(Error::interrupted()),
        }
    });
    if outcome.is_err() {
        session.clean_up();
    }
    // A lab that is being started has been waited for; nothing else needs to be.
    runtime.shutdown_background();
    outcome
}

/// Resolves at Ctrl-C, SIGTERM or SIGHUP.
fn interrupt() -> Result<impl Future<Output = ()>> {
    let listen = |kind| signal(kind).map_err(|error| Error::environment(format!("no signals: {error}")));
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}

/// `cargo xtask` alone: the status, and what to type next.
async fn overview(session: &Session) -> Result<Exit> {
    let console = &session.console;
    let next = if session.lab.find().is_some() {
        console.result(&goals::Status::of(session).await?.text());
        "next: cargo xtask test | break | fix | down        all: cargo xtask --help"
    } else {
        console.result("no lab is up");
        "next: cargo xtask working test | broken fix test     all: cargo xtask --help"
    };
    console.result(next);
    Ok(Exit::Done)
}

fn dry_run(goals: &[Goal], session: &Session, report: &mut Report) -> Exit {
    let console = &session.console;
    let kind = match &session.lab {
        Lab::Kind(lab) => Some(DryRun::new(session, lab)),
        Lab::Local(_) => None,
    };
    if let Some(kind) = &kind {
        console.result(&kind.heading());
    }
    let commands = |action| kind.as_ref().map_or_else(Vec::new, |kind| kind.commands(action));
    let timings = session.options.timings.then(|| Timings::read(session.lab.folder()));
    for plan in goals::dry_run(goals, session) {
        console.result(&match kind {
            Some(_) => plan.describe_with(commands),
            None => plan.describe(),
        });
        let critical = timings.as_ref().map(|timings| timings.critical(&plan));
        match &critical {
            Some(Some(critical)) => console.result(&critical.text()),
            Some(None) => console.result("  no times were recorded: run it once"),
            None => {}
        }
        let steps: Vec<_> = plan
            .steps
            .iter()
            .map(|step| {
                json!({"name": step.name, "after": step.after, "does": step.action.describe(),
                          "commands": commands(step.action)})
            })
            .collect();
        let mut more = serde_json::Map::new();
        more.insert("plan".into(), steps.into());
        if let Some(Some(critical)) = critical {
            let path: Vec<&str> = critical.path.iter().map(|(name, _)| *name).collect();
            let times = json!({"path": path, "ms": critical.length, "sum_ms": critical.sum});
            more.insert("critical".into(), times);
        }
        report.goals.push(report::GoalRecord {
            goal: plan.goal.name().into(),
            time: std::time::Duration::ZERO,
            steps: vec![],
            more,
        });
    }
    Exit::Done
}
