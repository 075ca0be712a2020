//! The command `kubectl argocd-sso`: says why a login into Argo CD fails, on the cluster of the current context.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};
use doctor::command::{self, Answer, Around, DoctorArgs, ExplainArgs};
use probe::typing::{self, Shell};
use probe::usage::refuse;
use releases::Release;
use report::Begun;
use serde_json::{Map, Value, json};

use base::terminal::{Surroundings, complain, ended, github, print};
use base::{Error, Exit, Result, interrupt};

/// Says why logging in to Argo CD by SSO fails, and what to do about it.
///
/// It looks at the cluster of the current context, reading only: Argo CD's settings, the names and keys of its
/// Secrets, its servers and their logs; and begins a login without a user. `--print-role` prints the rights that
/// takes, `--no-secret-check` shows the client secret to nobody.
#[derive(Debug, Parser)]
#[command(
    name = "kubectl argocd-sso",
    bin_name = "kubectl argocd-sso",
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  kubectl argocd-sso\n  kubectl argocd-sso --context prod -n argocd --url https://argocd.example.com\n  \
                  kubectl argocd-sso --print-role\n  kubectl argocd-sso explain 'failed to get token: oauth2: \"invalid_client\"'\n\n\
                  Exit codes: 0 nothing found, 1 something is, 2 wrong usage, 3 could not look."
)]
struct Cli {
    #[command(flatten)]
    doctor: DoctorArgs,

    /// `json`: exactly one JSON document on stdout, everything for people on stderr.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    format: Format,

    /// The release that runs what `-f` names, where no image in it says so.
    #[arg(long, value_name = "vX.Y.Z", value_parser = Release::parse, requires = "files", conflicts_with = "from", add = command::releases())]
    argocd: Option<Release>,

    /// How long `--watch` goes on, in seconds [default: 300].
    #[arg(long, value_name = "SECONDS", requires = "watch", conflicts_with_all = ["from", "files"], value_parser = clap::value_parser!(u64).range(1..=86_400))]
    wait: Option<u64>,

    /// Write report.html, junit.xml, trace.har and run.json of this run into this folder.
    #[arg(long, value_name = "DIR", conflicts_with = "print_role")]
    report: Option<PathBuf>,

    /// Show only the outcome.
    #[arg(short, long, global = true)]
    quiet: bool,

    #[command(subcommand)]
    command: Option<Command>,
}

/// The program's own name.
const PROGRAM: &str = "kubectl-argocd_sso";

