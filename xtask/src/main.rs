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
mod timings;
mod usage;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use tokio::runtime::Runtime;

use base::{Error, Exit, Result};
use cli::{Cli, Command, Format, Goal, LabChoice, Options};
use console::{Console, Surroundings, Wanted};
use fault::{Choice, Fault};
use record::Report;
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
    if let Some(Command::ServeLocalLab { folder, lag }) = &cli.command {
        return match lab::serve(
            folder,
            cli.options.port.unwrap_or(0),
            cli.options.tls.unwrap_or_default(),
            *lag,
        ) {
            Ok(()) => Exit::Done.into(),
            Err(error) => {
                Console::new(wanted(&cli.options), Surroundings::default()).error(&error);
                error.exit.into()
            }
        };
    }
    if matches!(cli.command, Some(Command::SuperviseProcess)) {
        return match local_cluster::workloads::supervise() {
            Ok(()) => Exit::Done.into(),
            Err(_) => Exit::Environment.into(),
        };
    }
    let console = Arc::new(Console::new(wanted(&cli.options), Surroundings::here()));
    let begun = Begun::now("cargo xtask");
    let mut report = Report::default();
    let shows = match cli.command {
        None | Some(Command::Doctor(_) | Command::Matrix(_) | Command::Faults(_) | Command::Rotate(_)) => {
            true
        }
        Some(_) => false,
    };
    let (folder, outcome) = match report_folder(&cli, shows) {
        Ok(folder) => (folder, start(cli, &console, &mut report)),
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
    exit.into()
}

/// Where a report is to go, if one is wanted: looked at before anything is done.
fn report_folder(cli: &Cli, shows: bool) -> Result<Option<PathBuf>> {
    let Some(folder) = &cli.options.report else { return Ok(None) };
    if !shows {
        let name = cli.command.as_ref().map_or("this", Command::name);
        return Err(Error::usage(format!("--report is not of `{name}`"))
            .hint("it is of goals and of `doctor`, `matrix`, `faults` and `rotate`"));
    }
    report::check(folder)?;
    Ok(Some(folder.clone()))
}

/// What of the options is the console's.
fn wanted(options: &Options) -> Wanted {
    Wanted { json: options.format == Format::Json, quiet: options.quiet, verbose: options.verbose }
}

fn start(cli: Cli, console: &Arc<Console>, report: &mut Report) -> Result<Exit> {
    let since = Instant::now();
    let named = cli.command.as_ref().map(Command::name);
    let outcome = chosen(cli, console, report);
    // A command is one entry also where it did not come to make one.
    if let Some(name) = named
        && report.goals.is_empty()
    {
        drop(report.begun(name, since));
    }
    outcome
}

fn chosen(cli: Cli, console: &Arc<Console>, report: &mut Report) -> Result<Exit> {
    if let Some(Command::Completions { shell }) = cli.command {
        return report
            .entry("completions", |record| Ok(commands::completions(console, shell, &mut record.more)));
    }
    if let Some(Command::Man { folder }) = &cli.command {
        return report.entry("man", |record| commands::man(console, folder.as_deref(), &mut record.more));
    }
    if cli.options.fault == Some(Choice::List) {
        console.result(&Fault::list());
        return report.entry("break", |record| {
            record.more.insert("faults".into(), fault::catalogue());
            Ok(Exit::Done)
        });
    }
    if let Some(fault) = cli.options.fault()
        && !cli.goals.iter().any(|goal| matches!(goal, Goal::Break | Goal::Fix))
    {
        return Err(Error::usage(format!("no goal here uses --fault {}", fault.name()))
            .hint("`break` puts it in and `fix` heals it; leave it out, or name one of them"));
    }
    if let Some(Command::Explain(args)) = &cli.command {
        return report.entry("explain", |record| commands::explain(console, args, record));
    }
    if let Some(Command::Report(args)) = &cli.command {
        return report.entry("report", |record| commands::report(console, args, record));
    }
    if let Some(Command::Check) = cli.command {
        return report.entry("check", |record| commands::check(console, cli.options.dry_run, record));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Error::environment(format!("the runtime cannot be started: {error}")))?;
    // From here on an interrupt is heard, also while a place for the lab is chosen.
    let leaving = console.clone();
    let mut interrupted = Box::pin(base::interrupt::listen(move || leave(&leaving))?);
    let outcome = on_a_lab(&cli, console, report, &runtime, &mut interrupted);
    // A lab that is being started has been waited for; nothing else needs to be.
    runtime.shutdown_background();
    outcome
}

/// Goals, or a command that needs a place. Cleans up after them if they fail.
fn on_a_lab(
    cli: &Cli,
    console: &Arc<Console>,
    report: &mut Report,
    runtime: &Runtime,
    interrupted: &mut (impl Future<Output = ()> + Unpin),
) -> Result<Exit> {
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
    let goals = cli.goals.as_slice();
    let session = runtime.block_on(async {
        tokio::select! {
            biased;
            () = &mut *interrupted => Err(Error::interrupted()),
            session = Session::new(options, console.clone(), goals) => session,
        }
    })?;
    (report.place, report.provider) = (Some(session.lab.place()), Some(session.provider));
    report.tls = Some(session.scheme().is_https());
    if let Some(Command::Kubectl { args }) = &cli.command {
        return report.entry("kubectl", |record| {
            runtime.block_on(commands::kubectl(&session, args, interrupted, &mut record.more))
        });
    }
    if let Some(Command::Load(args)) = &cli.command {
        return runtime.block_on(commands::load(&session, args, interrupted, report));
    }
    let outcome = runtime.block_on(async {
        let work = async {
            match &cli.command {
                Some(command) => run_command(&session, command, report).await,
                None if goals.is_empty() => overview(&session, report).await,
                None if session.options.dry_run => goals::dry_run(goals, &session, report).await,
                None => goals::run(&session, goals, report).await,
            }
        };
        tokio::select! {
            // An interrupt that has come by now comes before any work.
            biased;
            () = interrupted => Err(Error::interrupted()),
            outcome = work => outcome,
        }
    });
    // A program that was being started when the interrupt came was ended by it at once: it failed
    // at nothing.
    let outcome =
        outcome.map_err(|error| if base::interrupt::heard() { Error::interrupted() } else { error });
    outcome.map_err(|error| match runtime.block_on(session.clean_up()) {
        true => error.without_lab(),
        false => error,
    })
}

async fn run_command(session: &Session, command: &Command, report: &mut Report) -> Result<Exit> {
    if session.options.dry_run
        && let Some(exit) = commands::dry_run(session, command, report).await?
    {
        return Ok(exit);
    }
    match command {
        Command::Render => commands::render(session, report).await,
        Command::Tools(args) => commands::tools(session, args, report).await,
        Command::Doctor(args) => commands::doctor(session, args, report).await,
        Command::Faults(args) => commands::faults(session, args, report).await,
        Command::Rotate(args) => commands::rotate(session, args, report).await,
        Command::Matrix(args) => commands::matrix(session, args, report).await,
        Command::Compare => commands::compare(session, report).await,
        Command::Open(args) => commands::open(session, args, report).await,
        Command::Kubectl { .. }
        | Command::Load(_)
        | Command::Check
        | Command::Explain(_)
        | Command::Report(_)
        | Command::Completions { .. }
        | Command::Man { .. }
        | Command::SuperviseProcess
        | Command::ServeLocalLab { .. } => Err(Error::usage(format!("{} needs no lab", command.name()))),
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
