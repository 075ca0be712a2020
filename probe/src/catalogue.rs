//! The catalogue: the ways in which this login is known to fail, by the names that reports, faults and scripts know
//! them by; and what each answer that a login may meet means, with the causes that it may have.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

macro_rules! cause_ids {
    ($($(#[$doc:meta])+ $id:ident = $name:literal,)+) => {
        /// One known way for the login to fail.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum CauseId { $($(#[$doc])+ $id,)+ }

        impl CauseId {
            /// All of them, in the catalogue's order.
            pub const ALL: &[Self] = &[$(Self::$id),+];

            /// The name, in JSON and in sentences.
            pub fn name(self) -> &'static str {
                match self { $(Self::$id => $name,)+ }
            }
        }
    };
}

macro_rules! causes {
    ($($cause:ident => [$($id:ident),* $(,)?], $explained:literal $(decided by $decides:literal)?;)+) => {
        /// Why a login failed, as far as it can be told from outside.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Cause { $(#[doc = $explained] $cause,)+ }

        impl Cause {
            /// In one or two sentences: what it means and what is most likely behind it.
            pub fn explain(self) -> &'static str {
                match self { $(Self::$cause => $explained,)+ }
            }

            /// The causes of the catalogue that it may have. `mixed` says that other logins of the same series passed.
            pub fn candidates(self, mixed: bool) -> Candidates {
                match self {
                    // What one connection is refused and another is not cannot be wrong in the settings.
                    Self::InvalidClient if mixed => Candidates { ids: &[CauseId::StaleReplica], decides: None },
                    $(Self::$cause => Candidates {
                        ids: &[$(CauseId::$id),*],
                        decides: [$($decides,)? ""].first().copied().filter(|decides| !decides.is_empty()),
                    },)+
                }
            }
        }
    };
}

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

/// How sure it is that something has a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certainty {
    /// Something was seen that has no other cause.
    Certain,
    /// All that was seen fits, and a deciding look was not possible.
    Likely,
    /// One of several that look the same.
    Possible,
}

