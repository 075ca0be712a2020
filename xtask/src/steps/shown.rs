//! What each step of a plan does, for `--dry-run`: commands as they will be run, requests to
//! the cluster's API by verb and object, and by hand what is neither.

use std::fmt;

use super::requests::Requests;
use super::{Action, KindStep};
use crate::lab::Lab;
use crate::route;
use crate::session::Session;
use base::Result;
use cluster::Request;
use cluster::names::{ARGOCD_HOST, PASSWORD, Provider, Scheme, USER, Workload, hosts};
use kind_lab::{KindLab, Kit};

/// One thing that a step does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A command that the lab runs.
    Command(String),
    /// A request that the lab makes to the cluster's API.
    Request(Request),
    /// A command that does the same as what the lab does itself.
    Same(String),
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(command) => write!(f, "$ {command}"),
            Self::Request(request) => write!(f, "> {request}"),
            Self::Same(command) => write!(f, "~ {command}"),
        }
    }
}

/// What steps will do, before a lab is there.
pub struct DryRun {
    requests: Requests,
    provider: Provider,
    /// With `--tls`: the file of the lab's authority.
    ca: Option<String>,
    kind: Option<kind_lab::DryRun>,
    port: Option<u16>,
}

impl DryRun {
    /// Looks at which programs are there; changes nothing.
    ///
    /// # Errors
    /// An environment variable names nothing that could be used.
    pub async fn new(session: &Session) -> Result<Self> {
        let kind = match &session.lab {
            Lab::Kind(lab) => Some(kind(session, lab).await?),
            Lab::Local(_) => None,
        };
        let found = session.lab.find().await.ok().flatten();
        let ca = session.scheme().is_https().then(|| session.authority().file().display().to_string());
        // With --tls, the named port is the one for http.
        let named = session.options.port.filter(|_| ca.is_none());
        let port = found.map(|access| access.front().port()).or(named);
        Ok(Self { requests: Requests::new(session).await?, provider: session.provider, ca, kind, port })
    }

    /// What stands before all plans: how to read what follows.
    pub fn heading(&self) -> String {
        let marks = "# $ as it is run   # > a request to the cluster's API   # ~ the same by hand";
        self.kind.as_ref().map_or_else(String::new, |kind| format!("{}\n{marks}", kind.heading()))
    }

    /// What an action does. Actions are asked for in the order of the plans.
    pub fn deeds(&mut self, action: Action) -> Vec<Deed> {
        let commands = self.kind.as_ref().map_or_else(Vec::new, |kind| commands(kind, action));
        let port = self.port.map_or("PORT".to_owned(), |port| port.to_string());
        let by_hand = match action {
            Action::Ready(workload) => route::typed(workload, &port, self.ca.as_deref()),
            Action::Login(_) | Action::LogInOnce | Action::RotateTwice => Some(self.login(&port)),
            Action::Kind(KindStep::Tools) => Some("cargo xtask tools --download".to_owned()),
            _ => None,
        };
        let requests = self.requests.of(action).into_iter().map(Deed::Request);
        commands.into_iter().map(Deed::Command).chain(requests).chain(by_hand.map(Deed::Same)).collect()
    }

    fn login(&self, port: &str) -> String {
        let scheme = Scheme::of(self.ca.is_some());
        let of = scheme.port();
        let resolve: Vec<String> = hosts(self.provider)
            .iter()
            .map(|host| format!("--resolve {host}:{of}:127.0.0.1:{port}"))
            .collect();
        let ca = self.ca.as_ref().map_or_else(String::new, |ca| format!("--ca {ca} "));
        format!(
            "PASSWORD={PASSWORD} cargo run -p probe -- --user {USER} --password-env PASSWORD {ca}{} {}",
            resolve.join(" "),
            scheme.url(ARGOCD_HOST)
        )
    }
}

/// What is known of the commands of a lab on kind.
async fn kind(session: &Session, lab: &KindLab) -> Result<kind_lab::DryRun> {
    let options = &session.options;
    Ok(kind_lab::DryRun {
        commands: Kit::outlook(lab, session.sources.root(), options.offline, session.wait()).await?,
        choice: session.choice(lab),
        node_image: options.node_image.clone(),
        probe_image: options.probe_image.as_ref().map(ToString::to_string),
    })
}

