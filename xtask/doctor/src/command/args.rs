//! The words of the command line that `kubectl argocd-sso` and `cargo xtask doctor` share, as data.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser};
use probe::{CauseId, Resolve};
use releases::Release;
use url::Url;

use super::typed::{causes, contexts, releases};
use crate::collect::Access;

/// What the doctor understands.
#[derive(Clone, Debug, Args)]
pub struct DoctorArgs {
    /// The context of your kubeconfig, whose cluster is looked at, reading only.
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new(), add = contexts())]
    pub context: Option<String>,

    /// The kubeconfig [default: as kubectl finds it].
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// Argo CD's namespace there [default: argocd].
    #[arg(long, short, value_name = "NS", value_parser = NonEmptyStringValueParser::new())]
    pub namespace: Option<String>,

    /// Look as this user of the cluster, as with kubectl.
    #[arg(long = "as", value_name = "USER", value_parser = NonEmptyStringValueParser::new())]
    pub as_user: Option<String>,

    /// The longest that one request to the cluster may take: 10s, 1m [default: 10s].
    #[arg(long, value_name = "TIME", value_parser = request_timeout)]
    pub request_timeout: Option<Duration>,

    /// The namespace of the identity provider, if it is a Dex in the same cluster.
    #[arg(long, value_name = "NS", value_parser = NonEmptyStringValueParser::new())]
    pub provider_namespace: Option<String>,

    /// The address of Argo CD as users type it.
    #[arg(long, value_name = "URL", value_parser = web_address)]
    pub url: Option<Url>,

    /// Connect to ADDR for HOST and PORT, as with curl; ADDR may be followed by :TOPORT.
    #[arg(long, value_name = "HOST:PORT:ADDR")]
    pub resolve: Vec<Resolve>,

    /// Trust the certificate authorities in this PEM file besides the system's.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,

    /// Log in as this user of the identity provider too.
    #[arg(long, value_name = "U", requires = "password")]
    pub user: Option<String>,

    /// Take the user's password from this environment variable.
    #[arg(long, value_name = "VAR", group = "password", requires = "user")]
    pub password_env: Option<String>,

    /// Take the user's password from the first line of standard input.
    #[arg(long, group = "password", requires = "user")]
    pub password_stdin: bool,

    /// Look into the token on the first line of standard input (the cookie argocd.token), and ask Argo CD alone
    /// what it gives.
    #[arg(long, conflicts_with_all = ["user", "password_stdin"])]
    pub token_stdin: bool,

    /// Name the groups of the token; in a file of evidence also hosts and users.
    #[arg(long)]
    pub names: bool,

    /// Do not show the client secret to the provider's token endpoint; what cannot be told without is said.
    #[arg(long)]
    pub no_secret_check: bool,

    /// Say whether this installation survives a change of its client secret, and how to change it.
    #[arg(long)]
    pub before_rotation: bool,

    /// Write all that was seen into this new file, without secrets, for somebody else to look into; hosts, users and
    /// groups have pseudonyms there, unless `--names` is given.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from", "files", "watch", "print_role"])]
    pub evidence: Option<PathBuf>,

    /// Look into a file that `--evidence` wrote, and at nothing else.
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "context", "kubeconfig", "namespace", "as_user", "request_timeout", "provider_namespace", "url", "resolve", "ca",
        "user", "password_env", "password_stdin", "token_stdin", "no_secret_check", "files", "watch", "print_role",
    ])]
    pub from: Option<PathBuf>,

    /// Look at manifests in place of a cluster: files, folders, or `-` for standard input, as `helm template` and
    /// `kustomize build` print them.
    #[arg(long = "filename", short = 'f', value_name = "FILE|DIR|-", conflicts_with_all = [
        "context", "kubeconfig", "as_user", "request_timeout", "provider_namespace", "url", "resolve", "ca", "user",
        "password_env", "password_stdin", "token_stdin", "names", "no_secret_check", "watch", "print_role",
    ])]
    pub files: Vec<PathBuf>,

    /// Say what an upgrade to this release will do to logins, with the step that avoids it.
    #[arg(long, value_name = "vX.Y.Z", value_parser = Release::parse, add = releases(), conflicts_with_all = ["before_rotation", "watch", "print_role"])]
    pub upgrade_to: Option<Release>,

    /// Look again, at most every ten seconds, until nothing is found or `--wait` is over: which replica still
    /// holds the old secret. No password is used.
    #[arg(long, conflicts_with_all = ["user", "token_stdin", "names", "before_rotation", "print_role"])]
    pub watch: bool,

    /// Print the Role that the doctor needs, and do nothing else.
    #[arg(long, conflicts_with_all = ["user", "token_stdin", "names", "before_rotation"])]
    pub print_role: bool,
}

