//! `kubectl`: with the lab's kubeconfig and context, never the user's.

use std::ffi::OsString;
use std::io;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Map, Value};
use xshell::{Shell, cmd};

use crate::dry_run;
use crate::error::{Error, Exit, Result};
use crate::session::Session;

/// Runs kubectl and hands its status on; a dry run shows the command line. An interrupt is
/// for kubectl, which knows best how to end.
///
/// # Errors
/// No lab is up, or there is no kubectl.
pub async fn kubectl(
    session: &Session,
    args: &[OsString],
    interrupted: impl Future<Output = ()>,
    more: &mut Map<String, Value>,
) -> Result<Exit> {
    let access = session.access().await?;
    let (kubeconfig, context) = (access.kubeconfig, access.context);
    let shell = Shell::new()?;
    let command = cmd!(shell, "kubectl --kubeconfig {kubeconfig} --context {context} {args...}");
    if session.options.dry_run {
        dry_run::show(&session.console, "kubectl", &[("kubectl", command.to_string())], more);
        return Ok(Exit::Done);
    }
    let cannot = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Error::environment("kubectl is not on PATH")
            .hint(format!("install it, or point any client at {}", kubeconfig.display())),
        _ => Error::environment(format!("kubectl cannot be run: {error}")),
    };
    // A plugin or an old kubectl that looks at the environment finds the lab too.
    let mut command = Command::from(command);
    command.env("KUBECONFIG", &kubeconfig).stdout(session.console.results_of_others().map_err(cannot)?);
    let mut child = command.spawn().map_err(cannot)?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let mut ended = std::pin::pin!(tokio::task::spawn_blocking(move || child.wait()));
    let ended = tokio::select! {
        ended = &mut ended => ended,
        () = interrupted => {
            // It has had Ctrl-C of the terminal, but no signal that was sent to this process alone.
            let _ = pid.map(|pid| kill_process(pid, Signal::INT));
            ended.await
        }
    };
    let status = ended.map_err(|error| Error::environment(format!("waiting for kubectl: {error}")))?;
    Ok(match status.map_err(cannot)?.code() {
        Some(0) => Exit::Done,
        Some(code) => Exit::Of(u8::try_from(code).unwrap_or(1)),
        None => Exit::Interrupted,
    })
}
