//! The Dex inside Argo CD: the server that runs by `dex.config`.

use serde::{Deserialize, Serialize};

use super::Seen;
use super::secret::SecretSeen;
use super::server::{DeploymentSeen, PodSeen};

pub use super::dex_settings::CLIENT;
/// How its objects are called.
pub const NAME: &str = "argocd-dex-server";
/// The path below `url` at which argocd-server hands on to it.
pub const PATH: &str = "/api/dex";

/// argocd-dex-server.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Bundled {
    /// Its Deployment.
    pub deployment: Seen<DeploymentSeen>,
    /// Its pods.
    pub pods: Vec<PodSeen>,
    /// The last line of their logs that says why it does not run, or why it refuses; and the pod.
    pub trouble: Option<(String, String)>,
    /// Whether it signs with the keys that are shown at `url`; `None` if that could not be asked.
    pub same_keys: Option<bool>,
    /// References of its connectors that lead to no value.
    pub unresolved: Vec<Unresolved>,
    /// The Secrets that its references name: nothing of them is shown.
    pub secrets: Vec<SecretSeen>,
}

/// A `$…` of `dex.config` or `oidc.config` that leads to no value.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Unresolved {
    /// The field, from the top: `connectors[0].config.clientSecret`.
    pub field: String,
    /// What is written there, shown only where it is a name.
    pub reference: String,
}

/// The line of a log of the wrapper or of Dex that says why it does not run, or does not let people in.
pub fn trouble(log: &str) -> Option<String> {
    const SAYS: [&str; 9] = [
        "invalid config: ",
        "malformed dex configuration",
        "invalid dex yaml config",
        "dex is not configured",
        "error parse config file",
        "unknown connector type",
        "failed to initialize server",
        "unregistered redirect_uri",
        "failed to initialize storage",
    ];
    let says = |line: &&str| {
        let line = line.to_ascii_lowercase();
        SAYS.iter().any(|words| line.contains(words))
    };
    // The kubelet's time comes before each line.
    let line = log.lines().rev().find(says)?;
    let line = line.split_once(' ').map_or(line, |(_, words)| words);
    // The wrapper writes JSON, and others text.
    let json: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
    Some(crate::shown::shown(json["msg"].as_str().unwrap_or(line)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_says_why_it_does_not_run() {
        let log = "2026-01-01T00:00:00Z {\"level\":\"info\",\"msg\":\"ArgoCD Dex Server is starting\"}\n2026-01-01T00:00:01Z error parse config file /tmp/dex.yaml: error unmarshaling JSON: unknown connector type \"nosuch\"\n2026-01-01T00:00:02Z bye\n";
        assert_eq!(
            trouble(log).unwrap(),
            "error parse config file /tmp/dex.yaml: error unmarshaling JSON: unknown connector type \"nosuch\""
        );
        let log =
            "2026-01-01T00:00:01Z {\"level\":\"fatal\",\"msg\":\"malformed Dex configuration found\"}\n";
        assert_eq!(trouble(log).unwrap(), "malformed Dex configuration found");
        assert_eq!(trouble("2026-01-01T00:00:01Z all is well\n"), None);
    }
}