impl DoctorArgs {
    /// Which cluster, and as whom.
    pub(super) fn access(&self) -> Access {
        Access {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            user: self.as_user.clone(),
            limit: self.request_timeout,
        }
    }

    /// Whether a cluster of the user's is named.
    fn names_cluster(&self) -> bool {
        self.context.is_some() || self.kubeconfig.is_some()
    }

    /// Whether another installation is named than whatever is looked at by itself.
    pub fn looks_elsewhere(&self) -> bool {
        self.names_cluster() || self.url.is_some() || self.from.is_some() || !self.files.is_empty()
    }

    /// Whether a cluster is looked at: always, unless an address alone is named, and nothing of a cluster.
    pub(super) fn looks_at_cluster(&self) -> bool {
        let of_cluster = [&self.namespace, &self.as_user, &self.provider_namespace];
        self.names_cluster() || self.url.is_none() || of_cluster.iter().any(|it| it.is_some())
    }
}

/// What `explain` understands.
#[derive(Clone, Debug, Args)]
pub struct ExplainArgs {
    /// A cause's name, a file, or a text: an error, a callback's address, a HAR, lines of a log; `-` is
    /// standard input.
    #[arg(value_name = "ID|FILE|TEXT", add = causes(), required_unless_present_any = ["id", "file", "text"])]
    pub input: Option<String>,

    /// The page of this cause.
    #[arg(long, value_name = "ID", group = "forced", conflicts_with = "input", value_parser = ids())]
    pub id: Option<String>,

    /// What this file holds.
    #[arg(long, value_name = "FILE", group = "forced", conflicts_with = "input")]
    pub file: Option<PathBuf>,

    /// This text, also where a file is called so.
    #[arg(long, value_name = "TEXT", group = "forced", conflicts_with = "input")]
    pub text: Option<String>,
}

fn ids() -> PossibleValuesParser {
    PossibleValuesParser::new(CauseId::ALL.iter().map(|id| id.name()))
}

/// An address as users type it.
///
/// # Errors
/// It has no scheme or no host, or more than users type.
pub fn web_address(text: &str) -> Result<Url, String> {
    let url = crate::web_address(text).ok_or("write it with its scheme, as in https://argocd.example.com")?;
    let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if plain && url.password().is_none() {
        return Ok(url);
    }
    Err("write it as users type it, without a user, `?` and `#`; `explain` takes a callback's address"
        .to_owned())
}

/// kubectl's way to write a time: a whole number with `s`, `m` or `h`, or seconds alone.
fn request_timeout(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(['s', 'm', 'h']);
    let unit = match &text[digits.len()..] {
        "" | "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3600),
        _ => None,
    };
    let seconds = digits.parse::<u64>().ok().zip(unit).and_then(|(number, unit)| number.checked_mul(unit));
    match seconds {
        // kubectl's 0 is no limit; here every wait has one.
        Some(0) => Ok(Duration::from_secs(3600)),
        Some(seconds @ 1..=3600) => Ok(Duration::from_secs(seconds)),
        _ => Err("write it as 10s or 1m, up to 1h".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_kubectl_writes_them() {
        for (text, seconds) in
            [("1s", Some(1)), ("2m", Some(120)), ("1h", Some(3600)), ("7", Some(7)), ("0", Some(3600))]
        {
            assert_eq!(request_timeout(text).ok().map(|it| it.as_secs()), seconds, "{text}");
        }
        for text in ["", "s", "2h", "1.5s", "-1s", "1ms", "99999999999999999999s", "1sm"] {
            assert!(request_timeout(text).is_err(), "{text}");
        }
    }
}
