//! `check`: what CI runs.

use std::process::Command;
use std::time::Instant;

use xshell::{Cmd, Shell, cmd};

use super::dry_run;
use crate::console::Console;
use crate::record::{GoalRecord, StepRecord};
use base::{Error, Exit, Result};

/// Formatting, lints, tests, documentation. Goes on after a failure, so that one run
/// shows everything; a dry run shows the commands and runs none.
///
/// # Errors
/// cargo is not there.
pub fn check(console: &Console, dry_run: bool, record: &mut GoalRecord) -> Result<Exit> {
    let shell = Shell::new().map_err(Error::from)?;
    let steps: [(&str, Cmd<'_>); 4] = [
        ("format", cmd!(shell, "cargo fmt --all --check")),
        ("lints", cmd!(shell, "cargo clippy --workspace --all-targets -- -D warnings")),
        ("tests", cmd!(shell, "cargo test --workspace")),
        (
            "docs",
            cmd!(shell, "cargo doc --workspace --no-deps --document-private-items")
                .env("RUSTDOCFLAGS", "-D warnings"),
        ),
    ];
    if dry_run {
        let plan = steps.iter().map(|(name, step)| (name, step.to_string()));
        return Ok(dry_run::show(console, plan, record));
    }
    let mut failed = vec![];
    for (name, step) in steps {
        console.heading(&format!("{name}: {step}"));
        let since = Instant::now();
        let stdout = console.results_of_others().map_err(|error| Error::environment(error.to_string()))?;
        let status = Command::from(step).stdout(stdout).status();
        let status = status.map_err(|error| Error::environment(format!("cargo cannot be run: {error}")))?;
        let outcome = if status.success() { "passed" } else { "failed" };
        record.steps.push(StepRecord::new(name, since, outcome));
        if !status.success() {
            failed.push(name);
        }
    }
    if failed.is_empty() {
        console.result("all checks pass");
        return Ok(Exit::Done);
    }
    console.result(&format!("failed: {}", failed.join(", ")));
    Ok(Exit::Verdict)
}
