//! The stand-ins' answers held against what real servers answered, field by field.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::support::argocd::{ArgoCd, Exchange, Login};
use crate::support::{DEX_CONFIG, Place, SECRET};

#[derive(Deserialize)]
struct Recorded {
    releases: BTreeMap<String, BTreeMap<String, serde_yaml::Value>>,
    exchanges: BTreeMap<String, Answer>,
}

#[derive(Deserialize)]
struct Answer {
    status: u16,
    headers: Vec<BTreeMap<String, String>>,
    #[serde(default)]
    cookies: Vec<String>,
    body: Option<String>,
    form: Option<Form>,
}

#[derive(Deserialize)]
struct Form {
    action: String,
    inputs: Vec<[String; 3]>,
    error: Option<String>,
}

/// What was recorded of one release, and what stands for what in this login.
struct Recording<'a> {
    release: &'a str,
    words: &'a BTreeMap<String, serde_yaml::Value>,
    exchanges: &'a BTreeMap<String, Answer>,
    bound: BTreeMap<String, String>,
}

impl Recording<'_> {
    /// Compares an answer with the recorded one of this name.
    fn check(&mut self, name: &str, exchange: &Exchange) {
        let what = format!("{} {name}", self.release);
        let answer = self.exchanges.get(name).unwrap_or_else(|| panic!("nothing recorded of {name:?}"));
        assert_eq!(exchange.status, answer.status, "{what}: {exchange:?}");
        let left_out = |name: &str| ["date", "set-cookie"].contains(&name);
        let sent = exchange.headers.iter().map(|(name, value)| (name.to_lowercase(), value));
        let sent: BTreeMap<_, _> = sent.filter(|(name, _)| !left_out(name)).collect();
        let recorded: BTreeMap<_, _> =
            answer.headers.iter().flatten().map(|(name, pattern)| (name.to_lowercase(), pattern)).collect();
        assert!(sent.keys().eq(recorded.keys()), "{what}: {sent:?}");
        for (name, value) in sent {
            self.matches(&format!("{what}, {name}"), recorded[&name], value);
        }
        let cookies = exchange.set_cookies();
        assert_eq!(cookies.len(), answer.cookies.len(), "{what}: {cookies:?}");
        for (cookie, pattern) in cookies.iter().zip(&answer.cookies) {
            self.matches(&format!("{what}, cookie"), pattern, cookie);
        }
        if let Some(body) = &answer.body {
            self.matches(&format!("{what}, body"), body, &exchange.body);
        }
        if let Some(form) = &answer.form {
            self.check_form(&what, form, &exchange.body);
        }
    }

    fn check_form(&mut self, what: &str, form: &Form, page: &str) {
        let tag = tags(page, "form").next().unwrap();
        assert_eq!(attribute(tag, "method").as_deref(), Some("post"), "{what}");
        self.matches(&format!("{what}, action"), &form.action, &attribute(tag, "action").unwrap());
        let inputs: Vec<_> = tags(page, "input")
            .chain(tags(page, "button"))
            .map(|tag| ["name", "type", "id"].map(|name| attribute(tag, name).unwrap_or_default()))
            .collect();
        assert_eq!(inputs, form.inputs, "{what}");
        let error = page
            .split_once(r#"id="login-error""#)
            .map(|(_, rest)| rest.split_once('>').unwrap().1.split_once('<').unwrap().0.trim().to_owned());
        assert_eq!(error, form.error, "{what}");
    }

    /// Whether a text is what a pattern says, with the words of the release in it.
    fn matches(&mut self, what: &str, pattern: &str, text: &str) {
        let mut rest = text;
        let mut pattern = self
            .words
            .iter()
            .filter_map(|(name, word)| Some((name, word.as_str()?)))
            .fold(pattern.to_owned(), |pattern, (name, word)| pattern.replace(&format!("[{name}]"), word));
        let whole = pattern.clone();
        let fail = |rest: &str| format!("{what}: {text:?} is not {whole:?}, from {rest:?}");
        while let Some((before, after)) =
            pattern.split_once('{').filter(|(_, after)| after.starts_with(char::is_alphabetic))
        {
            let (name, after) = after.split_once('}').unwrap();
            rest = rest.strip_prefix(before).unwrap_or_else(|| panic!("{}", fail(rest)));
            let (value, left) = self.take(name, rest, after).unwrap_or_else(|| panic!("{}", fail(rest)));
            let bound = self.bound.entry(name.to_owned()).or_insert_with(|| value.to_owned());
            if !["length", "front", "date", "hex"].contains(&name) {
                assert_eq!(bound, value, "{what}: {{{name}}} is not what it was");
            }
            rest = left;
            pattern = after.to_owned();
        }
        assert_eq!(rest, pattern, "{what}");
    }

    /// The text at the beginning that a name stands for.
    fn take<'t>(&self, name: &str, text: &'t str, after: &str) -> Option<(&'t str, &'t str)> {
        let next = after.chars().next();
        let end = match name {
            "front" => text.rfind(next?)?,
            _ => next.map_or(Some(text.len()), |next| text.find(next))?,
        };
        let (value, rest) = text.split_at(end);
        let all = |length: usize, good: fn(char) -> bool| value.len() == length && value.chars().all(good);
        let good = match name {
            "state" => all(24, |c| c.is_ascii_alphabetic()),
            "code" | "request" => all(25, |c| c.is_ascii_lowercase() || c.is_ascii_digit()),
            "hex" => {
                all(usize::try_from(self.words["hex"].as_u64().unwrap()).unwrap(), |c| c.is_ascii_hexdigit())
            }
            "jwt" => value.split('.').count() == 3,
            "date" => value.ends_with(" GMT") && value.len() == 29,
            "length" => value.parse::<u32>().is_ok_and(|length| length > 0),
            "front" => true,
            other => panic!("nobody knows what {other:?} stands for"),
        };
        good.then_some((value, rest))
    }
}