const COMPLETIONS: &str = "Examples:
  kubectl argocd-sso completions kubectl > ~/.local/bin/kubectl_complete-argocd_sso
  chmod +x ~/.local/bin/kubectl_complete-argocd_sso      (and kubectl's own completions: kubectl completion --help)
  kubectl argocd-sso completions fish > ~/.config/fish/conf.d/kubectl-argocd_sso.fish";

#[derive(Debug, Subcommand)]
enum Command {
    /// Print completions for a shell, or what kubectl asks behind `kubectl argocd-sso`.
    #[command(after_help = COMPLETIONS)]
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Print the page for man, or write all pages into a folder.
    Man {
        /// The folder; it is made where it is not there.
        #[arg(value_name = "DIR")]
        folder: Option<PathBuf>,
    },
    /// Say what a pasted error, a callback's address, a HAR or lines of a log mean, without a cluster.
    #[command(after_help = command::EXPLAIN_EXAMPLES)]
    Explain(ExplainArgs),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

fn main() -> ExitCode {
    if typing::answered(Cli::command) {
        return Exit::Done.into();
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            if let Some(sentence) = refuse(&error) {
                let explains = std::env::args_os().skip(1).any(|it| it == "explain");
                let name = if explains { "explain" } else { "doctor" };
                let error = Error::usage(sentence);
                let document = document(name, Instant::now(), Map::new(), error.exit, Some(&error));
                print(&format!("{document:#}"));
            }
            return Exit::Usage.into();
        }
    };
    let surroundings = Surroundings::here();
    // GitHub reads standard error as it reads standard output, which may be somebody's file.
    let annotate = |commands: &str| {
        if surroundings.stderr.github && !commands.is_empty() {
            complain(commands);
        }
    };
    let (since, json) = (Instant::now(), cli.format == Format::Json);
    let name = match &cli.command {
        None => "doctor",
        Some(Command::Explain(_)) => "explain",
        Some(Command::Completions { .. }) => "completions",
        Some(Command::Man { .. }) => "man",
    };
    let begun = Begun::now("kubectl argocd-sso");
    let (folder, outcome) = match cli.report.as_deref().map_or(Ok(()), report::check) {
        Ok(()) => (cli.report.as_deref(), run(&cli)),
        Err(error) => (None, Err(error)),
    };
    let failed = |error: &Error| {
        complain(&surroundings.stderr.fit(&format!("error: {error}")));
        annotate(&github::error(None, "kubectl argocd-sso", &error.to_string()));
    };
    let (answer, error) = match outcome {
        Ok(answer) => (answer, None),
        Err(error) => (Answer { exit: error.exit, ..Answer::default() }, Some(error)),
    };
    let Answer { headline, body, fields, traces, mut exit, annotations } = answer;
    match &error {
        Some(error) => failed(error),
        None => {
            // A Role is on its way to kubectl, a script to a shell: they stay as they are.
            let role = headline.contains('\n');
            let text = if cli.quiet { headline } else { format!("{headline}\n{body}") };
            let screen = if json { surroundings.stderr } else { surroundings.stdout };
            let text = if role { text } else { screen.fit(&text) };
            match json {
                true => complain(&text),
                false => print(&text),
            }
            annotate(&annotations);
        }
    }
    let mut document = document(name, since, fields, exit, error.as_ref());
    if exit != Exit::Usage && name == "doctor" {
        let run = || {
            let mut run = begun.ended(document.clone());
            run["traces"] = traces.into();
            run
        };
        if let Err(error) = report::publish(run, folder, surroundings.stderr.github) {
            failed(&error);
            exit = error.exit;
            (document["exit"], document["error"]) = (exit.code().into(), error.to_string().into());
        }
    }
    if json {
        print(&format!("{document:#}"));
    }
    ended(exit)
}

fn run(cli: &Cli) -> Result<Answer> {
    match &cli.command {
        None => {}
        Some(Command::Explain(args)) => return command::explain(args),
        Some(Command::Completions { shell }) => return Ok(completions(*shell)),
        Some(Command::Man { folder }) => return man(folder.as_deref()),
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::environment(format!("the event loop cannot be started: {error}")))?;
    let interrupted = interrupt::listen(|| std::process::exit(Exit::Interrupted.code().into()))?;
    let quiet = cli.quiet;
    let say = Arc::new(move |line: &str| {
        if !quiet {
            complain(&Surroundings::here().stderr.fit(line));
        }
    });
    let wait = cli.wait.map(Duration::from_secs);
    let around = Around { lab: None, wait, release: cli.argocd.clone() };
    let outcome = runtime.block_on(async {
        tokio::select! {
            biased;
            () = interrupted => Err(Error::interrupted()),
            answer = command::doctor(&cli.doctor, around, say) => answer,
        }
    });
    // A read of standard input that nobody waits for any more ends with the program.
    runtime.shutdown_background();
    outcome
}

fn completions(shell: Shell) -> Answer {
    let script = typing::script(shell, PROGRAM, &typing::this_program(), false);
    let mut answer = Answer::text("script", script);
    answer.fields.insert("shell".to_owned(), shell.name().into());
    answer
}

fn man(folder: Option<&Path>) -> Result<Answer> {
    // `man` looks for a page by one word.
    let command = Cli::command().name(PROGRAM);
    let Some(folder) = folder else {
        return Ok(Answer { headline: typing::page(command), ..Answer::default() });
    };
    typing::pages(command, folder)?;
    let shown = folder.display().to_string();
    let headline = format!("the pages are in {shown}: man {shown}/{PROGRAM}.1");
    Ok(Answer { headline, ..Answer::text("folder", shown) })
}

/// The one document of `--format json`: what `cargo xtask` has as the entry of the command.
fn document(
    name: &str,
    since: Instant,
    fields: Map<String, Value>,
    exit: Exit,
    error: Option<&Error>,
) -> Value {
    let ms = (since.elapsed().as_secs_f64() * 10_000.0).round() / 10.0;
    let mut document = Value::Object(fields);
    document["goal"] = name.into();
    document["ms"] = ms.into();
    document["steps"] = json!([]);
    document["exit"] = exit.code().into();
    if let Some(error) = error {
        document["error"] = error.to_string().into();
    }
    document
}
