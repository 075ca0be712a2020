//! The command `probe`: logs in to an Argo CD by OIDC and says at which step and why it fails.

mod cli;
#[cfg(feature = "serve")]
mod serve;
mod trace_file;

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use probe::password::{self, NoPassword, Source};
use probe::table::Style;
use probe::{Event, Login, Options, Password, Report, Tls, Verdict, summary, table, usage};
use serde::Serialize;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use cli::{Cli, Command, Format, Series, Who};
use trace_file::TraceFile;

/// The environment is missing something or failed.
const ENVIRONMENT: u8 = 3;

/// The command line cannot be read, or asks for what nobody can mean.
const USAGE: u8 = 2;

/// Ended by Ctrl-C or SIGTERM.
const INTERRUPTED: u8 = 130;

/// Why nothing could be tried, in one sentence, and the exit code for it.
struct Stop(u8, String);

impl From<String> for Stop {
    fn from(message: String) -> Self {
        Self(ENVIRONMENT, message)
    }
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            if let Some(sentence) = usage::refuse(&error) {
                document_of_error(&sentence, USAGE);
            }
            return ExitCode::from(USAGE);
        }
    };
    let json = cli.series.as_ref().is_some_and(|series| series.format == Format::Json);
    match run(&cli) {
        Ok(code) => ExitCode::from(code),
        Err(Stop(code, message)) => {
            complain(&format!("error: {message}"));
            if json {
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

/// Gives the exit code, or why nothing was tried.
fn run(cli: &Cli) -> Result<u8, Stop> {
    // One thread: a login waits for servers nearly all of its time, and they may want the other cores.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("the event loop could not be started: {error}"))?;
    match (&cli.command, &cli.series) {
        #[cfg(feature = "serve")]
        (Some(Command::Serve(args)), _) => {
            runtime.block_on(serve::run(args, interrupt()))?;
            Ok(0)
        }
        (_, Some(series)) => probe(series, &runtime),
        (None, None) => Err(Stop(USAGE, "name an Argo CD (--help)".to_owned())),
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
    let mut options = told(&cli.who, runtime)?;
    options.logins = cli.logins;
    options.up_to = cli.up_to;
    options.concurrency = cli.concurrency;
    options.rate = cli.rate;
    let mut trace = cli.trace.as_deref().map(TraceFile::create).transpose()?;
    let mut screen = Screen::new(cli);
    let mut trace_failed = None;
    let mut interrupted = false;
    let report = runtime.block_on(async {
        let mut observer = |event: Event<'_>| {
            if let (Event::Finished(login), Some(trace)) = (&event, &mut trace)
                && let Err(message) = trace.write(login)
            {
                trace_failed.get_or_insert(message);
            }
            screen.show(&event);
        };
        let cancel = async {
            interrupt().await;
            interrupted = true;
        };
        probe::run(&options, &mut observer, cancel).await
    });
    let code = exit_code(cli, &report, interrupted, trace_failed.is_some());
    if let Some(message) = &trace_failed {
        complain(&format!("error: {message}"));
    }
    screen.conclude(&report, cli, code, trace_failed.as_deref());
    Ok(code)
}

/// Resolves at Ctrl-C or SIGTERM.
async fn interrupt() {
    let heard = async |kind| match signal(kind) {
        Ok(mut signals) => drop(signals.recv().await),
        // Without a handler the signal ends the program by itself, which is as good.
        Err(_) => std::future::pending().await,
    };
    tokio::select! {
        () = heard(SignalKind::interrupt()) => {}
        () = heard(SignalKind::terminate()) => {}
    }
}

fn options(cli: &Who, password: Password) -> Result<Options, String> {
    let mut options = Options::new(cli.argocd.clone(), &cli.user, password);
    options.as_curl = cli.as_curl;
    options.as_cli = cli.as_cli;
    options.timeout = cli.timeout;
    options.login_timeout = options.login_timeout.max(cli.timeout);
    options.startup_grace = cli.wait;
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
    let source = cli.password_env.as_deref().map_or(Source::Input, Source::Environment);
    password::read(source).await.map_err(|error| match error {
        NoPassword::Empty(_) => Stop(USAGE, error.to_string()),
        NoPassword::Unreadable(message) => message.into(),
    })
}

fn exit_code(cli: &Series, report: &Report, interrupted: bool, trace_failed: bool) -> u8 {
    match report.verdict {
        _ if interrupted => INTERRUPTED,
        _ if trace_failed => ENVIRONMENT,
        verdict if verdict == cli.expect.verdict() => 0,
        _ => 1,
    }
}

/// Everything that is said to people: on standard output for text, beside the document for JSON.
struct Screen {
    json: bool,
    quiet: bool,
    verbose: bool,
    answers: bool,
    style: Style,
    /// Whether standard error is a terminal whose last line can be written over.
    counts: bool,
    done: u32,
    logins: u32,
}

impl Screen {
    fn new(cli: &Series) -> Self {
        let json = cli.format == Format::Json;
        let dressed = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let terminal = if json { io::stderr().is_terminal() } else { io::stdout().is_terminal() };
        Self {
            json,
            quiet: cli.quiet,
            verbose: cli.verbose > 0,
            answers: cli.verbose > 1,
            style: Style { colour: dressed && terminal },
            counts: io::stderr().is_terminal() && !cli.quiet && cli.logins > 1,
            done: 0,
            logins: cli.logins.max(cli.up_to),
        }
    }

    fn show(&mut self, event: &Event<'_>) {
        match event {
            Event::Waiting { step, reason, limit, .. } if !self.quiet => {
                self.clear_count();
                let limit = limit.as_secs_f64();
                let who = if step.is_argocds() { "Argo CD" } else { "the provider" };
                complain(&format!("{who} is not answering ({step}: {reason}); waiting up to {limit} s"));
            }
            Event::Answering { waited } if !self.quiet => {
                self.clear_count();
                complain(&format!("it answers again after {:.1} s", waited.as_secs_f64()));
            }
            Event::Finished(login) => self.finished(login),
            _ => {}
        }
    }

    fn finished(&mut self, login: &Login) {
        self.done += 1;
        if self.verbose {
            self.clear_count();
            self.say(&format!("login {}\n{}", login.number, table::render(login, self.style)));
            if self.answers {
                self.say(table::answers(login).trim_end());
            }
        }
        if self.counts {
            // Nothing is lost if the terminal is gone.
            let _ = write!(io::stderr(), "\r{} of {} logins", self.done, self.logins);
        }
    }

    fn clear_count(&self) {
        if self.counts {
            let _ = write!(io::stderr(), "\r\u{1b}[K");
        }
    }

    fn conclude(&self, report: &Report, cli: &Series, code: u8, error: Option<&str>) {
        self.clear_count();
        if self.quiet {
            if !self.json {
                self.say(&summary::headline(report));
            }
        } else {
            if let (false, Some(login)) = (self.verbose, report.example()) {
                self.say(&table::render(login, self.style));
            }
            self.say(summary::render(report, self.style).trim_end());
            let expected = cli.expect.verdict();
            if expected != report.verdict && expected != Verdict::LoggedIn {
                self.say(&format!("  expected {expected}"));
            }
        }
        if self.json {
            #[derive(Serialize)]
            struct Document<'a> {
                #[serde(flatten)]
                report: &'a Report,
                expected: Verdict,
                exit: u8,
                #[serde(skip_serializing_if = "Option::is_none")]
                error: Option<&'a str>,
            }
            let document = Document { report, expected: cli.expect.verdict(), exit: code, error };
            match serde_json::to_string_pretty(&document) {
                Ok(document) => print(&document),
                Err(error) => complain(&format!("error: the report could not be written: {error}")),
            }
        }
    }

    fn say(&self, text: &str) {
        if self.json { complain(text) } else { print(text) }
    }
}

/// Writes to standard output. A reader that has gone away (`| head`) is no error of the login.
fn print(text: &(impl Display + ?Sized)) {
    let _ = writeln!(io::stdout(), "{text}");
}

fn complain(text: &(impl Display + ?Sized)) {
    let _ = writeln!(io::stderr(), "{text}");
}
