//! `render`: every manifest and values file as it would be applied, secrets masked.

use serde_json::{Map, Value};

use crate::record::Report;
use crate::render::everything;
use crate::session::Session;
use base::{Exit, Result};
use cluster::names::Workload;

/// Prints all documents.
///
/// # Errors
/// A file cannot be read or rendered.
pub async fn render(session: &Session, report: &mut Report) -> Result<Exit> {
    let since = std::time::Instant::now();
    let argocd = session.chosen(Workload::Argocd).await?;
    let dex = session.chosen_dex().await?;
    let all = everything(&session.sources, &argocd, &dex)?;
    for file in &all {
        let first = if file.text.trim_start().starts_with("---") { "" } else { "---\n" };
        session.console.verbatim(&format!("# {}\n{first}{}", file.source, file.text.trim_start()));
    }
    let mut more = Map::new();
    more.insert("documents".into(), serde_json::to_value(&all).unwrap_or(Value::Null));
    report.begun("render", since).more = more;
    Ok(Exit::Done)
}
