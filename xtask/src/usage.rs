//! The command line, read; and what is said where it cannot be.

use std::process::ExitCode;

use clap::builder::{Resettable, StyledStr};
use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory as _, FromArgMatches as _, ValueEnum as _};
use probe::usage::{nearest, refuse};

use crate::cli::{Cli, Goal, fitted};
use crate::console::Console;
use crate::record::Report;
use base::{Error, Exit};

/// The environment variable that decides where the lab is.
const PLACE: &str = "OIDC_LAB";

/// Reads the command line of this process.
///
/// # Errors
/// It is wrong, or asks for help. That has been said, in a document too where one is wanted.
pub fn command_line() -> Result<Cli, ExitCode> {
    let mut command = Cli::command();
    if std::env::var_os(PLACE).is_some_and(|value| value.is_empty()) {
        // A variable that is set to nothing decides nothing.
        command = command.mut_arg("lab", |option| option.env(Resettable::Reset));
    }
    let command = fitted(command);
    let read = command.clone().try_get_matches().and_then(|found| {
        let word = found.subcommand_name().unwrap_or_default().to_owned();
        Ok(Cli { word, ..Cli::from_arg_matches(&found)? })
    });
    read.map_err(|error| refused(error, &command))
}

fn refused(mut error: clap::Error, command: &clap::Command) -> ExitCode {
    if let Some(tip) = tip(&error, command) {
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(tip)]));
    }
    if let Some(sentence) = refuse(&error) {
        Console::write(&Report::default().document(Exit::Usage, Some(&Error::usage(sentence))));
    }
    Exit::Usage.into()
}

/// What to do about words that are right where they do not stand.
fn tip(error: &clap::Error, command: &clap::Command) -> Option<String> {
    let word = |kind| match error.get(kind) {
        Some(ContextValue::String(word)) => Some(word.as_str()),
        _ => None,
    };
    let argument = word(ContextKind::InvalidArg)?;
    let value = word(ContextKind::InvalidValue);
    let is_command =
        |name: &&str| command.get_subcommands().any(|it| !it.is_hide_set() && it.get_name() == *name);
    if let Some(name) = value.filter(is_command) {
        return Some(format!(
            "`{name}` is a command, and commands stand alone: run `cargo xtask {name}` by itself"
        ));
    }
    if value.is_none() && Goal::from_str(argument, false).is_ok() {
        return Some(format!(
            "`{argument}` is a goal, and commands stand alone: run `cargo xtask {argument}` by itself"
        ));
    }
    // clap knows which goal is near by itself.
    let commands = command.get_subcommands().filter(|it| !it.is_hide_set()).map(|it| it.get_name());
    if let Some(value) = value.filter(|_| argument.contains("GOAL"))
        && let Some(name) = nearest(value, commands)
        && nearest(value, Goal::value_variants().iter().map(|goal| goal.name())).is_none()
    {
        return Some(format!("there is a command `{name}`"));
    }
    let named = std::env::args_os().any(|it| it.to_str().is_some_and(|it| it.starts_with("--lab")));
    let of_environment = argument.starts_with("--lab ") && !named;
    of_environment.then(|| format!("it comes from the environment variable {PLACE}"))
}
