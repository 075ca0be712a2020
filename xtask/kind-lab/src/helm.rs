//! Charts: pulled and checked while the cluster comes up, installed, healed after a
//! kill.

use std::collections::BTreeSet;

use releases::Release;
use serde::{Deserialize as _, Serialize};
use serde_json::{Map, Value, json};

use super::commands::{Commands, Typed};
use super::image_ref::ImageRef;
use super::kit::Tools;
use super::messages::{self, Trouble};
use super::mirrors::{CHARTS, Charts};
use super::parts::Ingress;
use super::parts::{Chart, Part};
use super::state::State;
use base::files::{make_private_folder, write_private};
use base::{Error, Result};
use cluster::names::{Provider, Scheme, VALUES_TEMPLATE};

/// On pod templates: which versions of their Secrets the pods were started with.
const SECRETS: &str = "oidc-lab/secrets";
/// On pod templates: the image of one's own that the pods were started with, which
/// keeps its name when it is built anew.
const IMAGE: &str = "oidc-lab/image-id";
/// The image that the chart of Argo CD names by itself.
const ARGOCD_IMAGE: &str = "quay.io/argoproj/argocd";

/// What is to be installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The ingress.
    pub ingress: Ingress,
    /// The release whose chart installs Argo CD.
    pub argocd: Release,
    /// An image of one's own instead of that release's.
    pub image: Option<ImageRef>,
    /// Who checks the user.
    pub provider: Provider,
    /// What the lab is spoken to by.
    pub scheme: Scheme,
}

impl Choice {
    /// The chart of a part.
    pub(crate) fn chart(&self, part: Part) -> Chart {
        part.chart(self.ingress, &self.argocd, self.provider, self.scheme)
    }

    /// The image of one's own that a part is to run, if it is.
    pub(crate) fn own(&self, part: Part) -> Option<String> {
        self.image.as_ref().filter(|_| part == Part::Argocd).map(ToString::to_string)
    }

    /// The values that a part gets besides those of its file: none of them a secret.
    /// Pods that were started with other annotations are started anew.
    ///
    /// # Errors
    /// They cannot be written as YAML.
    pub(crate) fn values(&self, part: Part, secrets: Option<&str>, image_id: Option<&str>) -> Result<String> {
        let annotations = [(SECRETS, secrets), (IMAGE, image_id)];
        let annotations: Map<String, Value> = annotations
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?.into())))
            .collect();
        let mut values = Map::new();
        if part == Part::Argocd {
            let image = match (&self.image, self.argocd.chart().1) {
                (Some(image), _) => Some((image.repository.clone(), image.tag.clone())),
                // A release that has no chart of its own.
                (None, true) => Some((ARGOCD_IMAGE.into(), self.argocd.to_string().replace('+', "_"))),
                (None, false) => None,
            };
            if let Some((repository, tag)) = image {
                values.insert("global".into(), json!({"image": {"repository": repository, "tag": tag}}));
            }
        }
        match part {
            _ if annotations.is_empty() => {}
            Part::Argocd => drop(values.insert("server".into(), json!({"podAnnotations": annotations}))),
            Part::Dex => drop(values.insert("podAnnotations".into(), annotations.into())),
            Part::Ingress => {}
        }
        if values.is_empty() { Ok(String::new()) } else { yaml(&values) }
    }
}

/// Values as a chart reads them. Without them it would take its own.
fn yaml(values: &impl Serialize) -> Result<String> {
    serde_yaml::to_string(values)
        .map_err(|error| Error::environment(format!("the values for a chart cannot be written: {error}")))
}

/// The commands that bring a chart here, where it is not and may come, and render it.
pub fn chart_commands(commands: &Commands, chart: &Chart, values: &str) -> (Option<Typed>, Typed) {
    let may = !commands.mirrors.offline && !matches!(commands.mirrors.charts, Charts::Folder(_));
    let wanting = !commands.chart_file(chart).is_file();
    ((may && wanting).then(|| commands.pull_chart(chart)), commands.template(chart, values))
}

