//! The commands behind a plan, for `--dry-run`.
//!
//! What outside programs do is shown as it will be run. What the lab does itself through
//! the cluster's API is shown as the kubectl command that has the same effect.

use super::{Action, KindStep};
use crate::faults::{self, Edit};
use crate::lab::KindLab;
use crate::lab::kind::mirrors::{Charts, Mirrors};
use crate::lab::kind::parts::Part;
use crate::lab::kind::{Choice, Kit, Place};
use crate::names::{COREDNS, PASSWORD, Rollout, USER, Workload};
use crate::route;
use crate::session::Session;
use base::Result;

/// What stands before a command that the lab runs …
const RUN: &str = "$ ";
/// … and before one that has the same effect as what it does through the API.
const SAME: &str = "~ ";

/// The commands of a lab, before it is there.
pub struct DryRun {
    place: Place,
    choice: Choice,
    port: Option<u16>,
    node_image: Option<String>,
}

impl DryRun {
    /// Looks at which programs are there; changes nothing.
    ///
    /// # Errors
    /// An environment variable names nothing that could be used.
    pub async fn new(session: &Session, lab: &KindLab) -> Result<Self> {
        let offline = session.options.offline;
        Ok(Self {
            place: Kit::outlook(lab, session.sources.root(), offline, session.wait()).await?,
            choice: session.choice(lab),
            port: lab
                .find()
                .await
                .ok()
                .flatten()
                .map(|access| access.ingress.port())
                .or(session.options.port),
            node_image: session.options.node_image.clone(),
        })
    }

    /// What stands before all plans: how to read the commands.
    pub fn heading(&self) -> String {
        format!(
            "{}\n{}\n# {RUN}as it is run   # {SAME}the same by hand: the lab does it through the cluster's API",
            self.place.folder_line(),
            self.place.mirrors.described(self.place.engine)
        )
    }

    /// The commands of an action, a line each.
    pub fn commands(&self, action: Action) -> Vec<String> {
        let place = &self.place;
        let run = |typed| format!("{RUN}{}", place.shown(&typed));
        let same = |args: &[&str]| format!("{SAME}{}", place.shown(&place.kubectl("", args)));
        let apply = |name: &str| run(place.apply(name, String::new()));
        let patch = |namespace: &str, name: &str, key: &str| {
            let args = ["-n", namespace, "patch", "secret", name, "--patch-file", "/dev/stdin"];
            format!(
                r#"{}    # reads {{"stringData": {{"{key}": a new value, the same for both}}}}"#,
                same(&args)
            )
        };
        match action {
            // Nothing is typed: a moment passes.
            Action::StartLab | Action::HearsChanges | Action::HearsNewSecrets => vec![],
            // What is changed is in the step's description.
            Action::Heal { .. } => vec![],
            Action::Namespaces => vec![apply("manifests/namespaces.yaml.j2")],
            Action::ArgocdSecret => vec![apply("manifests/argocd-secret.yaml.j2, with random values")],
            Action::DexSecret => vec![apply("manifests/dex-secret.yaml.j2, with a random value")],
            Action::OidcSecret => vec![apply("manifests/oidc-secret.yaml.j2, with Dex's value")],
            Action::NoOidcSecret => {
                vec![same(&["-n", "argocd", "delete", "secret", "argocd-oidc", "--ignore-not-found"])]
            }
            Action::Install(workload) | Action::InstallAnew(workload) => {
                let part = Part::from(workload);
                let secrets = "<versions of the Secrets that its pods read>";
                vec![
                    apply("manifests/ingress.yaml.j2, this namespace's part"),
                    run(place.install(&self.choice.chart(part), &self.values(part, Some(secrets)))),
                ]
            }
            Action::RotateDex => {
                let annotation = format!("{}=begun", faults::ROTATION);
                vec![
                    same(&["annotate", "namespace", "argocd", "--overwrite", &annotation]),
                    patch("dex", "dex-clients", "argo-cd"),
                ]
            }
            Action::Remember(fault) => {
                let annotation = format!("{}={}", faults::ANNOTATION, fault.name());
                vec![same(&["annotate", "namespace", "argocd", "--overwrite", &annotation])]
            }
            Action::Edit(Edit::Rotate) => {
                vec![patch("argocd", "argocd-oidc", "clientSecret"), patch("dex", "dex-clients", "argo-cd")]
            }
            Action::Edit(Edit::EmptyArgocdSecret) => vec![same(&[
                "-n",
                "argocd",
                "patch",
                "secret",
                "argocd-secret",
                "--type=merge",
                "-p",
                r#"{"data":null}"#,
            ])],
            Action::Edit(_) => vec![],
            Action::Scale(workload, pods) => {
                let Rollout { namespace, name, .. } = workload.rollout();
                let replicas = format!("--replicas={pods}");
                vec![same(&["-n", namespace, "scale", "deployment", name, &replicas])]
            }
            Action::Restart(workload) => vec![same(&rollout("restart", workload.rollout()))],
            Action::Ready(workload) => {
                let asked = route::typed(workload, &self.port()).map(|typed| format!("{SAME}{typed}"));
                [same(&rollout("status", workload.rollout()))].into_iter().chain(asked).collect()
            }
            Action::Login | Action::LogInOnce => vec![self.login()],
            // Twice what `rotate` shows, at moments that no command line can say.
            Action::RotateTwice => vec![self.login()],
            Action::StopLab => vec![run(place.delete_cluster())],
            Action::Kind(step) => self.step(step),
        }
    }

