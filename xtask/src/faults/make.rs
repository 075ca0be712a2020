//! Makes a change of objects, and undoes it.

use super::edit::Edit;
use super::{dex, secrets, settings};
use crate::session::Session;
use base::Result;

/// Makes the change.
///
/// # Errors
/// An object is missing or not the lab's.
pub async fn make(edit: Edit, session: &Session) -> Result<()> {
    let cluster = session.cluster().await?;
    match edit {
        Edit::Rotate => cluster.rotate_client_secret().await,
        Edit::EmptyArgocdSecret => cluster.empty_argocd_secret().await,
        Edit::OtherSecret => secrets::other(&cluster).await,
        Edit::Unlabel => secrets::unlabel(&cluster).await,
        Edit::RenameKey => secrets::rename_key(&cluster).await,
        Edit::LineBreaks => secrets::line_breaks(&cluster).await,
        Edit::OtherServerKey => secrets::other_server_key(&cluster).await,
        Edit::NoServerKey => secrets::no_server_key(&cluster).await,
        _ if edit.is_of_dex() => dex::make(session, &cluster, edit).await,
        _ => settings::make(session, &cluster, edit).await,
    }
}

/// Undoes the change, by what `values/` and the other Secret say.
///
/// # Errors
/// An object is missing or not the lab's.
pub async fn undo(edit: Edit, session: &Session) -> Result<()> {
    let cluster = session.cluster().await?;
    match edit {
        // Both Secrets agree; a restart is all that is missing.
        Edit::Rotate => Ok(()),
        // The server has filled it again, or is given what is missing.
        Edit::EmptyArgocdSecret | Edit::NoServerKey | Edit::OtherServerKey => secrets::fill(&cluster).await,
        Edit::OtherSecret | Edit::Unlabel | Edit::RenameKey | Edit::LineBreaks => {
            secrets::restore(&cluster).await
        }
        _ if edit.is_of_dex() => dex::undo(session, &cluster, edit).await,
        _ => settings::undo(session, &cluster, edit).await,
    }
}
