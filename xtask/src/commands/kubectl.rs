//! `kubectl`: with the lab's kubeconfig and context, never the user's.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Command;

use xshell::{Shell, cmd};

use super::dry_run;
use crate::record::GoalRecord;
use crate::session::Session;
use base::{Error, Exit, Result};
use toolbox::download::Platform;
use toolbox::tools::{Tool, Toolbox, on_path};

/// Runs kubectl and hands its status on; a dry run shows the command line. An interrupt is
/// for kubectl, which knows best how to end.
///
/// # Errors
/// No lab is up, or there is no kubectl and none can be downloaded.
pub async fn kubectl(
    session: &Session,
    args: &[OsString],
    interrupted: impl Future<Output = ()>,
    record: &mut GoalRecord,
) -> Result<Exit> {
    let access = session.access().await?;
    let (kubeconfig, context) = (access.kubeconfig, access.context);
    let mut interrupted = std::pin::pin!(interrupted);
    let shell = Shell::new()?;
    let program = tokio::select! {
        biased;
        () = &mut interrupted => return Err(Error::interrupted()),
        program = program(session, &shell) => program?,
    };
    let command = cmd!(shell, "{program} --kubeconfig {kubeconfig} --context {context} {args...}");
    if session.options.dry_run {
        return Ok(dry_run::show(&session.console, [("kubectl", command.to_string())], record));
    }
    let cannot = |error: io::Error| {
        Error::environment(format!("kubectl cannot be run: {error}"))
            .hint(format!("any other client can be pointed at {}", kubeconfig.display()))
    };
    // A plugin or an old kubectl that looks at the environment finds the lab too.
    let mut command = Command::from(command);
    command.env("KUBECONFIG", &kubeconfig).stdout(session.console.results_of_others().map_err(cannot)?);
    let status = base::process::in_front(command, interrupted).await;
    Ok(match status.map_err(cannot)?.code() {
        Some(0) => Exit::Done,
        Some(code) => Exit::Of(u8::try_from(code).unwrap_or(1)),
        None => Exit::Interrupted,
    })
}

/// The user's own, whatever its version; else the cache's, which is downloaded where it is not
/// there yet and this is no dry run.
async fn program(session: &Session, shell: &Shell) -> Result<PathBuf> {
    let name = Tool::Kubectl.name();
    if on_path(shell, name).is_some() {
        return Ok(name.into());
    }
    let downloads = session.downloads()?;
    let toolbox = Toolbox::new(shell, &downloads, Platform::here()?);
    if session.options.dry_run {
        return Ok(toolbox.find(Tool::Kubectl).await.path);
    }
    let running = session.console.step(name, "looking for kubectl");
    Ok(toolbox.get(Tool::Kubectl, &running).await?.path)
}
