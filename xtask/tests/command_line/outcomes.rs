//! One JSON document whatever the outcome, dry runs of commands, and words at the wrong place.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Ended, Lab, files, has};

#[test]
fn wrong_usage_is_a_document_too() {
    let lab = Lab::new();
    for (line, words) in [
        ("wroking", "invalid value 'wroking' for '[GOAL]...'"),
        ("--argocd v3.3 working", "invalid value 'v3.3' for '--argocd <vX.Y.Z>'"),
        ("test --logins 0", "invalid value '0' for '--logins <N>'"),
        ("-q -v status", "the argument '--quiet' cannot be used with '--verbose...'"),
        ("--colour", "unexpected argument '--colour' found"),
        ("doctor working", "unexpected argument 'working' found"),
        ("matrix nope", "\"nope\" is no Argo CD release"),
        ("--fault scope working test", "no goal here uses --fault scope"),
        ("--fault scope doctor", "no goal here uses --fault scope"),
        ("reproduce --fault scope", "no goal here uses --fault scope"),
    ] {
        let document = lab.json(2, &line.split(' ').collect::<Vec<_>>());
        let error = document["error"].as_str().unwrap();
        assert!(error.starts_with(words) && !error.contains("Usage:"), "{line}: {error}");
        assert_eq!(document["exit"], 2, "{line}");
        assert!(document["goals"].is_array(), "{line}");
    }
    let ended = Ended::of(lab.command(&["--format=json"]).arg(OsStr::from_bytes(b"\xff")));
    assert_eq!(ended.status, 2, "{ended}");
    assert_eq!(serde_json::from_str::<Value>(&ended.stdout).unwrap()["exit"], 2);
}

#[test]
fn a_command_is_one_entry_whether_it_passes_or_fails() {
    let lab = Lab::new();
    for (status, line) in [
        (0, "completions bash"),
        (3, "kubectl -- get pods"),
        (3, "doctor"),
        (3, "rotate"),
        (2, "compare"),
        (0, "render"),
    ] {
        let document = lab.json(status, &line.split(' ').collect::<Vec<_>>());
        let goals = document["goals"].as_array().unwrap();
        assert_eq!(goals.len(), 1, "{line}: {document}");
        assert_eq!(goals[0]["goal"], line.split(' ').next().unwrap());
        assert!(goals[0]["ms"].is_number() && goals[0]["steps"].is_array(), "{line}: {document}");
    }
    assert!(lab.json(0, &["completions", "zsh"])["goals"][0]["script"].as_str().unwrap().contains("xtask"));
    // Also where nothing of it was begun.
    let refused = lab.json(2, &["--fault", "scope", "doctor"]);
    assert_eq!(refused["goals"][0]["goal"], "doctor");
    // Its words are for a shell, whatever else stands on the line.
    let script = lab.json(0, &["--fault", "scope", "completions", "bash"]);
    assert_eq!(script["goals"][0]["shell"], "bash");
    let faults = lab.json(0, &["break", "--fault", "list"]);
    assert_eq!(faults["goals"][0]["faults"].as_array().unwrap().len(), 49);
}

#[test]
fn alone_it_is_the_status_in_the_document_too() {
    let lab = Lab::new();
    assert_eq!(lab.json(0, &[])["goals"], serde_json::json!([]));
    lab.expect(0, &["working"]);
    let (alone, status) = (lab.json(0, &[]), lab.json(0, &["status"]));
    assert_eq!(alone["argocd"], status["argocd"]);
    for field in ["goal", "address", "kubeconfig", "user"] {
        assert_eq!(alone["goals"][0][field], status["goals"][0][field], "{field}");
    }
}

#[test]
fn what_kubectl_prints_is_no_part_of_the_document() {
    if !has("kubectl", "what_kubectl_prints_is_no_part_of_the_document") {
        return;
    }
    let lab = Lab::new();
    lab.expect(0, &["working"]);
    let ended = lab.expect(0, &["kubectl", "--format", "json", "--", "get", "ns"]);
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(document["goals"][0]["goal"], "kubectl");
    assert!(ended.stderr.contains("argocd"), "{ended}");
    // Arguments are kubectl's own business, text or not.
    let ended = Ended::of(lab.command(&["kubectl", "--", "get"]).arg(OsStr::from_bytes(b"\xff")));
    assert_eq!((ended.status, ended.stdout.as_str()), (1, ""), "{ended}");
}