impl Certainty {
    /// The word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Certain => "certain",
            Self::Likely => "likely",
            Self::Possible => "possible",
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

cause_ids! {
    /// Argo CD presents a client secret that its Secret no longer holds.
    StaleArgocd = "stale-argocd",
    /// The Secret and the identity provider hold different client secrets.
    SecretMismatch = "secret-mismatch",
    /// Two servers, or two handlers of one server, present different client secrets.
    StaleReplica = "stale-replica",
    /// Argo CD does not see the Secret for want of its label.
    SecretUnlabelled = "secret-unlabelled",
    /// The Secret, or the key in it, that the settings name is not there.
    SecretKeyMissing = "secret-key-missing",
    /// The reference to the Secret is written in a way that leads nowhere.
    SecretReference = "secret-reference",
    /// White space or an encoding too many around the client secret.
    SecretWhitespace = "secret-whitespace",
    /// The client secret has expired at the provider.
    SecretExpired = "secret-expired",
    /// The provider has disabled the client.
    ClientDisabled = "client-disabled",
    /// `clientID` is not one that the provider knows.
    ClientId = "client-id",
    /// The provider wants a secret of this client, and whoever logs in by PKCE alone has none.
    ClientType = "client-type",
    /// `oidc.config` is not one that Argo CD can read.
    OidcConfig = "oidc-config",
    /// `dex.config` stands beside `oidc.config`.
    TwoProviders = "two-providers",
    /// `dex.config` is not one that Argo CD can use.
    DexConfig = "dex-config",
    /// The Dex inside Argo CD does not run.
    DexDown = "dex-down",
    /// argocd-server and the Dex inside Argo CD do not agree on TLS.
    DexTls = "dex-tls",
    /// A static client of `dex.config` takes the place of Argo CD's own.
    DexClient = "dex-client",
    /// A reference in a connector of `dex.config` leads nowhere.
    DexReference = "dex-reference",
    /// `dex.config` has no connector.
    DexConnector = "dex-connector",
    /// The provider has not registered the address that Argo CD asks to be called back at.
    RedirectUri = "redirect-uri",
    /// `url` in argocd-cm is missing, or is not the address that users type.
    ArgocdUrl = "argocd-url",
    /// The issuer in the settings is not letter for letter the one that the provider calls itself.
    IssuerMismatch = "issuer-mismatch",
    /// Argo CD asks the provider by a proxy that does not lead there.
    EgressProxy = "egress-proxy",
    /// Argo CD cannot reach the provider.
    ProviderUnreachable = "provider-unreachable",
    /// Argo CD does not trust the provider's certificate.
    ProviderCa = "provider-ca",
    /// Logins pass and Argo CD's API then does not take their tokens: it verifies by an older issuer or CA.
    StaleSessionManager = "stale-session-manager",
    /// The cookie that ties a login together does not come back.
    StateCookie = "state-cookie",
    /// The cookie that came back is another login's.
    StateMismatch = "state-mismatch",
    /// `server.secretkey` changed, or differs between replicas.
    ServerKeyChanged = "server-key-changed",
    /// `server.secretkey` is not there.
    ServerKeyMissing = "server-key-missing",
    /// Argo CD cannot keep its sessions in Redis.
    Redis = "redis",
    /// The tokens are for somebody else.
    Audience = "audience",
    /// Tokens are expired when they arrive: lifetimes or clocks.
    Clock = "clock",
    /// The provider refuses a scope.
    Scope = "scope",
    /// Logged in, and may do nothing.
    NoRights = "no-rights",
    /// Redirects without end.
    RedirectLoop = "redirect-loop",
    /// The provider does not take user name and password.
    Credentials = "credentials",
    /// A code was used twice, is expired, or is in the memory of another replica of the provider.
    CodeReused = "code-reused",
    /// The provider knows the user and does not let them in.
    IdpRefused = "idp-refused",
    /// A token of more headers than the proxy in front of Argo CD takes from it.
    TokenTooLarge = "token-too-large",
    /// A token in more cookies than the proxy in front of Argo CD takes from the browser.
    CookieTooLarge = "cookie-too-large",
    /// A token that needs more cookies than Argo CD sets.
    TooManyCookies = "too-many-cookies",
    /// The server's first start found an argocd-secret without `server.secretkey`.
    FirstStart = "first-start",
    /// The provider has not registered the address at which the command line waits.
    CliRedirectUri = "cli-redirect-uri",
    /// The command line logs in as the web's client, which has a secret.
    CliNoClient = "cli-no-client",
    /// The client that `cliClientID` names has a secret.
    CliClientType = "cli-client-type",
    /// `cliClientID` is not one that the provider knows.
    CliClientId = "cli-client-id",
    /// Argo CD does not take the tokens that are made for the command line's client.
    CliAudience = "cli-audience",
    /// Something that authenticates users stands before Argo CD, and answers in its place.
    AuthProxy = "auth-proxy",
    /// What stands before Argo CD does not pass the command line's gRPC on.
    Grpc = "grpc",
    /// The provider puts a link into the token in place of the groups.
    GroupOverage = "group-overage",
    /// A claim has not the shape in which Argo CD reads it.
    ClaimShape = "claim-shape",
    /// The provider signs its tokens by an algorithm that Argo CD does not take.
    TokenAlgorithm = "token-algorithm",
    /// Dex does not take the SAML response of the provider behind it.
    SamlResponse = "saml-response",
    /// The browser brings a session of before, which Argo CD does not take and the new one does not replace.
    OldCookie = "old-cookie",
    /// The command line's own file holds a session of before, and it fails to renew that.
    CliSession = "cli-session",
    /// A defect of that very release of Argo CD.
    ReleaseDefect = "release-defect",
}

causes! {
    InvalidClient => [
        StaleArgocd, SecretMismatch, SecretUnlabelled, SecretKeyMissing, SecretReference, SecretWhitespace,
    ],
        "The identity provider does not accept the client secret that Argo CD presented: Argo CD still holds an \
         old one (restart it), or the two sides were given different ones (missing label or key, line break at \
         the end). From outside the two look the same."
        decided by "show the provider's token endpoint a code that nobody gave out, once with the client secret that stands \
         in the Secret now and once with one that is surely wrong: if the answers differ, it takes the secret and \
         Argo CD presents another one";
    SecretExpired => [SecretExpired],
        "The identity provider says that the client secret which Argo CD presented has expired: make a new one \
         there and write it into Argo CD's Secret.";
    ClientDisabled => [ClientDisabled],
        "The identity provider says that nobody logs in by Argo CD's client: it or its realm is disabled there, or it \
         may not ask for codes (Keycloak: Standard flow is off, or Bearer-only on).";
    InvalidGrant => [CodeReused],
        "The identity provider does not know the code that Argo CD redeemed: used twice, expired, or kept in the \
         memory of another of its replicas.";
    InvalidScope => [Scope],
        "The identity provider refuses one of the scopes that Argo CD asks for (requestedScopes).";
    WrongPassword => [Credentials],
        "The identity provider showed the form again: it does not accept this user name and password.";
    AccessDenied => [IdpRefused],
        "The identity provider knows the user and does not let them in; its own rules say why.";
    WantsPkce => [],
        "The identity provider wants PKCE of this client: set enablePKCEAuthentication: true in oidc.config, or let the \
         provider not require it.";
    UnregisteredRedirect => [RedirectUri],
        "Argo CD asks to be called back at an address that the identity provider has not registered for this \
         client: `url` in argocd-cm and the registered redirect URI differ (scheme, host, port, path).";
    RedirectElsewhere => [ArgocdUrl],
        "Argo CD asks to be called back at another address than the one it was asked at, and the identity \
         provider has not registered that one: `url` in argocd-cm is not the address that users type.";
    UnknownClient => [ClientId],
        "The identity provider has no client with the ID that Argo CD sends (clientID in oidc.config).";
    UnresolvedReference => [SecretReference],
        "Argo CD sends a `$…` reference instead of what it stands for: the reference is misspelt (`$secret:key`), \
         or this release does not resolve references in that field.";
    InvalidRedirectUrl => [ArgocdUrl],
        "Argo CD's `url` in argocd-cm is missing or is not the address under which it was asked.";
    ProviderUnknownHost => [ProviderUnreachable],
        "Argo CD cannot resolve the identity provider's name: DNS inside the cluster does not know it.";
    ProviderByProxy => [EgressProxy],
        "Argo CD asks the identity provider by a proxy, and the proxy cannot be reached: HTTP_PROXY or HTTPS_PROXY \
         in argocd-server's environment is wrong, or NO_PROXY lacks the provider's name.";
    ProviderRefusesConnections => [ProviderUnreachable],
        "Argo CD reaches the identity provider's address and nothing listens there: it is down, or the name leads \
         to the wrong place inside the cluster.";
    ProviderCertificate => [ProviderCa],
        "Argo CD does not trust the identity provider's certificate: rootCA in oidc.config is missing or belongs \
         to another authority, or the certificate is for another name.";
    ProviderBadGateway => [ProviderUnreachable],
        "Argo CD reaches a front of the identity provider that has no running server behind it: the identity \
         provider is down or not ready.";
    ProviderUnreachable => [ProviderUnreachable],
        "Argo CD could not read the identity provider's discovery document; its own words say why.";
    IssuerMismatch => [IssuerMismatch],
        "The issuer in oidc.config is not letter for letter the one that the identity provider calls itself: \
         scheme, host or a slash at the end.";
    FirstStart => [FirstStart],
        "Argo CD's server runs with empty OIDC settings although they may well be configured, as v3.2.7 to v3.2.9 \
         and v3.3.1 to v3.3.7 do after a first start without server.secretkey: a restart heals it.";
    SsoOff => [FirstStart, ArgocdUrl, OidcConfig],
        "Argo CD's server runs without SSO: `url` or oidc.config is not set or cannot be read, or it is a v3.2.7 to v3.2.9 or \
         v3.3.1 to v3.3.7 that first started without server.secretkey (then a restart heals it)."
        decided by "look at /api/v1/settings: with url and oidcConfig in it, the server started without having read them; \
         without, they are not configured, or oidc.config cannot be read";
    NoButton => [OidcConfig, DexConnector],
        "Argo CD's page shows no button for a login by SSO: oidc.config is not set or cannot be read, and \
         dex.config has no connector. Whoever knows /auth/login may still get further."
        decided by "look at oidc.config and dex.config in argocd-cm";
    StateCookieLost => [StateCookie],
        "Argo CD's state cookie did not come back with the callback: more than five minutes passed, or login and \
         callback have different hosts (`url` in argocd-cm).";
    SecureCookieOverHttp => [StateCookie],
        "A Secure cookie came over plain http, and browsers drop it: use https, or tell the server that set it \
         which scheme users type (Argo CD by `url`, a provider by its own address and proxy settings).";
    StateMismatch => [StateMismatch],
        "The state that came back belongs to another login than the cookie: two logins at once in one browser, or \
         a callback that was replayed.";
    ServerKeyChanged => [ServerKeyChanged],
        "Argo CD cannot decrypt its own cookie: server.secretkey changed in the middle of the login, or its \
         replicas hold different ones.";
    ServerKeyMissing => [ServerKeyMissing],
        "argocd-secret has no server.secretkey, so Argo CD cannot sign anything.";
    TokenRejected => [StaleSessionManager, Audience, Clock, TwoProviders],
        "The login passed, but Argo CD's API does not verify the token: it may still check against an older \
         issuer or CA (restart it)."
        decided by "read argocd-server's log: the line `Failed to verify session token` goes on with the reason";
    Audience => [Audience],
        "The token is for another audience than Argo CD expects (clientID, allowedAudiences).";
    TokenExpired => [Clock],
        "Argo CD takes the token for expired: very short lifetimes, or clocks that differ.";
    NoTokenCookie => [],
        "Argo CD's callback gave no argocd.token cookie that a browser would keep, so nobody is logged in.";
    NotLoggedIn => [StaleSessionManager, Audience, Clock, TwoProviders],
        "Everything passed, yet Argo CD's API does not take the token for a login; the cookie may not reach it \
         (path or host), or the session was refused."
        decided by "read argocd-server's log: the line `Failed to verify session token` goes on with the reason";
    SessionStore => [Redis, ProviderUnreachable],
        "Argo CD lost a connection while it finished the login, most likely to its Redis; it may also be the one \
         to the identity provider."
        decided by "look at Redis: whether its pod is ready and its Service has endpoints";
    RedirectLoop => [RedirectLoop],
        "The redirects do not end: often TLS is ended twice (server.insecure) or the root path is configured on \
         one side only.";
    NoRedirect => [],
        "Argo CD's address answers, but not with a redirect to an identity provider: another program may be \
         listening there, or a page of the front.";
    NotArgocd => [],
        "What answers at this address is not Argo CD: another program may be listening there, or a page of the \
         front.";
    ConsentPage => [],
        "The identity provider accepted the user and asks for what a probe must not give (consent, a new password, a \
         second factor): do it once by browser, or let the provider skip it (Dex: skipApprovalScreen).";
    SeveralConnectors => [],
        "The identity provider offers several ways to log in and waits for a choice; probe needs one whose first \
         page is the form.";
    FormWithoutPassword => [],
        "The page has a form, but none with both a user name and a password: the provider asks for them on \
         separate pages, or uses another kind of login.";
    ScriptedPage => [],
        "The page builds its login by JavaScript, which this probe does not run.";
    NoForm => [],
        "The page has no login form.";
    InsecureForm => [],
        "The login page came by https and sends its form by http, where everybody on the way can read the \
         password; browsers warn, and the probe has not sent it. The provider, or the front before it, builds \
         addresses with the wrong scheme (X-Forwarded-Proto).";
    PasswordElsewhere => [],
        "The form leads to a host that the password is not for, and the probe has not sent it: name that host \
         (password_hosts) if it is the identity provider's, and look who sends logins there if it is not.";
    PasswordWithheld => [Credentials],
        "The identity provider has refused this password before, and the probe does not send it again: correct it \
         where it is kept.";
    Throttled => [],
        "The server answers 429: it wants fewer requests, and says nothing about this login. Wait, and log in less \
         often.";
    NotHtml => [],
        "A login page was expected and something else came.";
    NoRoute => [],
        "The front does not route this host or path to Argo CD (Ingress host, root path).";
    FrontWithoutBackend => [],
        "The front has no running server behind it for this host: it is down, starting, or restarting.";
    ConnectionRefused => [],
        "Nothing listens at this address: wrong address or port, or it is down.";
    ConnectionClosed => [],
        "The server ended the connection without an answer: it is restarting, or expects another protocol \
         (https).";
    NameNotFound => [],
        "The name of the host is not known on this machine (DNS, /etc/hosts, --resolve).";
    Timeout => [],
        "The server took the connection and did not answer in time: it hangs, waits for something itself, or \
         packets are dropped on the way.";
    Certificate => [],
        "This machine does not trust the server's certificate (--ca adds an authority), or the server does not \
         speak TLS at this port.";
    NotHttp => [],
        "Something listens there that does not speak HTTP, or only https.";
    TooLarge => [],
        "The answer is far larger than any page of a login.";
    TokenTooLarge => [TokenTooLarge],
        "What stands before Argo CD answers 502 at the callback alone, while /healthz and every step before it \
         are answered: the callback carries the token in its cookies, and most likely its headers are larger than \
         that proxy takes (nginx: proxy_buffer_size, 4 KB if nothing is set; its log says `upstream sent too big \
         header`). What makes a token that long are its groups.";
    CookieTooLarge => [CookieTooLarge],
        "Argo CD's token, which the browser sends back in its cookies, is longer than what stands before Argo CD \
         takes in a request's header (nginx: large_client_header_buffers, 8 KB if nothing is set). The token is \
         that long by its groups.";
    TooManyCookies => [TooManyCookies],
        "The token needs more cookies than Argo CD sets (ARGOCD_MAX_COOKIE_NUMBER). It is that long by its \
         groups.";
    CliRedirect => [CliRedirectUri],
        "The command line waits at http://localhost:8085/auth/callback, and the identity provider has not registered \
         that address for the client that it logs in as: cliClientID in oidc.config, or clientID where there is none.";
    CliNoClient => [CliNoClient],
        "oidc.config has no cliClientID, so the command line logs in as the web's client, and it shows no client \
         secret: the identity provider wants one of that client. The client secret itself is not to blame.";
    CliSecretWanted => [CliClientType],
        "The command line shows no client secret, and the identity provider wants one of the client that cliClientID \
         names: it has to be a public one.";
    CliUnknownClient => [CliClientId],
        "The identity provider has no client with the ID that the command line sends (cliClientID in oidc.config).";
    CliNotLoggedIn => [CliAudience, StaleSessionManager, Clock, TwoProviders],
        "The command line says that authentication was successful, yet Argo CD's API does not take its token for a \
         login: most likely allowedAudiences has the web's client and lacks cliClientID."
        decided by "read argocd-server's log: the line `Failed to verify session token` names the audiences";
    Unknown => [],
        "Not one of the known failures; the server's own words are all there is.";
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

    #[test]
    fn several_come_with_the_check_that_decides() {
        for cause in [Cause::InvalidClient, Cause::SsoOff, Cause::NotLoggedIn, Cause::SessionStore] {
            let candidates = cause.candidates(false);
            assert!(candidates.ids.len() > 1 && candidates.only().is_none(), "{cause:?}");
            assert!(candidates.decides.is_some(), "{cause:?}");
        }
        for (cause, id) in [
            (Cause::InvalidScope, CauseId::Scope),
            (Cause::RedirectElsewhere, CauseId::ArgocdUrl),
            (Cause::SecureCookieOverHttp, CauseId::StateCookie),
        ] {
            assert_eq!((cause.candidates(false).only(), cause.candidates(false).decides), (Some(id), None));
        }
        assert_eq!(Cause::Timeout.candidates(false).ids, []);
    }

    #[test]
    fn a_secret_that_is_taken_now_and_then_is_a_stale_replica() {
        assert_eq!(Cause::InvalidClient.candidates(true).only(), Some(CauseId::StaleReplica));
        assert_eq!(Cause::InvalidScope.candidates(true).only(), Some(CauseId::Scope));
    }
}
