//! The steps that only a lab on kind has, as data.

use super::parts::Part;

/// A step that only a lab on kind has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KindStep {
    /// Find kind, Helm, kubectl and the engine.
    Tools,
    /// Make the cluster, or find it up.
    Cluster,
    /// Wait until the node is ready.
    Node,
    /// Pull a chart and render it.
    Chart(Part),
    /// Make the password of Argo CD's Redis, if there is none.
    RedisSecret,
    /// Pull a chart's images on this machine, and save them for the node.
    Images(Part),
    /// Load them into the node.
    Load(Part),
    /// Teach CoreDNS Dex's name.
    Coredns,
    /// Install the ingress.
    Ingress,
    /// Wait until it is ready.
    IngressReady,
    /// Ask for Dex's name from a pod.
    Resolves,
    /// Load the exporter's image into the node, where one is named.
    ExporterImage,
}

impl KindStep {
    /// What it does, for a person.
    pub fn describe(self) -> String {
        match self {
            Self::Tools => {
                "find kind, Helm, kubectl and the container engine, or download what is missing".into()
            }
            Self::Cluster => "make the cluster, or find it up".into(),
            Self::Node => "wait until the node is ready".into(),
            Self::Chart(part) => {
                format!("pull the chart of {}, and check that it takes the values", part.name())
            }
            Self::RedisSecret => "create argocd/argocd-redis with a random password, if there is none".into(),
            Self::Images(part) => {
                format!("pull the images of {} on this machine, and save them for the node", part.name())
            }
            Self::Load(part) => format!("load the images of {} into the node", part.name()),
            Self::Coredns => "rewrite dex.host to Dex's Service in CoreDNS".into(),
            Self::Ingress => "install the ingress".into(),
            Self::IngressReady => "wait until the ingress is ready".into(),
            Self::Resolves => "ask for dex.host from a pod".into(),
            Self::ExporterImage => {
                "load the exporter's image into the node, if --probe-image names one".into()
            }
        }
    }
}
