//! What each step of a plan does, for `--dry-run`: commands as they will be run, requests to
//! the cluster's API by verb and object, and by hand what is neither. Of requests, each change is
//! there and what is waited for; what is read on the way is not listed.

use std::collections::BTreeMap;
use std::fmt;

use super::{Action, KindStep, documents};
use crate::fault::{Edit, Fault, Part};
use crate::faults::{self, recorded};
use crate::lab::Lab;
use crate::programs::{Kind, Program};
use crate::render::{Manifest, Variables};
use crate::route;
use crate::session::Session;
use base::Result;
use cluster::Request;
use cluster::names::{
    ARGOCD_HOST, ARGOCD_SECRET, COREDNS, DEX_SECRET, OIDC_SECRET, PASSWORD, Provider, Rollout, Scheme, USER,
    Workload, certificates, hosts,
};
use kind_lab::{KindLab, Kit};

/// The namespace on which faults and rotations are remembered.
const NOTED_ON: &str = "argocd";

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
    provider: Provider,
    /// With `--tls`: the file of the lab's authority.
    ca: Option<String>,
    /// Of a lab on kind, whose kubectl and Helm ask what a local lab asks itself.
    kind: Option<kind_lab::DryRun>,
    port: Option<u16>,
    /// Of a local lab, the requests that apply the namespaces, and those that install a component.
    namespaces: Vec<Request>,
    installs: BTreeMap<&'static str, Vec<Request>>,
    /// The faults that are in at this place of the plans.
    faults: Vec<Fault>,
}

impl DryRun {
    /// Looks at the lab, if it is up, and at which programs are there; changes nothing.
    ///
    /// # Errors
    /// An environment variable names nothing that could be used, or a manifest cannot be rendered.
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
        let faults = match session.cluster().await {
            Ok(cluster) => recorded(&cluster).await.unwrap_or_default(),
            Err(_) => vec![],
        };
        let (mut namespaces, mut installs) = (vec![], BTreeMap::new());
        if kind.is_none() {
            let (sources, variables) = (&session.sources.masked(), Variables::new(0));
            let apply = |documents: Vec<_>| documents.iter().map(Request::apply).collect::<Vec<_>>();
            namespaces = apply(sources.documents(Manifest::NAMESPACES, &variables)?);
            let named = session.options.real || session.options.argocd_bin.is_some();
            let installed = session.program(Workload::Argocd).await.ok().flatten();
            let replaced = session.options.argocd.is_some();
            let real = named || (!replaced && installed.is_some_and(|it| it.kind == Kind::Real));
            let programs =
                [&Program::stand_in_argocd(&releases::Release::default()), &Program::stand_in_dex()];
            for workload in [Workload::Argocd, Workload::Dex, Workload::Redis, Workload::Exporter] {
                let all = documents(sources, workload, programs, "", &variables)?;
                installs.insert(workload.deployment(), apply(all));
            }
            let redis = installs.remove(Workload::Redis.deployment()).filter(|_| real);
            installs.entry(Workload::Argocd.deployment()).or_default().extend(redis.into_iter().flatten());
        }
        Ok(Self { provider: session.provider, ca, kind, port, namespaces, installs, faults })
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
        let requests = self.requests(action).into_iter().map(Deed::Request);
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

