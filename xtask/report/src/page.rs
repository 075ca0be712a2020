//! The page: what stands in it, in which order, and how much of it. `templates/page.html` says
//! how it looks.

use minijinja::Environment;
use serde_json::{Map, Value, json};

use crate::draw::{Drawing, NARROW, STYLE, WIDE, plot, timeline};
use crate::facts;
use crate::headline;
use crate::login;
use crate::read::{Read as _, Run, failed_at, goal};
use crate::tables;
use crate::text::{Limits, believed, counted, grouped, lines, millis, words};

/// The longest page, in bytes.
const LONGEST: usize = 1_000_000;

const TEMPLATE: &str = include_str!("templates/page.html");
/// The logins of one entry.
const LOGINS: &str = include_str!("templates/logins.html");
const PAGE_STYLE: &str = include_str!("templates/page.css");

/// The page of a run: as much as fits.
pub fn of(run: &Run<'_>) -> String {
    let mut page = String::new();
    for limits in Limits::ALL {
        page = rendered(TEMPLATE, &content(run, &limits));
        if page.len() <= LONGEST {
            break;
        }
    }
    page
}

fn rendered(template: &str, content: &Value) -> String {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::Html);
    let page = environment
        .template_from_named_str("page.html", template)
        .and_then(|template| template.render(minijinja::value::Serde(content)));
    // The template is a part of the program, and knows every field that it names.
    page.unwrap_or_else(|error| {
        format!("<!doctype html><title>report</title><p>{}", crate::xml::escape(&error.to_string()))
    })
}

fn content(run: &Run<'_>, limits: &Limits) -> Value {
    let headline = headline::of(run, limits.words);
    let shown: Vec<&Value> = run.entries.iter().copied().take(limits.entries).collect();
    // The picture stands first, whatever was done before that login.
    let lead = headline::deciding(run).filter(|place| *place > 0);
    let mut sections: Vec<Value> =
        shown.iter().enumerate().map(|(place, entry)| section(entry, place, shown.len(), limits)).collect();
    if let Some(section) = lead.and_then(|place| sections.get_mut(place)) {
        section["logins"] = Value::Null;
    }
    let left_out = run.entries.len() - shown.len();
    let lead = lead.and_then(|place| run.entries.get(place)).and_then(|entry| logins(entry, limits));
    json!({
        "style": format!("{STYLE}{PAGE_STYLE}"),
        "tone": headline.tone,
        "sentence": headline.sentence,
        "subject": facts::subject(run, limits.words),
        "lead": lead,
        "sections": sections,
        "left_out": (left_out > 0).then(|| format!("{} more entries are in run.json only.", grouped(left_out))),
        "facts": facts::of(run, limits.words),
        "stand_ins": facts::stand_ins(run),
        "commands": facts::commands(run, limits.words),
    })
}

fn section(entry: &Value, place: usize, of: usize, limits: &Limits) -> Value {
    // The words of servers stand below, with what they mean.
    let below = ["failures", "changes"].iter().any(|list| !entry.list(list).is_empty());
    let spoken = if below { 0 } else { limits.words };
    let headline = headline::of_entry(entry, spoken);
    let name = words(goal(entry), 60);
    let steps = entry.list("steps");
    let title = format!("The steps of {name}");
    let bars = [WIDE, NARROW].map(|wide| timeline::draw(steps, limits.rows, wide, &title));
    let title = "How long each login took, and how it ended";
    let failures = entry.list("failures");
    let points =
        [WIDE, NARROW].map(|wide| plot::draw(entry.list("series"), failures, limits.logins, wide, title));
    json!({
        "id": format!("entry-{}", place + 1),
        "name": name,
        "took": believed(entry.number("ms")).map(|ms| millis(Some(ms))),
        "of": (of > 1).then(|| format!("{} of {of}", place + 1)),
        "tone": headline.tone,
        "sentence": headline.sentence,
        "logins": logins(entry, limits),
        "failures": failures.iter().take(limits.rows).map(|failure| json!({
            "count": counted(failure.count("count").max(1), "login", "logins"),
            "at": failed_at(failure),
            "said": tame(failure, limits),
        })).collect::<Vec<_>>(),
        "steps": both(bars),
        "plot": both(points),
        "latency": latency(entry),
        "table": tables::of(entry, limits),
        "doctor": (goal(entry) == "doctor").then(|| doctor(entry, limits)),
        "plan": tamed(entry.list("plan"), limits.rows, limits),
    })
}

/// The logins of an entry, if it has some.
fn logins(entry: &Value, limits: &Limits) -> Option<String> {
    let logins = login::of(entry, limits);
    (!logins.is_empty()).then(|| rendered(LOGINS, &json!({"logins": logins})))
}

/// A drawing for a desktop and for a phone.
fn both([wide, narrow]: [Option<Drawing>; 2]) -> Option<Value> {
    Some(json!({"wide": wide?.within(), "narrow": narrow?.within()}))
}

fn latency(entry: &Value) -> Option<String> {
    let latency = entry.at("latency_ms");
    latency.is_object().then(|| {
        let [min, median, p95, max] =
            ["min", "median", "p95", "max"].map(|field| millis(latency.number(field)));
        let most = match entry.at("logins").count("total") {
            20.. => format!("; 95 of 100 took up to {p95}"),
            _ => String::new(),
        };
        format!("A login took {median} in the median, {min} at least, {max} at most{most}.")
    })
}

fn doctor(entry: &Value, limits: &Limits) -> Value {
    let findings = entry.list("findings");
    let shown = tamed(findings, limits.rows / 3, limits);
    let more = findings.len() - shown.len();
    let text = |field: &str| entry.text(field).map(|text| words(text, limits.words));
    let unexplained = entry.list("unexplained").iter().take(limits.rows);
    let said = |it: &Value| words(&it.as_str().map_or_else(|| it.to_string(), str::to_owned), limits.words);
    json!({
        "subject": text("subject"),
        "release": text("release"),
        "findings": shown,
        "more": (more > 0).then(|| format!("{} more findings are in run.json.", grouped(more))),
        "could_not": tamed(entry.list("could_not"), limits.rows, limits),
        "unexplained": unexplained.map(said).collect::<Vec<_>>(),
    })
}

/// The first of a list, each as [`tame`].
fn tamed(list: &[Value], most: usize, limits: &Limits) -> Vec<Value> {
    list.iter().take(most).map(|it| tame(it, limits)).collect()
}

/// A part of the document as the page may show it: of its fields all that are texts or lists of them, none longer than
/// the limits say, and those that are one number or nothing.
fn tame(part: &Value, limits: &Limits) -> Value {
    let text = |text: &str| Value::from(lines(text, limits.rows / 3, limits.words));
    let field = |it: &Value| match it {
        Value::String(said) => text(said),
        Value::Array(list) => list.iter().filter_map(Value::as_str).take(limits.rows / 4).map(text).collect(),
        Value::Object(_) => Value::Null,
        other => other.clone(),
    };
    let fields = part.as_object().into_iter().flatten();
    fields.map(|(name, it)| (name.clone(), field(it))).collect::<Map<_, _>>().into()
}
