//! The command line of `probe`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, ArgGroup, Args, Parser, Subcommand, ValueEnum};
use probe::{Resolve, Verdict};
use url::Url;

/// Logs in to an Argo CD by OIDC as a browser does, and says at which step and why it fails.
///
/// Needs no cluster: any Argo CD and any identity provider with a plain HTML login form.
/// Exit codes: 0 the verdict is the expected one, 1 it is not, 2 wrong usage, 3 a file or the environment
/// could not be used, 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "probe", version, args_override_self = true)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
/// Logs in to an Argo CD by OIDC as a browser does, and says at which step and why it fails.
///
/// Needs no cluster: any Argo CD and any identity provider with a plain HTML login form.
/// Exit codes: 0 the verdict is the expected one, 1 it is not, 2 wrong usage, 3 a file or the environment
/// could not be used, 130 interrupted.
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    #[command(flatten)]
    pub(crate) series: Option<Series>,
}

/// What else it does.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Be an exporter for Prometheus: a login for each scrape of a target that a file allows
    #[cfg(feature = "serve")]
    Serve(Serve),
}

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

/// A series of logins.
#[derive(Debug, Args)]
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

    /// The verdict to exit with 0 for
    #[arg(long, value_name = "VERDICT", default_value = "logged-in")]
    pub(crate) expect: Expected,

    /// The report's format; json is one document on standard output, all else goes to standard error
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: Format,

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

    /// How long to wait for an Argo CD that is restarting (refused, 502, 503, 504)
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(crate) wait: Duration,

    /// Trust the certificate authorities in this PEM file besides the system's
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub(crate) ca: Option<PathBuf>,

    /// Trust every certificate
    #[arg(long)]
    pub(crate) insecure: bool,
}

/// A verdict that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Expected {
    LoggedIn,
    Refused,
    Mixed,
}

impl Expected {
    pub(crate) fn verdict(self) -> Verdict {
        match self {
            Self::LoggedIn => Verdict::LoggedIn,
            Self::Refused => Verdict::Refused,
            Self::Mixed => Verdict::Mixed,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
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
