//! The tables: releases of `matrix`, faults of `faults`, both stories of `reproduce`, the phases
//! of `rotate`, the changes of `test --watch`; each row with its drawing.

use serde_json::{Value, json};

use crate::draw::glyph;
use crate::login::login;
use crate::read::{Read as _, goal, passed};
use crate::text::{Limits, grouped, millis, words};

/// A cell: a text, what kind of text it is, and a small drawing of a login, where there is one.
fn cell(text: &str, most: usize, tone: &str, trace: &Value) -> Value {
    let glyph = trace.is_object().then(|| glyph::draw(trace).within());
    json!({"text": words(text, most), "tone": tone, "glyph": glyph})
}

fn plain(text: &str, limits: &Limits) -> Value {
    toned(text, "", limits)
}

fn toned(text: &str, tone: &str, limits: &Limits) -> Value {
    cell(text, limits.words.min(300), tone, &Value::Null)
}

fn verdict(text: Option<&str>, trace: &Value, limits: &Limits) -> Value {
    let tone = match text {
        Some("logged-in" | "named" | "as known") => "good word",
        Some("refused" | "unreachable" | "differs" | "not as known") => "bad word",
        Some("mixed") => "mixed word",
        _ => "mute",
    };
    cell(text.unwrap_or("–"), limits.words.min(60), tone, trace)
}

/// Whether something ended as is known of it, where that is said.
fn known(as_known: Option<bool>, limits: &Limits) -> Value {
    match as_known {
        Some(true) => verdict(Some("as known"), &Value::Null, limits),
        Some(false) => verdict(Some("not as known"), &Value::Null, limits),
        None => plain("–", limits),
    }
}

/// What makes a row of an entry's list.
type MakesRow = for<'a> fn(&'a Value, &Limits) -> Row<'a>;
/// The cells of a row, and the login that stands for it, with its caption.
type Row<'a> = (Vec<Value>, Option<(String, &'a Value)>);

/// The table of an entry, if it has one.
pub fn of(entry: &Value, limits: &Limits) -> Option<Value> {
    let (caption, head, rows, field): (_, &[&str], MakesRow, _) = match goal(entry) {
        "matrix" => (
            "Each release, and how its logins ended after each goal",
            &["Argo CD", "era", "working", "break", "broken", "fix", "first start", "as known", "took"],
            release,
            "releases",
        ),
        "faults" => (
            "Each fault, what a login said, and what the doctor made of it",
            &["fault", "a login says", "the doctor names", "certainty", "in", "outcome"],
            fault,
            "faults",
        ),
        "reproduce" => (
            "Each test of both stories",
            &["after", "verdict", "logins", "known", "a server's words"],
            story,
            "stories",
        ),
        "rotate" => {
            ("The logins of each step of the rotation", &["step", "logins", "failed"], phase, "phases")
        }
        "test" if entry.get("changes").is_some() => (
            "What changed from one login to the next",
            &["login", "at", "outcome", "a server's words"],
            change,
            "changes",
        ),
        _ => return None,
    };
    let all = entry.list(field);
    let rows: Vec<Row<'_>> = all.iter().take(limits.rows).map(|row| rows(row, limits)).collect();
    let more = all.len() - rows.len();
    let drawn: Vec<Value> = rows
        .iter()
        .filter_map(|(_, example)| example.as_ref())
        .take(limits.drawings)
        .map(|(caption, trace)| login(trace, true, caption, limits))
        .collect();
    let rows: Vec<Vec<Value>> = rows.into_iter().map(|(cells, _)| cells).collect();
    Some(json!({
        "caption": caption,
        "head": head,
        "rows": rows,
        "more": (more > 0).then(|| format!("{} more rows are in run.json.", grouped(more))),
        "logins": drawn,
    }))
}

fn release<'a>(row: &'a Value, limits: &Limits) -> Row<'a> {
    let version = row.named("version", 60);
    let name = match row.text("kind") {
        Some("stand-in") => format!("{version} (stand-in)"),
        _ => version.clone(),
    };
    let traces = row.at("traces");
    let mut cells = vec![plain(&name, limits), plain(row.text("era").unwrap_or("–"), limits)];
    for stage in ["working", "break", "broken", "fix", "first_start"] {
        cells.push(verdict(row.text(stage), traces.at(stage), limits));
    }
    cells.push(match row.text("error") {
        Some(error) => toned(error, "bad", limits),
        None => known(Some(row.at("as_known").as_bool() == Some(true)), limits),
    });
    cells.push(plain(&millis(row.number("ms")), limits));
    // The post's own story where it failed, else what failed, else the story as it passed.
    let stages = ["broken", "break", "first_start", "fix", "working"].map(|stage| (stage, traces.at(stage)));
    let there = || stages.iter().filter(|(_, trace)| trace.is_object());
    let shown = there().find(|(_, trace)| !passed(trace)).or(there().next());
    (cells, shown.map(|(stage, trace)| (format!("{version} after {}", stage.replace('_', " ")), *trace)))
}

fn fault<'a>(row: &'a Value, limits: &Limits) -> Row<'a> {
    let fault = row.named("fault", 60);
    let name =
        row.text("provider").map_or(fault.clone(), |provider| format!("{fault} ({})", words(provider, 30)));
    let not_here = row.at("outcome").text("not-here").map(|on| format!("shows on {}", words(on, 100)));
    let named: Vec<String> = row.texts("answer").take(6).map(|id| words(id, 60)).collect();
    let named = if named.is_empty() { "–".to_owned() } else { named.join(", ") };
    let trace = row.at("trace");
    let symptom = cell(row.text("symptom").unwrap_or("–"), limits.words.min(300), "", trace);
    let cells = vec![
        plain(&name, limits),
        symptom,
        plain(&named, limits),
        plain(row.text("certainty").unwrap_or("–"), limits),
        plain(&millis(row.number("diagnosis_ms")), limits),
        verdict(row.text("outcome").or(not_here.as_deref()), &Value::Null, limits),
    ];
    (cells, trace.is_object().then(|| (format!("with the fault {fault}"), trace)))
}

fn story<'a>(row: &'a Value, limits: &Limits) -> Row<'a> {
    let after = row.named("after", 40);
    let trace = row.list("traces").first().unwrap_or(&Value::Null);
    let logins = row.at("logins");
    let counted = format!("{} of {} passed", logins.count("ok"), logins.count("total"));
    let cells = vec![
        plain(&after, limits),
        verdict(row.text("verdict"), trace, limits),
        plain(&counted, limits),
        known(row.at("as_known").as_bool(), limits),
        plain(row.text("message").unwrap_or("–"), limits),
    ];
    (cells, trace.is_object().then(|| (format!("after {after}"), trace)))
}

fn phase<'a>(row: &'a Value, limits: &Limits) -> Row<'a> {
    let failed = row.count("failed");
    let cells = vec![
        plain(row.text("step").unwrap_or("?"), limits),
        plain(&row.count("logins").to_string(), limits),
        toned(&failed.to_string(), if failed > 0 { "bad" } else { "" }, limits),
    ];
    (cells, None)
}

fn change<'a>(row: &'a Value, limits: &Limits) -> Row<'a> {
    let cells = vec![
        plain(&row.count("login").to_string(), limits),
        plain(row.text("at").unwrap_or("–"), limits),
        verdict(row.text("outcome"), &Value::Null, limits),
        plain(row.at("failure").text("message").unwrap_or("–"), limits),
    ];
    (cells, None)
}
