//! The matrix for people and programs: text, Markdown, JSON, JUnit.

use std::fmt::Write as _;

use probe::Verdict;
use report::junit::{Ended, Suite};
use serde_json::{Value, json};

use super::lab::Measured;
use crate::goals::stories::{Logins, Row};
use crate::known::Stage;
use crate::table;

/// The columns: the name in JSON, and the heading.
pub const COLUMNS: [(Stage, &str, &str); 5] = [
    (Stage::Working, "working", "working"),
    (Stage::Break, "break", "break"),
    (Stage::Broken, "broken", "broken"),
    (Stage::Fix, "fix", "fix"),
    (Stage::FirstStart, "first_start", "first start"),
];

/// `mixed 7/20`.
pub fn cell(seen: Option<(Verdict, Logins)>) -> String {
    match seen {
        Some((verdict, logins)) => format!("{} {}/{}", verdict.name(), logins.ok, logins.total),
        None => "–".to_owned(),
    }
}

fn who(measured: &Measured) -> (String, &'static str, &'static str) {
    let Some(program) = &measured.argocd else { return (measured.label.clone(), "–", "–") };
    let era = program.release().map_or("unknown", |release| release.era().name());
    (program.version.clone(), program.kind.name(), era)
}

/// The rows as a table: headings first, all cells as text.
fn cells(all: &[Measured]) -> Vec<Vec<String>> {
    let mut heading = vec!["release".to_owned(), "program".into(), "era".into()];
    heading.extend(COLUMNS.map(|(_, _, heading)| heading.to_owned()));
    heading.push("as known".into());
    let mut table = vec![heading];
    for measured in all {
        let (version, kind, era) = who(measured);
        let mut row = vec![version, kind.to_owned(), era.to_owned()];
        row.extend(COLUMNS.map(|(stage, _, _)| cell(measured.stage(stage))));
        row.push(if measured.as_known() { "yes" } else { "NO" }.to_owned());
        table.push(row);
    }
    table
}

/// For a terminal: the table, and below it what went wrong.
pub fn text(all: &[Measured], width: Option<usize>) -> String {
    let mut text = table::headed(&cells(all), width);
    for measured in all {
        for row in measured.rows.iter().filter(|row| !row.as_known) {
            let _ = writeln!(text, "{} after {}: {}", measured.label, row.after.name(), otherwise(row));
        }
        if let Some(error) = &measured.error {
            let _ = writeln!(text, "{}: {error}", measured.label);
        }
    }
    text
}

/// What was seen and what is known, where the two differ.
fn otherwise(row: &Row) -> String {
    format!("{} ({} of {} logged in), known is {}", row.seen(), row.logins.ok, row.logins.total, row.known())
}

/// As a Markdown table.
pub fn markdown(all: &[Measured]) -> String {
    table::markdown(&cells(all))
}

/// The `releases` of the JSON document.
pub fn json(all: &[Measured]) -> Value {
    all.iter()
        .map(|measured| {
            let (version, kind, era) = who(measured);
            let of = |seen: fn(&Measured, Stage) -> Value| -> Value {
                COLUMNS.iter().map(|(stage, name, _)| ((*name).to_owned(), seen(measured, *stage))).collect()
            };
            let logins = of(|measured, stage| json!(measured.stage(stage).map(|(_, logins)| logins)));
            let refusals = of(|measured, stage| json!(measured.refusals(stage)));
            let mut row = json!({"version": version, "kind": kind, "era": era, "as_known": measured.as_known(),
                "logins": logins, "refusals": refusals, "dex": measured.dex,
                "ms": crate::record::millis(measured.time)});
            for (stage, name, _) in COLUMNS {
                row[name] = json!(measured.stage(stage).map(|(verdict, _)| verdict));
            }
            if let Some(error) = &measured.error {
                row["error"] = error.to_string().into();
            }
            row
        })
        .collect()
}

/// What a report shows of each besides: a login after each act, one that failed where some did.
pub fn shown(all: &[Measured]) -> Value {
    let traces = |measured: &Measured| -> Value {
        let trace = |(stage, name, _): &(Stage, &str, &str)| {
            let trace = measured.worst(*stage).and_then(|row| {
                let traces = row.shown.get("traces")?.as_array()?;
                traces.iter().find(|trace| !trace["failure"].is_null()).or(traces.first())
            });
            ((*name).to_owned(), json!(trace))
        };
        json!({"traces": COLUMNS.iter().map(trace).collect::<Value>()})
    };
    all.iter().map(traces).collect()
}

/// As JUnit XML: a suite a release, a case a stage.
pub fn junit(all: &[Measured]) -> String {
    let suite = |measured: &Measured| {
        let (version, kind, _) = who(measured);
        let stage = |row: &Row| {
            let words = || row.message.clone().unwrap_or_default();
            let ended = if row.as_known { Ended::Well } else { Ended::Otherwise(otherwise(row), words()) };
            (format!("after {}", row.after.name()), ended)
        };
        let error = measured.error.iter().map(|error| ("runs".to_owned(), Ended::Error(error.to_string())));
        Suite {
            name: format!("argocd {version} ({kind})"),
            class: version,
            seconds: measured.time.as_secs_f64(),
            cases: measured.rows.iter().map(stage).chain(error).collect(),
        }
    };
    report::junit::junit("matrix", &all.iter().map(suite).collect::<Vec<_>>())
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
