//! argocd-server's log: the few lines that tell the story of a login. Nothing of a
//! line is kept but its time and what kind it is, so that no log can put words into a
//! report; but for why it could not read its settings, without what it quotes of them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a server's log says, as far as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct LogSeen {
    /// `Creating client app`: the moment from which on a client secret is used. The last.
    pub client_app: Option<Timestamp>,
    /// `serving on port`: the last.
    pub serving: Option<Serving>,
    /// `serving on port`: how often.
    pub servings: usize,
    /// `oidc config modified. restarting`: the last.
    pub modified: Option<Timestamp>,
    /// `config referenced '$…', but key does not exist in secret`: the last.
    pub unresolved: Option<Timestamp>,
    /// Servers were shut down (`Shut down requested` is no such thing): the last.
    pub shut_down: Option<Timestamp>,
    /// Why a token was not taken: the last.
    pub rejected: Option<(Timestamp, Rejected)>,
    /// A line in which Redis does not answer: the last.
    pub redis: Option<Timestamp>,
    /// `server.secretkey is missing`: the last.
    pub key_missing: Option<Timestamp>,
    /// `invalid oidc config: …`: the last, and the reason that it gives.
    pub invalid_oidc: Option<(Timestamp, String)>,
    /// A policy or `scopes` of argocd-rbac-cm that it cannot read: the last, and its reason.
    pub invalid_rbac: Option<(Timestamp, String)>,
}

/// The line that says what a server runs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Serving {
    /// When.
    pub at: Timestamp,
    /// Whether it was without a URL.
    pub without_url: bool,
    /// Whether it was without SSO.
    pub without_sso: bool,
}

/// Why a token was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rejected {
    /// It is for somebody else.
    Audience,
    /// It is expired.
    Expired,
    /// It is another issuer's.
    Issuer,
    /// It is signed by a key that is not known.
    Signature,
    /// The provider's certificate is not trusted.
    Certificate,
    /// Something else.
    Other,
}

/// How argocd-server says that it cannot read argocd-rbac-cm.
const RBAC: [&str; 2] = ["invalid RBAC policy: ", "error unmarshalling scopes: "];

/// The longest line that is looked at, in bytes.
const LONGEST_LINE: usize = 8 * 1024;

impl LogSeen {
    /// Reads lines with a time before each, oldest first, as the API gives them. A line
    /// that was read before (the start and the end of a short log overlap) counts once.
    pub fn read(text: &str) -> Self {
        let mut seen = Self::default();
        let mut newest = None;
        for line in text.lines() {
            let Some((time, said)) = line.split_once(' ') else { continue };
            let Ok(at) = time.parse::<Timestamp>() else { continue };
            if newest.is_some_and(|newest| at <= newest) {
                continue;
            }
            newest = Some(at);
            seen.line(at, cut(said));
        }
        seen
    }

    fn line(&mut self, at: Timestamp, said: &str) {
        let says = |part: &str| said.contains(part);
        if says("Creating client app") {
            self.client_app = Some(at);
        } else if says("serving on port") {
            self.servings += 1;
            self.serving =
                Some(Serving { at, without_url: says("(url: ,"), without_sso: says("sso: false") });
        } else if says("oidc config modified. restarting") {
            self.modified = Some(at);
        } else if says("but key does not exist in secret") || says("secret key does not exist in secret") {
            self.unresolved = Some(at);
        } else if says("API Server received signal") || says("graceful shutdown tcpm") {
            self.shut_down = Some(at);
        } else if says("server.secretkey is missing") {
            self.key_missing = Some(at);
        } else if says("Failed to verify session token")
            || says("Failed to verify oidc token")
            || says("invalid session")
        {
            self.rejected = Some((at, Rejected::of(said)));
        } else if let Some(reason) = reason(said, "invalid oidc config: ") {
            self.invalid_oidc = Some((at, reason));
        } else if let Some((words, reason)) = RBAC.iter().find_map(|it| Some((it, reason(said, it)?))) {
            self.invalid_rbac = Some((at, format!("{words}{reason}")));
        } else if says("redis") && (says("connection refused") || says("i/o timeout") || says("EOF")) {
            self.redis = Some(at);
        }
    }
}

impl Rejected {
    fn of(said: &str) -> Self {
        let said = said.to_ascii_lowercase();
        let says = |part: &str| said.contains(part);
        // Some releases try each audience, and put `failed for all audiences` before whatever
        // was wrong each time.
        if says("token is expired") {
            Self::Expired
        } else if says("x509") {
            Self::Certificate
        } else if says("different provider") {
            Self::Issuer
        } else if says("signature") {
            Self::Signature
        } else if says("expected audience") {
            Self::Audience
        } else if says("issuer") {
            Self::Issuer
        } else {
            Self::Other
        }
    }

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Audience => "the token is for another audience",
            Self::Expired => "the token is expired",
            Self::Issuer => "the token is another issuer's",
            Self::Signature => "the token's signature is by a key that it does not know",
            Self::Certificate => "the provider's certificate is not trusted",
            Self::Other => "the token is not good",
        }
    }
}

