//! Signs that further logins could lock somebody's account, or do already.

use crate::catalogue::Cause;
use crate::login::Failure;

/// Whose state is spoken of, and in which words that is said: Keycloak's, Entra's, Okta's, Dex's LDAP's.
const WHO: [&str; 3] = ["account", "user", "login"];
const STATES: [&str; 6] = ["locked", "disabled", "suspended", "blocked", "too many", "temporarily"];

/// Why another login with the same password had better not be tried; None where nothing speaks against it.
pub fn sign(failure: &Failure) -> Option<&'static str> {
    let words = failure.message.to_lowercase();
    let says = |all: &[&str]| all.iter().any(|word| words.contains(word));
    match failure {
        Failure { cause: Cause::Throttled, .. } => Some("an answer 429, too many requests"),
        Failure { cause: Cause::InvalidClient | Cause::ClientDisabled | Cause::SecretExpired, .. } => None,
        _ if says(&["too many requests", "too many attempts"]) || (says(&WHO) && says(&STATES)) => {
            Some("words of an account that is locked or disabled")
        }
        Failure { cause: Cause::WrongPassword, .. } => Some("a password that is not taken"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Step;

    #[test]
    fn what_may_lock_an_account_is_told_from_what_does_not() {
        let throttled = Some("an answer 429, too many requests");
        let locked = Some("words of an account that is locked or disabled");
        let refused = Some("a password that is not taken");
        for (status, message, cause, expected) in [
            (429, "", Cause::Throttled, throttled),
            (200, "Account is disabled, contact your administrator.", Cause::WrongPassword, locked),
            (200, "Account is temporarily disabled; retry later.", Cause::Unknown, locked),
            (400, "AADSTS50053: The account is locked, ...", Cause::Unknown, locked),
            (403, "Too many requests, slow down", Cause::Unknown, locked),
            (200, "Invalid username or password.", Cause::WrongPassword, refused),
            (
                500,
                "failed to get token: \"unauthorized_client\" \"User disabled\"",
                Cause::InvalidClient,
                None,
            ),
            (500, "oauth2: \"invalid_client\" \"Invalid client credentials.\"", Cause::InvalidClient, None),
            (503, "no server is available", Cause::FrontWithoutBackend, None),
        ] {
            let message = message.to_owned();
            let failure =
                Failure { step: Step::Form, status: Some(status), message, cause, restarting: false };
            assert_eq!(sign(&failure), expected, "{failure:?}");
        }
    }
}
