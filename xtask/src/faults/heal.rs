//! Heals the faults that are in, and a rotation that was interrupted.

use super::{forget, is_rotating, make, recorded, rotation_ended, secrets};
use crate::fault::{Fault, Part};
use crate::session::Session;
use base::Result;
use cluster::names::Workload;

/// Undoes what faults changed, the last first, and restarts who read it, without waiting
/// for them: all that are in, or one. A rotation that did not come to its end is completed
/// with the rest. `argocd`: whether Argo CD is restarted here too. Says what was healed.
///
/// # Errors
/// An object is missing or not the lab's.
pub async fn heal(session: &Session, only: Option<Fault>, argocd: bool) -> Result<Vec<&'static str>> {
    let cluster = session.cluster().await?;
    let mut faults = recorded(&cluster).await?;
    if let Some(only) = only {
        faults.retain(|fault| *fault == only);
    }
    let mut restarts: Vec<Workload> = vec![];
    for part in faults.iter().rev().flat_map(|fault| fault.parts(session.provider).iter().rev()) {
        match *part {
            Part::Edit(edit) => {
                make::undo(edit, session).await?;
                restarts.extend(edit.readers());
            }
            Part::Scale(workload, _) => cluster.scale(workload, replicas(session, workload)?).await?,
            // Both Secrets agree; a restart is all that is missing.
            Part::RotateTwice => restarts.push(Workload::Argocd),
            Part::Restart(_) | Part::Settle | Part::LogIn | Part::DexTakes => {}
        }
    }
    let rotating = only.is_none() && is_rotating(&cluster).await?;
    if rotating {
        // Dex's Secret was the first that was written; nobody knows who has read which.
        secrets::restore(&cluster).await?;
        restarts.extend([Workload::Dex, Workload::Argocd]);
    }
    for workload in [session.dex(), Workload::Argocd] {
        let wanted = restarts.contains(&workload) && (argocd || workload != Workload::Argocd);
        if wanted {
            cluster.restart(workload).await?;
        }
    }
    forget(&cluster, &faults).await?;
    let mut healed: Vec<&str> = faults.iter().map(|fault| fault.name()).collect();
    if rotating {
        rotation_ended(&cluster).await?;
        healed.push("a rotation that was interrupted");
    }
    Ok(healed)
}

/// How many pods `values/` give a component.
fn replicas(session: &Session, workload: Workload) -> Result<u32> {
    let value = match workload {
        Workload::Argocd => session.sources.values("argocd")?["server"]["replicas"].as_u64(),
        Workload::Dex => session.sources.values("dex")?["replicaCount"].as_u64(),
        Workload::DexServer | Workload::Redis | Workload::Exporter => None,
    };
    Ok(value.and_then(|value| u32::try_from(value).ok()).unwrap_or(1))
}
