//! The command `probe`: logs in to an Argo CD by OIDC and says at which step and why it fails.

mod baseline;
mod cli;
mod live;
mod screen;
#[cfg(feature = "serve")]
mod serve;
mod trace_file;
mod watching;

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use probe::password::{self, NoPassword, Source};
use probe::typing::{self, Shell};
use probe::{Event, Options, Password, Report, Tls, usage};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use ::report::Begun;
use baseline::Baseline;
use cli::{Cli, Command, Series, Who};
use screen::{Outcome, Screen, complain, print};
use trace_file::TraceFile;

/// The environment is missing something or failed.
const ENVIRONMENT: u8 = 3;

/// The command line cannot be read, or asks for what nobody can mean.
const USAGE: u8 = 2;

/// Ended by Ctrl-C or SIGTERM.
const INTERRUPTED: u8 = 130;

/// Why nothing could be tried, in one sentence, and the exit code for it.
struct Stop(u8, String);

impl From<base::Error> for Stop {
    fn from(error: base::Error) -> Self {
        Self(error.exit.code(), error.to_string())
    }
}

impl From<String> for Stop {
    fn from(message: String) -> Self {
        Self(ENVIRONMENT, message)
    }
}

fn main() -> ExitCode {
    if typing::answered(Cli::command) {
        return ExitCode::SUCCESS;
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            if let Some(sentence) = usage::refuse(&error) {
                document_of_error(&sentence, USAGE);
            }
            return ExitCode::from(USAGE);
        }
    };
    match run(&cli) {
        Ok(code) => ExitCode::from(code),
        Err(Stop(code, message)) => {
            complain(&format!("error: {message}"));
            if cli.wants_json() {
                document_of_error(&message, code);
            }
            ExitCode::from(code)
        }
    }
}

/// The one document of `--format json` where nothing could be tried.
fn document_of_error(message: &str, exit: u8) {
    let document = serde_json::json!({"verdict": null, "error": message, "exit": exit});
    print(&format!("{document:#}"));
}

/// Refuses what can be read and cannot be meant.
fn checked(cli: &Series) -> Result<(), Stop> {
    if cli.share.is_some_and(|share| share.logins(cli.logins) == 0) {
        let message = format!("--share has none of {} logins: give no more shares than logins", cli.logins);
        return Err(Stop(USAGE, message));
    }
    if cli.baseline.is_some() && cli.logins < baseline::LEAST {
        return Err(Stop(
            USAGE,
            format!("--baseline compares medians: give {} --logins at least", baseline::LEAST),
        ));
    }
    Ok(())
}

/// Prints what a shell has to read.
fn completions(shell: Shell) -> u8 {
    print(typing::script(shell, "probe", &typing::this_program(), false).trim_end());
    0
}

/// Prints the page for man, or writes all of them.
fn man(folder: Option<&Path>) -> Result<u8, Stop> {
    match folder {
        None => print(typing::page(Cli::command()).trim_end()),
        Some(folder) => {
            typing::pages(Cli::command(), folder).map_err(|error| typing::cannot_write(folder, &error))?;
            print(&format!("the pages are in {0}: man {0}/probe.1", folder.display()));
        }
    }
    Ok(0)
}

/// Gives the exit code, or why nothing was tried.
fn run(cli: &Cli) -> Result<u8, Stop> {
    // One thread: a login waits for servers nearly all of its time, and they may want the other cores.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("the event loop could not be started: {error}"))?;
    match cli {
        Cli::Series(series) => probe(series, &runtime),
        Cli::Other(Command::Watch(args)) => {
            let mut options = told(&args.who, &runtime)?;
            // Whoever is restarting is what is watched for.
            options.startup_grace = Duration::ZERO;
            Ok(runtime.block_on(async { watching::run(args, &options, interrupt()).await }))
        }
        #[cfg(feature = "serve")]
        Cli::Other(Command::Serve(args)) => {
            runtime.block_on(async { serve::run(args, interrupt()).await })?;
            Ok(0)
        }
        Cli::Other(Command::Completions { shell }) => Ok(completions(*shell)),
        Cli::Other(Command::Man { folder }) => man(folder.as_deref()),
    }
}

/// The options of a login, once its password is read.
fn told(who: &Who, runtime: &Runtime) -> Result<Options, Stop> {
    let password = runtime.block_on(async {
        tokio::select! {
            password = password(who) => password,
            () = interrupt() => Err(Stop(INTERRUPTED, "interrupted while it waited for the password".to_owned())),
        }
    })?;
    Ok(options(who, password)?)
}

