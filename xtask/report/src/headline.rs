//! The outcome of a run in one sentence.

use serde_json::Value;

use crate::read::{Read as _, Run, goal, status};
use crate::text::{counted, millis, words};

/// The outcome.
#[derive(Debug, PartialEq, Eq)]
pub struct Headline {
    /// `good`, `bad`, `mixed` or `plain`.
    pub tone: &'static str,
    /// The sentence.
    pub sentence: String,
}

/// Of a run: an error first, then the last entry that has an outcome of a login, else the last.
pub fn of(run: &Run<'_>, most: usize) -> Headline {
    if let Some(error) = run.whole.text("error") {
        return Headline { tone: "bad", sentence: full_stop(ended(run, error, most)) };
    }
    match deciding(run) {
        Some(place) => of_entry(run.entries[place], most),
        None => Headline { tone: "plain", sentence: "Nothing was done.".to_owned() },
    }
}

/// Which entry decides what is said of the whole.
pub fn deciding(run: &Run<'_>) -> Option<usize> {
    let outcome = |goal: &str| matches!(goal, "test" | "reproduce" | "matrix" | "faults" | "rotate");
    run.entries.iter().rposition(|entry| outcome(goal(entry))).or(run.entries.len().checked_sub(1))
}

fn ended(run: &Run<'_>, error: &str, most: usize) -> String {
    let error = words(error, most);
    match run.exit() {
        Some(130) => "The run was interrupted.".to_owned(),
        Some(exit) => format!("The run ended with an error (exit {exit}): {error}"),
        None => format!("The run ended with an error: {error}"),
    }
}

/// Of one entry; with no word of servers where `most` is 0.
pub fn of_entry(entry: &Value, most: usize) -> Headline {
    let (tone, sentence) = match goal(entry) {
        "test" if entry.get("changes").is_some() => watched(entry, most),
        "test" => test(entry, most),
        "doctor" => doctor(entry, most),
        "reproduce" => reproduce(entry),
        "matrix" => matrix(entry),
        "faults" => faults(entry),
        "rotate" => rotate(entry),
        goal => {
            let failed = |step: &&Value| step.text("outcome").is_some_and(|said| said.starts_with("failed"));
            match entry.list("steps").iter().find(failed) {
                Some(step) => {
                    let (name, said) =
                        (step.text("name").unwrap_or("?"), step.text("outcome").unwrap_or_default());
                    ("bad", format!("{}: {} {}", words(goal, 40), words(name, 80), words(said, most)))
                }
                None if entry.get("plan").is_some() => {
                    ("plain", format!("{}: a plan, not run.", words(goal, 40)))
                }
                None => match entry.text("fault").filter(|_| goal == "break") {
                    Some(fault) => ("plain", format!("The fault {} is in.", words(fault, 80))),
                    None => ("plain", format!("{}: done.", words(goal, 40))),
                },
            }
        }
    };
    Headline { tone, sentence: full_stop(sentence) }
}

/// A sentence with its end, if the words at its end have none of their own.
fn full_stop(sentence: String) -> String {
    if sentence.ends_with(['.', '"', ')', '…', '!', '?']) { sentence } else { sentence + "." }
}

fn test(entry: &Value, most: usize) -> (&'static str, String) {
    let logins = entry.at("logins");
    let (total, ok, failed) = (logins.count("total"), logins.count("ok"), logins.count("failed"));
    let failure = entry.list("failures").first();
    let how = failure.map(|failure| how(failure, most)).unwrap_or_default();
    let expected = match (entry.text("expected"), entry.text("verdict")) {
        (Some(expected), Some(verdict)) if expected == verdict && verdict != "logged-in" => {
            ", as was expected"
        }
        (Some(expected), Some(verdict)) if expected != verdict && expected != "logged-in" => {
            ", which was not expected"
        }
        _ => "",
    };
    match entry.text("verdict") {
        Some("logged-in") if total == 1 => ("good", format!("The login passed{expected}")),
        Some("logged-in") => ("good", format!("All {total} logins passed{expected}")),
        Some("refused") if total == 1 => ("bad", format!("The login was refused{expected}{how}")),
        Some("refused") => ("bad", format!("All {total} logins were refused{expected}{how}")),
        Some("mixed") => {
            ("mixed", format!("{ok} of {total} logins passed and {failed} failed{expected}{how}"))
        }
        Some("unreachable") => {
            ("bad", format!("No login got as far as an answer of Argo CD or its provider{how}"))
        }
        Some(other) => ("plain", format!("The verdict is {}.", words(other, 40))),
        None => ("plain", "No login was tried.".to_owned()),
    }
}