fn tags<'a>(page: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let open = format!("<{name} ");
    page.match_indices(&open)
        .map(|(at, _)| page[at..].split_once('>').unwrap().0)
        .collect::<Vec<_>>()
        .into_iter()
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    Some(rest.split_once('"')?.0.to_owned())
}

fn recorded() -> Recorded {
    serde_yaml::from_str(include_str!("fixtures/answers.yaml")).unwrap()
}

/// The steps of a login, by the names under which they were recorded.
const STEPS: [&str; 7] = ["login", "authorize", "connector", "page", "form", "callback", "userinfo"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_are_answered_as_recorded() {
    let Recorded { releases, exchanges } = recorded();
    for (release, words) in &releases {
        let recording = || Recording { release, words, exchanges: &exchanges, bound: BTreeMap::new() };
        let place = Place::new().await;
        let dex = place.dex(DEX_CONFIG, SECRET);
        let mut argocd = ArgoCd::start(&place, release).await;

        let check = |login: &Login, instead: &[(&str, &str)]| {
            let mut recording = recording();
            for (exchange, step) in login.exchanges.iter().zip(STEPS) {
                let name = instead.iter().find(|(usual, _)| *usual == step).map_or(step, |(_, name)| name);
                recording.check(name, exchange);
            }
            login.exchanges.len()
        };
        assert_eq!(check(&Login::run(&place).await, &[]), 7);
        let wrong = Login::run_as(&place, "wrong").await;
        assert_eq!(check(&wrong, &[("form", "form with a wrong password")]), 5);

        // Dex gets another secret, Argo CD keeps the one that it has.
        dex.end().await;
        let dex = place.dex(DEX_CONFIG, "another");
        let refused = Login::run(&place).await;
        assert_eq!(check(&refused, &[("callback", "callback with a wrong client secret")]), 6);

        // Dex is away: who knows it already sends browsers there all the same.
        dex.end().await;
        let mut login = Login::default();
        login.begin(&place).await;
        check(&login, &[]);
        argocd.rollout(&place, release).await;
        let mut login = Login::default();
        login.begin(&place).await;
        check(&login, &[("login", "login with Dex away")]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callbacks_that_do_not_fit_are_answered_as_recorded() {
    const CALLBACK: &str = "http://argocd.host/auth/callback";
    let Recorded { releases, exchanges } = recorded();
    for (release, words) in &releases {
        let mut recording = Recording { release, words, exchanges: &exchanges, bound: BTreeMap::new() };
        let place = Place::new().await;
        let _dex = place.dex(DEX_CONFIG, SECRET);
        let _argocd = ArgoCd::start(&place, release).await;
        let begin = async || {
            let mut login = Login::default();
            login.begin(&place).await;
            let state = login.last().location().split_once("state=").unwrap().1.to_owned();
            (login, state)
        };
        let (_, foreign) = begin().await;
        for (name, query, with_cookie) in [
            ("callback with a bogus code", "code=bogus&state=OWN".to_owned(), true),
            ("callback with the state of another login", format!("code=bogus&state={foreign}"), true),
            ("callback without the cookie", "code=bogus&state=OWN".to_owned(), false),
            (
                "callback with an error",
                "error=access_denied&error_description=nope&state=OWN".to_owned(),
                true,
            ),
        ] {
            let (mut login, state) = begin().await;
            if !with_cookie {
                login.cookies().clear();
            }
            login.get(&place, "callback", &format!("{CALLBACK}?{}", query.replace("OWN", &state))).await;
            recording.check(name, login.last());
        }
        let mut nobody = Login::default();
        nobody.get(&place, "userinfo", "http://argocd.host/api/v1/session/userinfo").await;
        recording.check("userinfo of nobody", nobody.last());
    }
}