impl Tools<'_> {
    /// Writes the values of a part that are a template, which gives a file's text, for Helm to read.
    ///
    /// # Errors
    /// There is no such text, or it cannot be written.
    pub fn write_values(
        &self,
        choice: &Choice,
        part: Part,
        template: impl FnOnce(&str) -> Result<String>,
    ) -> Result<()> {
        if !choice.chart(part).values.contains(&VALUES_TEMPLATE) {
            return Ok(());
        }
        let path = self.commands().values_file(VALUES_TEMPLATE);
        write_private(&path, template(VALUES_TEMPLATE)?.as_bytes())
            .map_err(|error| Error::environment(format!("{} cannot be written: {error}", path.display())))
    }

    /// Pulls the chart of a part, unless it is there, and renders it, so that values which it does
    /// not take are found before the cluster is up. Keeps in mind the images of what will run. Says
    /// which chart it is.
    ///
    /// # Errors
    /// There is no such chart, the network is wanting, or it does not take the values.
    pub async fn check_chart(&self, choice: &Choice, part: Part) -> Result<String> {
        let commands = self.commands();
        let chart = choice.chart(part);
        let (file, folder) = (commands.chart_file(&chart), commands.mirrors.folder());
        let (pull, template) = chart_commands(commands, &chart, &choice.values(part, None, None)?);
        match pull {
            None if file.is_file() => {}
            None => {
                let named = matches!(commands.mirrors.charts, Charts::Folder(_));
                let (why, what) = if named { (CHARTS, "in it") } else { ("--offline", "in the cache") };
                return Err(Error::environment(format!(
                    "{why}, and the {} is not {what}: there is no {}",
                    chart.described(),
                    file.display()
                ))
                .hint(format!("`{}` brings it there", commands.shown(&commands.pull_chart(&chart)))));
            }
            Some(pull) => {
                make_private_folder(&folder)
                    .map_err(|error| Error::environment(format!("{}: {error}", folder.display())))?;
                self.must(&pull, &format!("pull the {}", chart.described())).await?;
            }
        }
        let said = self.must(&template, &format!("render the {}", chart.described())).await?;
        let images = images(&said.stdout).map_err(|what| {
            Error::environment(format!("the {} renders to what is {what}", chart.described()))
        })?;
        self.kit.part(part, |needs| needs.images = images);
        Ok(chart.described())
    }

    /// Installs Dex or Argo CD, or brings it up to date. Its pods were started with these versions
    /// of its Secrets. Says what was installed.
    ///
    /// # Errors
    /// Helm fails.
    pub async fn install(&self, choice: &Choice, part: Part, secrets: &str) -> Result<String> {
        let (chart, own) = (choice.chart(part), choice.own(part));
        let id = own.as_ref().and_then(|own| self.kit.part(part, |needs| needs.here.get(own).cloned()));
        if part == Part::Argocd {
            // Said before it is done: a run that is killed here is continued with the same.
            State::update(self.lab(), |state| {
                state.argocd = Some(choice.argocd.to_string());
                state.argocd_image = own.clone();
            })?;
        }
        self.install_chart(&chart, &choice.values(part, Some(secrets), id.as_deref())?).await?;
        let image = own.map_or(String::new(), |own| format!(", image {own}"));
        Ok(format!("{}{image}", chart.described()))
    }

    /// Installs the ingress in front. The other one goes first: the node has one port 80. Says what
    /// was installed.
    ///
    /// # Errors
    /// Helm fails.
    pub async fn install_ingress(&self, choice: &Choice) -> Result<String> {
        let (lab, ingress) = (self.lab(), choice.ingress);
        let other = State::read(lab).and_then(|state| state.ingress);
        if let Some(other) = other.filter(|installed| *installed != ingress) {
            self.uninstall(&other.chart()).await?;
        }
        // Said before it is done: a run that is killed here leaves this one to take out.
        State::update(lab, |state| state.ingress = Some(ingress))?;
        let chart = choice.chart(Part::Ingress);
        self.install_chart(&chart, "").await?;
        Ok(chart.described())
    }

    /// Installs a chart, or brings what is installed up to date. A release that a killed run left
    /// pending is taken out first: Helm would refuse it for ever.
    async fn install_chart(&self, chart: &Chart, values: &str) -> Result<()> {
        let typed = self.commands().install(chart, values);
        let mut said = self.run(&typed).await?;
        if messages::trouble(&said) == Some(Trouble::Pending) {
            self.note(&format!(
                "{} was being installed when an earlier run was killed; it is taken out and installed anew",
                chart.release
            ));
            self.uninstall(chart).await?;
            said = self.run(&typed).await?;
        }
        if !said.is_ok() {
            return Err(self.error(&format!("install the {}", chart.described()), &said));
        }
        let document: Value = serde_json::from_str(&said.stdout).unwrap_or(Value::Null);
        match document["info"]["status"].as_str() {
            Some("deployed") => Ok(()),
            other => {
                let status = other.unwrap_or("no status");
                Err(Error::environment(format!("Helm ended well and says of {}: {status}", chart.release))
                    .hint("`-vv` shows every command and all that it says"))
            }
        }
    }

    /// Takes a release out, if it is there.
    async fn uninstall(&self, chart: &Chart) -> Result<()> {
        let said = self.run(&self.commands().uninstall(chart)).await?;
        if said.is_ok() || messages::trouble(&said) == Some(Trouble::NoRelease) {
            return Ok(());
        }
        Err(self.error(&format!("take out {}", chart.release), &said))
    }
}

