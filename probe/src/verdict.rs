//! What a series of logins says.

use serde::Serialize;

/// The outcome of a series of logins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every login passed.
    LoggedIn,
    /// Argo CD answered and no login passed.
    Refused,
    /// Some passed and some did not.
    Mixed,
    /// Argo CD never answered.
    Unreachable,
}

impl Verdict {
    /// The verdict over `ok` logins that passed and `failed` that did not; `answered` says whether Argo CD
    /// itself answered in any of them.
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
