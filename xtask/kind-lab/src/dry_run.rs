//! The commands of steps before there is a lab: as they will be run, a line each, for people.

use cluster::names::Workload;

use super::commands::{Commands, Typed};
use super::helm::{self, Choice};
use super::images::{self, EXPORTER_ARCHIVE};
use super::parts::Part;
use super::state::{Stage, State};
use super::step::KindStep;

/// What is known beforehand of the commands of steps.
pub struct DryRun {
    /// The commands, by the programs that are here now.
    pub commands: Commands,
    /// What is to be installed.
    pub choice: Choice,
    /// The node's image that somebody wishes for.
    pub node_image: Option<String>,
    /// The exporter's image, if one is named.
    pub probe_image: Option<String>,
}

impl DryRun {
    /// What stands before all commands: the lab's folder, and where charts and images come from.
    pub fn heading(&self) -> String {
        let Commands { mirrors, engine, .. } = &self.commands;
        format!("{}\n{}", self.commands.folder_line(), mirrors.described(engine))
    }

    /// Applies documents, named for people.
    pub fn apply(&self, name: &str) -> String {
        self.run(self.commands.apply(name, String::new()))
    }

    /// Installs a component by its chart.
    pub fn install(&self, workload: Workload) -> String {
        let part = Part::from(workload);
        let values = self.values(part, Some("<versions of the Secrets that its pods read>"));
        self.run(self.commands.install(&self.choice.chart(part), &values))
    }

    /// Removes the lab.
    pub fn remove(&self) -> Vec<String> {
        let commands = &self.commands;
        [commands.clusters(), commands.kubeconfig(), commands.delete_cluster()]
            .map(|typed| self.run(typed))
            .to_vec()
    }

    /// A step that only a lab on kind has.
    pub fn step(&self, step: KindStep) -> Vec<String> {
        let commands = &self.commands;
        let typed = match step {
            KindStep::Cluster => return self.cluster(),
            KindStep::RedisSecret => {
                return vec![self.apply("manifests/argocd-redis.yaml.j2, with a random value")];
            }
            KindStep::Chart(part) => {
                let values = self.values(part, None);
                let (pull, template) = helm::chart_commands(commands, &self.choice.chart(part), &values);
                pull.into_iter().chain([template]).collect()
            }
            KindStep::Images(part) => {
                let (own, image) = (self.choice.own(part), self.images(part));
                let from = match &commands.mirrors.images {
                    Some(mirror) if own.is_none() => format!("{mirror}/<the same without its registry>"),
                    _ => image.clone(),
                };
                let pull = images::pull_commands(commands, &from, &image);
                let pulled = pull.into_iter().filter(|_| !commands.mirrors.offline);
                let asked = [commands.image_id(&image)].into_iter();
                asked.chain(pulled).chain([commands.save_images(part.name(), &[&image])]).collect()
            }
            KindStep::Load(part) => vec![commands.load_images(part.name())],
            KindStep::Ingress => vec![commands.install(&self.choice.chart(Part::Ingress), "")],
            KindStep::ExporterImage => match &self.probe_image {
                Some(image) => vec![
                    commands.image_id(image),
                    commands.save_images(EXPORTER_ARCHIVE, &[image]),
                    commands.load_images(EXPORTER_ARCHIVE),
                ],
                None => vec![],
            },
            KindStep::Tools
            | KindStep::Node
            | KindStep::Coredns
            | KindStep::IngressReady
            | KindStep::Resolves => vec![],
        };
        typed.into_iter().map(|typed| self.run(typed)).collect()
    }

    fn run(&self, typed: Typed) -> String {
        self.commands.shown(&typed)
    }

    fn cluster(&self) -> Vec<String> {
        let commands = &self.commands;
        let create = self.run(commands.create_cluster(self.image_of_node().as_deref()));
        let create = format!("{create}    # the config is manifests/kind-config.yaml.j2, rendered");
        let own = (self.choice.provider, self.choice.scheme);
        match State::read(&commands.lab).map(|state| (state.stage, (state.provider, state.scheme()))) {
            None => vec![self.run(commands.clusters()), create],
            Some((Stage::Up, found)) if found == own => vec![],
            Some(_) => vec![self.run(commands.delete_cluster()), create],
        }
    }

    /// The node's image, where kind is told which.
    fn image_of_node(&self) -> Option<String> {
        let told = self.commands.mirrors.images.is_some() || self.commands.mirrors.offline;
        if told { self.commands.image_of_node(self.node_image.as_deref()) } else { self.node_image.clone() }
    }

    /// The values as they would be given, or why they cannot be.
    fn values(&self, part: Part, secrets: Option<&str>) -> String {
        self.choice.values(part, secrets, None).unwrap_or_else(|error| format!("# {error}"))
    }

    /// Which images a chart names is known when it is rendered.
    fn images(&self, part: Part) -> String {
        let unknown =
            || format!("<each image that the rendered chart {} names>", self.choice.chart(part).name);
        self.choice.own(part).unwrap_or_else(unknown)
    }
}
