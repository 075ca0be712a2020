//! What can go wrong, and the exit code that says so.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

/// The exit codes of `cargo xtask`, as scripts know them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exit {
    /// All done; for `test`: the verdict is the expected one.
    #[default]
    Done,
    /// The login did not do what was asked.
    Verdict,
    /// Wrong usage.
    Usage,
    /// The environment is missing something, or failed.
    Environment,
    /// Interrupted.
    Interrupted,
    /// Another program's status, handed on.
    Of(u8),
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Verdict => 1,
            Self::Usage => 2,
            Self::Environment => 3,
            Self::Interrupted => 130,
            Self::Of(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

/// An error for a person: one sentence that says what and where, and what to do.
#[derive(Debug, Clone)]
pub struct Error {
    /// What the process exits with.
    pub exit: Exit,
    message: String,
    hint: Option<String>,
}

/// What most functions here return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The environment is missing something, or failed (exit 3).
    pub fn environment(message: impl Into<String>) -> Self {
        Self { exit: Exit::Environment, message: message.into(), hint: None }
    }

    /// A file or folder cannot be written (exit 3).
    pub fn unwritable(path: impl AsRef<Path>, error: impl fmt::Display) -> Self {
        Self::environment(format!("{} cannot be written: {error}", path.as_ref().display()))
    }

    /// The command line asks for something that is not there (exit 2).
    pub fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into(), hint: None }
    }

    /// Ctrl-C or SIGTERM (exit 130).
    pub fn interrupted() -> Self {
        Self { exit: Exit::Interrupted, message: "interrupted".into(), hint: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Does not advise to ask a lab that was taken down meanwhile.
    #[must_use]
    pub fn without_lab(mut self) -> Self {
        const ASKS: &str = "cargo xtask kubectl";
        if let Some(hint) = self.hint.take_if(|hint| hint.contains(ASKS)) {
            let rest = hint.split("; ").filter(|part| !part.contains(ASKS));
            let keep = ["`--keep` leaves a half-made lab up for a look"];
            self.hint = Some(rest.chain(keep).collect::<Vec<_>>().join("; "));
        }
        self
    }

    /// Puts what was being done before the message.
    #[must_use]
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        if self.exit != Exit::Interrupted {
            self.message = format!("{doing}: {}", self.message);
        }
        self
    }

    /// What went wrong, without what to do about it.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " (hint: {hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

impl From<xshell::Error> for Error {
    fn from(error: xshell::Error) -> Self {
        Self::environment(error.to_string())
    }
}

/// The innermost words of an error: the outer ones repeat addresses, which may hold secrets.
pub fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut source = error;
    while let Some(inner) = source.source() {
        source = inner;
    }
    source.to_string()
}
