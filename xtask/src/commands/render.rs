//! `render`: every manifest and values file as it would be applied, secrets masked.

use serde_json::json;

use crate::record::GoalRecord;
use crate::render::everything;
use crate::session::Session;
use base::{Exit, Result};
use cluster::names::Workload;

/// Prints all documents.
///
/// # Errors
/// A file cannot be read or rendered.
pub async fn render(session: &Session, record: &mut GoalRecord) -> Result<Exit> {
    let argocd = session.chosen(Workload::Argocd).await?;
    let dex = session.chosen_dex().await?;
    let all = everything(&session.sources, &argocd, &dex)?;
    for file in &all {
        let first = if file.text.trim_start().starts_with("---") { "" } else { "---\n" };
        session.console.verbatim(&format!("# {}\n{first}{}", file.source, file.text.trim_start()));
    }
    record.more.insert("documents".into(), json!(all));
    Ok(Exit::Done)
}
