//! What is installed into the cluster, and from which charts.

use releases::Release;
use serde::{Deserialize, Serialize};

use cluster::names::{INGRESS_NGINX, Provider, Rollout, Scheme, TRAEFIK, Workload, values_files};

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

    /// Its chart.
    pub(crate) fn chart(
        self,
        ingress: Ingress,
        argocd: &Release,
        provider: Provider,
        scheme: Scheme,
    ) -> Chart {
        let chart = match self {
            Self::Argocd => {
                let version = argocd.chart().0;
                chart(("argo-cd", version), "oci://ghcr.io/argoproj/argo-helm", ("argocd", "argocd"))
            }
            Self::Dex => chart(("dex", "0.24.0"), "https://charts.dexidp.io", ("dex", "dex")),
            Self::Ingress => ingress.chart(),
        };
        Chart { values: values_files(chart.release, provider, scheme), ..chart }
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
