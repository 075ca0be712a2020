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

/// The doctor's document; its exit has to fit what it says.
#[track_caller]
fn diagnosis(lab: &Lab, args: &[&str]) -> Value {
    let ended = lab.run(&[&["--format", "json", "doctor"], args].concat());
    let document: Value =
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended}"));
    let goal = &document["goals"][0];
    let nothing = goal["findings"] == serde_json::json!([]) && goal["unexplained"] == serde_json::json!([]);
    assert_eq!(ended.status, i32::from(!nothing), "{ended}");
    assert_eq!(document["exit"], ended.status, "{ended}");
    document
}
