//! `completions` and `man`: help at the keyboard, of this very program.

use std::path::Path;

use clap::CommandFactory as _;
use probe::typing::{self, Shell};

use crate::cli::{Cli, fitted};
use crate::console::Console;
use crate::record::GoalRecord;
use base::{Exit, Result};

/// Prints what a shell has to read, which from then on asks this program.
pub fn completions(console: &Console, shell: Shell, record: &mut GoalRecord) -> Exit {
    let script = typing::script(shell, "xtask", &typing::this_program(), true);
    console.verbatim(&script);
    record.more.insert("shell".into(), shell.name().into());
    record.more.insert("script".into(), script.into());
    Exit::Done
}

/// Prints the page for man, or writes the pages of all commands.
///
/// # Errors
/// The folder cannot be written.
pub fn man(console: &Console, folder: Option<&Path>, record: &mut GoalRecord) -> Result<Exit> {
    // `man` looks for a page by one word.
    let command = fitted(Cli::command().name("cargo-xtask").disable_help_subcommand(true));
    match folder {
        None => console.verbatim(&typing::page(command)),
        Some(folder) => {
            typing::pages(command, folder)?;
            console.explain(&format!("the pages are in {0}: man {0}/cargo-xtask.1", folder.display()));
            record.more.insert("folder".into(), folder.display().to_string().into());
        }
    }
    Ok(Exit::Done)
}
