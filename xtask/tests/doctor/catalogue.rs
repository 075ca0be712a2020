//! Every fault of the catalogue: working, break, doctor, test, fix, clean.

use serde_json::Value;

use super::{diagnosis, found, role};
use crate::support::Lab;

/// The release that a row is about, unless it names another.
const DEFAULT: &str = "v3.3.6";

/// A fault, what the doctor has to name first, and what a login looks like.
struct Row {
    fault: &'static str,
    id: &'static str,
    verdicts: &'static [&'static str],
    /// The step at which logins end, and a part of the words.
    ends: Option<(&'static str, &'static str)>,
}

const fn refused(fault: &'static str, step: &'static str, words: &'static str) -> Row {
    Row { fault, id: fault, verdicts: &["refused"], ends: Some((step, words)) }
}

const INVALID_CLIENT: &str = "invalid_client";
const INVALID_REDIRECT: &str = "Invalid redirect URL: the protocol and host (including port) must match";

const ROWS: &[Row] = &[
    Row { fault: "rotate", id: "stale-argocd", ..refused("rotate", "callback", INVALID_CLIENT) },
    Row { fault: "rotate-twice", id: "stale-argocd", ..refused("rotate-twice", "callback", INVALID_CLIENT) },
    refused("secret-mismatch", "callback", INVALID_CLIENT),
    Row { verdicts: &["mixed"], ..refused("stale-replica", "callback", INVALID_CLIENT) },
    refused("secret-unlabelled", "callback", INVALID_CLIENT),
    refused("secret-key-missing", "callback", INVALID_CLIENT),
    refused("secret-reference", "callback", INVALID_CLIENT),
    refused("secret-whitespace", "callback", INVALID_CLIENT),
    refused("redirect-uri", "authorize", "Unregistered redirect_uri"),
    refused("argocd-url", "login", INVALID_REDIRECT),
    Row { id: "argocd-url", ..refused("no-url", "login", INVALID_REDIRECT) },
    refused("issuer-mismatch", "login", "issuer did not match"),
    refused("provider-unreachable", "login", "failed to query provider"),
    refused("provider-ca", "login", "x509"),
    refused("state-cookie", "login", INVALID_REDIRECT),
    Row {
        verdicts: &["mixed", "refused"],
        ..refused("server-key-changed", "callback", "message authentication failed")
    },
    refused("server-key-missing", "settings", "server.secretkey is missing"),
    refused("audience", "callback", "failed to verify the token"),
    refused("clock", "callback", "failed to verify the token"),
    refused("scope", "callback", "invalid_scope"),
    Row { fault: "no-rights", id: "no-rights", verdicts: &["logged-in"], ends: None },
    Row { id: "no-rights", verdicts: &["logged-in"], ends: None, ..refused("policy-key", "", "") },
    Row { id: "no-rights", verdicts: &["logged-in"], ends: None, ..refused("policy-prefix", "", "") },
    Row { id: "no-rights", verdicts: &["logged-in"], ends: None, ..refused("policy-scopes", "", "") },
    refused("oidc-config", "settings", "no button"),
    refused("client-id", "authorize", "Invalid client_id"),
    refused("client-type", "callback", INVALID_CLIENT),
    refused("two-providers", "userinfo", "{}"),
    refused("egress-proxy", "login", "proxyconnect tcp: dial tcp 127.0.0.1:9: connect: connection refused"),
    refused("redirect-loop", "settings", "TLS failed"),
    refused("credentials", "form", "Invalid Email Address and password."),
    Row { fault: "code-reused", id: "code-reused", verdicts: &["mixed", "refused"], ends: None },
    Row { id: "token-too-large", ..refused("many-groups", "callback", "502") },
    refused("first-start", "login", "404 page not found"),
];

