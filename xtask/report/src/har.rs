//! The logins as HAR 1.2, which browsers' developer tools open: a page for each login.

use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Value, json};

use crate::read::{Read as _, Run, passed, path};
use crate::text::{believed, words};

/// The most characters of a text in it.
const WORDS: usize = 20_000;
/// The most logins.
const MOST: usize = 500;

/// All logins of a run whose exchanges it has.
pub fn of(run: &Run<'_>) -> Value {
    let ran = run.whole.at("run");
    let began = time(ran.text("started")).unwrap_or(Timestamp::UNIX_EPOCH);
    let (mut pages, mut entries) = (vec![], vec![]);
    for (label, trace) in traces(run).take(MOST) {
        let id = format!("login_{}", pages.len() + 1);
        let started = time(trace.text("started")).unwrap_or(began);
        let mut next = 0.0;
        let before = entries.len();
        for exchange in trace.list("exchanges").iter().take(MOST) {
            let at = believed(exchange.number("at_ms")).unwrap_or(next);
            let ms = believed(exchange.number("ms")).unwrap_or(0.0);
            next = at + ms;
            entries.push(entry(&id, exchange, after(started, at), ms));
        }
        if !passed(trace)
            && let Some(last) = entries[before..].last_mut()
        {
            let said = words(trace.at("failure").text("message").unwrap_or_default(), WORDS);
            last["response"]["content"]["text"] = said.into();
            last["response"]["content"]["comment"] = "the words that the answer had for people".into();
        }
        let end = if passed(trace) {
            "logged in".to_owned()
        } else {
            format!("failed at {}", trace.at("failure").named("step", 40))
        };
        pages.push(json!({
            "startedDateTime": format!("{started:.3}"),
            "id": id,
            "title": format!("{label}login {}: {end}", trace.count("login")),
            "pageTimings": {"onContentLoad": -1, "onLoad": believed(trace.number("ms")).unwrap_or(-1.0)},
        }));
    }
    json!({"log": {
        "version": "1.2",
        "creator": {"name": words(run.program(), 80), "version": words(ran.text("version").unwrap_or("unknown"), 80)},
        "pages": pages,
        "entries": entries,
        "comment": "Secrets are masked, bodies are left out.",
    }})
}

/// Every login with what it belongs to.
fn traces<'a>(run: &Run<'a>) -> impl Iterator<Item = (String, &'a Value)> {
    run.entries.clone().into_iter().flat_map(|entry| {
        let own = entry.list("traces").iter().map(|trace| (String::new(), trace));
        let stories = entry.list("stories").iter().flat_map(|story| {
            let after = story.named("after", 40);
            story.list("traces").iter().map(move |trace| (format!("after {after}, "), trace))
        });
        let releases = entry.list("releases").iter().flat_map(|row| {
            let version = row.named("version", 80);
            let stages = row.at("traces").as_object().into_iter().flatten();
            stages.map(move |(stage, trace)| (format!("{version} after {}, ", words(stage, 40)), trace))
        });
        let faults = entry.list("faults").iter().filter(|row| row.at("trace").is_object());
        let faults = faults.map(|row| (format!("{}, ", row.named("fault", 80)), row.at("trace")));
        own.chain(stories).chain(releases).chain(faults).collect::<Vec<_>>()
    })
}

fn entry(page: &str, exchange: &Value, started: Timestamp, ms: f64) -> Value {
    let headers = headers(exchange);
    let header = |wanted: &str| {
        let found = exchange
            .list("headers")
            .iter()
            .find(|header| name_of(header).is_some_and(|name| name.eq_ignore_ascii_case(wanted)));
        found.and_then(|header| header.get(1)).and_then(Value::as_str)
    };
    let url = address(exchange.text("url").unwrap_or_default());
    let query: Vec<Value> = url
        .split_once('?')
        .map_or("", |(_, query)| query)
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            json!({"name": name, "value": value})
        })
        .collect();
    let sent: Vec<Value> = exchange
        .texts("cookies_sent")
        .map(|name| json!({"name": words(name, WORDS), "value": "…"}))
        .collect();
    let set: Vec<Value> = exchange
        .list("cookies")
        .iter()
        .map(|cookie| {
            let value = if cookie.at("empty").as_bool() == Some(true) { "" } else { "…" };
            json!({"name": cookie.named("name", WORDS), "value": value})
        })
        .collect();
    let bytes = exchange.at("bytes").as_u64().map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(-1));
    let status = exchange.at("status").as_u64().filter(|status| *status < 1000).unwrap_or(0);
    let named = u16::try_from(status).ok().and_then(|status| StatusCode::from_u16(status).ok());
    let reason = named.and_then(|status| status.canonical_reason()).unwrap_or_default();
    let mut request = json!({
        "method": words(exchange.text("method").unwrap_or("GET"), 40),
        "url": url, "httpVersion": "HTTP/1.1", "cookies": sent, "headers": [], "queryString": query,
        "headersSize": -1, "bodySize": -1,
    });
    let fields: Vec<Value> =
        exchange.texts("fields_sent").map(|name| json!({"name": words(name, WORDS), "value": "…"})).collect();
    if !fields.is_empty() {
        request["postData"] = json!({"mimeType": "application/x-www-form-urlencoded", "params": fields});
    }
    json!({
        "pageref": page,
        "startedDateTime": format!("{started:.3}"),
        "time": ms,
        "request": request,
        "response": {
            "status": status, "statusText": reason, "httpVersion": "HTTP/1.1", "cookies": set, "headers": headers,
            "content": {"size": bytes.max(0), "mimeType": words(header("content-type").unwrap_or("x-unknown"), 200)},
            "redirectURL": address(exchange.text("location").unwrap_or_default()),
            "headersSize": -1, "bodySize": bytes,
        },
        "cache": {},
        "timings": {"blocked": -1, "dns": -1, "connect": -1, "ssl": -1, "send": 0, "wait": ms, "receive": 0},
        "comment": format!("{} {}: {}", exchange.named("step", 40), words(path(exchange), 200), words(exchange.text("note").unwrap_or_default(), WORDS)),
    })
}

fn name_of(header: &Value) -> Option<&str> {
    header.get(0).and_then(Value::as_str)
}

fn headers(exchange: &Value) -> Vec<Value> {
    let pair = |header: &Value| {
        let value = header.get(1).and_then(Value::as_str).unwrap_or_default();
        Some(json!({"name": words(name_of(header)?, WORDS), "value": words(value, WORDS)}))
    };
    exchange.list("headers").iter().take(MOST).filter_map(pair).collect()
}

/// What an address of a HAR may not have as itself, besides what is not ASCII.
const UNFIT: &AsciiSet = &CONTROLS.add(b' ').add(b'<').add(b'>').add(b'"');

/// An address of printable ASCII, as a HAR wants it.
fn address(url: &str) -> String {
    utf8_percent_encode(&words(url, WORDS), UNFIT).to_string()
}

fn time(text: Option<&str>) -> Option<Timestamp> {
    text?.parse().ok()
}

/// A time so many milliseconds later.
fn after(start: Timestamp, ms: f64) -> Timestamp {
    start.checked_add(Duration::from_secs_f64(ms / 1000.0)).unwrap_or(start)
}
