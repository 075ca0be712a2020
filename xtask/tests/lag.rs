//! A lab whose routes lag behind what its cluster says, as those of a real cluster do: it says what a lab
//! says whose routes do not. This takes minutes, so it is run only where it is asked for:
//! `cargo test -p xtask --test lag -- --ignored`.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stderr, reason = "a test that cannot go on fails")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use support::{Ended, Lab};

/// An era of each kind: it never notices, both answer, it reloads.
const RELEASES: [&str; 3] = ["v3.3.6", "v2.12.1", "v3.5.1"];
/// Rounds of `break test fix test`.
const ROUNDS: u32 = 10;
/// Faults whose verdict is a matter of luck on any lab: of two replicas or handlers, a login may
/// meet the same one in all its requests, or not.
const LUCK: [&str; 3] = ["stale-replica", "server-key-changed", "code-reused"];

/// Of a release whose old and new handler answer on one port: after an issuer was changed, one of them sends people
/// to the old one and the other does not take their tokens. Which of them a doctor and a login meet, luck decides.
const HANDLERS: (&str, &str) = ("v2.12.1", "stale-session-manager");

/// A lab, and how its routes lag.
struct Late {
    lab: Lab,
    lag: Option<&'static str>,
}

impl Late {
    fn new(lag: Option<&'static str>) -> Self {
        Self { lab: Lab::new(), lag }
    }

    /// Runs goals; the document.
    #[track_caller]
    fn run(&self, args: &[&str]) -> Value {
        let mut command = self.lab.command(&["--format", "json"]);
        command.args(args).envs(self.lag.map(|lag| ("OIDC_LAB_TEST_LAG", lag)));
        let ended = Ended::of(&mut command);
        assert!([0, 1].contains(&ended.status), "{args:?}\n{ended}");
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}: {ended}"))
    }
}

/// What a test says: its verdict, and where and why its logins end.
type Said = (String, BTreeSet<(String, String)>);

fn said(document: &Value) -> Said {
    let test = document["goals"].as_array().unwrap().last().unwrap();
    assert_eq!(test["goal"], "test", "{document:#}");
    let failures = test["failures"].as_array().unwrap().iter();
    let failures = failures.map(|it| (it["step"].to_string(), it["cause"].to_string()));
    (test["verdict"].as_str().unwrap().to_owned(), failures.collect())
}

/// `break test fix test`.
fn round(late: &Late) -> [Said; 2] {
    ["break", "fix"].map(|goal| said(&late.run(&[goal, "test"])))
}

/// A text without the ports of addresses on loopback.
fn without_ports(text: &str) -> String {
    let mut parts = text.split("127.0.0.1:");
    let first = parts.next().unwrap_or_default().to_owned();
    parts
        .fold(first, |text, part| text + "127.0.0.1:" + part.trim_start_matches(|c: char| c.is_ascii_digit()))
}

/// What `faults` says of each fault.
fn faults(late: &Late, release: &str) -> BTreeMap<String, Value> {
    let document = late.run(&["--argocd", release, "faults"]);
    let rows = document["goals"][0]["faults"].as_array().unwrap_or_else(|| panic!("{document:#}"));
    let row = |row: &Value| {
        let fault = row["fault"].as_str().unwrap().to_owned();
        let mut row = row.clone();
        row["diagnosis_ms"].take();
        // The cluster's own address, which an issuer is set to, has another port in each lab.
        if let Some(symptom) = row["symptom"].as_str() {
            row["symptom"] = without_ports(symptom).into();
        }
        if LUCK.contains(&fault.as_str()) {
            row["symptom"].take();
        }
        if (release, fault.as_str()) == HANDLERS {
            for field in ["symptom", "answer", "outcome"] {
                row[field].take();
            }
        }
        (fault, row)
    };
    rows.iter().map(row).collect()
}

fn rounds_are_the_same(lag: &'static str) {
    for release in RELEASES {
        let (prompt, late) = (Late::new(None), Late::new(Some(lag)));
        for lab in [&prompt, &late] {
            lab.run(&["--argocd", release, "working"]);
        }
        let expected = round(&prompt);
        assert_eq!(expected[1].0, "logged-in", "{release}");
        for number in 1..=ROUNDS {
            assert_eq!(round(&late), expected, "{release}, {lag}, round {number}");
        }
    }
}

fn faults_are_the_same(lag: &'static str) {
    for release in RELEASES {
        let expected = faults(&Late::new(None), release);
        let seen = faults(&Late::new(Some(lag)), release);
        for (fault, row) in &expected {
            assert_eq!(seen.get(fault), Some(row), "{release}, {lag}");
        }
    }
}

#[test]
#[ignore = "takes minutes"]
fn rounds_with_addresses_that_refuse() {
    rounds_are_the_same("2s:refuses");
}

#[test]
#[ignore = "takes minutes"]
fn rounds_with_addresses_that_hang() {
    rounds_are_the_same("2s:hangs");
}

#[test]
#[ignore = "takes minutes"]
fn rounds_with_addresses_that_answer_502() {
    rounds_are_the_same("2s:502");
}

#[test]
#[ignore = "takes minutes"]
fn faults_with_addresses_that_refuse() {
    faults_are_the_same("2s:refuses");
}

#[test]
#[ignore = "takes minutes"]
fn faults_with_addresses_that_hang() {
    faults_are_the_same("2s:hangs");
}

#[test]
#[ignore = "takes minutes"]
fn faults_with_addresses_that_answer_502() {
    faults_are_the_same("2s:502");
}

/// What the others rely on: the variable reaches the lab's own process.
#[test]
fn a_lag_that_cannot_be_read_starts_no_lab() {
    let lab = Lab::new();
    let ended = Ended::of(lab.command(&["working"]).env("OIDC_LAB_TEST_LAG", "soon"));
    assert_eq!(ended.status, 3, "{ended}");
}
