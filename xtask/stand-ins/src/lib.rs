//! Stand-ins: our own small programs that answer like Dex, argocd-server and Redis where
//! a login can notice. They say what they are in their first log line, in their
//! versions and on their pages.
//!
//! A stand-in knows how the real program works, never how a login is meant to
//! end: there is no switch for a failure in here.

pub mod argocd;
pub mod dex;
mod expiring;
mod go_http;
mod go_json;
mod incoming;
mod multipart;
mod page;
pub mod redis;

/// Where the real programs were seen to answer otherwise and the stand-ins may stay as they
/// are: no login notices, or none that a lab of ours makes. `compare` prints it.
pub const DIFFERENCES: &[&str] = &[
    "argocd, v2.4.3 - v2.13: of two servers on one listener the real one answers in streaks of some logins, the stand-in by a coin for each connection",
    "argocd, up to v2.4.2: the real API answers 503 for a second after each start",
    "argocd: it and argocd-dex speak plain http to each other, and TLS not at all",
    "argocd: where a proxy refuses a tunnel, the error has other words than the proxy's status",
    "argocd: what the provider's userinfo says is asked anew each time, not kept for `userInfoCacheExpiration`",
    "argocd: Azure's groups overage, `userInfoPath` answered as a JWT, and Entra's `uti` are not known",
    "argocd: 404 for the API beyond logins",
    "argocd: POST /api/v1/session is always 401 (real: other words for no credentials, 400 for what is no JSON)",
    "argocd: the header Grpc-Metadata-Token is not looked at",
    "argocd: /api/version tells nothing more to those who are logged in",
    "argocd: /api/v1/settings lacks resourceOverrides, additionalUrls, idTokenClaims, statusBadgeEnabled, help, uiCssURL and execEnabled",
    "argocd: errors below /api have `Vary`, answers to HEAD `Content-Length` (real: none), and nothing is compressed",
    "argocd: a method that nobody knows closes the connection (real: 303)",
    "argocd: the log leaves out codes and states of logins, and who called which API",
    "dex: /callback/NAME is 404 (real: a page with 400), /auth without a query leads to `/auth/local?`",
    "dex: one connector, the local passwords or a mockPassword",
    "dex: no approval screen (it ends without `skipApprovalScreen`, and `approval_prompt` is not looked at)",
    "dex: refresh tokens are issued and none is redeemed: all are refused, as after a restart of the real one",
    "dex: /static, /theme and /robots.txt are 404",
    "dex: no device flow, token exchange and introspection",
];

/// The tag of an image reference, or `latest`.
pub(crate) fn tag(image: &str) -> &str {
    match image.rsplit_once(':') {
        Some((_, tag)) if !tag.contains('/') && !tag.is_empty() => tag,
        _ => "latest",
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_tag_is_what_stands_behind_the_last_colon() {
        assert_eq!(super::tag("oidc-lab/stand-in-dex:v2.45.1"), "v2.45.1");
        assert_eq!(super::tag("localhost:5000/stand-in-dex"), "latest");
        assert_eq!(super::tag("stand-in-dex"), "latest");
    }
}
