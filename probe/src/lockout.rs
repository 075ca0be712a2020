//! Signs that further logins could lock somebody's account, or do already.

use crate::catalogue::Cause;
use crate::trace::Step;

/// Whose state is spoken of, and in which words that is said: Keycloak's, Entra's, Okta's, Dex's LDAP's.
const WHO: [&str; 3] = ["account", "user", "login"];
const STATES: [&str; 6] = ["locked", "disabled", "suspended", "blocked", "too many", "temporarily"];

/// What speaks against another login with the same password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Somebody wants fewer requests (429).
    Throttled,
    /// The account is locked or disabled, by the words of the answer.
    Locked,
    /// The provider said, in its own form, that it does not take user name and password.
    Refused,
    /// The form was answered by an error that is none of the known ones: the provider may count attempts.
    Unclear,
}

impl Sign {
    /// The sign in a few words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Throttled => "an answer 429, too many requests",
            Self::Locked => "words of an account that is locked or disabled",
            Self::Refused => "a password that is not taken",
            Self::Unclear => "an unknown error of the login form, which may count attempts",
        }
    }
}

/// Why another login with the same password had better not be tried, by the answer at a step, the words of it and what
/// they were understood as; None where nothing speaks against it.
pub fn sign(step: Step, status: Option<u16>, message: &str, cause: Cause) -> Option<Sign> {
    match (cause, step, status) {
        (Cause::Throttled, ..) => Some(Sign::Throttled),
        (Cause::InvalidClient | Cause::ClientDisabled | Cause::SecretExpired, ..) => None,
        // It was not sent, and the words are our own.
        (Cause::PasswordElsewhere | Cause::PasswordWithheld | Cause::InsecureForm, ..) => None,
        _ if is_locked(message) => Some(Sign::Locked),
        (Cause::WrongPassword, ..) => Some(Sign::Refused),
        (Cause::Unknown, Step::Form, Some(400..=499)) => Some(Sign::Unclear),
        _ => None,
    }
}

/// Whether the words of an answer speak of an account that is locked or disabled.
pub fn is_locked(message: &str) -> bool {
    let words = message.to_lowercase();
    let says = |all: &[&str]| all.iter().any(|word| words.contains(word));
    says(&["too many requests", "too many attempts"]) || (says(&WHO) && says(&STATES))
}

/// Whether a sign in the answer at a step says that this password had better not be sent again at all.
pub fn ends_the_password(step: Step, sign: Sign) -> bool {
    step == Step::Form && matches!(sign, Sign::Locked | Sign::Refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_lock_an_account_is_told_from_what_does_not() {
        let (throttled, locked) = (Some(Sign::Throttled), Some(Sign::Locked));
        let (refused, unclear) = (Some(Sign::Refused), Some(Sign::Unclear));
        for (status, message, cause, expected) in [
            (429, "", Cause::Throttled, throttled),
            (200, "Account is disabled, contact your administrator.", Cause::WrongPassword, locked),
            (200, "Account is temporarily disabled; retry later.", Cause::Unknown, locked),
            (400, "AADSTS50053: The account is locked, ...", Cause::Unknown, locked),
            (403, "Too many requests, slow down", Cause::Unknown, locked),
            (200, "Invalid username or password.", Cause::WrongPassword, refused),
            (403, "Forbidden", Cause::Unknown, unclear),
            (500, "Internal error", Cause::Unknown, None),
            (
                500,
                "failed to get token: \"unauthorized_client\" \"User disabled\"",
                Cause::InvalidClient,
                None,
            ),
            (500, "oauth2: \"invalid_client\" \"Invalid client credentials.\"", Cause::InvalidClient, None),
            (200, "not sent again, so that nobody's account is locked", Cause::PasswordWithheld, None),
            (503, "no server is available", Cause::FrontWithoutBackend, None),
        ] {
            let found = sign(Step::Form, Some(status), message, cause);
            assert_eq!(found, expected, "{status} {message} {cause:?}");
        }
    }
}
