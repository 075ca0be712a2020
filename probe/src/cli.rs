//! The command line of `probe`.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::ArgPredicate;
use clap::{ArgAction, ArgGroup, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use probe::typing::{Shell, one_of, shells};
use probe::{Outcome, Resolve, Verdict};
use url::Url;

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Cli {
    /// A series of logins.
    Series(Box<Series>),
    /// Something else.
    Other(Command),
}

impl Cli {
    /// Reads this process' command line.
    pub(crate) fn try_parse() -> Result<Self, clap::Error> {
        let all = Self::command();
        let first = std::env::args_os().nth(1).unwrap_or_default();
        // To a series a stray word is a stray word, and no command that came too late.
        if !(["-h", "--help", "help"].iter().any(|help| first == *help)
            || all.find_subcommand(&first).is_some())
        {
            return Series::try_parse().map(Box::new).map(Self::Series);
        }
        Command::from_arg_matches(&all.try_get_matches()?).map(Self::Other)
    }

    /// All that it understands.
    pub(crate) fn command() -> clap::Command {
        let series = Series::command().args_conflicts_with_subcommands(true).subcommand_negates_reqs(true);
        Command::augment_subcommands(series)
    }

    /// Whether one document is wanted on standard output.
    pub(crate) fn wants_json(&self) -> bool {
        match self {
            Self::Series(series) => series.format == Format::Json,
            Self::Other(Command::Watch(watch)) => watch.format == Format::Json,
            Self::Other(_) => false,
        }
    }
}

// What else it does. No doc comment: it would stand in the help of the whole.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Log in again and again, and say what changes: when, at which step and why
    ///
    /// Ends at Ctrl-C, after --for, when --until comes, and when the provider refuses the password: none is sent
    /// again. Exit codes: 0 what was waited for came (without --until: all logins passed), 1 it did not, 130
    /// interrupted.
    #[command(after_help = WATCHED)]
    Watch(Box<Watch>),

    /// Be an exporter for Prometheus: a login for each scrape of a target that a file allows
    #[cfg(feature = "serve")]
    #[command(after_help = SERVED)]
    Serve(Serve),
    /// Print completions for a shell
    #[command(after_help = COMPLETIONS)]
    Completions {
        /// The shell
        #[arg(value_parser = shells())]
        shell: Shell,
    },
    /// Print the page for man, or write all pages into a folder
    Man {
        /// The folder; it is made where it is not there
        #[arg(value_name = "DIR")]
        folder: Option<PathBuf>,
    },
}

/// What is watched, and until when.
#[derive(Debug, Args)]
pub(crate) struct Watch {
    #[command(flatten)]
    pub(crate) who: Who,

    /// From the beginning of one login to the beginning of the next; a second at least
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = interval)]
    pub(crate) interval: Duration,

    /// End when a login ends so
    #[arg(
        long,
        value_name = "OUTCOME",
        value_parser = one_of([Outcome::LoggedIn, Outcome::Refused], |outcome| outcome.name().into())
    )]
    pub(crate) until: Option<Outcome>,

    /// How long to watch at most [default: without end; with --until 10 minutes]
    #[arg(long = "for", value_name = "TIME", value_parser = time_limit, default_value_if("until", ArgPredicate::IsPresent, "10m"))]
    pub(crate) for_: Option<Duration>,

    /// The report's format; json is one document on standard output at the end, all else goes to standard error
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: Format,

    /// Say at the end only what was seen
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

const EXAMPLES: &str = "Examples:
  PASSWORD=... probe https://argocd.example.com --user ann --password-env PASSWORD
  pass argocd | probe https://argocd.example.com --user ann --password-stdin --logins 1 -v
  probe https://argocd.example.com --user ann --password-env PASSWORD --expect refused --format json";

const WATCHED: &str = "Examples:
  PASSWORD=... probe watch https://argocd.example.com --user ann --password-env PASSWORD
  pass argocd | probe watch https://argocd.example.com --user ann --password-stdin --until logged-in --for 5m";

#[cfg(feature = "serve")]
const SERVED: &str = "Examples:
  probe serve --config modules.yaml
  probe serve --config modules.yaml --listen 0.0.0.0:9977";

const COMPLETIONS: &str = "Examples:
  source <(probe completions bash)      in ~/.bashrc
  source <(probe completions zsh)       in ~/.zshrc, behind compinit
  probe completions fish > ~/.config/fish/conf.d/probe.fish";

