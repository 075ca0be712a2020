//! The flags of `load`.

use std::path::PathBuf;

use clap::Args;
use doctor::command::web_address;
use probe::Resolve;
use url::Url;

/// What `load` understands besides the options of all goals.
#[derive(Clone, Debug, Args)]
pub struct LoadArgs {
    /// How many workers, each a pod of its own.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub workers: u32,

    /// Logins that begin each second, of all workers together.
    #[arg(long, value_name = "R/s", default_value = "1", value_parser = rate)]
    pub rate: f64,

    /// Logins that one worker may have under way at once.
    #[arg(long, value_name = "C", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub concurrency: u32,

    /// The image of the probe, whose entry point is the program.
    #[arg(long, value_name = "REF", value_parser = image)]
    pub image: Option<String>,

    /// Run on the cluster of this context of your kubeconfig, with --yes, --image, --url and --user.
    #[arg(long, value_name = "NAME", requires_all = ["yes", "image", "url", "user"])]
    pub context: Option<String>,

    /// A Job and its Secret may be put into that cluster, and all these logins made.
    #[arg(long, requires = "context")]
    pub yes: bool,

    /// The kubeconfig with that context [default: the one that kubectl finds].
    #[arg(long, value_name = "FILE", requires = "context")]
    pub kubeconfig: Option<PathBuf>,

    /// The namespace of the Job [default: the context's].
    #[arg(short, long, value_name = "NS", requires = "context")]
    pub namespace: Option<String>,

    /// The address of Argo CD, as the workers reach it.
    #[arg(long, value_name = "URL", value_parser = web_address, requires = "context")]
    pub url: Option<Url>,

    /// Who logs in.
    #[arg(long, value_name = "U", requires = "context")]
    pub user: Option<String>,

    /// Take the user's password from this environment variable.
    #[arg(long, value_name = "VAR", group = "load_password", requires = "context")]
    pub password_env: Option<String>,

    /// Take the user's password from the first line of standard input.
    #[arg(long, group = "load_password", requires = "context")]
    pub password_stdin: bool,

    /// Where the workers find a name, as with curl.
    #[arg(long, value_name = "HOST:PORT:ADDR", requires = "context")]
    pub resolve: Vec<Resolve>,

    /// Certificate authorities, in PEM, that the workers trust besides their image's.
    #[arg(long, value_name = "FILE", requires = "context")]
    pub ca: Option<PathBuf>,
}

/// Reads `5`, `0.5` and `5/s`.
fn rate(text: &str) -> Result<f64, String> {
    let rate = text.strip_suffix("/s").unwrap_or(text).trim().parse::<f64>().ok();
    rate.filter(|rate| (0.001..=1000.0).contains(rate))
        .ok_or_else(|| "write logins a second, from 0.001 to 1000, as in 5/s or 0.5/s".to_owned())
}

fn image(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "./_-:@".contains(c);
    match !text.is_empty() && !text.starts_with('-') && text.chars().all(plain) {
        true => Ok(text.to_owned()),
        false => Err("write it as registry/repository:tag".to_owned()),
    }
}
