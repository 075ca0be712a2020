//! How a token endpoint refuses a request: as it says so itself, and in the words of Argo CD, whose library
//! (golang.org/x/oauth2) hands on the error's name and its description, or the status and the body.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::http::parameter;

/// A refusal, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct TokenAnswer {
    /// The status, which Argo CD names only where there is no error's name.
    pub status: Option<u16>,
    /// `error` (RFC 6749, 5.2).
    pub error: Option<String>,
    /// `error_description`.
    pub description: Option<String>,
}

/// Words of a description that are compared: Argo CD's are cut, and what providers add at the end (times,
/// numbers of requests) is another each time.
const WORDS: usize = 12;

impl TokenAnswer {
    /// The endpoint's own answer.
    pub fn of(status: u16, body: &str) -> Self {
        let json: Value = serde_json::from_str(body).unwrap_or_default();
        let field = |name: &str| match &json {
            Value::Object(fields) => fields.get(name).and_then(Value::as_str).map(str::to_owned),
            // A body that was cut, or that is a form as OAuth 2's drafts had it.
            _ => quoted_field(body, name).or_else(|| parameter(body.trim(), name)),
        };
        let named = |name: &str| field(name).filter(|text| !text.is_empty());
        Self { status: Some(status), error: named("error"), description: named("error_description") }
    }

    /// What Argo CD says that the endpoint answered. `None` if it says nothing of an endpoint's answer.
    pub fn in_words(words: &str) -> Option<Self> {
        let (_, said) = words.split_once("oauth2: ")?;
        if said.starts_with('"') {
            let (error, rest) = quoted(said)?;
            let description = quoted(rest.trim_start()).map(|(text, _)| text);
            return Some(Self { status: None, error: Some(error), description });
        }
        let (_, said) = said.split_once("cannot fetch token: ")?;
        let status = said.split_whitespace().next()?.parse().ok()?;
        Some(Self::of(status, said.split_once("Response:").map_or("", |(_, body)| body.trim())))
    }

    /// Whether two answers say the same; `None` if too little is known of one of them.
    pub fn alike(&self, other: &Self) -> Option<bool> {
        let status = self.status.zip(other.status).map(|(one, other)| one == other);
        match (&self.error, &other.error) {
            (Some(one), Some(other)) if one != other => Some(false),
            (Some(_), Some(_)) => Some(status != Some(false) && self.same_description(other)),
            (None, None) => status,
            // A page beside an error's name: somebody on the way may have answered.
            _ => None,
        }
    }

    /// Whether the descriptions of two answers are the same, but for what is another each time.
    fn same_description(&self, other: &Self) -> bool {
        let words = |text: &Option<String>| text.as_deref().map(steady_words);
        match (words(&self.description), words(&other.description)) {
            (Some(one), Some(other)) => one.iter().zip(&other).all(|(one, other)| one == other),
            _ => true,
        }
    }

    /// Whether it is about this moment and not about the request: too much at once, or trouble of the server's own.
    pub fn is_passing(&self) -> bool {
        let busy = |status: u16| status < 400 && status != 200 || status == 429 || status >= 500;
        let says = |error: &str| matches!(error, "temporarily_unavailable" | "server_error" | "slow_down");
        self.status.is_some_and(busy) || self.error.as_deref().is_some_and(says)
    }

    /// Whether the error's name is one that providers commonly use for a client whose secret they do not take.
    /// A hint: what a provider means by it, only a control shows.
    pub fn names_client(&self) -> bool {
        self.error.as_deref().is_some_and(|error| error.contains("client") || error == "access_denied")
    }

    /// Whether the error's name is that of a code which the provider does not know, from a client which it does.
    /// A hint as well.
    pub fn names_code(&self) -> bool {
        self.error.as_deref() == Some("invalid_grant")
    }
}

/// The words of a text that have only letters, without those that stand for a moment or a request.
fn steady_words(text: &str) -> Vec<String> {
    let words = text.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()));
    let steady = words.filter(|word| !word.is_empty() && word.chars().all(char::is_alphabetic));
    steady.take(WORDS).map(str::to_lowercase).collect()
}