/// The exporter's arguments.
#[cfg(feature = "serve")]
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The file of modules: targets, user, where the password is, and the provider's hosts that get it
    /// (docs/monitor.md)
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,

    /// Where to listen; whoever reaches it can have logins made
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:9977")]
    pub(crate) listen: std::net::SocketAddr,

    /// How many logins may run at the same time
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) concurrency: u32,

    /// How much earlier than Prometheus' own limit a scrape ends
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = duration)]
    pub(crate) timeout_offset: Duration,
}

/// Logs in to an Argo CD by OIDC as a browser does, and says at which step and why it fails.
///
/// Needs no cluster: any Argo CD and any identity provider with a plain HTML login form.
/// Exit codes: 0 the verdict is the expected one, 1 it is not, 2 wrong usage, 3 a file or the environment
/// could not be used, 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "probe", version, args_override_self = true, after_help = EXAMPLES)]
pub(crate) struct Series {
    #[command(flatten)]
    pub(crate) who: Who,

    /// How many logins to do
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) logins: u32,

    /// Go on to at most N logins while all of them end alike: servers that take turns do so in streaks, and
    /// before each further login 50 requests for /healthz use up some turns
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) up_to: u32,

    /// How many logins may run at the same time
    #[arg(long, value_name = "C", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) concurrency: u32,

    /// Begin at most R logins a second
    #[arg(long, value_name = "R/s", value_parser = rate)]
    pub(crate) rate: Option<f64>,

    /// Do the I-th of N equal shares of these logins at this rate, counted from 0: one of N workers
    #[arg(long, value_name = "I/N", conflicts_with = "up_to")]
    pub(crate) share: Option<Share>,

    /// Do no further login after any sign that one could lock the account: not only, as always, after a password that
    /// is not taken and words of a locked account, but after 429 and an unknown error of the login form too
    #[arg(long)]
    pub(crate) gentle: bool,

    /// How long to wait for an Argo CD that is restarting (refused, 502, 503, 504)
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(crate) wait: Duration,

    /// The verdict to exit with 0 for
    #[arg(
        long,
        value_name = "VERDICT",
        default_value = "logged-in",
        value_parser = one_of([Verdict::LoggedIn, Verdict::Refused, Verdict::Mixed], |verdict| verdict.name().into())
    )]
    pub(crate) expect: Verdict,

    /// Hold the median against that of an earlier run, whose JSON report this is; exit 1 where logins are slower
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,

    /// How many times slower is too slow; less than 50 ms more is never
    #[arg(long, value_name = "TIMES", default_value = "2", value_parser = times, requires = "baseline")]
    pub(crate) slower_than: f64,

    /// The report's format; json is one document on standard output, all else goes to standard error
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: Format,

    /// Put every login with its time into the JSON report, as `series`
    #[arg(long)]
    pub(crate) series: bool,

    /// Write report.html, junit.xml, trace.har and run.json of this run into this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) report: Option<PathBuf>,

    /// Write every exchange to this file, secrets masked: one line of JSON for each login
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,

    /// Show the exchanges of every login; twice: also the headers of every answer
    #[arg(short, long, action = ArgAction::Count, conflicts_with = "quiet")]
    pub(crate) verbose: u8,

    /// Show the verdict only
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Who logs in, where and how.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("password").required(true)))]
pub(crate) struct Who {
    /// The address of Argo CD as users type it, with http:// or https://
    #[arg(value_name = "ARGOCD_URL", value_parser = web_address)]
    pub(crate) argocd: Url,

    /// Connect to ADDR for HOST and PORT, as with curl; ADDR may be followed by :TOPORT
    #[arg(long, value_name = "HOST:PORT:ADDR")]
    pub(crate) resolve: Vec<Resolve>,

    /// The user name for the identity provider's form
    #[arg(long, value_name = "U")]
    pub(crate) user: String,

    /// Take the password from this environment variable
    #[arg(long, value_name = "VAR", group = "password")]
    pub(crate) password_env: Option<String>,

    /// Take the password from the first line of this file
    #[arg(long, value_name = "FILE", group = "password")]
    pub(crate) password_file: Option<PathBuf>,

    /// Take the password from the first line of standard input
    #[arg(long, group = "password")]
    pub(crate) password_stdin: bool,

    /// Begin at /auth/login and send no return_url, as a script with curl does: without Argo CD's page, which
    /// asks for its settings first and says where the login is to end
    #[arg(long)]
    pub(crate) as_curl: bool,

