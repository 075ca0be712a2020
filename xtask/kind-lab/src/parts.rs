//! What is installed into the cluster, and from which charts.

use releases::Release;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::image_ref::ImageRef;
use base::{Error, Result};
use cluster::names::{INGRESS_NGINX, Provider, Rollout, Scheme, TRAEFIK, Workload, values_files};

/// On pod templates: which versions of their Secrets the pods were started with.
const SECRETS: &str = "oidc-lab/secrets";
/// On pod templates: the image of one's own that the pods were started with, which
/// keeps its name when it is built anew.
const IMAGE: &str = "oidc-lab/image-id";
/// The image that the chart of Argo CD names by itself.
const ARGOCD_IMAGE: &str = "quay.io/argoproj/argocd";

/// A part of the stack that comes by a chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// What is in front of the other two.
    Ingress,
    /// Dex.
    Dex,
    /// Argo CD.
    Argocd,
}

/// A chart, and what it is installed as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chart {
    /// Its name.
    pub name: &'static str,
    /// Where it is published: a repository of charts, or with `oci://` a registry.
    pub published: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Helm's name for what is installed, and that of the file in `values/`.
    pub release: &'static str,
    /// The namespace that it goes into.
    pub namespace: &'static str,
    /// The files in `values/`, without their ending; later ones come before earlier ones.
    pub values: Vec<&'static str>,
    /// Options of `helm upgrade` that only this chart needs.
    pub options: &'static [&'static str],
}

type Named = (&'static str, &'static str);

fn chart((name, version): Named, published: &'static str, (release, namespace): Named) -> Chart {
    Chart { name, published, version, release, namespace, values: vec![release], options: &[] }
}

impl Part {
    /// The name in plans.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Dex => "dex",
            Self::Argocd => "argocd",
        }
    }
}

impl From<Workload> for Part {
    fn from(workload: Workload) -> Self {
        match workload {
            // The others come with the chart.
            Workload::Argocd | Workload::DexServer | Workload::Redis | Workload::Exporter => Self::Argocd,
            Workload::Dex => Self::Dex,
        }
    }
}

/// What is in front of Argo CD and Dex.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ingress {
    /// ingress-nginx, as in the post; its project is retired, its artefacts stay.
    Nginx,
    /// Traefik, which is kept up.
    Traefik,
}

impl Ingress {
    /// Its chart.
    pub(crate) fn chart(self) -> Chart {
        match self {
            Self::Nginx => chart(
                ("ingress-nginx", "4.15.1"),
                "https://kubernetes.github.io/ingress-nginx",
                ("ingress-nginx", "ingress"),
            ),
            Self::Traefik => Chart {
                // Its own kinds of route are of no use here, and no small download.
                options: &["--skip-crds"],
                ..chart(("traefik", "41.3.0"), "oci://ghcr.io/traefik/helm", ("traefik", "ingress"))
            },
        }
    }

    /// The class that Ingress objects name.
    pub fn class(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Traefik => "traefik",
        }
    }

    /// The Deployment to wait for.
    pub fn rollout(self) -> Rollout {
        match self {
            Self::Nginx => INGRESS_NGINX,
            Self::Traefik => TRAEFIK,
        }
    }
}

impl Chart {
    /// The file that `helm pull` makes of it.
    pub fn file(&self) -> String {
        format!("{}-{}.tgz", self.name, self.version)
    }

    /// How a person names it.
    pub fn described(&self) -> String {
        format!("chart {} {}", self.name, self.version)
    }
}

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
        let chart = match part {
            Part::Argocd => {
                let version = self.argocd.chart().0;
                chart(("argo-cd", version), "oci://ghcr.io/argoproj/argo-helm", ("argocd", "argocd"))
            }
            Part::Dex => chart(("dex", "0.24.0"), "https://charts.dexidp.io", ("dex", "dex")),
            Part::Ingress => self.ingress.chart(),
        };
        Chart { values: values_files(chart.release, self.provider, self.scheme), ..chart }
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
}
