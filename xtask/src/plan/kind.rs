//! The plans of `working` and `broken` on kind: what waits for what.
//!
//! Three branches run beside the cluster's creation, one for each chart: pulled,
//! checked, its images pulled and saved. They meet the cluster where images are loaded.

use super::{Step, new_key, step};
use crate::lab::kind::parts::Part;
use crate::names::Provider;
use crate::names::Workload::{Argocd, Dex, DexServer};
use crate::steps::{Action, KindStep};

/// When Argo CD's client secret comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secret {
    /// Before its server: `working`.
    First,
    /// After its server is up: `broken`.
    Last,
}

/// The steps.
pub fn bring_up(secret: Secret, provider: Provider) -> Vec<Step> {
    if provider == Provider::Bundled {
        return with_the_dex_inside(secret);
    }

    use KindStep::{
        Chart, Cluster, Coredns, Images, Ingress, IngressReady, Load, Node, RedisSecret, Resolves, Tools,
    };
    let kind = |name, after: &[&'static str], what| step(name, after, Action::Kind(what));
    let mut steps = vec![
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
    ];
    let dex = step("dex", &["dex-secret", "dex-load"], Action::Install(Dex));
    // The way to Dex and Argo CD leads through the ingress.
    let ready = [
        kind("ingress-ready", &["ingress", "node"], IngressReady),
        step("dex-ready", &["dex", "ingress-ready"], Action::Ready(Dex)),
        step("argocd-ready", &["argocd", "ingress-ready"], Action::Ready(Argocd)),
        kind("resolves", &["coredns", "dex", "argocd", "node"], Resolves),
    ];
    match secret {
        Secret::First => {
            steps.push(step("oidc-secret", &["dex-secret"], Action::OidcSecret));
            steps.push(dex);
            steps.push(step(
                "argocd",
                &["argocd-secret", "argocd-redis-secret", "oidc-secret", "argocd-load"],
                Action::Install(Argocd),
            ));
            steps.extend(ready);
        }
        Secret::Last => {
            steps.push(step("no-oidc-secret", &["namespaces"], Action::NoOidcSecret));
            steps.push(dex);
            steps.push(step(
                "argocd",
                &["argocd-secret", "argocd-redis-secret", "no-oidc-secret", "argocd-load"],
                Action::InstallAnew(Argocd),
            ));
            steps.extend(ready);
            steps.push(step("argocd-settled", &["argocd-ready"], Action::HearsNewSecrets));
            steps.push(step("oidc-secret", &["dex-secret", "argocd-settled"], Action::OidcSecret));
        }
    }
    steps
}

/// The same with the Dex that the chart of Argo CD brings: nobody asks for a name of Dex's.
fn with_the_dex_inside(secret: Secret) -> Vec<Step> {
    use KindStep::{Chart, Cluster, Images, Ingress, IngressReady, Load, Node, RedisSecret, Tools};
    let kind = |name, after: &[&'static str], what| step(name, after, Action::Kind(what));
    let install = match secret {
        Secret::First => Action::Install(Argocd),
        Secret::Last => Action::InstallAnew(Argocd),
    };
    let mut steps = vec![
        kind("tools", &[], Tools),
        kind("cluster", &["tools"], Cluster),
        kind("ingress-chart", &["tools"], Chart(Part::Ingress)),
        kind("argocd-chart", &["tools"], Chart(Part::Argocd)),
        kind("ingress-images", &["ingress-chart"], Images(Part::Ingress)),
        kind("argocd-images", &["argocd-chart"], Images(Part::Argocd)),
        kind("node", &["cluster"], Node),
        step("namespaces", &["cluster"], Action::Namespaces),
        kind("ingress-load", &["cluster", "ingress-images"], Load(Part::Ingress)),
        kind("argocd-load", &["cluster", "argocd-images"], Load(Part::Argocd)),
        kind("ingress", &["namespaces", "ingress-load"], Ingress),
        step("argocd-secret", &["namespaces"], Action::ArgocdSecret),
        kind("argocd-redis-secret", &["namespaces"], RedisSecret),
        step("argocd", &["argocd-secret", "argocd-redis-secret", "argocd-load"], install),
        kind("ingress-ready", &["ingress", "node"], IngressReady),
        step("dex-ready", &["argocd", "ingress-ready"], Action::Ready(DexServer)),
        step("argocd-ready", &["argocd", "ingress-ready"], Action::Ready(Argocd)),
    ];
    if secret == Secret::Last {
        steps.extend(new_key());
    }
    steps
}
