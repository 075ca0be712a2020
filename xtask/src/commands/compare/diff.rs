//! Two runs of one case, held against each other field by field.

use std::collections::{BTreeMap, BTreeSet};

use probe::{Exchange, Login};
use serde::Serialize;

use super::reasons;

/// What one request was answered, with all that differs by chance taken out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Where in the case it stands: `login GET argocd.host/auth/login`.
    pub at: String,
    /// The status, or why there was no answer.
    pub status: String,
    /// The headers by their names, several of one in their order.
    pub headers: BTreeMap<String, String>,
    /// The body, where it is no page: how a page looks is everybody's own.
    pub body: String,
}

/// A field in which the two differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The case.
    pub case: String,
    /// The request.
    pub at: String,
    /// The field: `status`, `header vary`, `body`, `exchanges`.
    pub field: String,
    /// What the stand-in has.
    pub stand_in: String,
    /// What the real program has.
    pub real: String,
    /// Why it may differ, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
}

/// Headers that say when and over which connection, not what.
const LEFT_OUT: [&str; 3] = ["date", "connection", "keep-alive"];

/// The answers of a login.
pub fn of_login(login: &Login) -> Vec<Answer> {
    let mut answers: Vec<Answer> = login.exchanges.iter().map(of_exchange).collect();
    let end = match &login.outcome {
        Ok(user) => format!("logged in as {}", user.username),
        Err(failure) => format!("failed at {}: {}", failure.step, failure.message),
    };
    answers.push(Answer { at: "the end".into(), status: plain(&end), ..Answer::default() });
    answers
}

fn of_exchange(exchange: &Exchange) -> Answer {
    let status = exchange.status.map_or_else(|| exchange.note.clone(), |status| status.to_string());
    Answer {
        at: format!("{} {} {}", exchange.step, exchange.method, exchange.place),
        status,
        headers: headers(exchange.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))),
        body: String::new(),
    }
}

/// The answer to a request of its own.
pub fn of_answer<'a>(
    at: &str,
    status: u16,
    all: impl Iterator<Item = (&'a str, &'a str)>,
    body: &str,
) -> Answer {
    let headers = headers(all);
    let page = headers.get("content-type").is_some_and(|kind| kind.contains("html"));
    let body = if page { String::new() } else { plain(body) };
    Answer { at: at.to_owned(), status: status.to_string(), headers, body }
}

fn headers<'a>(all: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeMap<String, String> {
    let mut kept: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in all {
        let values = kept.entry(name.to_ascii_lowercase()).or_default();
        let before = if values.is_empty() { "" } else { " | " };
        *values += &format!("{before}{}", plain(value));
    }
    // How long a page or a body with a token is, is chance or taste.
    let textual = kept.get("content-type").is_some_and(|kind| kind.starts_with("text/plain"));
    kept.retain(|name, _| !LEFT_OUT.contains(&name.as_str()) && (textual || name != "content-length"));
    kept
}

/// Parameters of a URL that are random in each login.
const RANDOM: [&str; 5] = ["state=", "code=", "code_challenge=", "req=", "hmac="];

/// A text without what is different in each login or lab: dates, loopback ports, random
/// values.
fn plain(text: &str) -> String {
    let mut plain = without_long_words(text);
    for name in RANDOM {
        plain = masked(&plain, name, |c| c.is_ascii_alphanumeric() || "-_".contains(c));
    }
    // A token is worth a login to whoever reads it.
    plain = masked(&plain, "argocd.token=", |c| c != ';');
    plain = masked(&plain, "127.0.0.1:", |c| c.is_ascii_digit());
    // `Expires=Wed, 25 Nov 2026 02:07:52 GMT` says when it was asked.
    masked(&plain, "xpires=", |c| c != ';')
}

/// The text with `…` in place of what stands behind each `name`.
fn masked(text: &str, name: &str, part: impl Fn(char) -> bool) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(name) {
        let (before, after) = rest.split_at(start + name.len());
        plain.push_str(before);
        rest = after.trim_start_matches(&part).trim_start_matches('…');
        // What is empty is not random.
        plain.push_str(if rest == after { "" } else { "…" });
    }
    plain.push_str(rest);
    plain
}

fn without_long_words(text: &str) -> String {
    let between = |c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c);
    let plain = |part: &str| {
        let word = part.trim_end_matches(between);
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        let random = word.len() >= 20 && digits >= 2 && !word.contains('.');
        if random { part.replacen(word, "…", 1) } else { part.to_owned() }
    };
    text.split_inclusive(between).map(plain).collect()
}