/// What a line says behind these words, to the end of its message. What stands there in
/// quotes is of the settings and may be a secret.
fn reason(said: &str, words: &str) -> Option<String> {
    let rest = said.split_once(words)?.1.replace("\\\"", "`");
    let rest = rest.split('"').next()?.trim_end();
    let parts = rest.split('`').enumerate().map(|(at, part)| if at % 2 == 0 { part } else { "`…`" });
    Some(parts.collect::<String>())
}

fn cut(line: &str) -> &str {
    let mut end = LONGEST_LINE.min(line.len());
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    &line[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = r#"2026-01-01T00:00:01.000000000Z {"level":"info","msg":"Creating client app (argo-cd)"}
2026-01-01T00:00:02.000000000Z {"level":"info","msg":"argocd v3.3.6 serving on port 8080 (url: , tls: false, namespace: argocd, sso: false)"}
2026-01-01T00:00:03.000000000Z time="x" level=warning msg="config referenced '$argocd-oidc:clientSecret', but key does not exist in secret"
2026-01-01T00:00:04.000000000Z oidc config modified. restarting
no time at all
2026-01-01T00:00:05.000000000Z API Server received signal: GracefulRestartSignal
2026-01-01T00:00:06.000000000Z argocd v3.3.6 serving on port 8080 (url: http://a, tls: false, namespace: argocd, sso: true)
2026-01-01T00:00:07.000000000Z Failed to verify session token: failed to verify provider token: oidc: expected audience "other" got ["argo-cd"]
"#;

    #[test]
    fn the_lines_that_matter_are_known_in_both_formats() {
        let seen = LogSeen::read(LOG);
        let second = |time: Option<Timestamp>| time.map(|time| time.as_second() % 60);
        assert_eq!(second(seen.client_app), Some(1));
        assert_eq!(second(seen.unresolved), Some(3));
        assert_eq!(second(seen.modified), Some(4));
        assert_eq!(second(seen.shut_down), Some(5));
        assert_eq!(seen.servings, 2);
        let serving = seen.serving.unwrap();
        assert_eq!((serving.without_url, serving.without_sso), (false, false));
        assert_eq!(seen.rejected.map(|(_, why)| why), Some(Rejected::Audience));
        // Its start and its end overlap.
        assert_eq!(LogSeen::read(&format!("{LOG}{LOG}")), seen);
    }

    #[test]
    fn a_first_start_without_settings_is_seen() {
        let line = LOG.lines().nth(1).unwrap();
        let serving = LogSeen::read(line).serving.unwrap();
        assert!(serving.without_url && serving.without_sso);
    }

    #[test]
    fn why_settings_cannot_be_read_is_kept_without_what_is_quoted() {
        for (line, words) in [
            (
                r#"time="x" level=warning msg="invalid oidc config: error converting YAML to JSON: yaml: line 2: mapping values are not allowed in this context""#,
                "error converting YAML to JSON: yaml: line 2: mapping values are not allowed in this context",
            ),
            (
                r#"{"level":"warning","msg":"invalid oidc config: cannot unmarshal !!str `hunter2` into []string","time":"x"}"#,
                "cannot unmarshal !!str `…` into []string",
            ),
            (r#"msg="invalid oidc config: found \"hunter2\" there""#, "found `…` there"),
        ] {
            let seen = LogSeen::read(&format!("2026-01-01T00:00:01Z {line}"));
            assert_eq!(seen.invalid_oidc.unwrap().1, words);
        }
    }

    #[test]
    fn any_text_is_a_log() {
        for text in ["", "\n\n", "2026-01-01T00:00:01Z", "\u{0}\u{ffff} x", &"é".repeat(10_000)] {
            assert_eq!(LogSeen::read(text), LogSeen::default());
        }
        let long = format!("2026-01-01T00:00:01Z {}é Creating client app", "é".repeat(LONGEST_LINE));
        assert_eq!(LogSeen::read(&long).client_app, None);
    }

    #[test]
    fn reasons_are_told_apart() {
        for (said, why) in [
            ("oidc: token is expired (Token Expiry: x)", Rejected::Expired),
            ("oidc: id token issued by a different provider, expected x got y", Rejected::Issuer),
            (
                "token verification failed for all audiences: error for aud \"a\": oidc: id token issued by a different provider, expected \"x\" got \"y\"",
                Rejected::Issuer,
            ),
            (
                "token verification failed for all audiences: error for aud \"a\": failed to verify signature: x",
                Rejected::Signature,
            ),
            (
                "token verification failed for all audiences: error for aud \"b\": oidc: expected audience \"b\" got [\"a\"]",
                Rejected::Audience,
            ),
            ("failed to verify signature: failed to verify id token signature", Rejected::Signature),
            ("Get: tls: x509: certificate signed by unknown authority", Rejected::Certificate),
            ("else", Rejected::Other),
        ] {
            assert_eq!(Rejected::of(said), why, "{said}");
        }
    }
}
