//! The doctor and the catalogue of faults, from end to end on the local lab.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stderr, reason = "a test that cannot go on fails")]

#[path = "../support/mod.rs"]
mod support;

mod bundled;
mod by_hand;
mod catalogue;
mod command_line;
mod elsewhere;
mod providers;
mod role;
mod rotation;
mod secrets;
mod typed;

use serde_json::Value;
use support::Lab;

/// What the doctor found, in its order; its exit has to fit.
#[track_caller]
fn found(lab: &Lab, args: &[&str]) -> Vec<String> {
    let document = diagnosis(lab, args);
    let findings = document["goals"][0]["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["id"].as_str().unwrap().to_owned()).collect()
}

/// The doctor's document; its exit has to fit what it says, and whoever reads what it wrote down has to be told the
/// same.
#[track_caller]
fn diagnosis(lab: &Lab, args: &[&str]) -> Value {
    let folder = lab.home().join("evidence");
    std::fs::create_dir_all(&folder).unwrap();
    let number = std::fs::read_dir(&folder).unwrap().count();
    let file = folder.join(number.to_string()).display().to_string();
    // In turns: what is said word for word, and what is said of installations without a name.
    let names: &[&str] = if number.is_multiple_of(2) { &["--names"] } else { &[] };
    let document = doctor(lab, &[args, names, &["--evidence", &file]].concat());
    let again: Vec<&str> = args.iter().copied().filter(|arg| *arg == "--before-rotation").collect();
    let other = doctor(lab, &[&again, names, &["--from", &file]].concat());
    for field in ["subject", "findings", "unexplained", "could_not", "release", "asked", "token", "role"] {
        let (here, there) = (&document["goals"][0][field], &other["goals"][0][field]);
        if names.is_empty() && field == "findings" {
            let gist = |all: &Value| -> Vec<String> {
                let all = all.as_array().unwrap().iter();
                all.map(|it| format!("{} {} {}", it["id"], it["certainty"], it["when"])).collect()
            };
            assert_eq!(gist(here), gist(there), "{file}");
        } else if !names.is_empty() {
            assert_eq!(here, there, "{field} of {file}");
        }
    }
    document
}

#[track_caller]
fn doctor(lab: &Lab, args: &[&str]) -> Value {
    let ended = lab.run(&[&["--format", "json", "doctor"], args].concat());
    let document: Value =
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended}"));
    let goal = &document["goals"][0];
    let nothing = goal["findings"] == serde_json::json!([]) && goal["unexplained"] == serde_json::json!([]);
    assert_eq!(ended.status, i32::from(!nothing), "{ended}");
    assert_eq!(document["exit"], ended.status, "{ended}");
    document
}
