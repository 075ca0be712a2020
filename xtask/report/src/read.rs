//! Reads a run's document and expects nothing of it: a field that is missing, or is of another
//! kind than it should be, is not there.

use serde_json::Value;

use crate::text::words;

static NULL: Value = Value::Null;

/// Fields of a JSON document by name.
pub trait Read {
    /// A field; null where there is none.
    fn at(&self, field: &str) -> &Value;

    /// A text.
    fn text(&self, field: &str) -> Option<&str> {
        self.at(field).as_str().filter(|text| !text.is_empty())
    }

    /// A text as [`words`]; a question mark where there is none.
    fn named(&self, field: &str, most: usize) -> String {
        words(self.text(field).unwrap_or("?"), most)
    }

    /// A list; empty where there is none.
    fn list(&self, field: &str) -> &[Value] {
        self.at(field).as_array().map_or(&[], Vec::as_slice)
    }

    /// A number.
    fn number(&self, field: &str) -> Option<f64> {
        self.at(field).as_f64()
    }

    /// A number of things.
    fn count(&self, field: &str) -> usize {
        self.at(field).as_u64().and_then(|number| usize::try_from(number).ok()).unwrap_or(0)
    }

    /// Texts of a list.
    fn texts(&self, field: &str) -> impl Iterator<Item = &str> {
        self.list(field).iter().filter_map(Value::as_str)
    }
}

impl Read for Value {
    fn at(&self, field: &str) -> &Value {
        self.get(field).unwrap_or(&NULL)
    }
}

/// A run, as one of three programs writes it.
pub struct Run<'a> {
    /// All of it.
    pub whole: &'a Value,
    /// What was done, in order.
    pub entries: Vec<&'a Value>,
}

impl<'a> Run<'a> {
    /// The run that a document tells of, if it tells of one.
    pub fn of(whole: &'a Value) -> Option<Self> {
        let entries = match whole.get("goals") {
            Some(Value::Array(goals)) => goals.iter().collect(),
            Some(_) => return None,
            None if whole.text("goal") == Some("doctor") || whole.get("verdict").is_some() => vec![whole],
            None => return None,
        };
        Some(Self { whole, entries })
    }

    /// The program that ran.
    pub fn program(&self) -> &'a str {
        let told = self.whole.at("run").text("program");
        told.unwrap_or(match self.whole {
            whole if whole.get("goals").is_some() => "cargo xtask",
            whole if whole.get("verdict").is_some() => "probe",
            _ => "kubectl argocd-sso",
        })
    }

    /// What it exited with.
    pub fn exit(&self) -> Option<u64> {
        self.whole.at("exit").as_u64()
    }
}

/// The status of an answer, if it has one.
pub fn status(answer: &Value) -> Option<String> {
    answer.number("status").map(|status| format!("{status:.0}"))
}

/// Where a login failed: the step, and the status of its answer.
pub fn failed_at(failure: &Value) -> String {
    let step = failure.named("step", 40);
    status(failure).map_or(step.clone(), |status| format!("{step} {status}"))
}

/// The name of an entry.
pub fn goal(entry: &Value) -> &str {
    entry.text("goal").unwrap_or("test")
}

/// The host of an exchange, with its port if one is named.
pub fn host(exchange: &Value) -> &str {
    let place = place(exchange);
    place.split(['/', '?', '#']).next().unwrap_or(place)
}

/// The path of an exchange.
pub fn path(exchange: &Value) -> &str {
    let place = place(exchange);
    place.find('/').map_or("/", |slash| &place[slash..])
}

fn place(exchange: &Value) -> &str {
    let url = || exchange.text("url").map(|url| url.split_once("://").map_or(url, |(_, rest)| rest));
    let place = exchange.text("place").or_else(url).unwrap_or("?");
    place.split(['?', '#']).next().unwrap_or(place)
}

/// Whether a login passed.
pub fn passed(trace: &Value) -> bool {
    trace.at("failure").is_null()
}

/// The first login of each way of ending, those that failed first.
pub fn examples(traces: &[Value]) -> Vec<&Value> {
    let way = |trace: &Value| {
        let failure = trace.at("failure");
        ["step", "answer", "message"].map(|field| failure.text(field).unwrap_or("").to_owned())
    };
    let mut seen = vec![];
    let mut first: Vec<&Value> = vec![];
    for trace in traces {
        let way = (passed(trace), way(trace));
        if !seen.contains(&way) {
            seen.push(way);
            first.push(trace);
        }
    }
    first.sort_by_key(|trace| passed(trace));
    first
}