    /// Log in as `argocd login --sso` does: as cliClientID (else clientID), by PKCE and without a client secret,
    /// called back at http://localhost:8085/auth/callback, where nobody needs to listen; then ask who is logged in,
    /// as `argocd account get-user-info` does
    #[arg(long, conflicts_with = "as_curl")]
    pub(crate) as_cli: bool,

    /// The longest that one exchange may take (500ms, 10s, 1m)
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time_limit)]
    pub(crate) timeout: Duration,

    /// Trust the certificate authorities in this PEM file besides the system's
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub(crate) ca: Option<PathBuf>,

    /// Trust every certificate
    #[arg(long)]
    pub(crate) insecure: bool,
}

/// A worker's share of a series, as `I/N`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    index: u32,
    of: u32,
}

impl Share {
    /// How many of `logins` are its own.
    pub(crate) fn logins(self, logins: u32) -> u32 {
        logins / self.of + u32::from(self.index < logins % self.of)
    }

    /// Its part of a rate, and when its first login begins: the workers take turns.
    pub(crate) fn rate(self, rate: f64) -> (f64, Duration) {
        let first = Duration::try_from_secs_f64(f64::from(self.index) / rate).unwrap_or_default();
        (rate / f64::from(self.of), first)
    }
}

impl FromStr for Share {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers =
            text.split_once('/').and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
        let share = numbers.map(|(index, of)| Self { index, of }).filter(|it| it.index < it.of);
        share.ok_or("write a number from 0 and how many shares there are, as in 0/3, 1/3 and 2/3")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

pub(crate) fn web_address(text: &str) -> Result<Url, String> {
    let url =
        text.parse::<Url>().ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.ok_or_else(|| "write it with its scheme, as in https://argocd.example.com".to_owned())
}

/// Reads `5`, `0.5` and `5/s`.
fn rate(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix("/s").unwrap_or(text).trim();
    let rate = number.parse::<f64>().ok().filter(|rate| rate.is_finite() && *rate > 0.0);
    rate.ok_or_else(|| "write logins a second, as in 5/s or 0.5/s".to_owned())
}

/// Reads how many times slower is too slow.
fn times(text: &str) -> Result<f64, String> {
    let times = text.parse::<f64>().ok().filter(|times| times.is_finite() && *times > 1.0);
    times.ok_or_else(|| "write a number above 1, as in 2 or 1.5".to_owned())
}

/// Reads `500ms`, `10s`, `1m` and plain seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0)];
    let (number, unit) = units
        .iter()
        .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, *seconds)))
        .unwrap_or((text, 1.0));
    let seconds = number.trim().parse::<f64>().ok().map(|number| number * unit);
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|time| *time <= Duration::from_secs(24 * 3600))
        .ok_or_else(|| "write a time of a day at most, as in 500ms, 10s or 1m".to_owned())
}

/// A duration in which something can happen.
pub(crate) fn time_limit(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("nothing answers in no time; write one as in 500ms, 10s or 1m".to_owned()),
        limit => Ok(limit),
    }
}

/// How often somebody may log in.
fn interval(text: &str) -> Result<Duration, String> {
    match time_limit(text)? {
        interval if interval < Duration::from_secs(1) => {
            Err("a second at least, so that nobody is locked out".to_owned())
        }
        interval => Ok(interval),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn shares_are_all_of_the_logins_and_take_turns() {
        for (logins, of) in [(10, 3), (3, 3), (7, 1), (100, 7)] {
            let shares = (0..of).map(|index| Share { index, of }.logins(logins));
            assert_eq!(shares.sum::<u32>(), logins, "{logins} in {of}");
        }
        let share: Share = "2/4".parse().unwrap();
        assert_eq!(share.rate(8.0), (2.0, Duration::from_millis(250)));
        for text in ["", "1", "3/3", "-1/3", "0/0", "a/b", "1/3/4"] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
    }

    #[test]
    fn reads_times_and_rates() {
        for (text, ms) in
            [("500ms", 500), ("10s", 10_000), ("1m", 60_000), ("0.5s", 500), ("3", 3000), ("0", 0)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "s", "-1s", "NaN", "inf", "1e30s", "25h", "90000s"] {
            assert!(duration(text).is_err(), "{text}");
        }
        for text in ["0", "0s", "0.0ms", "1e-12s"] {
            assert!(time_limit(text).is_err(), "{text}");
        }
        assert_eq!(time_limit("1ms"), Ok(Duration::from_millis(1)));
        assert_eq!((rate("5/s"), rate("0.5")), (Ok(5.0), Ok(0.5)));
        for text in ["", "0", "-1", "inf", "5/m", "NaN/s"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }
}
