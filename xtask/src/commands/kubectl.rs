//! `kubectl`: with the lab's kubeconfig and context, never the user's.

use std::process::Command;

use xshell::{Shell, cmd};

use crate::error::{Error, Exit, Result};
use crate::session::Session;

/// Runs kubectl and hands its status on.
///
/// # Errors
/// No lab is up, or there is no kubectl.
pub fn kubectl(session: &Session, args: &[String]) -> Result<Exit> {
    let access = session.access()?;
    let (kubeconfig, context) = (access.kubeconfig, access.context);
    let shell = Shell::new()?;
    let mut command =
        Command::from(cmd!(shell, "kubectl --kubeconfig {kubeconfig} --context {context} {args...}"));
    // A plugin or an old kubectl that looks at the environment finds the lab too.
    let status = command.env("KUBECONFIG", &kubeconfig).status().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::environment("kubectl is not on PATH")
            .hint(format!("install it, or point any client at {}", kubeconfig.display())),
        _ => Error::environment(format!("kubectl cannot be run: {error}")),
    })?;
    Ok(match status.code() {
        Some(0) => Exit::Done,
        Some(code) => Exit::Of(u8::try_from(code).unwrap_or(1)),
        None => Exit::Interrupted,
    })
}
