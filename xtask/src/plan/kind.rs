//! The plans of `working` and `broken` on kind: what waits for what.
//!
//! Three branches run beside the cluster's creation, one for each chart: pulled,
//! checked, its images pulled and saved. They meet the cluster where images are loaded.

use super::{Step, argocds, checks_users, step};
use crate::steps::{Action, KindStep};
use cluster::names::Provider;
use cluster::names::Workload::{Argocd, Dex};
use kind_lab::Part;

/// The steps. Argo CD's client secret comes `late`, after its server is up, or before it.
pub fn bring_up(late: bool, provider: Provider) -> Vec<Step> {
    use KindStep::{
        Chart, Cluster, Coredns, Images, Ingress, IngressReady, Load, Node, RedisSecret, Resolves, Tools,
    };
    let kind = |name, after: &[&'static str], what| step(name, after, Action::Kind(what));
    let (oidc_secret, install) = argocds(late);
    let before_argocd = ["argocd-secret", "argocd-redis-secret", oidc_secret.name, "argocd-load"];
    let (checks_users, its_pods) = checks_users(provider);
    vec![
        kind("tools", &[], Tools),
        kind("cluster", &["tools"], Cluster),
        kind("ingress-chart", &["tools"], Chart(Part::Ingress)),
        kind("dex-chart", &["tools"], Chart(Part::Dex)),
        kind("argocd-chart", &["tools"], Chart(Part::Argocd)),
        kind("ingress-images", &["ingress-chart"], Images(Part::Ingress)),
        kind("dex-images", &["dex-chart"], Images(Part::Dex)),
        kind("argocd-images", &["argocd-chart"], Images(Part::Argocd)),
        kind("node", &["cluster"], Node),
        step("namespaces", &["cluster"], Action::Namespaces),
        kind("coredns", &["cluster"], Coredns),
        kind("ingress-load", &["cluster", "ingress-images"], Load(Part::Ingress)),
        kind("dex-load", &["cluster", "dex-images"], Load(Part::Dex)),
        kind("argocd-load", &["cluster", "argocd-images"], Load(Part::Argocd)),
        kind("ingress", &["namespaces", "ingress-load"], Ingress),
        step("argocd-secret", &["namespaces"], Action::ArgocdSecret),
        kind("argocd-redis-secret", &["namespaces"], RedisSecret),
        step("dex-secret", &["namespaces"], Action::DexSecret),
        oidc_secret,
        step("dex", &["dex-secret", "dex-load"], Action::Install(Dex)),
        step("argocd", &before_argocd, install),
        // The way to Dex and Argo CD leads through the ingress.
        kind("ingress-ready", &["ingress", "node"], IngressReady),
        step("dex-ready", &[its_pods, "ingress-ready"], Action::Ready(checks_users)),
        step("argocd-ready", &["argocd", "ingress-ready"], Action::Ready(Argocd)),
        kind("resolves", &["coredns", "dex", "argocd", "node"], Resolves),
    ]
}
