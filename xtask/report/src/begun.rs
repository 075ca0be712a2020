//! The run that a report is of: which program, as it was typed, and when.

use std::ffi::OsString;
use std::time::Instant;

use jiff::Timestamp;
use serde_json::{Value, json};

/// A run that goes on.
#[derive(Clone, Debug)]
pub struct Begun {
    command: Vec<String>,
    program: &'static str,
    started: Timestamp,
    since: Instant,
}

impl Begun {
    /// A run of `program` (as people type it) that begins now, with the arguments of this process.
    pub fn now(program: &'static str) -> Self {
        Self::with(program, std::env::args_os().skip(1))
    }

    fn with(program: &'static str, arguments: impl Iterator<Item = OsString>) -> Self {
        let arguments = arguments.map(|it| without_password(&it.to_string_lossy()));
        let command = program.split(' ').map(str::to_owned).chain(arguments).collect();
        Self { command, program, started: Timestamp::now(), since: Instant::now() }
    }

    /// The document of a run that ends now, with what a report says of it as a whole.
    #[must_use]
    pub fn ended(&self, mut run: Value) -> Value {
        let ms = (self.since.elapsed().as_secs_f64() * 1e4).round() / 10.0;
        run["run"] = json!({
            "program": self.program,
            "version": env!("CARGO_PKG_VERSION"),
            "command": self.command,
            "started": format!("{:.3}", self.started),
            "ms": ms,
        });
        run
    }
}

/// An argument without the user and password of an address in it, which nobody asks for there.
fn without_password(argument: &str) -> String {
    let Some((scheme, rest)) = argument.split_once("://") else { return argument.to_owned() };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://…@{host}{path}"),
        None => argument.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_as_it_was_typed_but_for_a_password() {
        let typed =
            ["--user", "me@example.com", "https://me:secret@argocd.example.com/a@b"].map(OsString::from);
        let run = Begun::with("cargo xtask", typed.into_iter()).ended(json!({"exit": 0}));
        let command = ["cargo", "xtask", "--user", "me@example.com", "https://…@argocd.example.com/a@b"];
        assert_eq!((&run["run"]["command"], &run["exit"]), (&json!(command), &json!(0)));
        let started = run["run"]["started"].as_str().unwrap();
        assert!(started.parse::<Timestamp>().is_ok() && started.len() == 24, "{started}");
    }
}
