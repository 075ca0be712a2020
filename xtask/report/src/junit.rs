//! JUnit XML: the writer, and a run as CI reads it.

use std::fmt::Write as _;

use serde_json::Value;

use crate::headline;
use crate::read::{Read as _, Run, failed_at, goal};
use crate::text::{believed, lines, words};
use crate::xml::escape;

/// What ran together.
pub struct Suite {
    /// Its name.
    pub name: String,
    /// What its cases are of.
    pub class: String,
    /// How long all of them took.
    pub seconds: f64,
    /// Each by its name, and how it ended.
    pub cases: Vec<(String, Ended)>,
}

/// How a case ended.
pub enum Ended {
    /// As it should.
    Well,
    /// Otherwise: how, and in whose words.
    Otherwise(String, String),
    /// It could not be looked at; why.
    Error(String),
    /// It was not looked at; why.
    Skipped(String),
}

/// As JUnit XML.
pub fn junit(name: &str, suites: &[Suite]) -> String {
    let name = escape(name);
    let mut xml = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"{name}\">\n");
    for Suite { name, class, seconds, cases } in suites {
        let count = |of: fn(&Ended) -> bool| cases.iter().filter(|(_, ended)| of(ended)).count();
        let _ = write!(
            xml,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\"",
            escape(name),
            cases.len(),
            count(|ended| matches!(ended, Ended::Otherwise(..))),
            count(|ended| matches!(ended, Ended::Error(_))),
        );
        let skipped = count(|ended| matches!(ended, Ended::Skipped(_)));
        if skipped > 0 {
            let _ = write!(xml, " skipped=\"{skipped}\"");
        }
        let _ = writeln!(xml, " time=\"{seconds:.3}\">");
        for (name, ended) in cases {
            let (name, class) = (escape(name), escape(class));
            let ended = match ended {
                Ended::Well => String::new(),
                Ended::Otherwise(how, words) => {
                    format!("<failure message=\"{}\">{}</failure>", escape(how), escape(words))
                }
                Ended::Error(why) => format!("<error message=\"{}\"/>", escape(why)),
                Ended::Skipped(why) => format!("<skipped message=\"{}\"/>", escape(why)),
            };
            let _ = write!(xml, "    <testcase classname=\"{class}\" name=\"{name}\"");
            let _ = match ended.as_str() {
                "" => writeln!(xml, "/>"),
                ended => writeln!(xml, ">\n      {ended}\n    </testcase>"),
            };
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

/// The most characters of a text in it.
const WORDS: usize = 2_000;
/// The most cases of a suite, and suites.
const MOST: usize = 500;

/// A run: a suite for each entry, and an error for what ended it.
pub(crate) fn of(run: &Run<'_>) -> String {
    let mut suites: Vec<Suite> = run.entries.iter().take(MOST).map(|entry| suite(entry)).collect();
    if let Some(error) = run.whole.text("error") {
        let cases = vec![("ran to its end".to_owned(), Ended::Error(words(error, WORDS)))];
        suites.push(Suite { name: "run".to_owned(), class: "run".to_owned(), seconds: 0.0, cases });
    }
    junit(&words(run.program(), 80), &suites)
}

fn suite(entry: &Value) -> Suite {
    let name = words(goal(entry), 80);
    let mut cases: Vec<(String, Ended)> = match goal(entry) {
        "test" => vec![test(entry)],
        "doctor" => doctor(entry),
        "reproduce" => entry.list("stories").iter().map(story).collect(),
        "matrix" => entry.list("releases").iter().map(release).collect(),
        "faults" => entry.list("faults").iter().map(fault).collect(),
        _ => vec![],
    };
    // A table's steps are its rows.
    if !matches!(goal(entry), "test" | "matrix" | "faults") {
        cases.extend(entry.list("steps").iter().map(step));
    }
    cases.truncate(MOST);
    let seconds = believed(entry.number("ms")).unwrap_or(0.0) / 1000.0;
    Suite { class: name.clone(), name, seconds, cases }
}

fn step(step: &Value) -> (String, Ended) {
    let ended = match step.text("outcome") {
        Some(said) if said.starts_with("failed") => Ended::Error(words(said, WORDS)),
        _ => Ended::Well,
    };
    (step.named("name", 200), ended)
}

fn test(entry: &Value) -> (String, Ended) {
    if entry.get("changes").is_some() {
        return watched(entry);
    }
    let expected = entry.text("expected").unwrap_or("logged-in");
    let how = headline::of_entry(entry, WORDS).sentence;
    let name = format!("the verdict is {}", words(expected, 40));
    let said: Vec<String> = entry.list("failures").iter().take(20).map(failure).collect();
    match entry.text("verdict") {
        Some(verdict) if verdict == expected => (name, Ended::Well),
        Some("unreachable") => (name, Ended::Error(how)),
        Some(_) => (name, Ended::Otherwise(how, said.join("\n"))),
        None => (name, Ended::Error(how)),
    }
}

/// Logins one after another: well if what was waited for came, or else if all passed.
fn watched(entry: &Value) -> (String, Ended) {
    let how = headline::of_entry(entry, WORDS).sentence;
    let (end, logins) = (entry.text("end"), entry.at("logins"));
    let waited = end == Some("reached") || (end != Some("password-refused") && logins.count("failed") == 0);
    let ended = match entry.text("outcome") {
        None => Ended::Error(how),
        Some(_) if waited => Ended::Well,
        Some(_) => Ended::Otherwise(how, String::new()),
    };
    ("logins one after another".to_owned(), ended)
}

fn failure(failure: &Value) -> String {
    let message = words(failure.text("message").unwrap_or("no words"), WORDS);
    format!("{} × {}: {message}", failure.count("count"), failed_at(failure))
}

fn doctor(entry: &Value) -> Vec<(String, Ended)> {
    let finding = |finding: &Value| {
        let (id, place) = (finding.text("id").unwrap_or("?"), finding.text("where").unwrap_or("?"));
        let name = format!("{}: {}", words(id, 80), words(place, 200));
        let why = words(finding.text("why").unwrap_or_default(), WORDS);
        let how = format!("{} ({}): {why}", words(id, 80), finding.named("certainty", 20));
        let fix = lines(finding.text("fix").unwrap_or_default(), 40, WORDS);
        (name, Ended::Otherwise(how, format!("fix:\n{fix}")))
    };
    let unexplained = |said: &Value| {
        let said = said.as_str().map_or_else(|| said.to_string(), str::to_owned);
        (
            "what was seen is explained".to_owned(),
            Ended::Otherwise("unexplained".to_owned(), words(&said, WORDS)),
        )
    };
    let not_looked = |it: &Value| {
        let because = it.named("because", WORDS);
        (it.named("what", 200), Ended::Skipped(format!("could not be looked at: {because}")))
    };
    let mut cases: Vec<(String, Ended)> = entry.list("findings").iter().map(finding).collect();
    cases.extend(entry.list("unexplained").iter().map(unexplained));
    if cases.is_empty() {
        cases.push(("nothing is found".to_owned(), Ended::Well));
    }
    cases.extend(entry.list("could_not").iter().map(not_looked));
    cases
}

fn story(story: &Value) -> (String, Ended) {
    let name = format!("after {}", story.named("after", 40));
    let verdict = words(story.text("verdict").unwrap_or("no verdict"), 40);
    let ended = match story.at("as_known").as_bool() {
        Some(false) => {
            let known = words(story.text("known").unwrap_or("another"), 40);
            let said = words(story.text("message").unwrap_or_default(), WORDS);
            Ended::Otherwise(format!("{verdict}; known is {known}"), said)
        }
        _ => Ended::Well,
    };
    (name, ended)
}

fn release(row: &Value) -> (String, Ended) {
    let name = format!("argocd {} ({})", row.named("version", 80), row.named("kind", 20));
    let stages = ["working", "break", "broken", "fix", "first_start"];
    let verdicts =
        stages.iter().filter_map(|stage| Some(format!("after {stage}: {}", words(row.text(stage)?, 40))));
    let ended = match (row.text("error"), row.at("as_known").as_bool()) {
        (Some(error), _) => Ended::Error(words(error, WORDS)),
        (None, Some(true)) => Ended::Well,
        _ => Ended::Otherwise(
            "not as known of this release".to_owned(),
            verdicts.collect::<Vec<_>>().join("\n"),
        ),
    };
    (name, ended)
}

fn fault(row: &Value) -> (String, Ended) {
    let fault = row.named("fault", 80);
    let name =
        row.text("provider").map_or(fault.clone(), |provider| format!("{fault} ({})", words(provider, 40)));
    let ended = match row.text("outcome") {
        Some("named") => Ended::Well,
        Some("real-only") => Ended::Skipped("it shows with real programs only".to_owned()),
        None if row.at("outcome").is_object() => {
            let on = row.at("outcome").text("not-here").unwrap_or("others");
            Ended::Skipped(format!("it does not show on this release, but on {}", words(on, 200)))
        }
        _ => {
            let named: Vec<String> = row.texts("answer").take(20).map(|id| words(id, 60)).collect();
            let how = if named.is_empty() {
                "nothing was named".to_owned()
            } else {
                format!("named: {}", named.join(", "))
            };
            Ended::Otherwise(how, words(row.text("symptom").unwrap_or_default(), WORDS))
        }
    };
    (name, ended)
}
