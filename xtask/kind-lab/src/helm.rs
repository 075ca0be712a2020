//! Charts: pulled and checked while the cluster comes up, installed, healed after a
//! kill.

use std::collections::BTreeSet;

use serde::Deserialize as _;
use serde_json::Value;

use super::commands::{Commands, Typed};
use super::kit::Tools;
use super::messages::{self, Trouble};
use super::mirrors::{CHARTS, Charts};
use super::parts::{Chart, Choice, Part};
use super::state::State;
use base::files::{make_private_folder, write_private};
use base::{Error, Result};
use cluster::names::VALUES_TEMPLATE;

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
            .map_err(|error| Error::unwritable(&path, error))
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