fn check(lab: &Lab, row: &Row) {
    let Row { fault, id, .. } = row;
    lab.expect(0, &["break", "--fault", fault]);
    let document = diagnosis(lab, &[]);
    let findings = document["goals"][0]["findings"].as_array().unwrap();
    let first = findings.first().unwrap_or_else(|| panic!("{fault}: nothing found"));
    assert_eq!(
        (&first["id"], &first["when"]),
        (&Value::from(*id), &Value::from("now")),
        "{fault}: {document:#}"
    );
    assert_eq!(findings.len(), 1, "{fault}: {document:#}");
    for field in ["where", "why", "fix"] {
        assert!(!first[field].as_str().unwrap().is_empty(), "{fault}: {field}");
    }
    assert!(!first["evidence"].as_array().unwrap().is_empty(), "{fault}");
    symptom(lab, row);
    lab.expect(0, &["fix"]);
    assert_eq!(found(lab, &[]), Vec::<String>::new(), "{fault}, healed");
    assert_eq!(lab.verdict(&["--logins", "4"]), "logged-in", "{fault}, healed");
}

/// What `test` says.
fn symptom(lab: &Lab, row: &Row) {
    let Row { fault, verdicts, ends, .. } = row;
    let ended = lab.run(&["--format", "json", "--logins", "12", "test"]);
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    let goal = &document["goals"][0];
    assert!(verdicts.contains(&goal["verdict"].as_str().unwrap()), "{fault}: {goal:#}");
    let Some((step, words)) = ends else { return };
    let seen =
        |failure: &Value| failure["step"] == *step && failure["message"].as_str().unwrap().contains(words);
    assert!(goal["failures"].as_array().unwrap().iter().any(seen), "{fault}: {goal:#}");
}

/// Rows by their place, so that several labs share the work.
fn rows(part: usize, of: usize) -> impl Iterator<Item = &'static Row> {
    ROWS.iter().skip(part).step_by(of)
}

fn check_part(part: usize) {
    let lab = Lab::new();
    lab.expect(0, &["--argocd", DEFAULT, "working"]);
    rows(part, 3).for_each(|row| check(&lab, row));
    role::suffices(&lab);
}

#[test]
fn every_fault_is_named_first_and_healed_1() {
    check_part(0);
}

#[test]
fn every_fault_is_named_first_and_healed_2() {
    check_part(1);
}

#[test]
fn every_fault_is_named_first_and_healed_3() {
    check_part(2);
}

#[test]
fn a_session_manager_that_is_behind_shows_on_a_release_that_reloads() {
    let lab = Lab::new();
    lab.expect(0, &["--argocd", "v3.5.1", "working"]);
    check(&lab, &refused("stale-session-manager", "userinfo", "{}"));
    role::suffices(&lab);
}

#[test]
fn the_second_of_two_rotations_is_lost_by_a_release_that_reloads() {
    let lab = Lab::new();
    lab.expect(0, &["--argocd", "v3.5.1", "working"]);
    check(&lab, &Row { id: "stale-argocd", ..refused("rotate-twice", "callback", INVALID_CLIENT) });
}

#[test]
fn two_handlers_of_one_server_are_a_stale_replica() {
    let lab = Lab::new();
    lab.expect(0, &["--argocd", "v2.12.1", "working", "break"]);
    assert_eq!(found(&lab, &[]), ["stale-replica"]);
    lab.expect(0, &["fix"]);
    assert_eq!(found(&lab, &[]), Vec::<String>::new());
}

#[test]
fn a_lab_that_works_has_no_finding_on_any_era() {
    let lab = Lab::new();
    for release in
        ["v2.2.16", "v2.4.2", "v2.12.1", "v2.14.11", "v3.2.12", "v3.3.0", "v3.3.6", "v3.3.7", "v3.5.1"]
    {
        lab.expect(0, &["--argocd", release, "working"]);
        let document = diagnosis(&lab, &[]);
        let goal = &document["goals"][0];
        assert_eq!(goal["findings"], serde_json::json!([]), "{release}: {document:#}");
        assert_eq!(goal["could_not"], serde_json::json!([]), "{release}: {document:#}");
        assert_eq!(document["exit"], 0);
    }
}

