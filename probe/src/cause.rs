//! What an answer means. Which causes of the catalogue that may have is in [`crate::candidates`]. Servers' wordings drift between releases, so each is known by the part of it
//! that has stayed the same, whatever the case of its letters.

use serde::Serialize;

use crate::http::NoAnswer;
use crate::trace::Step;

/// Why a login failed, as far as it can be told from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "each is explained in words by `explain`")]
pub enum Cause {
    InvalidClient,
    SecretExpired,
    ClientDisabled,
    InvalidGrant,
    InvalidScope,
    WrongPassword,
    AccessDenied,
    UnregisteredRedirect,
    RedirectElsewhere,
    UnknownClient,
    UnresolvedReference,
    InvalidRedirectUrl,
    ProviderUnknownHost,
    ProviderRefusesConnections,
    ProviderCertificate,
    ProviderBadGateway,
    ProviderUnreachable,
    IssuerMismatch,
    FirstStart,
    SsoOff,
    NoButton,
    StateCookieLost,
    SecureCookieOverHttp,
    StateMismatch,
    ServerKeyChanged,
    ServerKeyMissing,
    TokenRejected,
    Audience,
    TokenExpired,
    NoTokenCookie,
    NotLoggedIn,
    SessionStore,
    RedirectLoop,
    NoRedirect,
    NotArgocd,
    ConsentPage,
    SeveralConnectors,
    FormWithoutPassword,
    ScriptedPage,
    NoForm,
    InsecureForm,
    NotHtml,
    NoRoute,
    FrontWithoutBackend,
    ConnectionRefused,
    ConnectionClosed,
    NameNotFound,
    Timeout,
    Certificate,
    NotHttp,
    TooLarge,
    TokenTooLarge,
    CookieTooLarge,
    TooManyCookies,
    Unknown,
}

/// The circumstances of a failure that decide what it means.
#[derive(Debug, Clone, Copy, Default)]
pub struct Circumstances<'a> {
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// The whole answer as text.
    pub body: &'a str,
    /// The query of the URL that was asked, decoded: an identity provider reports errors there.
    pub query: &'a str,
    /// Whether a Secure cookie was refused in this login because it came over http.
    pub secure_cookie_refused: bool,
    /// Whether Argo CD asks to be called back at another address than the one it was asked at.
    pub called_back_elsewhere: bool,
}

/// The meaning of an answer that is not what the login needed.
pub fn of_answer(step: Step, seen: &Circumstances<'_>) -> Cause {
    let body = seen.body.to_ascii_lowercase();
    let query = seen.query.to_ascii_lowercase();
    let says = |part: &str| body.contains(part);
    // The order matters: the particular before the general. This one quotes the user's claims.
    if says("max number of cookies") {
        return Cause::TooManyCookies;
    }
    if says("request header or cookie too large") || seen.status == Some(431) {
        return Cause::CookieTooLarge;
    }
    if says("failed to query provider") {
        return provider_problem(&body);
    }
    if is_another_issuer(&body) {
        return Cause::IssuerMismatch;
    }
    // Before anybody logged in it is not about the secret, which has not been sent yet.
    if step != Step::Authorize
        && let Some(cause) = client_refused(&body)
    {
        return cause;
    }
    if says("invalid_grant") {
        return Cause::InvalidGrant;
    }
    if says("message authentication failed") {
        return Cause::ServerKeyChanged;
    }
    if says("server.secretkey is missing") {
        return Cause::ServerKeyMissing;
    }
    if says("named cookie not present") {
        return match seen.secure_cookie_refused {
            true => Cause::SecureCookieOverHttp,
            false => Cause::StateCookieLost,
        };
    }
    if says("invalid state in") {
        return Cause::StateMismatch;
    }
    if says("unregistered redirect_uri") || (says("redirect_uri") && says("invalid")) {
        return match seen.called_back_elsewhere {
            true => Cause::RedirectElsewhere,
            false => Cause::UnregisteredRedirect,
        };
    }
    if says("invalid redirect url") {
        return Cause::InvalidRedirectUrl;
    }
    if says("invalid_scope") || query.contains("error=invalid_scope") {
        return Cause::InvalidScope;
    }
    if says("access_denied") || query.contains("error=access_denied") {
        return Cause::AccessDenied;
    }
    if step == Step::Authorize
        && ["invalid client_id", "client not found", "invalid_client"].iter().any(|part| says(part))
    {
        return match query.contains("client_id=$") {
            true => Cause::UnresolvedReference,
            false => Cause::UnknownClient,
        };
    }
    if says("expected audience") {
        return Cause::Audience;
    }
    if says("token is expired") {
        return Cause::TokenExpired;
    }
    if says("failed to verify the token") || says("failed to verify signature") {
        return Cause::TokenRejected;
    }
    if seen.status.is_some_and(|status| (502..=504).contains(&status)) {
        return Cause::FrontWithoutBackend;
    }
    if step.is_argocds() {
        if provider_connection_problem(&body) {
            return provider_problem(&body);
        }
        // Go's words for a connection that came to nothing, alone: those to the provider name it.
        let lost = ["eof", "connection reset by peer", "connection refused", "broken pipe", "i/o timeout"];
        let words = body.trim_end().trim_end_matches(['"', '}']);
        if says("redis") || (step == Step::Callback && lost.iter().any(|lost| words.ends_with(lost))) {
            return Cause::SessionStore;
        }
    }
    match (step, seen.status) {
        (Step::Login, Some(404)) if says("page not found") => Cause::SsoOff,
        (Step::Settings | Step::Login, Some(404)) => Cause::NoRoute,
        (Step::Settings, Some(200..=399)) => Cause::NotArgocd,
        (Step::Login, Some(200..=399)) => Cause::NoRedirect,
        (Step::Callback, Some(200..=399)) if seen.secure_cookie_refused => Cause::SecureCookieOverHttp,
        (Step::Callback, Some(200..=399)) => Cause::NoTokenCookie,
        (Step::Userinfo, Some(200 | 401)) => Cause::NotLoggedIn,
        // Whatever the provider then says in its own words.
        (Step::Authorize | Step::Form, Some(_)) if seen.secure_cookie_refused => Cause::SecureCookieOverHttp,
        _ => Cause::Unknown,
    }
}

