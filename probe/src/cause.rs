//! What an answer means. Servers' wordings drift between releases, so each is known by the part of it that has stayed
//! the same, whatever the case of its letters.

use crate::catalogue::Cause;
use crate::http::NoAnswer;
use crate::trace::Step;

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
    if seen.status == Some(429) {
        return Cause::Throttled;
    }
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
    if ISSUERS.iter().any(|words| says(words)) {
        return Cause::IssuerMismatch;
    }
    if client_disabled(&body, step) {
        return Cause::ClientDisabled;
    }
    // Before anybody logged in it is not about the secret, which has not been sent yet.
    if step != Step::Authorize
        && let Some(cause) = client_refused(&body, step)
    {
        return cause;
    }
    let either = |so: bool, this: Cause, that: Cause| if so { this } else { that };
    let lost_cookie = either(seen.secure_cookie_refused, Cause::SecureCookieOverHttp, Cause::StateCookieLost);
    let redirect = either(seen.called_back_elsewhere, Cause::RedirectElsewhere, Cause::UnregisteredRedirect);
    let client = either(query.contains("client_id=$"), Cause::UnresolvedReference, Cause::UnknownClient);
    let unknown_client =
        ["invalid client_id", "client not found", "invalid_client"].iter().any(|it| says(it));
    let known = [
        (says("invalid_grant"), Cause::InvalidGrant),
        (says("message authentication failed"), Cause::ServerKeyChanged),
        (says("server.secretkey is missing"), Cause::ServerKeyMissing),
        (says("named cookie not present"), lost_cookie),
        (says("invalid state in"), Cause::StateMismatch),
        (says("unregistered redirect_uri") || (says("redirect_uri") && says("invalid")), redirect),
        (says("invalid redirect url"), Cause::InvalidRedirectUrl),
        (says("invalid_scope") || query.contains("error=invalid_scope"), Cause::InvalidScope),
        (step == Step::Callback && says("code_challenge"), Cause::WantsPkce),
        (says("access_denied") || query.contains("error=access_denied"), Cause::AccessDenied),
        (step == Step::Authorize && unknown_client, client),
        (says("expected audience"), Cause::Audience),
        (says("token is expired"), Cause::TokenExpired),
        (says("failed to verify the token") || says("failed to verify signature"), Cause::TokenRejected),
        (seen.status.is_some_and(|status| (502..=504).contains(&status)), Cause::FrontWithoutBackend),
    ];
    if let Some((_, cause)) = known.into_iter().find(|(fits, _)| *fits) {
        return cause;
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

/// The client, or all of its realm, is switched off: Keycloak's words, and those of RFC 6749 (4.1.2.1) for a client that
/// may not ask for a code; with a token's error the same words are Keycloak's for a wrong secret.
fn client_disabled(body: &str, step: Step) -> bool {
    let says = |part: &str| body.contains(part);
    says("client disabled")
        || says("bearer-only")
        || says("realm not enabled")
        || step == Step::Callback && says("unauthorized_client") && !says("failed to get token")
}

/// The client was refused, by one of the common wordings: `unauthorized_client` is Keycloak's, and Auth0 says
/// `access_denied` where a token was asked for. Entra's numbers are from its documentation and were not met.
fn client_refused(body: &str, step: Step) -> Option<Cause> {
    let says = |part: &str| body.contains(part);
    if says("aadsts7000222") {
        return Some(Cause::SecretExpired);
    }
    if says("aadsts7000112") {
        return Some(Cause::ClientDisabled);
    }
    let token = step == Step::Token || says("failed to get token");
    let of_token = token && (says("unauthorized_client") || says("access_denied"));
    (says("invalid_client") || of_token).then_some(Cause::InvalidClient)
}

/// The provider says that it is somebody else: the first wording up to v3.3, the
/// second from v3.4.
const ISSUERS: [&str; 2] = ["issuer did not match", "did not match the issuer url"];

/// Argo CD could not talk to the provider; these are the reasons that Go's HTTP client gives.
fn provider_problem(body: &str) -> Cause {
    const REASONS: [(&str, Cause); 8] = [
        ("failed to query provider \"\"", Cause::FirstStart),
        (ISSUERS[0], Cause::IssuerMismatch),
        (ISSUERS[1], Cause::IssuerMismatch),
        ("proxyconnect ", Cause::ProviderByProxy),
        ("no such host", Cause::ProviderUnknownHost),
        ("connection refused", Cause::ProviderRefusesConnections),
        ("x509", Cause::ProviderCertificate),
        ("tls: ", Cause::ProviderCertificate),
    ];
    match REASONS.iter().find(|(words, _)| body.contains(words)) {
        Some((_, cause)) => *cause,
        None if names_a_gateway(body) => Cause::ProviderBadGateway,
        None => Cause::ProviderUnreachable,
    }
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

#[cfg(test)]
#[path = "cause_tests.rs"]
mod tests;
