//! The command `probe`: logs in to an Argo CD by OIDC and says at which step and why it fails.

mod baseline;
mod cli;
mod live;
mod screen;
#[cfg(feature = "serve")]
mod serve;
mod trace_file;
mod watching;

use std::path::Path;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use base::terminal::{ended, print};
use base::{Error, Exit, Result};
use probe::password::{self, Source};
use probe::typing;
use probe::{Event, Options, Password, Sign, Tls, usage};
use tokio::runtime::Runtime;

use ::report::Begun;
use baseline::Baseline;
use cli::{Cli, Command, Series, Who};
use screen::{Outcome, Screen, complain};
use trace_file::TraceFile;

fn main() -> ExitCode {
    if typing::answered(Cli::command) {
        return ExitCode::SUCCESS;
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            if let Some(sentence) = usage::refuse(&error) {
                document_of_error(&sentence, Exit::Usage);
            }
            return Exit::Usage.into();
        }
    };
    match run(&cli) {
        Ok(exit) => ended(exit),
        Err(error) => {
            complain(&format!("error: {error}"));
            if cli.wants_json() {
                document_of_error(&error.to_string(), error.exit);
            }
            error.exit.into()
        }
    }
}

/// The one document of `--format json` where nothing could be tried.
fn document_of_error(message: &str, exit: Exit) {
    let document = serde_json::json!({"verdict": null, "error": message, "exit": exit.code()});
    print(&format!("{document:#}"));
}

/// Refuses what can be read and cannot be meant.
fn checked(cli: &Series) -> Result<()> {
    if cli.share.is_some_and(|share| share.logins(cli.logins) == 0) {
        let message = format!("--share has none of {} logins: give no more shares than logins", cli.logins);
        return Err(Error::usage(message));
    }
    if cli.baseline.is_some() && cli.logins < baseline::LEAST {
        let least = baseline::LEAST;
        return Err(Error::usage(format!("--baseline compares medians: give {least} --logins at least")));
    }
    Ok(())
}

/// Prints the page for man, or writes all of them.
fn man(folder: Option<&Path>) -> Result<()> {
    match folder {
        None => print(typing::page(Cli::command()).trim_end()),
        Some(folder) => {
            typing::pages(Cli::command(), folder)?;
            print(&format!("the pages are in {0}: man {0}/probe.1", folder.display()));
        }
    }
    Ok(())
}

/// Gives the exit code, or why nothing was tried.
fn run(cli: &Cli) -> Result<Exit> {
    // One thread: a login waits for servers nearly all of its time, and they may want the other cores.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::environment(format!("the event loop could not be started: {error}")))?;
    match cli {
        Cli::Series(series) => return probe(series, &runtime),
        Cli::Other(Command::Watch(args)) => {
            let mut interrupted = interrupts()?;
            let mut options = told(&args.who, &runtime, &mut interrupted)?;
            // Whoever is restarting is what is watched for.
            options.startup_grace = Duration::ZERO;
            return Ok(runtime.block_on(watching::run(args, &options, interrupted)));
        }
        #[cfg(feature = "serve")]
        Cli::Other(Command::Serve(args)) => {
            runtime.block_on(serve::run(args, interrupts()?)).map_err(Error::environment)?;
        }
        Cli::Other(Command::Completions { shell }) => {
            print(typing::script(*shell, "probe", &typing::this_program(), false).trim_end());
        }
        Cli::Other(Command::Man { folder }) => man(folder.as_deref())?,
    }
    Ok(Exit::Done)
}

/// Comes about at Ctrl-C or SIGTERM, which are heard from the call on: whoever says that it runs can be told to end. The
/// third of them ends the program.
fn interrupts() -> Result<Pin<Box<impl Future<Output = ()>>>> {
    let leave = || std::process::exit(Exit::Interrupted.code().into());
    base::interrupt::listen(leave).map(Box::pin)
}

/// The options of a login, once its password is read.
fn told(who: &Who, runtime: &Runtime, interrupted: impl Future<Output = ()>) -> Result<Options> {
    let source = match (&who.password_env, &who.password_file) {
        (Some(name), _) => Source::Environment(name),
        (None, Some(path)) => Source::File(path),
        (None, None) => Source::Input,
    };
    let password = runtime.block_on(async {
        tokio::select! {
            password = password::read(source) => password,
            () = interrupted => {
                let mut error = Error::environment("interrupted while it waited for the password");
                error.exit = Exit::Interrupted;
                Err(error)
            }
        }
    })?;
    options(who, password).map_err(Error::environment)
}

