//! Where a password comes from: an environment variable, or the first line of a file or of standard input. Never from
//! the arguments, which everybody on the machine can read.

use std::io;
use std::path::Path;

use base::{Error, Result};
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

/// Reads the password. Whoever stops waiting for it leaves a thread behind that ends with the program, or with
/// its input.
///
/// # Errors
/// It cannot be read; or it is empty, which nobody can have meant: a secret that CI does not know is an empty variable,
/// and no login could tell it from a wrong one.
pub async fn read(source: Source<'_>) -> Result<Password> {
    let (what, option) = match source {
        Source::Environment(name) => return of_environment(name, "--password-env"),
        Source::File(path) => return of_file(path, "--password-file"),
        Source::Input => ("password", "--password-stdin"),
        Source::Token => ("token", "--token-stdin"),
    };
    let line = first_line(what, option).await.map_err(Error::environment)?;
    match (source, line.trim()) {
        (Source::Token, "") => {
            Err(Error::usage("standard input (--token-stdin) has no token on its first line"))
        }
        (Source::Token, token) => Ok(Password::new(token)),
        _ => not_empty(&line, || format!("standard input ({option}) has no password on its first line")),
    }
}

/// The password in an environment variable, which `option` names. Without the line break at its end that `echo` and
/// editors leave in the Secrets from which variables are filled.
///
/// # Errors
/// As [`read`].
pub fn of_environment(name: &str, option: &str) -> Result<Password> {
    let unset = |_| format!("the environment variable {name} ({option}) is not set or not text");
    let value = std::env::var(name).map_err(unset).map_err(Error::environment)?;
    let password = value.trim_end_matches(['\n', '\r']);
    not_empty(password, || format!("the environment variable {name} ({option}) is empty"))
}

/// The password on the first line of a file, which `option` names.
///
/// # Errors
/// As [`read`].
pub fn of_file(path: &Path, option: &str) -> Result<Password> {
    let unreadable = |error| format!("{option} {} cannot be read: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(unreadable).map_err(Error::environment)?;
    let line = text.lines().next().unwrap_or_default();
    not_empty(line, || format!("{option} {} has no password on its first line", path.display()))
}

fn not_empty(password: &str, empty: impl FnOnce() -> String) -> Result<Password> {
    match password {
        "" => Err(Error::usage(format!("{}; a password is not empty", empty()))),
        password => Ok(Password::new(password)),
    }
}

/// The first line of standard input. A thread of its own waits for it: a runtime would not end before a read
/// that it began.
async fn first_line(what: &str, option: &str) -> Result<String, String> {
    let unreadable =
        |error: io::Error| format!("the {what} cannot be read from standard input ({option}): {error}");
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
