//! `cargo xtask`: brings up Argo CD and Dex, and breaks, heals and tests the login
//! between them. See the README for the command line's contract.

mod cli;
mod cluster;
mod commands;
mod console;
mod doctor;
mod download;
mod error;
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
mod tools;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use cli::{Cli, Command, Fault, Goal, Options};
use console::{Console, Surroundings};
use error::{Error, Exit, Result};
use report::Report;
use session::Session;

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
    if cli.options.fault == Fault::List {
        let lines: Vec<String> =
            goals::faults().iter().map(|(name, what)| format!("{name:<12} {what}")).collect();
        console.result(&lines.join("\n"));
        return Ok(Exit::Done);
    }
    if let Some(Command::Check) = cli.command {
        return commands::check(console);
    }
    let session = Session::new(cli.options.clone(), console.clone())?;
    report.place = Some(session.lab.place());
    if let Some(Command::Kubectl { args }) = &cli.command {
        return commands::kubectl(&session, args);
    }
    if cli.options.dry_run && cli.command.is_none() {
        return Ok(dry_run(&cli.goals, &cli.options, console, report));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Error::environment(format!("the runtime cannot be started: {error}")))?;
    let outcome = runtime.block_on(async {
        let work = async {
            match &cli.command {
                Some(Command::Render) => commands::render(&session, report).await,
                Some(Command::Tools(args)) => commands::tools(&session, args, report).await,
                Some(Command::Doctor(args)) => commands::doctor(&session, args, report).await,
                Some(Command::Matrix(args)) => commands::matrix(&session, args, report).await,
                _ if cli.goals.is_empty() => overview(&session).await,
                _ => goals::run(&session, &cli.goals, report).await,
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

fn dry_run(goals: &[Goal], options: &Options, console: &Console, report: &mut Report) -> Exit {
    for plan in goals::dry_run(goals, options) {
        console.result(&plan.describe());
        let steps: Vec<_> = plan
            .steps
            .iter()
            .map(|step| json!({"name": step.name, "after": step.after, "does": step.action.describe()}))
            .collect();
        let mut more = serde_json::Map::new();
        more.insert("plan".into(), steps.into());
        report.goals.push(report::GoalRecord {
            goal: plan.goal.name().into(),
            time: std::time::Duration::ZERO,
            steps: vec![],
            more,
        });
    }
    Exit::Done
}
