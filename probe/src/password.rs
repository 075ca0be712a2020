//! Where a password comes from: an environment variable, or the first line of a file or of standard input. Never from
//! the arguments, which everybody on the machine can read.

use std::io;
use std::path::Path;

use tokio::sync::oneshot;

use crate::redact::Password;

/// Where the password is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source<'a> {
    /// In the environment variable of this name.
    Environment(&'a str),
    /// On the first line of this file.
    File(&'a Path),
    /// On the first line of standard input.
    Input,
    /// There too, and it is a token.
    Token,
}

/// Why there is no password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPassword {
    /// Nobody can have meant that: a secret that CI does not know is an empty variable, and no login could
    /// tell it from a wrong one.
    #[error("{0}")]
    Empty(String),
    /// It cannot be read.
    #[error("{0}")]
    Unreadable(String),
}

/// Reads the password. Whoever stops waiting for it leaves a thread behind that ends with the program, or with
/// its input.
///
/// # Errors
/// [`NoPassword`].
pub async fn read(source: Source<'_>) -> Result<Password, NoPassword> {
    let (password, empty) = match source {
        Source::Environment(name) => {
            let unset =
                |_| format!("the environment variable {name} (--password-env) is not set or not text");
            let value = std::env::var(name).map_err(unset).map_err(NoPassword::Unreadable)?;
            (
                value,
                format!("the environment variable {name} (--password-env) is empty; a password is not empty"),
            )
        }
        Source::File(path) => {
            let shown = path.display();
            let text = std::fs::read_to_string(path).map_err(|error| {
                NoPassword::Unreadable(format!("--password-file {shown} cannot be read: {error}"))
            })?;
            (
                text.lines().next().unwrap_or_default().to_owned(),
                format!("--password-file {shown} has no password on its first line; a password is not empty"),
            )
        }
        Source::Input => (
            first_line("the password", "--password-stdin").await.map_err(NoPassword::Unreadable)?,
            "standard input (--password-stdin) has no password on its first line; a password is not empty"
                .to_owned(),
        ),
        Source::Token => (
            first_line("the token", "--token-stdin").await.map_err(NoPassword::Unreadable)?.trim().to_owned(),
            "standard input (--token-stdin) has no token on its first line".to_owned(),
        ),
    };
    if password.is_empty() {
        return Err(NoPassword::Empty(empty));
    }
    Ok(Password::new(password))
}

/// The first line of standard input. A thread of its own waits for it: a runtime would not end before a read
/// that it began.
async fn first_line(what: &str, option: &str) -> Result<String, String> {
    let unreadable =
        |error: io::Error| format!("{what} cannot be read from standard input ({option}): {error}");
    let (sender, line) = oneshot::channel();
    let reader = move || {
        let mut line = String::new();
        let read = io::stdin().read_line(&mut line).map(|_| line.trim_end_matches(['\n', '\r']).to_owned());
        // Nobody waits for it any more.
        drop(sender.send(read));
    };
    std::thread::Builder::new().spawn(reader).map_err(unreadable)?;
    match line.await {
        Ok(read) => read.map_err(unreadable),
        Err(_) => Err(unreadable(io::ErrorKind::UnexpectedEof.into())),
    }
}