/// The fields in which the stand-in's answers differ from the real program's.
pub fn differences(case: &str, stand_in: &[Answer], real: &[Answer]) -> Vec<Difference> {
    let mut found = vec![];
    let mut add = |at: &str, field: &str, stand_in: &str, real: &str| {
        if stand_in != real {
            let reason = reasons::of(at, field, stand_in, real);
            let text = |text: &str| text.chars().take(200).collect();
            found.push(Difference {
                case: case.to_owned(),
                at: at.to_owned(),
                field: field.to_owned(),
                stand_in: text(stand_in),
                real: text(real),
                reason,
            });
        }
    };
    let road = |answers: &[Answer]| answers.iter().map(|it| it.at.clone()).collect::<Vec<_>>().join(" → ");
    if road(stand_in) != road(real) {
        // From here on the one is about other requests than the other.
        add("the road", "exchanges", &road(stand_in), &road(real));
        let end = |answers: &[Answer]| answers.last().map(|it| it.status.clone()).unwrap_or_default();
        add("the end", "status", &end(stand_in), &end(real));
        return found;
    }
    for (mine, its) in stand_in.iter().zip(real) {
        add(&mine.at, "status", &mine.status, &its.status);
        let names: BTreeSet<&String> = mine.headers.keys().chain(its.headers.keys()).collect();
        for name in names {
            let [mine_has, its_has] =
                [mine, its].map(|it| it.headers.get(name).map_or("(none)", String::as_str));
            add(&mine.at, &format!("header {name}"), mine_has, its_has);
        }
        add(&mine.at, "body", &mine.body, &its.body);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Answer { at: "GET x".into(), status: status.into(), headers, body: body.into() }
    }

    fn fields(one: &Answer, other: &Answer) -> Vec<String> {
        let found = differences("case", std::slice::from_ref(one), std::slice::from_ref(other));
        found.into_iter().map(|it| format!("{}: {} / {}", it.field, it.stand_in, it.real)).collect()
    }

    #[test]
    fn what_differs_is_named_by_its_field() {
        let one = answer("200", &[("a", "1"), ("b", "2"), ("c", "3")], "text");
        assert_eq!(fields(&one, &one), [""; 0]);
        let other = answer("404", &[("b", "2"), ("a", "1"), ("d", "4")], "other");
        assert_eq!(
            fields(&one, &other),
            ["status: 200 / 404", "header c: 3 / (none)", "header d: (none) / 4", "body: text / other"]
        );
    }

    #[test]
    fn chance_is_no_difference() {
        for (text, expected) in [
            (
                "argocd.token=…; expires=Wed, 25 Nov 2026 02:07:52 GMT; path=/",
                "argocd.token=…; expires=…; path=/",
            ),
            (
                "http://dex.host/auth/local?state=abcdefghij0123456789klm",
                "http://dex.host/auth/local?state=…",
            ),
            ("failed to query provider \"http://dex.host\"", "failed to query provider \"http://dex.host\""),
            ("text/plain; charset=utf-8", "text/plain; charset=utf-8"),
            ("argocd.token=eyJ.eyJ.sig-_; path=/", "argocd.token=…; path=/"),
            ("argocd.token=; Path=/", "argocd.token=; Path=/"),
            ("/auth?req=ab&state=YTjHzkrVnIojjBKCyBVSOjoT&x=1", "/auth?req=…&state=…&x=1"),
            (
                "/auth?code_challenge=SVBfbyviyjNUWiO-nMwRXbPiea-2SiAWqIRuyo_LAFE&code_challenge_method=S256",
                "/auth?code_challenge=…&code_challenge_method=S256",
            ),
            ("Get \"https://127.0.0.1:45589/.well-known\"", "Get \"https://127.0.0.1:…/.well-known\""),
        ] {
            assert_eq!(plain(text), expected);
        }
    }

    #[test]
    fn another_road_is_one_difference_and_not_twenty() {
        let road = |at: &str| Answer { at: at.into(), ..answer("200", &[], "") };
        let found = differences("case", &[road("a"), road("b")], &[road("a"), road("c"), road("d")]);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].stand_in.as_str(), found[0].real.as_str()), ("a → b", "a → c → d"));
    }
}