    fn port(&self) -> String {
        self.port.map_or("PORT".to_owned(), |port| port.to_string())
    }

    fn login(&self) -> String {
        let port = self.port();
        let resolve = |host: &str| format!("--resolve {host}:80:127.0.0.1:{port}");
        format!(
            "{SAME}PASSWORD={PASSWORD} cargo run -p probe -- --user {USER} --password-env PASSWORD {} {} http://argocd.host",
            resolve("argocd.host"),
            resolve("dex.host")
        )
    }

    fn step(&self, step: KindStep) -> Vec<String> {
        let place = &self.place;
        let run = |typed| format!("{RUN}{}", place.shown(&typed));
        let same = |args: &[&str]| format!("{SAME}{}", place.shown(&place.kubectl("", args)));
        match step {
            KindStep::Tools => vec![format!("{SAME}cargo xtask tools --download")],
            KindStep::Cluster => vec![format!(
                "{}    # the config is manifests/kind-config.yaml.j2, rendered",
                run(place.create_cluster(self.image_of_node().as_deref()))
            )],
            KindStep::Node => vec![same(&["wait", "--for=condition=Ready", "node", "--all"])],
            KindStep::Chart(part) => {
                let chart = self.choice.chart(part);
                let here = place.mirrors.offline || matches!(place.mirrors.charts, Charts::Folder(_));
                let pull = (!here).then(|| run(place.pull_chart(&chart)));
                pull.into_iter().chain([run(place.template(&chart, &self.values(part, None)))]).collect()
            }
            KindStep::Images(part) => {
                let (own, image) = (part == Part::Argocd && self.choice.image.is_some(), self.images(part));
                let mut commands = vec![run(place.save_images(part.name(), &[&image]))];
                match &place.mirrors {
                    Mirrors { offline: true, .. } => {}
                    Mirrors { images: Some(mirror), .. } if !own => {
                        let from = format!("{mirror}/<the same without its registry>");
                        commands.insert(0, run(place.tag_image(&from, &image)));
                        commands.insert(0, run(place.pull_image(&from)));
                    }
                    Mirrors { .. } => commands.insert(0, run(place.pull_image(&image))),
                }
                commands
            }
            KindStep::RedisSecret => {
                let name = "manifests/argocd-redis.yaml.j2, with a random value";
                vec![run(place.apply(name, String::new()))]
            }
            KindStep::Load(part) => vec![run(place.load_images(part.name()))],
            KindStep::Coredns => vec![
                same(&["-n", COREDNS.namespace, "edit", "configmap", COREDNS.name]),
                same(&rollout("restart", COREDNS)),
                same(&rollout("status", COREDNS)),
            ],
            KindStep::Ingress => vec![run(place.install(&self.choice.chart(Part::Ingress), ""))],
            KindStep::IngressReady => vec![same(&rollout("status", self.choice.ingress.rollout()))],
            KindStep::Resolves => vec![same(&[
                "-n",
                Workload::Argocd.namespace(),
                "exec",
                "deploy/argocd-server",
                "--",
                "getent",
                "ahostsv4",
                "dex.host",
            ])],
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

fn rollout(verb: &'static str, rollout: Rollout) -> [&'static str; 6] {
    ["-n", rollout.namespace, "rollout", verb, "deployment", rollout.name]
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::cli::{Goal, Ingress};
    use crate::names;
    use crate::plan::Plan;

    fn dry_run(ingress: Ingress, helm: u32, argocd: &str) -> DryRun {
        let usual = Path::new("/src/target/lab");
        DryRun {
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
            choice: Choice { ingress, argocd: argocd.parse().unwrap(), image: None },
            port: Some(43210),
            node_image: None,
        }
    }

    #[test]
    fn plans_read_as_a_person_would_type_them() {
        let mut texts = vec![];
        for (goal, ingress, helm, argocd) in [
            (Goal::Working, Ingress::Nginx, 3, "v3.3.6"),
            (Goal::Broken, Ingress::Traefik, 4, "v3.5.1"),
            (Goal::Break, Ingress::Nginx, 3, "v3.3.6"),
            (Goal::Fix, Ingress::Nginx, 3, "v3.3.6"),
            (Goal::Test, Ingress::Nginx, 3, "v3.3.6"),
            (Goal::Down, Ingress::Nginx, 3, "v3.3.6"),
        ] {
            let dry_run = dry_run(ingress, helm, argocd);
            let plan = Plan::of(goal, None, names::Place::Kind).unwrap();
            texts.push(plan.describe_with(|action| dry_run.commands(action)));
        }
        insta::assert_snapshot!(texts.join("\n"));
    }

    #[test]
    fn no_secret_is_an_argument_of_any_command() {
        let dry_run = dry_run(Ingress::Nginx, 4, "v3.3.6");
        for goal in [Goal::Working, Goal::Broken, Goal::Break, Goal::Fix] {
            let plan = Plan::of(goal, None, names::Place::Kind).unwrap();
            for command in plan.steps.iter().flat_map(|step| dry_run.commands(step.action)) {
                assert!(!command.contains("stringData=") && !command.contains("--set"), "{command}");
            }
        }
    }
}