/// A series of logins.
fn probe(cli: &Series, runtime: &Runtime) -> Result<Exit> {
    checked(cli)?;
    let mut interrupts = interrupts()?;
    let mut options = told(&cli.who, runtime, &mut interrupts)?;
    options.logins = cli.share.map_or(cli.logins, |share| share.logins(cli.logins));
    options.up_to = cli.up_to;
    options.concurrency = cli.concurrency;
    options.rate = cli.rate;
    options.startup_grace = cli.wait;
    if cli.gentle {
        options.ends_at = |_, _| true;
    }
    if let (Some(share), Some(rate)) = (cli.share, cli.rate) {
        let (own, first) = share.rate(rate);
        (options.rate, options.begin_after) = (Some(own), first);
    }
    let baseline = cli.baseline.as_deref().map(|path| Baseline::read(path, cli.slower_than)).transpose();
    let mut baseline = baseline.map_err(Error::environment)?;
    if let Some(folder) = &cli.report {
        ::report::check(folder)?;
    }
    let begun = Begun::now("probe");
    let mut trace = cli.trace.as_deref().map(TraceFile::create).transpose().map_err(Error::environment)?;
    let mut screen = Screen::new(cli);
    options.each_exchange = screen.live.is_some();
    let mut trace_failed = None;
    let mut interrupted = false;
    let report = runtime.block_on(async {
        let mut observer = |event: &Event| {
            if let (Event::Finished(login), Some(trace)) = (event, &mut trace)
                && let Err(message) = trace.write(login)
            {
                trace_failed.get_or_insert(message);
            }
            screen.show(event);
        };
        let cancel = async {
            interrupts.await;
            interrupted = true;
        };
        probe::run(&options, &mut observer, cancel).await
    });
    let mut failures = report.logins.iter().filter_map(|login| login.outcome.as_ref().err());
    let stopped = failures.find_map(|failure| failure.ends(&options)).map(Sign::words);
    let held = baseline.as_mut().map(|it| it.hold(report.latency(), report.logins.len()));
    let slower = baseline.as_ref().is_some_and(|it| it.slower == Some(true));
    let exit = match report.verdict {
        _ if interrupted => Exit::Interrupted,
        _ if trace_failed.is_some() => Exit::Environment,
        verdict if verdict == cli.expect && !slower && (stopped.is_none() || !cli.gentle) => Exit::Done,
        _ => Exit::Verdict,
    };
    let mut outcome = Outcome { code: exit.code(), stopped, baseline, held, error: trace_failed };
    let run = || {
        let mut run = begun.ended(serde_json::json!(outcome.document(&report, cli)));
        run["series"] = serde_json::json!(report.series());
        run["traces"] = serde_json::json!(report.shown(probe::MOST_SHOWN));
        run
    };
    if let Err(error) = ::report::publish(run, cli.report.as_deref(), screen.results.github) {
        outcome.code = Exit::Environment.code();
        outcome.error.get_or_insert(error.to_string());
    }
    if let Some(message) = &outcome.error {
        complain(&format!("error: {message}"));
    }
    screen.conclude(&report, cli, &outcome);
    Ok(Exit::Of(outcome.code))
}

/// The options, all but the limits of a series.
fn options(cli: &Who, password: Password) -> Result<Options, String> {
    let mut options = Options::new(cli.argocd.clone(), &cli.user, password);
    options.as_curl = cli.as_curl;
    options.as_cli = cli.as_cli;
    options.timeout = cli.timeout;
    options.login_timeout = options.login_timeout.max(cli.timeout);
    options.resolve.clone_from(&cli.resolve);
    if cli.insecure {
        options.tls = Tls::insecure();
    }
    if let Some(path) = &cli.ca {
        let shown = path.display();
        let pem = std::fs::read(path).map_err(|error| format!("--ca {shown} cannot be read: {error}"))?;
        options.tls = Tls::with_ca(&pem).map_err(|error| format!("--ca {shown}: {error}"))?;
    }
    Ok(options)
}
