//! What to do about a release that does not notice a changed secret, and commands.

use releases::{Era, Release};

use super::evidence::{DeploymentSeen, Evidence, Reference};
use super::shown::{argument, object};

/// The annotation by which Reloader is told which Secret to watch.
pub const RELOADER: &str = "secret.reloader.stakater.com/reload";
/// The annotations by which it finds out by itself. It looks at what a pod mounts and
/// at its variables, and Argo CD reads its Secrets through the API.
const RELOADER_AUTO: [&str; 2] = ["reloader.stakater.com/auto", "secret.reloader.stakater.com/auto"];

/// Who restarts argocd-server when the Secret changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reloader {
    /// Nobody.
    None,
    /// Reloader, told the Secret's name.
    Named,
    /// Reloader is to find out by itself, which it cannot.
    AutoOnly,
}

/// Whether a release makes use of a changed secret without a restart.
pub fn reloads(release: &Release) -> bool {
    matches!(release.era(), Era::Reloads | Era::ReloadsAgain)
}

/// The nearest later release that does, for one that does not.
pub fn nearest_that_reloads(release: &Release) -> Option<Release> {
    if reloads(release) {
        return None;
    }
    Release::published().filter(|other| other > release).find(reloads)
}

/// The Secret that `clientSecret` names.
pub fn secret_name(evidence: &Evidence) -> Option<String> {
    let named = evidence.client_reference().filter(|it| matches!(it, Reference::Own(_)) || it.is_name());
    named.map(|reference| reference.place().0.to_owned())
}

/// Who restarts argocd-server when the Secret changes that its settings name, if both are known.
pub fn reloader(evidence: &Evidence) -> Option<Reloader> {
    Some(reloader_of(evidence.server.there()?, &secret_name(evidence)?))
}

fn reloader_of(deployment: &DeploymentSeen, secret: &str) -> Reloader {
    let named = deployment.annotations.get(RELOADER);
    if named.is_some_and(|names| names.split(',').any(|name| name.trim() == secret)) {
        return Reloader::Named;
    }
    match RELOADER_AUTO.iter().any(|key| deployment.annotations.get(*key).is_some_and(|it| it == "true")) {
        true => Reloader::AutoOnly,
        false => Reloader::None,
    }
}

/// The Deployment of Argo CD's server: charts put their release's name before it.
fn server(evidence: &Evidence) -> &str {
    evidence.server.there().map_or("argocd-server", |server| server.name.as_str())
}

/// `Deployment argocd/argocd-server`: where a finding is.
pub fn at_server(evidence: &Evidence) -> String {
    object("Deployment", &evidence.namespace, server(evidence))
}

/// `deploy/argocd-server`, for a command.
pub fn deploy_server(evidence: &Evidence) -> String {
    format!("deploy/{}", argument(server(evidence)))
}

/// `kubectl … scale deploy/NAME --replicas=1`.
pub fn scale_to_one(evidence: &Evidence, deployment: &DeploymentSeen) -> String {
    let kubectl = evidence.kubectl_of(&deployment.namespace);
    format!("{kubectl} scale deploy/{} --replicas=1", argument(&deployment.name))
}

/// `kubectl … -n argocd rollout restart deploy/argocd-server`.
pub fn restart_argocd(evidence: &Evidence) -> String {
    let paused = evidence.server.there().is_some_and(|server| server.paused);
    restart(&evidence.argocd_kubectl(), &deploy_server(evidence), paused)
}

/// For the end of a fix at the provider: restarts a server that may hold what was set before, and would keep it.
pub fn and_restart(evidence: &Evidence) -> String {
    let newer = evidence.started() > evidence.secret_written().map(|written| written.at);
    match newer || evidence.release.as_ref().is_some_and(reloads) {
        true => String::new(),
        false => format!("\n{}", restart_argocd(evidence)),
    }
}

/// A Deployment that is paused cannot be restarted.
fn restart(kubectl: &str, deployment: &str, paused: bool) -> String {
    let resume = format!("{kubectl} rollout resume {deployment} && ");
    let resume = if paused { resume.as_str() } else { "" };
    format!("{resume}{kubectl} rollout restart {deployment}")
}

/// Why an unlabelled argocd-secret matters.
pub const LABELLED_ALONE: &str = "from v3.5.0 on only labelled objects are worth a look when they change";

/// Gives argocd-secret the label by which its changes are noticed.
pub fn label_own_secret(evidence: &Evidence) -> String {
    format!("{} label secret argocd-secret app.kubernetes.io/part-of=argocd", evidence.argocd_kubectl())
}

/// `kubectl … rollout restart deploy/dex`.
pub fn restart_dex(evidence: &Evidence) -> String {
    let dex = evidence.provider.own_dex().map(|dex| &dex.deployment);
    let (namespace, name) = dex.map_or(("dex", "dex"), |dex| (dex.namespace.as_str(), dex.name.as_str()));
    let deployment = format!("deploy/{}", argument(name));
    restart(&evidence.kubectl_of(namespace), &deployment, dex.is_some_and(|dex| dex.paused))
}

/// So that the next rotation does not end in the same way.
pub fn lasting(evidence: &Evidence) -> Option<String> {
    let release = evidence.release.as_ref()?;
    if reloads(release) {
        return None;
    }
    let upgrade = nearest_that_reloads(release).map(|nearest| {
        format!("upgrade to {nearest}, the nearest release that takes over a changed secret by itself")
    });
    let reload = secret_name(evidence).map(|secret| {
        format!(
            "let Reloader restart it, with the Secret named (it does not find out by itself what is read through the API): {} annotate {} {RELOADER}={}",
            evidence.argocd_kubectl(),
            deploy_server(evidence),
            argument(&secret)
        )
    });
    let both: Vec<String> = upgrade.into_iter().chain(reload).collect();
    (!both.is_empty()).then(|| both.join("; or "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_release_that_reloads() {
        for (release, nearest) in [
            ("v1.8.0", Some("v2.14.0")),
            ("v2.2.16", Some("v2.14.0")),
            ("v2.12.1", Some("v2.14.0")),
            ("v2.14.0", None),
            ("v3.2.12", None),
            ("v3.3.0", Some("v3.3.7")),
            ("v3.3.6", Some("v3.3.7")),
            ("v3.3.7", None),
            ("v3.5.1", None),
        ] {
            let found = nearest_that_reloads(&Release::parse(release).unwrap());
            assert_eq!(found.map(|release| release.to_string()).as_deref(), nearest, "{release}");
        }
    }

    #[test]
    fn reloader_has_to_be_told_the_secrets_name() {
        let with = |key: &str, value: &str| {
            let annotations = [(key.to_owned(), value.to_owned())].into();
            reloader_of(&DeploymentSeen { annotations, ..DeploymentSeen::default() }, "argocd-oidc")
        };
        assert_eq!(with(RELOADER, "a, argocd-oidc"), Reloader::Named);
        assert_eq!(with(RELOADER, "argocd-oidc-2"), Reloader::None);
        assert_eq!(with("reloader.stakater.com/auto", "true"), Reloader::AutoOnly);
        assert_eq!(with("x", "y"), Reloader::None);
    }
}
