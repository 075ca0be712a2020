//! What a series of logins says.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// The outcome of a series of logins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every login passed.
    LoggedIn,
    /// No login passed, and one at least ended on an answer of Argo CD's or the provider's own.
    #[value(help = "No login passed")]
    Refused,
    /// Some passed and some did not.
    Mixed,
    /// No login passed, and none ended on an answer of its own of either: refused connections, time-outs, a
    /// gateway's words. Nobody asks for it.
    #[value(skip)]
    Unreachable,
}

impl Verdict {
    /// The verdict over `ok` logins that passed and `failed` that did not; `answered` says whether any of them
    /// ended on an answer of Argo CD's or the provider's own.
    pub fn of(ok: usize, failed: usize, answered: bool) -> Self {
        match (ok, failed) {
            (0, _) if !answered => Self::Unreachable,
            (0, _) => Self::Refused,
            (_, 0) => Self::LoggedIn,
            _ => Self::Mixed,
        }
    }

    /// The name used in JSON, in text and for `--expect`.
    pub fn name(self) -> &'static str {
        match self {
            Self::LoggedIn => "logged-in",
            Self::Refused => "refused",
            Self::Mixed => "mixed",
            Self::Unreachable => "unreachable",
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_decide() {
        for (ok, failed, answered, verdict) in [
            (5, 0, true, Verdict::LoggedIn),
            (1, 4, true, Verdict::Mixed),
            (0, 5, true, Verdict::Refused),
            (0, 5, false, Verdict::Unreachable),
            // Nothing was tried, so nothing answered.
            (0, 0, false, Verdict::Unreachable),
        ] {
            assert_eq!(Verdict::of(ok, failed, answered), verdict, "{ok} {failed} {answered}");
            assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.name());
        }
    }
}
