//! Heals the faults that are in.

use super::{Fault, Part, forget, recorded};
use crate::names::Workload;
use crate::session::Session;
use base::Result;

/// Undoes what faults changed, the last first, and restarts who read it, without waiting
/// for them: all that are in, or one. `argocd`: whether Argo CD is restarted here too.
///
/// # Errors
/// An object is missing or not the lab's.
pub async fn heal(session: &Session, only: Option<Fault>, argocd: bool) -> Result<Vec<Fault>> {
    let cluster = session.cluster().await?;
    let mut faults = recorded(&cluster).await?;
    if let Some(only) = only {
        faults.retain(|fault| *fault == only);
    }
    let mut restarts: Vec<Workload> = vec![];
    for part in faults.iter().rev().flat_map(|fault| fault.parts().iter().rev()) {
        match *part {
            Part::Edit(edit) => {
                edit.undo(session).await?;
                restarts.extend(edit.readers());
            }
            Part::Scale(workload, _) => cluster.scale(workload, replicas(session, workload)?).await?,
            // Both Secrets agree; a restart is all that is missing.
            Part::RotateTwice => restarts.push(Workload::Argocd),
            Part::Restart(_) | Part::Settle | Part::LogIn => {}
        }
    }
    for workload in [Workload::Dex, Workload::Argocd] {
        let wanted = restarts.contains(&workload) && (argocd || workload != Workload::Argocd);
        if wanted {
            cluster.restart(workload).await?;
        }
    }
    forget(&cluster, &faults).await?;
    Ok(faults)
}

/// How many pods `values/` give a component.
fn replicas(session: &Session, workload: Workload) -> Result<u32> {
    let value = match workload {
        Workload::Argocd => session.sources.values("argocd")?["server"]["replicas"].as_u64(),
        Workload::Dex => session.sources.values("dex")?["replicaCount"].as_u64(),
        Workload::Redis => None,
    };
    Ok(value.and_then(|value| u32::try_from(value).ok()).unwrap_or(1))
}