/// The images of everything in a rendered chart that will run: what is scaled to zero
/// needs none.
fn images(text: &str) -> Result<BTreeSet<String>, &'static str> {
    let mut images = BTreeSet::new();
    for document in serde_yaml::Deserializer::from_str(text) {
        let document = Value::deserialize(document).map_err(|_| "not YAML")?;
        let runs = matches!(
            document["kind"].as_str(),
            Some("Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" | "Pod")
        );
        let spec = &document["spec"];
        if !runs || spec["replicas"] == 0 {
            continue;
        }
        let pod = if document["kind"] == "Pod" { spec } else { &spec["template"]["spec"] };
        let containers = ["initContainers", "containers"].map(|key| pod[key].as_array());
        let named = containers.into_iter().flatten().flatten();
        images.extend(named.filter_map(|container| container["image"].as_str()).map(str::to_owned));
    }
    match images.is_empty() {
        true => Err("without a single image"),
        false => Ok(images),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(argocd: &str) -> Choice {
        Choice {
            ingress: Ingress::Nginx,
            argocd: Release::parse(argocd).unwrap(),
            image: None,
            provider: Provider::Dex,
            scheme: Scheme::Http,
        }
    }

    #[test]
    fn a_release_with_a_chart_of_its_own_needs_no_values_but_its_annotations() {
        assert_eq!(choice("v3.3.6").values(Part::Argocd, None, None).unwrap(), "");
        assert_eq!(
            choice("v3.3.6").values(Part::Argocd, Some("a=1,b=2"), None).unwrap(),
            "server:\n  podAnnotations:\n    oidc-lab/secrets: a=1,b=2\n"
        );
        assert_eq!(
            choice("v3.5.1").values(Part::Argocd, None, None).unwrap(),
            "global:\n  image:\n    repository: quay.io/argoproj/argocd\n    tag: v3.5.1\n"
        );
        assert_eq!(
            choice("v3.3.6").values(Part::Dex, Some("a=1"), None).unwrap(),
            "podAnnotations:\n  oidc-lab/secrets: a=1\n"
        );
    }

    #[test]
    fn an_image_of_ones_own_is_named_with_its_id() {
        let image = Some(ImageRef::parse("me/argocd:dev").unwrap());
        let values = Choice { image, ..choice("v3.3.6") }.values(Part::Argocd, None, Some("sha256:1"));
        assert_eq!(
            values.unwrap(),
            "global:\n  image:\n    repository: me/argocd\n    tag: dev\nserver:\n  podAnnotations:\n    oidc-lab/image-id: sha256:1\n"
        );
    }

    #[test]
    fn values_that_cannot_be_written_are_an_error_and_not_none() {
        struct Unwritable;
        impl Serialize for Unwritable {
            fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                Err(serde::ser::Error::custom("no such thing in YAML"))
            }
        }
        let error = yaml(&Unwritable).unwrap_err().to_string();
        assert_eq!(error, "the values for a chart cannot be written: no such thing in YAML");
    }

    #[test]
    fn images_are_those_of_what_runs() {
        let text = "
kind: Deployment
spec: {replicas: 1, template: {spec: {initContainers: [{image: a}], containers: [{image: b}, {image: a}]}}}
---
kind: StatefulSet
spec: {replicas: 0, template: {spec: {containers: [{image: never}]}}}
---
kind: Job
spec: {template: {spec: {containers: [{image: c}]}}}
---
kind: ConfigMap
data: {image: not-one}
---
";
        assert_eq!(images(text).unwrap().into_iter().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert!(images("kind: ConfigMap").is_err());
    }
}
