//! The page: what stands in it, in which order, and how much of it. `templates/page.html` says
//! how it looks.

use minijinja::Environment;
use serde_json::{Value, json};

use crate::draw::{Drawing, NARROW, STYLE, WIDE, plot, timeline};
use crate::facts;
use crate::headline;
use crate::login;
use crate::read::{Read as _, Run, goal};
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
        "failures": failures.iter().take(limits.rows).map(|failure| way(failure, limits)).collect::<Vec<_>>(),
        "steps": both(bars),
        "plot": both(points),
        "latency": latency(entry),
        "table": tables::of(entry, limits),
        "doctor": (goal(entry) == "doctor").then(|| doctor(entry, limits)),
        "plan": entry.list("plan").iter().take(limits.rows)
            .map(|step| json!({"name": words(step.text("name").unwrap_or("?"), 60), "does": words(step.text("does").unwrap_or(""), limits.words)}))
            .collect::<Vec<_>>(),
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

fn way(failure: &Value, limits: &Limits) -> Value {
    let text = |field: &str| failure.text(field).map(|text| words(text, limits.words));
    let status = failure.number("status").map(|status| format!(" {status:.0}")).unwrap_or_default();
    json!({
        "count": counted(failure.count("count").max(1), "login", "logins"),
        "at": format!("{}{status}", words(failure.text("step").unwrap_or("?"), 20)),
        "message": text("message"),
        "explanation": text("explanation"),
        "cause": text("cause"),
        "candidates": failure.texts("candidates").take(limits.rows).map(|id| words(id, 60)).collect::<Vec<_>>(),
        "decides": text("decides"),
    })
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
    let shown: Vec<Value> =
        findings.iter().take(limits.rows / 3).map(|finding| found(finding, limits)).collect();
    let more = findings.len() - shown.len();
    let text = |value: &Value, field: &str| value.text(field).map(|text| words(text, limits.words));
    let could_not: Vec<Value> = entry
        .list("could_not")
        .iter()
        .take(limits.rows)
        .map(|it| json!({"what": text(it, "what"), "because": text(it, "because"), "right": text(it, "right")}))
        .collect();
    let unexplained: Vec<String> = entry
        .list("unexplained")
        .iter()
        .take(limits.rows)
        .map(|it| words(&it.as_str().map_or_else(|| it.to_string(), str::to_owned), limits.words))
        .collect();
    json!({
        "subject": text(entry, "subject"),
        "release": text(entry, "release"),
        "findings": shown,
        "more": (more > 0).then(|| format!("{} more findings are in run.json.", grouped(more))),
        "could_not": could_not,
        "unexplained": unexplained,
    })
}

fn found(finding: &Value, limits: &Limits) -> Value {
    let text = |field: &str| finding.text(field).map(|text| words(text, limits.words));
    let commands = |field: &str| finding.text(field).map(|text| lines(text, limits.rows / 3, limits.words));
    let file = text("file").map(|file| match finding.number("line") {
        Some(line) => format!("{file}:{line:.0}"),
        None => file,
    });
    json!({
        "id": text("id"),
        "certainty": text("certainty"),
        "tone": match finding.text("certainty") {
            Some("certain") => "certain",
            Some("likely") => "likely",
            _ => "possible",
        },
        "when": match finding.text("when") {
            Some("later") => Some("will bite later"),
            Some("applied") => Some("fails when it is applied"),
            _ => None,
        },
        "where": text("where"),
        "file": file,
        "evidence": finding.texts("evidence").take(limits.rows / 4).map(|it| words(it, limits.words)).collect::<Vec<_>>(),
        "why": text("why"),
        "fix": commands("fix"),
        "change": commands("change"),
        "lasting_fix": commands("lasting_fix"),
        "candidates": finding.texts("candidates").take(limits.rows / 4).map(|it| words(it, 60)).collect::<Vec<_>>(),
        "decides": text("decides"),
    })
}
