//! `cargo xtask`: brings up Argo CD and Dex, and breaks, heals and tests the login
//! between them. This file takes a command line to the lab that it is about; the goals and
//! commands are in modules of their own.

#[cfg(not(unix))]
compile_error!("the lab needs Linux or macOS; on Windows, use WSL");

mod cli;
mod commands;
mod console;
mod fault;
mod faults;
mod goals;
mod known;
mod lab;
mod login;
mod plan;
mod programs;
mod record;
mod render;
mod route;
mod session;
mod steps;
mod table;
mod timings;
mod usage;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::runtime::Runtime;

use base::{Error, Exit, Result};
use cli::{Cli, Command, Format, Goal, LabChoice, Options};
use console::{Console, Surroundings, Wanted};
use fault::{Choice, Fault};
use record::{Entry, Report};
use report::Begun;
use session::Session;

fn main() -> ExitCode {
    if probe::typing::answered(|| cli::fitted(<Cli as clap::CommandFactory>::command())) {
        return ExitCode::SUCCESS;
    }
    let cli = match usage::command_line() {
        Ok(cli) => cli,
        Err(exit) => return exit,
    };
    let wanted = Wanted {
        json: cli.options.format == Format::Json,
        quiet: cli.options.quiet,
        verbose: cli.options.verbose,
    };
    match &cli.command {
        Some(Command::ServeLocalLab { folder, lag }) => {
            let (port, tls) = (cli.options.port.unwrap_or(0), cli.options.tls.unwrap_or_default());
            let served = runtime().and_then(|runtime| runtime.block_on(lab::serve(folder, port, tls, *lag)));
            let failed = |error: Error| {
                Console::new(wanted, Surroundings::default()).error(&error);
                error.exit
            };
            return served.map_or_else(failed, |()| Exit::Done).into();
        }
        Some(Command::SuperviseProcess) => {
            let watched = local_cluster::workloads::supervise();
            return watched.map_or(Exit::Environment, |()| Exit::Done).into();
        }
        _ => {}
    }
    let console = Arc::new(Console::new(wanted, Surroundings::here()));
    let begun = Begun::now("cargo xtask");
    let mut report = Report::default();
    let shows = cli.command.is_none() || cli::heeds(&cli.word, "report");
    let (folder, outcome) = match report_folder(&cli, shows) {
        Ok(folder) => (folder, start(&cli, &console, &mut report)),
        Err(error) => (None, Err(error)),
    };
    let (mut exit, mut error) = match outcome {
        Ok(exit) => (exit, None),
        Err(error) => (error.exit, Some(error)),
    };
    if let Some(error) = &error {
        console.error(error);
    }
    // What nobody can mean was no run; an older report stays as it is.
    if shows && exit != Exit::Usage {
        let run = || begun.ended(report.run(exit, error.as_ref()));
        match (report::publish(run, folder.as_deref(), console.is_githubs()), folder) {
            (Ok(()), None) => {}
            (Ok(()), Some(folder)) => {
                console.note(&format!("report: {}", folder.join(report::PAGE).display()));
            }
            (Err(failed), _) => {
                console.error(&failed);
                (exit, error) = (Exit::Environment, error.or(Some(failed)));
            }
        }
    }
    console.document(&report.document(exit, error.as_ref()));
    base::terminal::ended(exit)
}

/// Where a report is to go, if one is wanted: looked at before anything is done.
fn report_folder(cli: &Cli, shows: bool) -> Result<Option<PathBuf>> {
    let Some(folder) = &cli.options.report else { return Ok(None) };
    if !shows {
        return Err(Error::usage(format!("--report is not of `{}`", cli.word))
            .hint("it is of goals and of `doctor`, `matrix`, `faults` and `rotate`"));
    }
    report::check(folder)?;
    Ok(Some(folder.clone()))
}

fn start(cli: &Cli, console: &Arc<Console>, report: &mut Report) -> Result<Exit> {
    // These two heed no option: what they print is for a shell and a reader.
    let heeds = !matches!(cli.command, Some(Command::Completions { .. } | Command::Man { .. }));
    if heeds && cli.options.fault == Some(Choice::List) {
        console.result(&Fault::list());
        report.begin("break").more.insert("faults".into(), fault::catalogue());
        return Ok(Exit::Done);
    }
    let Some(command) = &cli.command else {
        uses_its_fault(cli)?;
        return on_a_lab(cli, console, Work::Goals(report));
    };
    // A command is one entry, also where it comes to nothing.
    let mut entry = report.begin(&cli.word);
    if heeds {
        uses_its_fault(cli)?;
    }
    match command {
        Command::Completions { shell } => Ok(commands::completions(console, *shell, &mut entry)),
        Command::Man { folder } => commands::man(console, folder.as_deref(), &mut entry),
        Command::Explain(args) => commands::explain(console, args, &mut entry),
        Command::Report(args) => commands::report(console, args, &mut entry),
        Command::Check => commands::check(console, cli.options.dry_run, &mut entry),
        _ => on_a_lab(cli, console, Work::Command(command, &mut entry)),
    }
}

/// Refuses a fault that nothing on the line puts in or heals.
fn uses_its_fault(cli: &Cli) -> Result<()> {
    match cli.options.fault() {
        Some(fault) if !cli.goals.iter().any(|goal| matches!(goal, Goal::Break | Goal::Fix)) => {
            Err(Error::usage(format!("no goal here uses --fault {}", fault.name()))
                .hint("`break` puts it in and `fix` heals it; leave it out, or name one of them"))
        }
        _ => Ok(()),
    }
}