/// A series of logins.
fn probe(cli: &Series, runtime: &Runtime) -> Result<u8, Stop> {
    checked(cli)?;
    let mut options = told(&cli.who, runtime)?;
    options.logins = cli.share.map_or(cli.logins, |share| share.logins(cli.logins));
    options.up_to = cli.up_to;
    options.concurrency = cli.concurrency;
    options.rate = cli.rate;
    options.startup_grace = cli.wait;
    if let (Some(share), Some(rate)) = (cli.share, cli.rate) {
        let (own, first) = share.rate(rate);
        (options.rate, options.begin_after) = (Some(own), first);
    }
    let mut baseline =
        cli.baseline.as_deref().map(|path| Baseline::read(path, cli.slower_than)).transpose()?;
    if let Some(folder) = &cli.report {
        ::report::check(folder)?;
    }
    let begun = Begun::now("probe");
    let mut trace = cli.trace.as_deref().map(TraceFile::create).transpose()?;
    let mut screen = Screen::new(cli);
    options.each_exchange = screen.live.is_some();
    let mut trace_failed = None;
    let mut interrupted = false;
    let (mut stopped, stop) = (None, Notify::new());
    let report = runtime.block_on(async {
        let mut observer = |event: &Event| {
            if let (Event::Finished(login), Some(trace)) = (event, &mut trace)
                && let Err(message) = trace.write(login)
            {
                trace_failed.get_or_insert(message);
            }
            if let Event::Finished(login) = event
                && let Err(failure) = &login.outcome
                && let Some(sign) = failure.sign().filter(|_| cli.gentle)
            {
                stopped.get_or_insert(sign.words());
                stop.notify_one();
            }
            screen.show(event);
        };
        let cancel = async {
            tokio::select! {
                () = interrupt() => interrupted = true,
                () = stop.notified() => {}
            }
        };
        probe::run(&options, &mut observer, cancel).await
    });
    let held = baseline.as_mut().map(|it| it.hold(report.latency(), report.logins.len()));
    let slower = baseline.as_ref().is_some_and(|it| it.slower == Some(true));
    let code = match exit_code(cli, &report, interrupted, trace_failed.is_some()) {
        0 if slower || stopped.is_some() => 1,
        code => code,
    };
    let mut outcome = Outcome { code, stopped, baseline, held, error: trace_failed };
    let run = || {
        let mut run = begun.ended(serde_json::json!(outcome.document(&report, cli)));
        run["series"] = serde_json::json!(report.series());
        run["traces"] = serde_json::json!(report.shown(probe::MOST_SHOWN));
        run
    };
    if let Err(error) = ::report::publish(run, cli.report.as_deref(), screen.results.github) {
        outcome.code = ENVIRONMENT;
        outcome.error.get_or_insert(error.to_string());
    }
    if let Some(message) = &outcome.error {
        complain(&format!("error: {message}"));
    }
    screen.conclude(&report, cli, &outcome);
    Ok(outcome.code)
}

/// Resolves at Ctrl-C or SIGTERM, which are heard from the call on: whoever says that it runs can be told to end.
fn interrupt() -> impl Future<Output = ()> {
    let [interrupted, terminated] = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
    let heard = async |signals: io::Result<Signal>| match signals {
        Ok(mut signals) => drop(signals.recv().await),
        // Without a handler the signal ends the program by itself, which is as good.
        Err(_) => std::future::pending().await,
    };
    async move {
        tokio::select! {
            () = heard(interrupted) => {}
            () = heard(terminated) => {}
        }
    }
}

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

async fn password(cli: &Who) -> Result<Password, Stop> {
    let source = match (&cli.password_env, &cli.password_file) {
        (Some(name), _) => Source::Environment(name),
        (None, Some(path)) => Source::File(path),
        (None, None) => Source::Input,
    };
    password::read(source).await.map_err(|error| match error {
        NoPassword::Empty(_) => Stop(USAGE, error.to_string()),
        NoPassword::Unreadable(message) => message.into(),
    })
}

fn exit_code(cli: &Series, report: &Report, interrupted: bool, trace_failed: bool) -> u8 {
    match report.verdict {
        _ if interrupted => INTERRUPTED,
        _ if trace_failed => ENVIRONMENT,
        verdict if verdict == cli.expect => 0,
        _ => 1,
    }
}
