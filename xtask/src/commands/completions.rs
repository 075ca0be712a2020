//! `completions`: for bash, zsh and fish, of the program's own name.

use clap::CommandFactory as _;
use clap_complete::Shell;
use serde_json::{Map, Value};

use crate::cli::Cli;
use crate::console::Console;
use base::{Error, Exit, Result};

/// Prints the completions of a shell.
///
/// # Errors
/// clap cannot write for this shell.
pub fn completions(console: &Console, shell: Shell, more: &mut Map<String, Value>) -> Result<Exit> {
    let mut script = vec![];
    clap_complete::generate(shell, &mut Cli::command(), "xtask", &mut script);
    let script = String::from_utf8(script)
        .map_err(|error| Error::environment(format!("the completions are not text: {error}")))?;
    console.verbatim(&script);
    more.insert("shell".into(), shell.to_string().into());
    more.insert("script".into(), script.into());
    Ok(Exit::Done)
}