#[test]
fn a_release_that_reloads_is_well_after_a_rotation() {
    let lab = Lab::new();
    lab.expect(0, &["--argocd", "v3.5.1", "working", "break", "test"]);
    assert_eq!(found(&lab, &[]), Vec::<String>::new());
}

#[test]
fn a_secret_that_comes_late_is_stale_argocd() {
    let lab = Lab::new();
    lab.expect(0, &["broken"]);
    assert_eq!(found(&lab, &[]), ["stale-argocd"]);
    lab.expect(0, &["fix", "test"]);
    assert_eq!(found(&lab, &[]), Vec::<String>::new());
}

#[test]
fn two_faults_at_once_are_both_found_and_fix_heals_the_one_that_is_named() {
    let lab = Lab::new();
    lab.expect(0, &["working"]);
    for pair in [
        ["secret-unlabelled", "scope"],
        ["secret-whitespace", "redirect-uri"],
        ["argocd-url", "secret-mismatch"],
    ] {
        for fault in pair {
            lab.expect(0, &["break", "--fault", fault]);
        }
        let ids = found(&lab, &[]);
        assert!(pair.iter().all(|id| ids.iter().any(|found| found == id)), "{pair:?}: {ids:?}");
        lab.expect(0, &["fix", "--fault", pair[0]]);
        assert_eq!(found(&lab, &[]), [pair[1]]);
        lab.expect(0, &["fix"]);
        assert_eq!(found(&lab, &[]), Vec::<String>::new());
    }
}

#[test]
fn working_heals_what_a_fault_left() {
    let lab = Lab::new();
    lab.expect(0, &["working"]);
    for fault in ["argocd-url", "redirect-uri", "provider-unreachable", "secret-unlabelled"] {
        lab.expect(0, &["break", "--fault", fault]);
        lab.expect(0, &["working", "test"]);
        assert_eq!(found(&lab, &[]), Vec::<String>::new(), "{fault}");
    }
}

#[test]
fn faults_are_listed_and_unknown_ones_refused() {
    let lab = Lab::new();
    let list = lab.expect(0, &["break", "--fault", "list"]).stdout;
    for row in ROWS {
        assert!(list.contains(row.fault), "{}: {list}", row.fault);
    }
    assert!(list.contains("shows with real programs only"), "{list}");
    let ended = lab.expect(2, &["break", "--fault", "gremlins"]);
    assert!(ended.stderr.contains("--fault list"), "{ended}");
    lab.expect(0, &["working"]);
    let error = lab.expect(2, &["break", "--fault", "redis"]);
    assert!(error.error().contains("real programs only"), "{error}");
    // A fault that was refused has left nothing.
    assert_eq!(found(&lab, &[]), Vec::<String>::new());
}

#[test]
fn the_catalogue_is_one_table() {
    let lab = Lab::new();
    let document = lab.json(0, &["faults", "secret-unlabelled", "redis", "stale-session-manager"]);
    let rows = document["goals"][0]["faults"].as_array().unwrap();
    let outcome = |at: usize| (rows[at]["fault"].as_str().unwrap(), rows[at]["outcome"].clone());
    assert_eq!(rows.len(), 3);
    assert_eq!(outcome(0), ("secret-unlabelled", "named".into()));
    assert_eq!(rows[0]["answer"], serde_json::json!(["secret-unlabelled"]));
    assert!(rows[0]["symptom"].as_str().unwrap().starts_with("refused at callback 500: failed to get token"));
    assert!(rows[0]["diagnosis_ms"].is_u64());
    assert_eq!(outcome(1), ("redis", "real-only".into()));
    assert_eq!(outcome(2), ("stale-session-manager", "named".into()));
    // Nothing of its own labs is left.
    lab.expect(3, &["status"]);
    lab.expect(2, &["faults", "gremlins"]);
}