/// Logins one after another, which have no verdict together.
fn watched(entry: &Value, most: usize) -> (&'static str, String) {
    let logins = entry.at("logins");
    let (total, ok) = (logins.count("total"), logins.count("ok"));
    let tone = match ok {
        0 => "bad",
        ok if ok == total => "good",
        _ => "mixed",
    };
    let ended = match entry.text("outcome") {
        None => return ("plain", "No login was tried.".to_owned()),
        Some("logged-in") => "passed".to_owned(),
        Some(outcome) => {
            let failure = entry.list("changes").last().map(|change| change.at("failure"));
            let how = failure.filter(|it| it.is_object()).map(|it| how(it, most)).unwrap_or_default();
            format!("was {}{how}", words(outcome, 40))
        }
    };
    (tone, format!("{ok} of {total} logins passed, one after another; the last one {ended}"))
}

/// Where a login failed and in whose words.
fn how(failure: &Value, most: usize) -> String {
    let with = status(failure).map(|status| format!(" with {status}")).unwrap_or_default();
    let at = format!(" at {}{with}", failure.named("step", 20));
    match failure.text("message").filter(|_| most > 0) {
        Some(message) => format!("{at}: {}", words(message, most.min(300))),
        None => at,
    }
}

fn doctor(entry: &Value, most: usize) -> (&'static str, String) {
    let findings = entry.list("findings");
    let unexplained = entry.list("unexplained").len();
    match findings.first() {
        Some(first) => {
            let id = first.named("id", 60);
            let why = words(first.text("why").unwrap_or_default(), most);
            let others = match findings.len() - 1 {
                0 => String::new(),
                more => format!(" ({more} more below)"),
            };
            let certainty = words(first.text("certainty").unwrap_or("found"), 20);
            ("bad", format!("{id} ({certainty}): {}{others}", why))
        }
        None if unexplained > 0 => {
            ("bad", "Something was seen to fail, and nothing was found that explains it.".to_owned())
        }
        None => match entry.list("could_not").len() {
            0 => ("good", "Nothing was found that would make a login fail.".to_owned()),
            _ => ("plain", "Nothing was found, but not everything could be looked at.".to_owned()),
        },
    }
}

fn reproduce(entry: &Value) -> (&'static str, String) {
    let stories = entry.list("stories");
    let otherwise = stories.iter().filter(|story| story.at("as_known").as_bool() == Some(false)).count();
    match (entry.at("as_known").as_bool(), otherwise) {
        (Some(true), _) => ("good", "Both stories ended as is known of this release.".to_owned()),
        (_, 0) => ("plain", "Both stories were run.".to_owned()),
        _ => (
            "bad",
            format!(
                "{otherwise} of {} did not end as is known of this release.",
                counted(stories.len(), "test", "tests")
            ),
        ),
    }
}

fn matrix(entry: &Value) -> (&'static str, String) {
    let releases = entry.list("releases");
    let known = releases.iter().filter(|row| row.at("as_known").as_bool() == Some(true)).count();
    let tone = if known == releases.len() { "good" } else { "bad" };
    (
        tone,
        format!("{known} of {} behaved as is known of them.", counted(releases.len(), "release", "releases")),
    )
}

fn faults(entry: &Value) -> (&'static str, String) {
    let faults = entry.list("faults");
    let named = faults.iter().filter(|row| row.text("outcome") == Some("named")).count();
    let differs = faults.iter().filter(|row| row.text("outcome") == Some("differs")).count();
    let tone = if differs == 0 { "good" } else { "bad" };
    let more = match differs {
        0 => String::new(),
        differs => format!(", {differs} otherwise than is known"),
    };
    (tone, format!("The doctor named {named} of {}{more}.", counted(faults.len(), "fault", "faults")))
}

fn rotate(entry: &Value) -> (&'static str, String) {
    let logins = entry.at("logins");
    let (total, failed) = (logins.count("total"), logins.count("failed"));
    let tone = if failed == 0 { "good" } else { "mixed" };
    let logins = counted(total, "login", "logins");
    let within = match entry.number("window_ms").filter(|_| failed > 0) {
        Some(ms) => format!(", all within {}", millis(Some(ms))),
        None => String::new(),
    };
    (tone, format!("The secret was rotated; of {logins} meanwhile {failed} failed{within}."))
}
