//! The catalogue of causes: the ways in which this login is known to fail, by the names that reports,
//! faults and scripts know them by.

use std::fmt;

use serde::{Serialize, Serializer};

/// One known way for the login to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CauseId {
    /// Argo CD presents a client secret that its Secret no longer holds.
    StaleArgocd,
    /// The Secret and the identity provider hold different client secrets.
    SecretMismatch,
    /// Two servers, or two handlers of one server, present different client secrets.
    StaleReplica,
    /// Argo CD does not see the Secret for want of its label.
    SecretUnlabelled,
    /// The Secret, or the key in it, that the settings name is not there.
    SecretKeyMissing,
    /// The reference to the Secret is written in a way that leads nowhere.
    SecretReference,
    /// White space or an encoding too many around the client secret.
    SecretWhitespace,
    /// The client secret has expired at the provider.
    SecretExpired,
    /// The provider has disabled the client.
    ClientDisabled,
    /// `dex.config` stands beside `oidc.config`.
    TwoProviders,
    /// `dex.config` is not one that Argo CD can use.
    DexConfig,
    /// The Dex inside Argo CD does not run.
    DexDown,
    /// argocd-server and the Dex inside Argo CD do not agree on TLS.
    DexTls,
    /// A static client of `dex.config` takes the place of Argo CD's own.
    DexClient,
    /// A reference in a connector of `dex.config` leads nowhere.
    DexReference,
    /// `dex.config` has no connector.
    DexConnector,
    /// The provider has not registered the address that Argo CD asks to be called back at.
    RedirectUri,
    /// `url` in argocd-cm is missing, or is not the address that users type.
    ArgocdUrl,
    /// The issuer in the settings is not letter for letter the one that the provider calls itself.
    IssuerMismatch,
    /// Argo CD cannot reach the provider.
    ProviderUnreachable,
    /// Argo CD does not trust the provider's certificate.
    ProviderCa,
    /// Logins pass and Argo CD's API then does not take their tokens: it verifies by an older issuer or CA.
    StaleSessionManager,
    /// The cookie that ties a login together does not come back.
    StateCookie,
    /// The cookie that came back is another login's.
    StateMismatch,
    /// `server.secretkey` changed, or differs between replicas.
    ServerKeyChanged,
    /// `server.secretkey` is not there.
    ServerKeyMissing,
    /// Argo CD cannot keep its sessions in Redis.
    Redis,
    /// The tokens are for somebody else.
    Audience,
    /// Tokens are expired when they arrive: lifetimes or clocks.
    Clock,
    /// The provider refuses a scope.
    Scope,
    /// Logged in, and may do nothing.
    NoRights,
    /// Redirects without end.
    RedirectLoop,
    /// The provider does not take user name and password.
    Credentials,
    /// A code was used twice, is expired, or is in the memory of another replica of the provider.
    CodeReused,
    /// The provider knows the user and does not let them in.
    IdpRefused,
    /// A token of more headers than the proxy in front of Argo CD takes from it.
    TokenTooLarge,
    /// A token in more cookies than the proxy in front of Argo CD takes from the browser.
    CookieTooLarge,
    /// A token that needs more cookies than Argo CD sets.
    TooManyCookies,
    /// The server's first start found an argocd-secret without `server.secretkey`.
    FirstStart,
}

impl CauseId {
    /// All of them, in the catalogue's order.
    pub const ALL: [Self; 39] = [
        Self::StaleArgocd,
        Self::SecretMismatch,
        Self::StaleReplica,
        Self::SecretUnlabelled,
        Self::SecretKeyMissing,
        Self::SecretReference,
        Self::SecretWhitespace,
        Self::SecretExpired,
        Self::ClientDisabled,
        Self::TwoProviders,
        Self::DexConfig,
        Self::DexDown,
        Self::DexTls,
        Self::DexClient,
        Self::DexReference,
        Self::DexConnector,
        Self::RedirectUri,
        Self::ArgocdUrl,
        Self::IssuerMismatch,
        Self::ProviderUnreachable,
        Self::ProviderCa,
        Self::StaleSessionManager,
        Self::StateCookie,
        Self::StateMismatch,
        Self::ServerKeyChanged,
        Self::ServerKeyMissing,
        Self::Redis,
        Self::Audience,
        Self::Clock,
        Self::Scope,
        Self::NoRights,
        Self::RedirectLoop,
        Self::Credentials,
        Self::CodeReused,
        Self::IdpRefused,
        Self::TokenTooLarge,
        Self::CookieTooLarge,
        Self::TooManyCookies,
        Self::FirstStart,
    ];

    /// The name, in JSON and in sentences.
    pub fn name(self) -> &'static str {
        match self {
            Self::StaleArgocd => "stale-argocd",
            Self::SecretMismatch => "secret-mismatch",
            Self::StaleReplica => "stale-replica",
            Self::SecretUnlabelled => "secret-unlabelled",
            Self::SecretKeyMissing => "secret-key-missing",
            Self::SecretReference => "secret-reference",
            Self::SecretWhitespace => "secret-whitespace",
            Self::SecretExpired => "secret-expired",
            Self::ClientDisabled => "client-disabled",
            Self::TwoProviders => "two-providers",
            Self::DexConfig => "dex-config",
            Self::DexDown => "dex-down",
            Self::DexTls => "dex-tls",
            Self::DexClient => "dex-client",
            Self::DexReference => "dex-reference",
            Self::DexConnector => "dex-connector",
            Self::RedirectUri => "redirect-uri",
            Self::ArgocdUrl => "argocd-url",
            Self::IssuerMismatch => "issuer-mismatch",
            Self::ProviderUnreachable => "provider-unreachable",
            Self::ProviderCa => "provider-ca",
            Self::StaleSessionManager => "stale-session-manager",
            Self::StateCookie => "state-cookie",
            Self::StateMismatch => "state-mismatch",
            Self::ServerKeyChanged => "server-key-changed",
            Self::ServerKeyMissing => "server-key-missing",
            Self::Redis => "redis",
            Self::Audience => "audience",
            Self::Clock => "clock",
            Self::Scope => "scope",
            Self::NoRights => "no-rights",
            Self::RedirectLoop => "redirect-loop",
            Self::Credentials => "credentials",
            Self::CodeReused => "code-reused",
            Self::IdpRefused => "idp-refused",
            Self::TokenTooLarge => "token-too-large",
            Self::CookieTooLarge => "cookie-too-large",
            Self::TooManyCookies => "too-many-cookies",
            Self::FirstStart => "first-start",
        }
    }
}

impl fmt::Display for CauseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for CauseId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        let names: std::collections::BTreeSet<_> = CauseId::ALL.iter().map(|id| id.name()).collect();
        assert_eq!(names.len(), CauseId::ALL.len());
        assert!(CauseId::ALL.is_sorted());
    }
}
