//! The Dex inside Argo CD as provider: both stories, and what there is not with it.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::support::Lab;

const REFUSED: &str = r#"500 failed to get token: oauth2: "invalid_client" "Invalid client credentials.""#;

/// The verdicts of both stories.
#[track_caller]
fn stories_of(release: &str, expected: &str) {
    let lab = Lab::new();
    let document = lab.json(0, &["--provider", "bundled", "--argocd", release, "reproduce"]);
    let goal = &document["goals"][0];
    let rows = goal["stories"].as_array().unwrap();
    let verdicts: Vec<&str> = rows.iter().map(|row| row["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["logged-in", expected, "logged-in", expected, "logged-in"], "{release}");
    assert_eq!((&document["provider"], &document["dex"]["kind"]), (&json!("bundled"), &json!("stand-in")));
    assert_eq!(goal["as_known"], true, "{goal:#}");
}

#[test]
fn never_in_3_3() {
    stories_of("v3.3.6", "refused");
}

#[test]
fn reloads_again_from_3_3_7() {
    stories_of("v3.5.1", "logged-in");
}

#[test]
fn both_answer_up_to_2_13() {
    stories_of("v2.12.1", "mixed");
}

#[test]
fn the_error_is_the_posts_and_a_lab_keeps_its_provider_until_another_is_named() {
    let lab = Lab::new();
    let ended = lab.expect(0, &["--provider", "bundled", "working", "test", "-v"]);
    assert!(ended.stderr.contains("dex v2.45.1 (stand-in) inside it"), "{ended}");
    assert!(ended.stderr.contains("logged in as kilgore@kilgore.trout"), "{ended}");
    let pid = lab.pid();
    let ended = lab.expect(1, &["break", "test"]);
    assert!(ended.stdout.contains(REFUSED), "{ended}");
    lab.expect(0, &["fix", "test"]);
    let ended = lab.expect(1, &["broken", "test"]);
    assert!(ended.stdout.contains(REFUSED), "{ended}");
    lab.expect(0, &["working", "test"]);
    assert_eq!(lab.pid(), pid);
    let document = lab.json(0, &["status"]);
    let status = &document["goals"][0];
    assert_eq!(
        (&document["provider"], &status["hosts"]),
        (&json!("bundled"), &json!({"argocd": "argocd.host"}))
    );
    assert_eq!((&status["user"], &status["password"]), (&json!("admin@example.com"), &json!("password")));
    // Another one is another lab.
    let ended = lab.expect(2, &["--provider", "dex", "test"]);
    assert!(
        ended.error().contains("--provider dex, and the lab that is up has the provider bundled"),
        "{ended}"
    );
    let document = lab.json(0, &["--provider", "dex", "working", "test"]);
    assert_eq!((&document["provider"], &document["dex"]["version"]), (&json!("dex"), &json!("v2.45.1")));
    assert_ne!(lab.pid(), pid);
    assert_eq!(lab.json(0, &["status"])["provider"], "dex");
}

#[test]
fn what_is_of_a_dex_of_its_own_is_refused_before_anything_is_done() {
    let lab = Lab::new();
    let fault = &["working", "break", "--fault", "secret-mismatch"][..];
    let refused = |args: &[&str], says: &str| {
        for dry in [&["--provider", "bundled"][..], &["--provider", "bundled", "--dry-run"]] {
            let ended = lab.expect(2, &[dry, args].concat());
            assert!(ended.error().contains(says), "{ended}");
        }
    };
    refused(fault, "the fault secret-mismatch is of a Dex of its own");
    refused(&["faults", "secret-mismatch"], "the fault secret-mismatch is of a Dex of its own");
    refused(&["rotate"], "`rotate` is for a Dex of its own");
    refused(&["compare"], "`compare` is for a Dex of its own");
    let dex = lab.file("dex", "#!/bin/sh\necho Dex Version: v2.45.1\n");
    std::fs::set_permissions(&dex, std::fs::Permissions::from_mode(0o755)).unwrap();
    let ended = lab.expect(2, &["--provider", "bundled", "--dex-bin", dex.to_str().unwrap(), "working"]);
    assert!(ended.error().contains("run by Argo CD, and this one is a stand-in"), "{ended}");
    assert!(!lab.path().exists());
    let listed = lab.json(0, &["break", "--fault", "list"]);
    let faults = listed["goals"][0]["faults"].as_array().unwrap().clone();
    let inside = faults.iter().filter(|fault| fault["bundled"] == true).count();
    assert_eq!(inside, 15, "{faults:#?}");
    let ended = lab.expect(2, &["working", "break", "--fault", "dex-connector"]);
    assert!(ended.error().contains("the fault dex-connector is of the Dex inside Argo CD"), "{ended}");
}

#[test]
fn each_fault_that_there_is_shows_and_is_healed() {
    let lab = Lab::new();
    let bundled = ["--provider", "bundled"];
    lab.expect(0, &[&bundled[..], &["working"]].concat());
    for (fault, says) in [
        ("provider-unreachable", "failed to query provider \"http://argocd.host/api/dex\""),
        ("argocd-url", "400 Invalid redirect URL"),
        ("no-url", "404 page not found"),
        ("redirect-loop", "TLS failed"),
    ] {
        lab.expect(0, &["break", "--fault", fault]);
        let ended = lab.expect(1, &["test"]);
        assert!(ended.stdout.contains(says), "{fault}: {ended}");
        lab.expect(0, &["fix", "test"]);
    }
}

#[test]
fn a_matrix_says_of_which_releases_it_only_assumes() {
    let lab = Lab::new();
    let ended = lab.expect(0, &["--provider", "bundled", "--logins", "5", "matrix", "v3.3.6", "v3.4.7"]);
    assert!(
        ended.stdout.contains("assumed, by the era: what is known of v3.4.7 with the Dex inside"),
        "{ended}"
    );
    let document = lab.json(0, &["--provider", "bundled", "--logins", "5", "matrix", "v3.5.1"]);
    let row: &Value = &document["goals"][0]["releases"][0];
    assert_eq!((&row["break"], &row["first_start"]), (&json!("logged-in"), &Value::Null), "{row:#}");
    lab.expect(2, &["--provider", "bundled", "matrix", "--update", "v3.5.1"]);
}
