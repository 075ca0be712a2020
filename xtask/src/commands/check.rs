//! `check`: what CI runs.

use xshell::{Cmd, Shell, cmd};

use crate::console::{Console, Tone};
use crate::error::{Error, Exit, Result};

/// Formatting, lints, tests, documentation. Goes on after a failure, so that one run
/// shows everything.
///
/// # Errors
/// cargo is not there.
pub fn check(console: &Console) -> Result<Exit> {
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
    let mut failed = vec![];
    for (name, step) in steps {
        console.note(&console.toned(Tone::Strong, &format!("{name}: {step}")));
        if step.quiet().run().is_err() {
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