/// The client was refused, by one of the common wordings: `unauthorized_client` is Keycloak's, and Auth0 says
/// `access_denied` where a token was asked for. Entra's numbers are from its documentation and were not met.
fn client_refused(body: &str) -> Option<Cause> {
    let says = |part: &str| body.contains(part);
    if says("aadsts7000222") {
        return Some(Cause::SecretExpired);
    }
    if says("aadsts7000112") {
        return Some(Cause::ClientDisabled);
    }
    let of_token = says("failed to get token") && (says("unauthorized_client") || says("access_denied"));
    (says("invalid_client") || of_token).then_some(Cause::InvalidClient)
}

/// The provider says that it is somebody else: the first wording up to v3.3, the
/// second from v3.4.
fn is_another_issuer(body: &str) -> bool {
    body.contains("issuer did not match") || body.contains("did not match the issuer url")
}

/// Argo CD could not talk to the provider; these are the reasons that Go's HTTP client gives.
fn provider_problem(body: &str) -> Cause {
    if body.contains("failed to query provider \"\"") {
        return Cause::FirstStart;
    }
    if is_another_issuer(body) {
        return Cause::IssuerMismatch;
    }
    if body.contains("no such host") {
        return Cause::ProviderUnknownHost;
    }
    if body.contains("connection refused") {
        return Cause::ProviderRefusesConnections;
    }
    if body.contains("x509") || body.contains("tls: ") {
        return Cause::ProviderCertificate;
    }
    if names_a_gateway(body) {
        return Cause::ProviderBadGateway;
    }
    Cause::ProviderUnreachable
}

/// Whether one of a gateway's statuses is among the words: not within a longer number, and not as a port.
fn names_a_gateway(body: &str) -> bool {
    let is_status = |status: &str| {
        body.match_indices(status).any(|(at, _)| {
            let before = body[..at].chars().next_back();
            let after = body[at + status.len()..].chars().next();
            !before.is_some_and(|c| c.is_ascii_alphanumeric() || ":.-".contains(c))
                && !after.is_some_and(|c| c.is_ascii_alphanumeric())
        })
    };
    ["502", "503", "504"].into_iter().any(is_status)
}

/// The token request of the callback fails in the same words, without naming the provider.
fn provider_connection_problem(body: &str) -> bool {
    let to_provider = ["failed to get token", "failed to verify", "unable to query", "discovery"];
    let reason = ["no such host", "connection refused", "x509", "i/o timeout", "deadline exceeded"];
    to_provider.iter().any(|part| body.contains(part)) && reason.iter().any(|part| body.contains(part))
}

/// The meaning of no answer at all.
pub fn of_no_answer(no_answer: &NoAnswer) -> Cause {
    match no_answer {
        NoAnswer::Refused => Cause::ConnectionRefused,
        NoAnswer::Closed => Cause::ConnectionClosed,
        NoAnswer::Name(_) => Cause::NameNotFound,
        NoAnswer::Timeout(_) => Cause::Timeout,
        NoAnswer::Certificate(_) => Cause::Certificate,
        NoAnswer::NotHttp(_) => Cause::NotHttp,
        NoAnswer::TooLarge(_) => Cause::TooLarge,
        NoAnswer::Other(_) => Cause::Unknown,
    }
}

