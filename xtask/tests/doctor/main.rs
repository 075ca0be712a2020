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

/// The doctor's document; its exit has to fit what it says, and whoever reads what it saw finds the same.
#[track_caller]
fn diagnosis(lab: &Lab, args: &[&str]) -> Value {
    let evidence = lab.file("evidence.json", "");
    std::fs::remove_file(&evidence).unwrap();
    let file = evidence.to_str().unwrap();
    let written = ["--format", "json", "doctor", "--evidence", file, "--names"];
    let ended = lab.run(&[&written, args].concat());
    let document = parsed(&ended);
    let goal = &document["goals"][0];
    let before_rotation = args.iter().filter(|arg| **arg == "--before-rotation").copied();
    let from: Vec<&str> = ["--format", "json", "doctor", "--from", file, "--names"]
        .into_iter()
        .chain(before_rotation)
        .collect();
    let read = parsed(&lab.run(&from));
    for field in ["findings", "unexplained", "could_not", "subject"] {
        assert_eq!(read["goals"][0][field], goal[field], "{field}, from the file");
    }
    let nothing = goal["findings"] == serde_json::json!([]) && goal["unexplained"] == serde_json::json!([]);
    assert_eq!(ended.status, i32::from(!nothing), "{ended}");
    assert_eq!(document["exit"], ended.status, "{ended}");
    document
}

#[track_caller]
fn parsed(ended: &support::Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended}"))
}
