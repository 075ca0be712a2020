//! The one place where secrets are kept out of what is shown: URLs, headers and texts pass through a
//! [`Redactor`] before anything is stored in a trace, a message or an error.

use std::fmt;

use base::shown::is_obeyed;
use url::{Position, Url};

/// What stands where a secret stood.
pub const MASK: &str = "…";

/// Values shorter than this are not looked for in texts: they would hit innocent words.
const SHORTEST: usize = 4;

/// A password that does not show itself.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    /// Wraps a password.
    pub fn new(password: impl Into<String>) -> Self {
        Self(password.into())
    }

    /// The password itself, for whom it is meant and nobody else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// Masks secrets by the names they go by, and by their values once it has met them.
#[derive(Default)]
pub struct Redactor {
    values: Vec<String>,
}

impl Redactor {
    /// A redactor that knows names only.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on masks `value` wherever it turns up.
    pub fn learn(&mut self, value: &str) {
        let encoded: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
        let in_path = encoded.replace('+', "%20");
        let in_page = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        for form in [value.to_owned(), encoded, in_path, in_page] {
            if form.len() >= SHORTEST && !self.values.contains(&form) {
                self.values.push(form);
            }
        }
        // Longer ones first, so that no secret is cut in two by another inside it.
        self.values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    }

    /// From now on masks the secret parameters of `url`.
    pub fn learn_url(&mut self, url: &Url) {
        for (_, value) in url.query_pairs().filter(|(name, _)| is_secret(name)) {
            // A parameter can be called a secret and hold a plain word ("state=1").
            if value.len() >= 2 * SHORTEST {
                self.learn(&value);
            }
        }
    }

    /// `url` without its secrets.
    pub fn url(&self, url: &Url) -> String {
        let mut shown = url[..Position::AfterUsername].to_owned();
        if !url.username().is_empty() {
            shown.push('@');
        }
        shown += &url[Position::BeforeHost..Position::AfterPath];
        for (mark, pairs) in [('?', url.query()), ('#', url.fragment())] {
            if let Some(pairs) = pairs {
                shown.push(mark);
                shown += &self.pairs(pairs);
            }
        }
        self.values(&shown)
    }

    /// The `name=value` pairs of a query or fragment, left as they are where nothing is secret.
    fn pairs(&self, pairs: &str) -> String {
        let shown = pairs.split('&').map(|pair| {
            let raw = pair.split_once('=').map_or(pair, |(name, _)| name);
            let name = url::form_urlencoded::parse(raw.as_bytes()).next().map(|(name, _)| name.into_owned());
            match name {
                Some(name) if pair.len() > raw.len() + 1 && is_secret(&name) => format!("{raw}={MASK}"),
                _ => self.text(pair),
            }
        });
        shown.collect::<Vec<_>>().join("&")
    }

    /// One header's value without its secrets; `url` is where a relative `Location` starts from.
    pub fn header(&self, name: &str, value: &str, url: &Url) -> String {
        match name.to_ascii_lowercase().as_str() {
            "set-cookie" => {
                let (pair, attributes) = value.split_once(';').unwrap_or((value, ""));
                let (name, content) = pair.split_once('=').unwrap_or(("", pair));
                let content = if content.trim().is_empty() { "" } else { MASK };
                let attributes = if attributes.is_empty() { String::new() } else { format!(";{attributes}") };
                self.text(&format!("{}={content}{attributes}", name.trim()))
            }
            "cookie" | "authorization" | "proxy-authorization" => MASK.to_owned(),
            "location" | "content-location" | "refresh" => match url.join(value) {
                Ok(target) if value.contains("://") => self.url(&target),
                Ok(target) => {
                    let shown = self.url(&target);
                    let origin = target.origin().ascii_serialization();
                    shown.strip_prefix(&origin).map_or(shown.clone(), str::to_owned)
                }
                Err(_) => self.text(value),
            },
            name if is_secret_header(name) && !value.is_empty() => MASK.to_owned(),
            _ => self.text(value),
        }
    }

    /// A text without the secrets that are known, look like one, or stand behind a secret's name.
    pub fn text(&self, text: &str) -> String {
        let known = self.values(text);
        let mut shown = String::with_capacity(known.len());
        let mut rest = known.as_str();
        while !rest.is_empty() {
            let other = rest.find(is_word).unwrap_or(rest.len());
            shown.push_str(&rest[..other]);
            rest = &rest[other..];
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            rest = after;
            if looks_like_a_token(word) {
                shown.push_str(MASK);
                continue;
            }
            shown.push_str(word);
            if let Some((before, length)) = secret_after(word, after) {
                shown.push_str(&after[..before]);
                shown.push_str(MASK);
                rest = &after[before + length..];
            }
        }
        // White space stays: it parts words, and who writes a line collapses it.
        shown.replace(|c: char| is_obeyed(c) && !c.is_whitespace(), "\u{fffd}")
    }