impl Cause {
    /// In one or two sentences: what it means and what is most likely behind it.
    pub fn explain(self) -> &'static str {
        match self {
            Self::InvalidClient => {
                "The identity provider does not accept the client secret that Argo CD presented: Argo CD still \
                 holds an old one (restart it), or the two sides were given different ones (missing label or \
                 key, line break at the end). From outside the two look the same."
            }
            Self::SecretExpired => {
                "The identity provider says that the client secret which Argo CD presented has expired: make a new \
                 one there and write it into Argo CD's Secret."
            }
            Self::ClientDisabled => {
                "The identity provider says that Argo CD's client is disabled there: nobody logs in by it until it \
                 is enabled again."
            }
            Self::InvalidGrant => {
                "The identity provider does not know the code that Argo CD redeemed: used twice, expired, or \
                 kept in the memory of another of its replicas."
            }
            Self::InvalidScope => {
                "The identity provider refuses one of the scopes that Argo CD asks for (requestedScopes)."
            }
            Self::WrongPassword => {
                "The identity provider showed the form again: it does not accept this user name and password."
            }
            Self::AccessDenied => {
                "The identity provider knows the user and does not let them in; its own rules say why."
            }
            Self::UnregisteredRedirect => {
                "Argo CD asks to be called back at an address that the identity provider has not registered \
                 for this client: `url` in argocd-cm and the registered redirect URI differ (scheme, host, \
                 port, path)."
            }
            Self::RedirectElsewhere => {
                "Argo CD asks to be called back at another address than the one it was asked at, and the \
                 identity provider has not registered that one: `url` in argocd-cm is not the address that \
                 users type."
            }
            Self::UnknownClient => {
                "The identity provider has no client with the ID that Argo CD sends (clientID in oidc.config)."
            }
            Self::UnresolvedReference => {
                "Argo CD sends a `$…` reference instead of what it stands for: the reference is misspelt \
                 (`$secret:key`), or this release does not resolve references in that field."
            }
            Self::InvalidRedirectUrl => {
                "Argo CD's `url` in argocd-cm is missing or is not the address under which it was asked."
            }
            Self::ProviderUnknownHost => {
                "Argo CD cannot resolve the identity provider's name: DNS inside the cluster does not know it."
            }
            Self::ProviderRefusesConnections => {
                "Argo CD reaches the identity provider's address and nothing listens there: it is down, or \
                 the name leads to the wrong place inside the cluster."
            }
            Self::ProviderCertificate => {
                "Argo CD does not trust the identity provider's certificate: rootCA in oidc.config is missing \
                 or belongs to another authority, or the certificate is for another name."
            }
            Self::ProviderBadGateway => {
                "Argo CD reaches a front of the identity provider that has no running server behind it: the \
                 identity provider is down or not ready."
            }
            Self::ProviderUnreachable => {
                "Argo CD could not read the identity provider's discovery document; its own words say why."
            }
            Self::IssuerMismatch => {
                "The issuer in oidc.config is not letter for letter the one that the identity provider calls \
                 itself: scheme, host or a slash at the end."
            }
            Self::FirstStart => {
                "Argo CD's server runs with empty OIDC settings although they may well be configured, as \
                 v3.2.7 to v3.2.9 and v3.3.1 to v3.3.7 do after a first start without server.secretkey: a \
                 restart heals it."
            }
            Self::SsoOff => {
                "Argo CD's server runs without SSO: `url` or oidc.config is not set, or it is a v3.2.7 to \
                 v3.2.9 or v3.3.1 to v3.3.7 that first started without server.secretkey (then a restart heals it)."
            }
            Self::NoButton => {
                "Argo CD's page shows no button for a login by SSO: oidc.config is not set or cannot be read, and \
                 dex.config has no connector. Whoever knows /auth/login may still get further."
            }
            Self::StateCookieLost => {
                "Argo CD's state cookie did not come back with the callback: more than five minutes passed, \
                 or login and callback have different hosts (`url` in argocd-cm)."
            }
            Self::SecureCookieOverHttp => {
                "A Secure cookie came over plain http, and browsers drop it: use https, or tell the server that set \
                 it which scheme users type (Argo CD by `url`, a provider by its own address and proxy settings)."
            }
            Self::StateMismatch => {
                "The state that came back belongs to another login than the cookie: two logins at once in one \
                 browser, or a callback that was replayed."
            }
            Self::ServerKeyChanged => {
                "Argo CD cannot decrypt its own cookie: server.secretkey changed in the middle of the login, \
                 or its replicas hold different ones."
            }
            Self::ServerKeyMissing => {
                "argocd-secret has no server.secretkey, so Argo CD cannot sign anything."
            }
            Self::TokenRejected => {
                "The login passed, but Argo CD's API does not verify the token: it may still check against an \
                 older issuer or CA (restart it)."
            }
            Self::Audience => {
                "The token is for another audience than Argo CD expects (clientID, allowedAudiences)."
            }
            Self::TokenExpired => {
                "Argo CD takes the token for expired: very short lifetimes, or clocks that differ."
            }
            Self::NoTokenCookie => {
                "Argo CD's callback gave no argocd.token cookie that a browser would keep, so nobody is logged in."
            }
            Self::NotLoggedIn => {
                "Everything passed, yet Argo CD's API does not take the token for a login; the cookie may not \
                 reach it (path or host), or the session was refused."
            }
            Self::SessionStore => {
                "Argo CD lost a connection while it finished the login, most likely to its Redis; it may also \
                 be the one to the identity provider."
            }
            Self::RedirectLoop => {
                "The redirects do not end: often TLS is ended twice (server.insecure) or the root path is \
                 configured on one side only."
            }
            Self::NoRedirect => {
                "Argo CD's address answers, but not with a redirect to an identity provider: another program \
                 may be listening there, or a page of the front."
            }
            Self::NotArgocd => {
                "What answers at this address is not Argo CD: another program may be listening there, or a page \
                 of the front."
            }
            Self::ConsentPage => {
                "The identity provider accepted the user and asks for consent, which a probe must not give: \
                 grant it once by browser, or let the provider skip it (Dex: skipApprovalScreen)."
            }
            Self::SeveralConnectors => {
                "The identity provider offers several ways to log in and waits for a choice; probe needs one \
                 whose first page is the form."
            }
            Self::FormWithoutPassword => {
                "The page has a form, but none with both a user name and a password: the provider asks for \
                 them on separate pages, or uses another kind of login."
            }
            Self::ScriptedPage => "The page builds its login by JavaScript, which this probe does not run.",
            Self::NoForm => "The page has no login form.",
            Self::InsecureForm => {
                "The login page came by https and sends its form by http, where everybody on the way can read \
                 the password; browsers warn, and the probe has not sent it. The provider, or the front before \
                 it, builds addresses with the wrong scheme (X-Forwarded-Proto)."
            }
            Self::NotHtml => "A login page was expected and something else came.",
            Self::NoRoute => {
                "The front does not route this host or path to Argo CD (Ingress host, root path)."
            }
            Self::FrontWithoutBackend => {
                "The front has no running server behind it for this host: it is down, starting, or restarting."
            }
            Self::TokenTooLarge => {
                "What stands before Argo CD answers 502 at the callback alone, while /healthz and every step before \
                 it are answered: the callback carries the token in its cookies, and most likely its headers are \
                 larger than that proxy takes (nginx: proxy_buffer_size, 4 KB if nothing is set; its log says \
                 `upstream sent too big header`). What makes a token that long are its groups."
            }
            Self::CookieTooLarge => {
                "Argo CD's token, which the browser sends back in its cookies, is longer than what stands before \
                 Argo CD takes in a request's header (nginx: large_client_header_buffers, 8 KB if nothing is set). \
                 The token is that long by its groups."
            }
            Self::TooManyCookies => {
                "The token needs more cookies than Argo CD sets (ARGOCD_MAX_COOKIE_NUMBER). It is that long by its \
                 groups."
            }
            Self::ConnectionRefused => {
                "Nothing listens at this address: wrong address or port, or it is down."
            }
            Self::ConnectionClosed => {
                "The server ended the connection without an answer: it is restarting, or expects another \
                 protocol (https)."
            }
            Self::NameNotFound => {
                "The name of the host is not known on this machine (DNS, /etc/hosts, --resolve)."
            }
            Self::Timeout => {
                "The server took the connection and did not answer in time: it hangs, waits for something \
                 itself, or packets are dropped on the way."
            }
            Self::Certificate => {
                "This machine does not trust the server's certificate (--ca adds an authority), or the server \
                 does not speak TLS at this port."
            }
            Self::NotHttp => "Something listens there that does not speak HTTP, or only https.",
            Self::TooLarge => "The answer is far larger than any page of a login.",
            Self::Unknown => "Not one of the known failures; the server's own words are all there is.",
        }
    }
}

#[cfg(test)]
#[path = "cause_tests.rs"]
mod tests;
