//! The plan of `rotate`: the order that costs the fewest logins.

use doctor::reloads;
use releases::Release;

use super::{Plan, step};
use crate::steps::Action;
use cluster::names::Workload;

/// The steps, in the order in which they cost the fewest logins.
///
/// Dex takes its new secret when it starts. A release that reloads takes Argo CD's over at
/// once, so that comes last; another one takes it over when it has restarted, which takes
/// longer than Dex's restart, so that goes first.
pub fn rotate(release: Option<&Release>) -> Plan {
    use Action::{OidcSecret, Ready, Restart, RotateDex, RotationEnded};
    use Workload::{Argocd, Dex};
    let steps = match release.is_some_and(reloads) {
        true => vec![
            step("dex-secret", &[], RotateDex),
            step("dex-restart", &["dex-secret"], Restart(Dex)),
            step("dex-ready", &["dex-restart"], Ready(Dex)),
            step("oidc-secret", &["dex-ready"], OidcSecret),
            step("rotation-ended", &["oidc-secret"], RotationEnded),
        ],
        false => vec![
            step("dex-secret", &[], RotateDex),
            step("oidc-secret", &["dex-secret"], OidcSecret),
            step("argocd-restart", &["oidc-secret"], Restart(Argocd)),
            step("argocd-ready", &["argocd-restart"], Ready(Argocd)),
            step("dex-restart", &["argocd-ready"], Restart(Dex)),
            step("dex-ready", &["dex-restart"], Ready(Dex)),
            step("rotation-ended", &["dex-ready"], RotationEnded),
        ],
    };
    Plan { name: "rotate", steps }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_a_secret_over_at_once_gets_it_last() {
        let names = |release: &str| -> Vec<&str> {
            rotate(Release::parse(release).ok().as_ref()).steps.iter().map(|step| step.name).collect()
        };
        assert_eq!(
            names("v3.5.1"),
            ["dex-secret", "dex-restart", "dex-ready", "oidc-secret", "rotation-ended"]
        );
        assert_eq!(
            names("v3.3.6"),
            [
                "dex-secret",
                "oidc-secret",
                "argocd-restart",
                "argocd-ready",
                "dex-restart",
                "dex-ready",
                "rotation-ended"
            ]
        );
    }
}