    /// What an action asks of the cluster's API.
    fn requests(&mut self, action: Action) -> Vec<Request> {
        let patch = |secret| Request::patch_secret(secret).if_needed();
        match action {
            // kubectl asks.
            Action::Namespaces
            | Action::Certificates
            | Action::ArgocdSecret
            | Action::DexSecret
            | Action::OidcSecret
                if self.kind.is_some() =>
            {
                vec![]
            }
            Action::Namespaces => self.namespaces.clone(),
            Action::Certificates => {
                certificates(self.provider).iter().map(|(name, _)| patch(*name)).collect()
            }
            Action::ArgocdSecret => vec![patch(ARGOCD_SECRET)],
            Action::DexSecret => vec![patch(DEX_SECRET)],
            Action::OidcSecret => vec![Request::patch_secret(OIDC_SECRET)],
            Action::NoOidcSecret => {
                vec![Request::of("delete", "secrets", OIDC_SECRET.namespace, OIDC_SECRET.name).if_needed()]
            }
            Action::Install(workload) | Action::InstallAnew(workload) => {
                self.installs.get(workload.deployment()).cloned().unwrap_or_default()
            }
            Action::RotateDex => vec![Request::patch_namespace(NOTED_ON), Request::patch_secret(DEX_SECRET)],
            Action::RotationEnded => vec![Request::patch_namespace(NOTED_ON)],
            Action::Remember(fault) => {
                self.faults.push(fault);
                vec![Request::patch_namespace(NOTED_ON)]
            }
            Action::Edit(edit) => faults::requests(edit),
            Action::RotateTwice => [OIDC_SECRET, DEX_SECRET].map(Request::patch_secret).to_vec(),
            Action::Heal { only, argocd } => {
                let (healed, left): (Vec<Fault>, Vec<Fault>) =
                    self.faults.iter().partition(|fault| only.is_none_or(|only| only == **fault));
                self.faults = left;
                heal(healed.iter().flat_map(|fault| fault.parts(self.provider)), argocd)
            }
            Action::Scale(workload, _) | Action::Restart(workload) => {
                vec![Request::patch_rollout(workload.rollout())]
            }
            Action::Ready(workload) => vec![watch(workload.rollout())],
            Action::Kind(KindStep::Coredns) => vec![
                Request::of("patch", "configmaps", COREDNS.namespace, COREDNS.name).if_needed(),
                Request::patch_rollout(COREDNS).if_needed(),
                watch(COREDNS),
            ],
            Action::Kind(KindStep::IngressReady) => {
                self.kind.iter().map(|kind| watch(kind.choice.ingress.rollout())).collect()
            }
            Action::Kind(KindStep::Node) => {
                let resource = "nodes".to_owned();
                vec![Request { verb: "watch", resource, namespace: None, name: None, if_needed: false }]
            }
            Action::Kind(KindStep::Resolves) => {
                let pod = |verb| Request::of(verb, "pods", Workload::Argocd.namespace(), "oidc-lab-resolves");
                vec![Request { name: None, ..pod("create") }, pod("delete")]
            }
            // The lab's process and its folder; a moment; logins; what commands do.
            Action::StartLab
            | Action::StopLab
            | Action::Hears(_)
            | Action::DexTakes
            | Action::Login(_)
            | Action::LogInOnce
            | Action::Kind(_) => vec![],
        }
    }
}

fn watch(rollout: Rollout) -> Request {
    Request { name: None, ..Request::of("watch", "deployments.apps", rollout.namespace, rollout.name) }
}

/// What undoing faults asks, each request once.
fn heal<'a>(parts: impl Iterator<Item = &'a Part>, argocd: bool) -> Vec<Request> {
    let (mut requests, mut restarts, mut any) = (vec![], vec![], false);
    for part in parts.inspect(|_| any = true) {
        match *part {
            // A key that is there stays.
            Part::Edit(Edit::Rotate | Edit::OtherServerKey) => restarts.extend([Workload::Argocd]),
            Part::Edit(edit) => {
                // Undoing one of a Secret holds both Secrets together.
                let both =
                    faults::requests(edit).iter().any(|it| it.name.as_deref() == Some(OIDC_SECRET.name));
                requests.extend(faults::requests(edit));
                requests.extend(both.then(|| Request::patch_secret(DEX_SECRET)));
                restarts.extend(edit.readers());
            }
            Part::Scale(workload, _) => requests.push(Request::patch_rollout(workload.rollout())),
            Part::RotateTwice => restarts.push(Workload::Argocd),
            Part::Restart(_) | Part::Settle | Part::LogIn | Part::DexTakes => {}
        }
    }
    let restarted = restarts.into_iter().filter(|it| argocd || *it != Workload::Argocd);
    requests.extend(restarted.map(|workload| Request::patch_rollout(workload.rollout())));
    requests.extend(any.then(|| Request::patch_namespace(NOTED_ON)));
    let mut once = vec![];
    for request in requests {
        if !once.contains(&request) {
            once.push(request);
        }
    }
    once
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
