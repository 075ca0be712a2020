//! Which faults are in the lab, and whether a rotation is under way: annotations on its
//! namespace `argocd`.

use crate::fault::{Choice, Fault};
use base::Result;
use cluster::Cluster;
use cluster::names::FAULTS;

const NAMESPACE: &str = "argocd";

/// The annotation of a rotation that has begun and not ended.
const ROTATION: &str = "oidc-lab/rotation";

/// Remembers a rotation, before anything of it is done.
///
/// # Errors
/// The cluster does not answer, or the namespace is not the lab's.
pub async fn rotation_begun(cluster: &Cluster) -> Result<()> {
    cluster.annotate_namespace(NAMESPACE, ROTATION, Some("begun")).await
}

/// Whether a rotation has begun and not ended.
///
/// # Errors
/// The cluster does not answer.
pub async fn is_rotating(cluster: &Cluster) -> Result<bool> {
    Ok(cluster.namespace_annotation(NAMESPACE, ROTATION).await?.is_some())
}

/// Forgets a rotation: all has read the new client secret, or is going to.
///
/// # Errors
/// The cluster does not answer, or the namespace is not the lab's.
pub async fn rotation_ended(cluster: &Cluster) -> Result<()> {
    cluster.annotate_namespace(NAMESPACE, ROTATION, None).await
}

/// The faults that are in, in the order in which they were put in. What an older or newer
/// program wrote and this one does not know is left out.
///
/// # Errors
/// The cluster does not answer.
pub async fn recorded(cluster: &Cluster) -> Result<Vec<Fault>> {
    let text = cluster.namespace_annotation(NAMESPACE, FAULTS).await?.unwrap_or_default();
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
    cluster.annotate_namespace(NAMESPACE, FAULTS, text.as_deref()).await
}