/// The commands of an action on kind, a line each.
fn commands(kind: &kind_lab::DryRun, action: Action) -> Vec<String> {
    let apply = |name: &str| vec![kind.apply(name)];
    match action {
        Action::Namespaces => apply("manifests/namespaces.yaml.j2"),
        Action::Certificates => apply("manifests/ingress-tls.yaml.j2, with new certificates"),
        Action::ArgocdSecret => apply("manifests/argocd-secret.yaml.j2, with random values"),
        Action::DexSecret => apply("manifests/dex-secret.yaml.j2, with a random value"),
        Action::OidcSecret => apply("manifests/oidc-secret.yaml.j2, with Dex's value"),
        Action::Install(Workload::Exporter) => apply("manifests/monitor and manifests/exporter.yaml.j2"),
        Action::Install(workload) | Action::InstallAnew(workload) => {
            vec![kind.apply("manifests/ingress.yaml.j2, this namespace's part"), kind.install(workload)]
        }
        Action::StopLab => kind.remove(),
        Action::Kind(step) => kind.step(step),
        _ => vec![],
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::cli::Goal;
    use crate::plan::{Plan, Step};
    use cluster::names;
    use kind_lab::{Choice, Commands, Ingress, Mirrors};

    fn dry_run(
        ingress: Ingress,
        helm: u32,
        argocd: &str,
        (provider, scheme): (Provider, Scheme),
    ) -> kind_lab::DryRun {
        let usual = Path::new("/src/target/lab");
        kind_lab::DryRun {
            commands: Commands {
                lab: KindLab::beside(usual, usual),
                root: "/src".into(),
                engine: "docker",
                helm,
                platform: Some("linux/amd64".into()),
                mirrors: Mirrors::from_environment(|_| None, Path::new("/cache"), false).unwrap(),
                kind: "/nowhere/kind".into(),
                wait: Duration::from_secs(600),
            },
            choice: Choice { ingress, argocd: argocd.parse().unwrap(), image: None, provider, scheme },
            node_image: None,
            probe_image: Some("probe:mine".into()),
        }
    }

    #[test]
    fn plans_read_as_a_person_would_type_them() {
        let mut texts = vec![];
        let dex = (Provider::Dex, Scheme::Http);
        for (goal, ingress, helm, argocd, of) in [
            (Goal::Working, Ingress::Nginx, 3, "v3.3.6", dex),
            (Goal::Broken, Ingress::Traefik, 4, "v3.5.1", dex),
            (Goal::Break, Ingress::Nginx, 3, "v3.3.6", dex),
            (Goal::Fix, Ingress::Nginx, 3, "v3.3.6", dex),
            (Goal::Test, Ingress::Nginx, 3, "v3.3.6", dex),
            (Goal::Monitor, Ingress::Nginx, 3, "v3.3.6", dex),
            (Goal::Down, Ingress::Nginx, 3, "v3.3.6", dex),
            (Goal::Working, Ingress::Nginx, 3, "v3.3.6", (Provider::Bundled, Scheme::Http)),
            (Goal::Working, Ingress::Traefik, 3, "v3.3.6", (Provider::Dex, Scheme::Https)),
        ] {
            let dry_run = dry_run(ingress, helm, argocd, of);
            let plan = Plan::of(goal, None, names::Place::Kind, of.0).unwrap();
            let plan = if of.1.is_https() { plan.over_tls() } else { plan };
            let typed =
                |step: &Step| commands(&dry_run, step.action).into_iter().map(Deed::Command).collect();
            texts.push(plan.describe(true, &plan.steps.iter().map(typed).collect::<Vec<_>>()));
        }
        insta::assert_snapshot!(texts.join("\n"));
    }

    #[test]
    fn no_secret_is_an_argument_of_any_command() {
        let dry_run = dry_run(Ingress::Nginx, 4, "v3.3.6", (Provider::Bundled, Scheme::Http));
        for goal in [Goal::Working, Goal::Broken, Goal::Break, Goal::Fix] {
            let plan = Plan::of(goal, None, names::Place::Kind, Provider::Bundled).unwrap();
            for command in plan.steps.iter().flat_map(|step| commands(&dry_run, step.action)) {
                assert!(!command.contains("stringData=") && !command.contains("--set"), "{command}");
            }
        }
    }
}
