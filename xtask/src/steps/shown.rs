//! What each step of a plan does, for `--dry-run`: commands as they will be run, requests to
//! the cluster's API by verb and object, and by hand what is neither.

use std::fmt;

use super::kind::EXPORTER_ARCHIVE;
use super::requests::Requests;
use super::{Action, KindStep};
use crate::lab::Lab;
use crate::route;
use crate::session::Session;
use base::Result;
use cluster::Request;
use cluster::names::{ARGOCD_HOST, PASSWORD, Provider, Scheme, USER, Workload, hosts};
use kind_lab::KindLab;
use kind_lab::parts::Part;
use kind_lab::{Choice, Kit, Place, Stage, State, helm, images};

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
    kind: Option<Commands>,
    port: Option<u16>,
}

impl DryRun {
    /// Looks at which programs are there; changes nothing.
    ///
    /// # Errors
    /// An environment variable names nothing that could be used.
    pub async fn new(session: &Session) -> Result<Self> {
        let kind = match &session.lab {
            Lab::Kind(lab) => Some(Commands::new(session, lab).await?),
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
    pub fn deeds(&self, action: Action) -> Vec<Deed> {
        let commands = self.kind.as_ref().map_or_else(Vec::new, |kind| kind.commands(action));
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

/// The commands of a lab on kind.
struct Commands {
    place: Place,
    choice: Choice,
    node_image: Option<String>,
    probe_image: Option<String>,
}

impl Commands {
    async fn new(session: &Session, lab: &KindLab) -> Result<Self> {
        let offline = session.options.offline;
        Ok(Self {
            place: Kit::outlook(lab, session.sources.root(), offline, session.wait()).await?,
            choice: session.choice(lab),
            node_image: session.options.node_image.clone(),
            probe_image: session.options.probe_image.as_ref().map(ToString::to_string),
        })
    }

    fn heading(&self) -> String {
        let place = &self.place;
        format!("{}\n{}", place.folder_line(), place.mirrors.described(place.engine))
    }

    /// The commands of an action, a line each.
    fn commands(&self, action: Action) -> Vec<String> {
        let place = &self.place;
        let run = |typed| place.shown(&typed);
        let apply = |name: &str| run(place.apply(name, String::new()));
        match action {
            Action::Namespaces => vec![apply("manifests/namespaces.yaml.j2")],
            Action::Certificates => vec![apply("manifests/ingress-tls.yaml.j2, with new certificates")],
            Action::ArgocdSecret => vec![apply("manifests/argocd-secret.yaml.j2, with random values")],
            Action::DexSecret => vec![apply("manifests/dex-secret.yaml.j2, with a random value")],
            Action::OidcSecret => vec![apply("manifests/oidc-secret.yaml.j2, with Dex's value")],
            Action::Install(Workload::Exporter) => {
                vec![apply("manifests/monitor and manifests/exporter.yaml.j2")]
            }
            Action::Install(workload) | Action::InstallAnew(workload) => {
                let part = Part::from(workload);
                let secrets = "<versions of the Secrets that its pods read>";
                vec![
                    apply("manifests/ingress.yaml.j2, this namespace's part"),
                    run(place.install(&self.choice.chart(part), &self.values(part, Some(secrets)))),
                ]
            }
            Action::StopLab => {
                [place.clusters(), place.kubeconfig(), place.delete_cluster()].map(run).to_vec()
            }
            Action::Kind(step) => self.step(step),
            _ => vec![],
        }
    }

    fn step(&self, step: KindStep) -> Vec<String> {
        let place = &self.place;
        let run = |typed| place.shown(&typed);
        match step {
            KindStep::Tools => vec![],
            KindStep::Cluster => {
                let create = place.create_cluster(self.image_of_node().as_deref());
                let create =
                    format!("{}    # the config is manifests/kind-config.yaml.j2, rendered", run(create));
                let own = (self.choice.provider, self.choice.scheme);
                match State::read(&place.lab).map(|state| (state.stage, (state.provider, state.scheme()))) {
                    None => vec![run(place.clusters()), create],
                    Some((Stage::Up, found)) if found == own => vec![],
                    Some(_) => vec![run(place.delete_cluster()), create],
                }
            }
            KindStep::Chart(part) => {
                let chart = self.choice.chart(part);
                let (pull, template) = helm::chart_commands(place, &chart, &self.values(part, None));
                pull.into_iter().chain([template]).map(run).collect()
            }
            KindStep::Images(part) => {
                let (own, image) = (part == Part::Argocd && self.choice.image.is_some(), self.images(part));
                let from = match &place.mirrors.images {
                    Some(mirror) if !own => format!("{mirror}/<the same without its registry>"),
                    _ => image.clone(),
                };
                let pull = images::pull_commands(place, &from, &image);
                let asked = [place.image_id(&image)].into_iter();
                let pulled = pull.into_iter().filter(|_| !place.mirrors.offline);
                asked.chain(pulled).chain([place.save_images(part.name(), &[&image])]).map(run).collect()
            }
            KindStep::RedisSecret => {
                let name = "manifests/argocd-redis.yaml.j2, with a random value";
                vec![run(place.apply(name, String::new()))]
            }
            KindStep::Load(part) => vec![run(place.load_images(part.name()))],
            KindStep::Ingress => vec![run(place.install(&self.choice.chart(Part::Ingress), ""))],
            KindStep::ExporterImage => match &self.probe_image {
                Some(image) => [
                    place.image_id(image),
                    place.save_images(EXPORTER_ARCHIVE, &[image]),
                    place.load_images(EXPORTER_ARCHIVE),
                ]
                .map(run)
                .to_vec(),
                None => vec![],
            },
            KindStep::Node | KindStep::Coredns | KindStep::IngressReady | KindStep::Resolves => vec![],
        }
    }

    /// The node's image, where kind is told which.
    fn image_of_node(&self) -> Option<String> {
        let told = self.place.mirrors.images.is_some() || self.place.mirrors.offline;
        if told { self.place.image_of_node(self.node_image.as_deref()) } else { self.node_image.clone() }
    }

    /// The values as they would be given, or why they cannot be.
    fn values(&self, part: Part, secrets: Option<&str>) -> String {
        self.choice.values(part, secrets, None).unwrap_or_else(|error| format!("# {error}"))
    }

    /// Which images a chart names is known when it is rendered.
    fn images(&self, part: Part) -> String {
        match (part, &self.choice.image) {
            (Part::Argocd, Some(image)) => image.to_string(),
            _ => format!("<each image that the rendered chart {} names>", self.choice.chart(part).name),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::cli::Goal;
    use crate::plan::Plan;
    use cluster::names;
    use kind_lab::mirrors::Mirrors;
    use kind_lab::parts::Ingress;

    fn dry_run(
        ingress: Ingress,
        helm: u32,
        argocd: &str,
        (provider, scheme): (Provider, Scheme),
    ) -> Commands {
        let usual = Path::new("/src/target/lab");
        Commands {
            place: Place {
                lab: KindLab::beside(usual, usual),
                root: "/src".into(),
                engine: "docker",
                helm,
                platform: Some("linux/amd64".into()),
                mirrors: Mirrors::from_environment(|_| None, Path::new("/cache"), false).unwrap(),
                node_image: None,
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
            texts.push(
                plan.describe(true, |action| {
                    dry_run.commands(action).into_iter().map(Deed::Command).collect()
                }),
            );
        }
        insta::assert_snapshot!(texts.join("\n"));
    }

    #[test]
    fn no_secret_is_an_argument_of_any_command() {
        let dry_run = dry_run(Ingress::Nginx, 4, "v3.3.6", (Provider::Bundled, Scheme::Http));
        for goal in [Goal::Working, Goal::Broken, Goal::Break, Goal::Fix] {
            let plan = Plan::of(goal, None, names::Place::Kind, Provider::Bundled).unwrap();
            for command in plan.steps.iter().flat_map(|step| dry_run.commands(step.action)) {
                assert!(!command.contains("stringData=") && !command.contains("--set"), "{command}");
            }
        }
    }
}
