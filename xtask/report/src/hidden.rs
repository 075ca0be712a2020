//! What only a server can see of a login, as far as the answer to the browser proves it: Argo CD's
//! own calls to the identity provider.

use serde_json::Value;

use crate::read::{Read as _, passed};

/// A call that was not seen.
#[derive(Debug, PartialEq, Eq)]
pub struct Hidden {
    /// Which exchange was answered only after it.
    pub within: usize,
    /// What Argo CD asked for.
    pub asks: &'static str,
    /// What came of it.
    pub came: &'static str,
    /// Whether it failed.
    pub failed: bool,
    /// Whether the provider was reached.
    pub arrived: bool,
}

/// Errors of OAuth 2 that a token endpoint answers with.
const OAUTH: [&str; 6] = [
    "invalid_client",
    "unauthorized_client",
    "invalid_grant",
    "invalid_scope",
    "invalid_request",
    "unsupported_grant_type",
];

/// The call whose end the login's answer proves, if there is one.
pub fn of(trace: &Value) -> Option<Hidden> {
    let exchanges = trace.list("exchanges");
    let at = |step: &str| exchanges.iter().rposition(|exchange| exchange.text("step") == Some(step));
    if at("token").is_some() {
        return None;
    }
    let failure = trace.at("failure");
    let refused = |asks, came, arrived| {
        let within = exchanges.len().checked_sub(1)?;
        Some(Hidden { within, asks, came, failed: true, arrived })
    };
    match failure.text("answer").unwrap_or_default() {
        "invalid-client" | "secret-expired" | "client-disabled" | "invalid-grant" | "invalid-scope"
            if failure.text("step") == Some("callback") =>
        {
            let message = failure.text("message").unwrap_or_default();
            let code = OAUTH.into_iter().find(|code| message.contains(code));
            let asks = match failure.text("answer") {
                Some("invalid-grant" | "invalid-scope") => "token endpoint: redeems the code",
                _ => "token endpoint: code, client secret",
            };
            refused(asks, code.unwrap_or("refused"), true)
        }
        "provider-unknown-host" => refused("discovery", "cannot resolve the provider's name", false),
        "provider-by-proxy" => refused("discovery", "the proxy cannot be reached", false),
        "provider-refuses-connections" => refused("discovery", "nothing listens there", false),
        "provider-certificate" => refused("discovery", "does not trust the certificate", true),
        "provider-bad-gateway" => refused("discovery", "a front without a server", true),
        "provider-unreachable" => refused("discovery", "could not be read", false),
        "issuer-mismatch" => refused("discovery", "calls itself by another issuer", true),
        _ => {
            // Argo CD gives a token of its own to nobody for whom the provider gave it none.
            let within = at("callback")?;
            let given = exchanges[within].list("cookies").iter().any(|cookie| {
                let kept = cookie.text("name").is_some_and(|name| name.starts_with("argocd.token"));
                kept && cookie.at("empty").as_bool() == Some(false)
            });
            (given || passed(trace) && trace.at("user").is_object()).then_some(Hidden {
                within,
                asks: "token endpoint: code, client secret",
                came: "a token",
                failed: false,
                arrived: true,
            })
        }
    }
}
