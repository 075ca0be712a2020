//! From what was seen to the catalogue of causes: one cause where the answer leaves no doubt, all that look
//! alike where it does, and then the check that would decide.

use crate::cause::Cause;
use crate::cause_id::CauseId;

/// Which causes of the catalogue a failure may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidates {
    /// The causes, the likeliest first. None for what is no failure of a login between Argo CD and its
    /// provider, or not a known one.
    pub ids: &'static [CauseId],
    /// What would tell several apart.
    pub decides: Option<&'static str>,
}

impl Candidates {
    /// The cause, if there is only one.
    pub fn only(&self) -> Option<CauseId> {
        match self.ids {
            [id] => Some(*id),
            _ => None,
        }
    }
}

const fn one(ids: &'static [CauseId]) -> Candidates {
    Candidates { ids, decides: None }
}

const fn several(ids: &'static [CauseId], decides: &'static str) -> Candidates {
    Candidates { ids, decides: Some(decides) }
}

/// The causes of a failure. `mixed` says that other logins of the same series passed.
pub fn of(cause: Cause, mixed: bool) -> Candidates {
    use CauseId::*;
    match cause {
        // What one connection is refused and another is not cannot be wrong in the settings.
        Cause::InvalidClient if mixed => one(&[StaleReplica]),
        Cause::InvalidClient => several(
            &[
                StaleArgocd,
                SecretMismatch,
                SecretUnlabelled,
                SecretKeyMissing,
                SecretReference,
                SecretWhitespace,
            ],
            "show the provider's token endpoint a code that nobody gave out, once with the client secret that stands \
             in the Secret now and once with one that is surely wrong: if the answers differ, it takes the secret and \
             Argo CD presents another one",
        ),
        Cause::SecretExpired => one(&[SecretExpired]),
        Cause::ClientDisabled => one(&[ClientDisabled]),
        Cause::InvalidGrant => one(&[CodeReused]),
        Cause::InvalidScope => one(&[Scope]),
        Cause::WrongPassword => one(&[Credentials]),
        Cause::AccessDenied => one(&[IdpRefused]),
        Cause::UnregisteredRedirect => one(&[RedirectUri]),
        Cause::RedirectElsewhere | Cause::InvalidRedirectUrl => one(&[ArgocdUrl]),
        Cause::UnresolvedReference => one(&[SecretReference]),
        Cause::ProviderUnknownHost
        | Cause::ProviderRefusesConnections
        | Cause::ProviderBadGateway
        | Cause::ProviderUnreachable => one(&[ProviderUnreachable]),
        Cause::ProviderCertificate => one(&[ProviderCa]),
        Cause::IssuerMismatch => one(&[IssuerMismatch]),
        Cause::FirstStart => one(&[FirstStart]),
        Cause::SsoOff => several(
            &[FirstStart, ArgocdUrl],
            "look at /api/v1/settings: with url and oidcConfig in it, the server started without having read \
             them; without, they are not configured",
        ),
        Cause::StateCookieLost | Cause::SecureCookieOverHttp => one(&[StateCookie]),
        Cause::StateMismatch => one(&[StateMismatch]),
        Cause::ServerKeyChanged => one(&[ServerKeyChanged]),
        Cause::ServerKeyMissing => one(&[ServerKeyMissing]),
        Cause::Audience => one(&[Audience]),
        Cause::TokenExpired => one(&[Clock]),
        Cause::TokenRejected | Cause::NotLoggedIn => several(
            &[StaleSessionManager, Audience, Clock, TwoProviders],
            "read argocd-server's log: the line `Failed to verify session token` goes on with the reason",
        ),
        Cause::SessionStore => several(
            &[Redis, ProviderUnreachable],
            "look at Redis: whether its pod is ready and its Service has endpoints",
        ),
        Cause::RedirectLoop => one(&[RedirectLoop]),
        Cause::TokenTooLarge => one(&[TokenTooLarge]),
        Cause::CookieTooLarge => one(&[CookieTooLarge]),
        Cause::TooManyCookies => one(&[TooManyCookies]),
        Cause::UnknownClient
        | Cause::NoTokenCookie
        | Cause::NoButton
        | Cause::NoRedirect
        | Cause::NotArgocd
        | Cause::ConsentPage
        | Cause::SeveralConnectors
        | Cause::FormWithoutPassword
        | Cause::ScriptedPage
        | Cause::NoForm
        | Cause::InsecureForm
        | Cause::NotHtml
        | Cause::NoRoute
        | Cause::FrontWithoutBackend
        | Cause::ConnectionRefused
        | Cause::ConnectionClosed
        | Cause::NameNotFound
        | Cause::Timeout
        | Cause::Certificate
        | Cause::NotHttp
        | Cause::TooLarge
        | Cause::Unknown => one(&[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_come_with_the_check_that_decides() {
        for cause in [Cause::InvalidClient, Cause::SsoOff, Cause::NotLoggedIn, Cause::SessionStore] {
            let candidates = of(cause, false);
            assert!(candidates.ids.len() > 1 && candidates.only().is_none(), "{cause:?}");
            assert!(candidates.decides.is_some(), "{cause:?}");
        }
        for (cause, id) in [
            (Cause::InvalidScope, CauseId::Scope),
            (Cause::RedirectElsewhere, CauseId::ArgocdUrl),
            (Cause::SecureCookieOverHttp, CauseId::StateCookie),
        ] {
            assert_eq!((of(cause, false).only(), of(cause, false).decides), (Some(id), None));
        }
        assert_eq!(of(Cause::Timeout, false).ids, []);
    }

    #[test]
    fn a_secret_that_is_taken_now_and_then_is_a_stale_replica() {
        assert_eq!(of(Cause::InvalidClient, true).only(), Some(CauseId::StaleReplica));
        assert_eq!(of(Cause::InvalidScope, true).only(), Some(CauseId::Scope));
    }
}