/// What is done in a place: goals, or a command, with where it is written down.
enum Work<'a, 'report> {
    Goals(&'a mut Report),
    Command(&'a Command, &'a mut Entry<'report>),
}

/// Does work that needs a place. Cleans up after it if it fails.
fn on_a_lab(cli: &Cli, console: &Arc<Console>, mut work: Work<'_, '_>) -> Result<Exit> {
    let runtime = runtime()?;
    // From here on an interrupt is heard, also while a place for the lab is chosen.
    let leaving = console.clone();
    let mut interrupted = Box::pin(base::interrupt::listen(move || leave(&leaving))?);
    let session = runtime.block_on(async {
        tokio::select! {
            biased;
            () = &mut interrupted => Err(Error::interrupted()),
            session = Session::new(options(cli), console.clone(), &cli.goals) => session,
        }
    });
    let outcome = session.and_then(|session| {
        let report = match &mut work {
            Work::Goals(report) => report,
            Work::Command(_, entry) => &mut *entry.report,
        };
        (report.place, report.provider) = (Some(session.lab.place()), Some(session.provider));
        report.tls = Some(session.scheme().is_https());
        runtime.block_on(on(&session, &cli.goals, work, &mut interrupted))
    });
    // A lab that is being started has been waited for; nothing else needs to be.
    runtime.shutdown_background();
    outcome
}

fn runtime() -> Result<Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(|error| Error::environment(format!("the runtime cannot be started: {error}")))
}

/// The options, as they are meant for what is to be done.
fn options(cli: &Cli) -> Options {
    let mut options = cli.options.clone();
    let needs_no_lab = match &cli.command {
        Some(Command::Render | Command::Tools(_) | Command::Matrix(_) | Command::Compare) => true,
        Some(Command::Doctor(args)) => args.looks_elsewhere(),
        Some(Command::Load(args)) => args.context.is_some(),
        Some(Command::Faults(_)) => options.dry_run,
        _ => false,
    };
    if options.lab == LabChoice::Auto && needs_no_lab {
        // These need no lab that is up, so two of them are in nobody's way.
        options.lab = LabChoice::Local;
    }
    if matches!(cli.command, Some(Command::Matrix(_) | Command::Faults(_) | Command::Compare)) {
        // Their labs are new, and keep nothing of the one that is there.
        options.provider.get_or_insert_default();
        options.tls.get_or_insert_default();
    }
    options
}

/// Does the work in its place, unless an interrupt comes first.
async fn on(
    session: &Session,
    goals: &[Goal],
    work: Work<'_, '_>,
    interrupted: &mut (impl Future<Output = ()> + Unpin),
) -> Result<Exit> {
    let work = match work {
        // These two hear of an interrupt themselves.
        Work::Command(Command::Kubectl { args }, entry) => {
            return commands::kubectl(session, args, interrupted, entry).await;
        }
        Work::Command(Command::Load(args), entry) => {
            return commands::load(session, args, interrupted, entry).await;
        }
        work => work,
    };
    let work = async {
        match work {
            Work::Command(command, entry) => run_command(session, command, entry).await,
            Work::Goals(report) if goals.is_empty() => overview(session, report).await,
            Work::Goals(report) if session.options.dry_run => goals::dry_run(goals, session, report).await,
            Work::Goals(report) => goals::run(session, goals, report).await,
        }
    };
    let outcome = tokio::select! {
        // An interrupt that has come by now comes before any work.
        biased;
        () = interrupted => Err(Error::interrupted()),
        outcome = work => outcome,
    };
    let Err(error) = outcome else { return outcome };
    // A program that was being started when the interrupt came was ended by it at once: it failed
    // at nothing.
    let error = if base::interrupt::heard() { Error::interrupted() } else { error };
    Err(if session.clean_up().await { error.without_lab() } else { error })
}

/// A command that hears of an interrupt by `on` alone.
async fn run_command(session: &Session, command: &Command, entry: &mut Entry<'_>) -> Result<Exit> {
    match command {
        Command::Render => commands::render(session, entry).await,
        Command::Tools(args) => commands::tools(session, args, entry).await,
        Command::Doctor(args) => commands::doctor(session, args, entry).await,
        Command::Faults(args) => commands::faults(session, args, entry).await,
        Command::Rotate(args) => commands::rotate(session, args, entry).await,
        Command::Matrix(args) => commands::matrix(session, args, entry).await,
        Command::Compare => commands::compare(session, entry).await,
        Command::Open(args) => commands::open(session, args, entry).await,
        _ => Err(Error::usage(format!("{} needs no lab", entry.goal))),
    }
}

/// Leaves at once. What is left of this run the next one finds, and heals.
fn leave(console: &Console) {
    console.document(&Report::default().document(Exit::Interrupted, Some(&Error::interrupted())));
    std::process::exit(Exit::Interrupted.code().into());
}

/// `cargo xtask` alone: the status, and what to type next.
async fn overview(session: &Session, report: &mut Report) -> Result<Exit> {
    let console = &session.console;
    let next = if session.lab.find().await?.is_some() {
        goals::run(session, &[Goal::Status], report).await?;
        "next: cargo xtask test | break | fix | down\nall:  cargo xtask --help"
    } else {
        console.result("no lab is up");
        "next: cargo xtask working test | broken fix test\nall:  cargo xtask --help"
    };
    console.result(next);
    Ok(Exit::Done)
}
