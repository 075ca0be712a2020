//! Which faults are in the lab: an annotation on its namespace `argocd`.

use super::{Choice, Fault};
use crate::cluster::Cluster;
use base::Result;

const NAMESPACE: &str = "argocd";
/// The annotation: names, with commas between them.
pub const ANNOTATION: &str = "oidc-lab/faults";

/// The faults that are in, in the order in which they were put in. What an older or newer
/// program wrote and this one does not know is left out.
///
/// # Errors
/// The cluster does not answer.
pub async fn recorded(cluster: &Cluster) -> Result<Vec<Fault>> {
    let text = cluster.namespace_annotation(NAMESPACE, ANNOTATION).await?.unwrap_or_default();
    let known = |name: &str| match Choice::parse(name) {
        Ok(Choice::One(fault)) => Some(fault),
        _ => None,
    };
    Ok(text.split(',').filter_map(known).collect())
}

/// Remembers a fault, before anything of it is done.
///
/// # Errors
/// The cluster does not answer, or the namespace is not the lab's.
pub async fn record(cluster: &Cluster, fault: Fault) -> Result<()> {
    let mut faults = recorded(cluster).await?;
    if !faults.contains(&fault) {
        faults.push(fault);
    }
    write(cluster, &faults).await
}

/// Forgets faults that were healed.
///
/// # Errors
/// The cluster does not answer, or the namespace is not the lab's.
pub async fn forget(cluster: &Cluster, healed: &[Fault]) -> Result<()> {
    let mut faults = recorded(cluster).await?;
    if faults.is_empty() {
        return Ok(());
    }
    faults.retain(|fault| !healed.contains(fault));
    write(cluster, &faults).await
}

async fn write(cluster: &Cluster, faults: &[Fault]) -> Result<()> {
    let names: Vec<&str> = faults.iter().map(|fault| fault.name()).collect();
    let text = (!names.is_empty()).then(|| names.join(","));
    cluster.annotate_namespace(NAMESPACE, ANNOTATION, text.as_deref()).await
}