/// A string as Go quotes it, and what comes after; to the end where the end was cut off.
fn quoted(text: &str) -> Option<(String, &str)> {
    let text = text.strip_prefix('"')?;
    let mut escaped = false;
    let end = text.find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    let (inside, rest) = end.map_or((text, ""), |end| (&text[..end], &text[end + 1..]));
    Some((unescaped(inside), rest))
}

/// A text without Go's escapes, which are JSON's but for `\xNN` and a few that nobody sends.
fn unescaped(text: &str) -> String {
    let json = format!("\"{}\"", text.replace("\\x", "\\u00"));
    serde_json::from_str(&json).unwrap_or_else(|_| text.to_owned())
}

fn quoted_field(body: &str, name: &str) -> Option<String> {
    let (_, rest) = body.split_once(&format!("\"{name}\""))?;
    quoted(rest.trim_start().strip_prefix(':')?.trim_start()).map(|(text, _)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: Option<u16>, error: &str, description: &str) -> TokenAnswer {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        TokenAnswer { status, error: some(error), description: some(description) }
    }

    #[test]
    fn an_endpoint_says_it_as_json_as_a_form_or_not_at_all() {
        for (body, error, description) in [
            (
                r#"{"error":"invalid_grant","error_description":"Code not valid"}"#,
                "invalid_grant",
                "Code not valid",
            ),
            (
                r#"{"error":"invalid_client","error_description":"AADSTS7000215: Inval"#,
                "invalid_client",
                "AADSTS7000215: Inval",
            ),
            ("error=bad_verification_code&error_description=The+code", "bad_verification_code", "The code"),
            (r#"{"error":{"code":1}}"#, "", ""),
            (r#"{"error":""}"#, "", ""),
            ("<html>error</html>", "", ""),
            ("", "", ""),
        ] {
            assert_eq!(TokenAnswer::of(400, body), answer(Some(400), error, description), "{body}");
        }
    }

    #[test]
    fn argo_cd_hands_it_on_in_two_ways() {
        for (words, expected) in [
            (
                r#"failed to get token: oauth2: "invalid_client" "Invalid client credentials.""#,
                Some(answer(None, "invalid_client", "Invalid client credentials.")),
            ),
            (r#"failed to get token: oauth2: "invalid_client""#, Some(answer(None, "invalid_client", ""))),
            (r#"x: oauth2: "a" "say \"b\" and …"#, Some(answer(None, "a", r#"say "b" and …"#))),
            (
                r#"oauth2: "invalid_client" "AADSTS7000215: Invalid client secret is provided.\r\nTrace ID: 1""#,
                Some(answer(
                    None,
                    "invalid_client",
                    "AADSTS7000215: Invalid client secret is provided.\r\nTrace ID: 1",
                )),
            ),
            (
                r#"failed to get token: oauth2: cannot fetch token: 401 Unauthorized Response: {"error":"invalid_client"}"#,
                Some(answer(Some(401), "invalid_client", "")),
            ),
            (
                "oauth2: cannot fetch token: 503 Service Unavailable Response: busy",
                Some(answer(Some(503), "", "")),
            ),
            ("oauth2: server response missing access_token", None),
            ("failed to query provider", None),
            ("oauth2: ", None),
        ] {
            assert_eq!(TokenAnswer::in_words(words), expected, "{words}");
        }
    }

    #[test]
    fn answers_are_alike_by_what_stays_the_same() {
        let wrong =
            answer(Some(401), "invalid_client", "AADSTS7: Invalid client secret. Trace ID: a1 at 10:00");
        for (other, alike) in [
            (answer(None, "invalid_client", "AADSTS7: Invalid client secret. Trace ID: b2"), Some(true)),
            (answer(None, "invalid_client", ""), Some(true)),
            (answer(Some(400), "invalid_client", ""), Some(false)),
            (answer(Some(401), "invalid_client", "Code is unknown"), Some(false)),
            (answer(None, "invalid_grant", "AADSTS7: Invalid client secret."), Some(false)),
            (answer(Some(401), "", ""), None),
        ] {
            assert_eq!(wrong.alike(&other), alike, "{other:?}");
        }
        let page = |status| answer(status, "", "");
        assert_eq!(page(Some(400)).alike(&page(Some(400))), Some(true));
        assert_eq!(page(Some(400)).alike(&page(Some(401))), Some(false));
        assert_eq!(page(None).alike(&page(Some(401))), None);
    }
}