#[test]
fn a_dry_run_of_a_command_changes_nothing() {
    let lab = Lab::new();
    for line in ["matrix v3.3.6", "faults rotate", "compare", "check"] {
        let arguments: Vec<&str> = ["--dry-run"].into_iter().chain(line.split(' ')).collect();
        let document = lab.json(0, &arguments);
        assert!(!document["goals"][0]["plan"].as_array().unwrap().is_empty(), "{line}: {document}");
    }
    assert!(lab.expect(0, &["--dry-run"]).stdout.starts_with("no lab is up\n"));
    assert!(lab.expect(0, &["--dry-run", "status", "working"]).stdout.starts_with("status\n"));
    assert_eq!(lab.json(2, &["--dry-run", "matrix", "nope"])["exit"], 2);
    assert!(files(&lab.home()).is_empty());
    assert!(!lab.path().with_extension("lock").exists() && !lab.path().exists());

    lab.expect(0, &["working"]);
    let writes = || {
        let audit = std::fs::read_to_string(lab.path().join("audit.log")).unwrap();
        let writes = |line: &&str| {
            !["get", "list", "watch"].iter().any(|it| line.contains(&format!("\"verb\":\"{it}\"")))
        };
        audit.lines().filter(writes).count()
    };
    let written = writes();
    let ended = lab.expect(0, &["--dry-run", "rotate"]);
    assert!(ended.stdout.starts_with("rotate\n  dex-secret "), "{ended}");
    let ended = lab.expect(0, &["--dry-run", "kubectl", "--", "delete", "ns", "argocd"]);
    assert!(ended.stdout.contains("--context oidc-lab delete ns argocd"), "{ended}");
    assert!(written > 0);
    assert_eq!(writes(), written);
}

/// Two labs, one after the other: the second dies before its fault is in.
#[test]
fn rows_that_were_finished_outlive_a_later_error() {
    let lab = Lab::new();
    let mut child = lab
        .command(&["--logins", "2", "--format", "json", "faults", "scope", "stale-session-manager"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let described = PathBuf::from(format!("{}-faults/lab/lab.json", lab.path().display()));
    let pid = || {
        let description: Value = serde_json::from_slice(&std::fs::read(&described).ok()?).ok()?;
        description["pid"].as_u64()
    };
    let deadline = Instant::now() + Duration::from_secs(300);
    let mut first = None;
    let second = loop {
        assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none(), "no second lab came up");
        match (first, pid()) {
            (None, found) => first = found,
            (Some(first), Some(found)) if found != first => break found,
            _ => {}
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(Command::new("kill").args(["-9", &second.to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let goal = &document["goals"][0];
    let rows = goal["faults"].as_array().unwrap_or_else(|| panic!("{document:#}"));
    assert_eq!((rows.len(), &rows[0]["fault"], &rows[0]["outcome"]), (1, &"scope".into(), &"named".into()));
    assert_eq!(goal["steps"][0]["name"], "scope", "{document:#}");
    assert!(!document["error"].as_str().unwrap().is_empty());
}

#[test]
fn where_two_servers_answer_a_rotation_is_a_stale_replica() {
    let lab = Lab::new();
    let document = lab.json(0, &["--argocd", "v2.12.1", "faults", "rotate"]);
    let row = &document["goals"][0]["faults"][0];
    assert_eq!((&row["answer"][0], &row["outcome"]), (&"stale-replica".into(), &"named".into()), "{row:#}");
}

#[test]
fn words_at_the_wrong_place_get_a_tip() {
    let lab = Lab::new();
    for (line, tip) in [
        ("working doctor", "`doctor` is a command, and commands stand alone"),
        ("doctor working", "`working` is a goal, and commands stand alone"),
        ("break --fault rotat", "did you mean rotate?"),
    ] {
        let ended = lab.expect(2, &line.split(' ').collect::<Vec<_>>());
        assert!(ended.stderr.contains(tip), "{ended}");
    }
}

#[test]
fn a_variable_set_to_nothing_decides_nothing_and_a_wrong_one_is_named() {
    let lab = Lab::new();
    let ended = Ended::of(lab.command(&["--dry-run", "--lab", "local", "working"]).env("OIDC_LAB", ""));
    assert_eq!(ended.status, 0, "{ended}");
    let ended = Ended::of(lab.command(&["status"]).env("OIDC_LAB", ""));
    assert_eq!(ended.status, 3, "{ended}");
    let ended = Ended::of(lab.command(&["status"]).env("OIDC_LAB", "docker"));
    assert_eq!(ended.status, 2, "{ended}");
    assert!(ended.stderr.contains("it comes from the environment variable OIDC_LAB"), "{ended}");
}