    /// A text without the values that are known, and otherwise as it is.
    pub fn known(&self, text: &str) -> String {
        self.values(text)
    }

    fn values(&self, text: &str) -> String {
        self.values.iter().fold(text.to_owned(), |text, value| match text.contains(value.as_str()) {
            true => text.replace(value.as_str(), MASK),
            false => text,
        })
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} values)", self.values.len())
    }
}

/// Whether a parameter or field of this name holds something that lets others in.
pub fn is_secret(name: &str) -> bool {
    const NAMES: [&str; 14] = [
        "code",
        "state",
        "nonce",
        "req",
        "hmac",
        "key",
        "ticket",
        "sid",
        "session_state",
        "session_code",
        "code_verifier",
        "samlrequest",
        "samlresponse",
        "relaystate",
    ];
    const PARTS: [&str; 5] = ["token", "secret", "passw", "assertion", "csrf"];
    // Asked of every word of every header, so it looks at each in place.
    let has =
        |part: &str| name.as_bytes().windows(part.len()).any(|it| it.eq_ignore_ascii_case(part.as_bytes()));
    NAMES.iter().any(|secret| secret.eq_ignore_ascii_case(name)) || PARTS.iter().any(|part| has(part))
}

/// Whether a header of this name, in small letters, holds something that lets others in (`x-auth-token`,
/// `x-api-key`).
fn is_secret_header(name: &str) -> bool {
    const PARTS: [&str; 8] = ["key", "apikey", "auth", "session", "sid", "jwt", "credential", "credentials"];
    // Who somebody is, as a front tells the servers behind it, is no secret.
    let last = name.rsplit(['-', '_']).next().unwrap_or_default();
    is_secret(name) || PARTS.contains(&last) || name.contains("session-id")
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

/// A JSON web token: two or three dotted parts, the first one a JSON object in base64.
fn looks_like_a_token(word: &str) -> bool {
    word.starts_with("eyJ") && word.len() > 20
}

/// Where in `after` the secret named by `word` is: bytes before it and its length.
fn secret_after(word: &str, after: &str) -> Option<(usize, usize)> {
    let scheme = word.eq_ignore_ascii_case("bearer") || word.eq_ignore_ascii_case("basic");
    if scheme && let Some(credentials) = after.strip_prefix(' ') {
        let length =
            credentials.find(|c: char| !(is_word(c) || "+/=~".contains(c))).unwrap_or(credentials.len());
        let credential = &credentials[..length];
        let odd = length >= 16 || credential.contains(|c: char| c.is_ascii_digit() || c == '=');
        return odd.then_some((1, length));
    }
    if !after.starts_with(['=', '"']) || !is_secret(word) {
        return None;
    }
    if let Some(value) = after.strip_prefix('=') {
        let quoted = value.starts_with('"');
        let start = usize::from(quoted);
        let stops = |c: char| if quoted { c == '"' } else { c.is_whitespace() || "&\"'<>;,)#".contains(c) };
        let length = value[start..].find(stops).unwrap_or(value.len() - start);
        return (length > 0).then_some((1 + start, length));
    }
    // "name": "value", as in JSON
    let value = after.strip_prefix('"')?.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    let length = value.find('"').unwrap_or(value.len());
    (length > 0).then_some((after.len() - value.len(), length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn urls_keep_everything_but_their_secrets() {
        let redactor = Redactor::new();
        for (given, shown) in [
            ("http://argocd.host/auth/login", "http://argocd.host/auth/login"),
            (
                "http://argocd.host/auth/callback?code=bb2es74s&state=LpVaEhcG",
                "http://argocd.host/auth/callback?code=…&state=…",
            ),
            (
                "http://dex.host/auth?client_id=argo-cd&redirect_uri=http%3A%2F%2Fargocd.host%2Fauth%2Fcallback&state=x1",
                "http://dex.host/auth?client_id=argo-cd&redirect_uri=http%3A%2F%2Fargocd.host%2Fauth%2Fcallback&state=…",
            ),
            (
                "http://dex.host/auth/local/login?back=&state=c6pd",
                "http://dex.host/auth/local/login?back=&state=…",
            ),
            ("http://a.host/cb#id_token=eyJx.y.z&token_type=b", "http://a.host/cb#id_token=…&token_type=…"),
            ("http://me:hunter2@a.host/", "http://me@a.host/"),
            ("http://a.host/?error=access_denied&state=", "http://a.host/?error=access_denied&state="),
            ("http://a.host/?CODE=1&c%6Fde=2", "http://a.host/?CODE=…&c%6Fde=…"),
        ] {
            assert_eq!(redactor.url(&url(given)), shown);
        }
    }

    #[test]
    fn headers_keep_names_and_attributes() {
        let redactor = Redactor::new();
        let page = url("http://dex.host/auth/local");
        for (name, value, shown) in [
            ("Set-Cookie", "argocd.token=eyJhbGciOi; path=/; httpOnly", "argocd.token=…; path=/; httpOnly"),
            ("set-cookie", "argocd.oauthstate=; HttpOnly", "argocd.oauthstate=; HttpOnly"),
            ("Cookie", "a=b", "…"),
            ("Authorization", "Basic YXJnbzpzZWNyZXQ=", "…"),
            ("Location", "/auth/local/login?back=&state=c6pd", "/auth/local/login?back=&state=…"),
            (
                "Location",
                "http://argocd.host/auth/callback?code=1&state=2",
                "http://argocd.host/auth/callback?code=…&state=…",
            ),
            ("Content-Type", "text/html; charset=utf-8", "text/html; charset=utf-8"),
            ("X-Debug", "token=abc; x=1", "token=…; x=1"),
            ("X-Auth-Token", "abc", "…"),
            ("X-Api-Key", "abc", "…"),
            ("x-amz-security-token", "abc", "…"),
            ("X-CSRFToken", "abc", "…"),
            ("X-Session-Id", "abc", "…"),
            ("X-Auth", "abc", "…"),
            ("X-Auth-Token", "", ""),
            ("X-Auth-Request-User", "me", "me"),
            ("X-Keycloak", "26", "26"),
        ] {
            assert_eq!(redactor.header(name, value, &page), shown);
        }
    }

    #[test]
    fn texts_keep_the_servers_words() {
        let redactor = Redactor::new();
        for (given, shown) in [
            (
                "failed to get token: oauth2: \"invalid_client\" \"Invalid client credentials.\"",
                "failed to get token: oauth2: \"invalid_client\" \"Invalid client credentials.\"",
            ),
            (
                "oauth2: \"invalid_grant\" \"Invalid or expired code parameter.\"",
                "oauth2: \"invalid_grant\" \"Invalid or expired code parameter.\"",
            ),
            ("invalid state in 'argocd.token' cookie", "invalid state in 'argocd.token' cookie"),
            ("Invalid Email Address and password.", "Invalid Email Address and password."),
            ("Get \"http://x/token?code=abc&a=1\": EOF", "Get \"http://x/token?code=…&a=1\": EOF"),
            (r#"{"id_token":"abc.def","error":"x"}"#, r#"{"id_token":"…","error":"x"}"#),
            (r#"{ "access_token" : "abc" }"#, r#"{ "access_token" : "…" }"#),
            (r#"{"error":"x","code":16}"#, r#"{"error":"x","code":16}"#),
            ("client_secret=hunter2, more", "client_secret=…, more"),
            ("client_secret=\"hunter 2\" more", "client_secret=\"…\" more"),
            ("cookie eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln!", "cookie …!"),
            ("Bearer abcdef0123", "Bearer …"),
            ("Basic authentication is off", "Basic authentication is off"),
        ] {
            assert_eq!(redactor.text(given), shown);
        }
    }

    #[test]
    fn a_value_once_met_is_masked_everywhere() {
        let mut redactor = Redactor::new();
        redactor.learn("s3cr3t+value");
        redactor.learn("s3cr3t");
        redactor.learn("no");
        redactor.learn("a&b c<d");
        redactor.learn_url(&url("http://a.host/cb?code=bb2es74soav&state=12"));
        assert_eq!(redactor.text("no s3cr3t+value, s3cr3t%2Bvalue or s3cr3t: 12"), "no …, … or …: 12");
        assert_eq!(redactor.text("a&b c<d a%26b%20c%3Cd a%26b+c%3Cd a&amp;b c&lt;d"), "… … … …");
        assert_eq!(redactor.url(&url("http://a.host/bb2es74soav/x")), "http://a.host/…/x");
    }

    #[test]
    fn nothing_shows_a_secret_when_it_is_debugged() {
        let mut redactor = Redactor::new();
        redactor.learn("hunter22");
        assert_eq!(format!("{:?} {redactor:?}", Password::new("hunter22")), "… Redactor(1 values)");
    }
}
