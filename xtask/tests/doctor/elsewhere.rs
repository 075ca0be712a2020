//! The doctor away from the lab: by a kubeconfig's context, and from outside alone. And
//! that it only reads.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Ended, Lab};

fn status(lab: &Lab) -> Value {
    lab.json(0, &["status"])["goals"][0].clone()
}

/// The doctor with the lab's kubeconfig as the user's own, and both hosts where they are.
fn by_context(lab: &Lab, args: &[&str]) -> (i32, Value) {
    in_context(lab, "oidc-lab", args)
}

/// The same in any context of that kubeconfig.
pub fn in_context(lab: &Lab, context: &str, args: &[&str]) -> (i32, Value) {
    let status = status(lab);
    let address = status["address"].as_str().unwrap();
    let resolve = ["argocd.host", "dex.host"].map(|host| format!("{host}:80:{address}"));
    let fixed = [
        "--format",
        "json",
        "doctor",
        "--context",
        context,
        "--resolve",
        &resolve[0],
        "--resolve",
        &resolve[1],
    ];
    let ended = Ended::of(
        lab.command(&[&fixed, args].concat())
            .env("KUBECONFIG", status["kubeconfig"].as_str().unwrap())
            .env("PASSWORD", "password"),
    );
    (ended.status, serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended}")))
}

/// The doctor from outside alone.
fn by_url(lab: &Lab, args: &[&str]) -> (i32, Value) {
    let status = status(lab);
    let resolve = format!("*:80:{}", status["address"].as_str().unwrap());
    let fixed = ["--format", "json", "doctor", "--url", "http://argocd.host", "--resolve", &resolve];
    let ended = Ended::of(lab.command(&[&fixed, args].concat()).env("PASSWORD", "password"));
    (ended.status, serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended}")))
}

fn ids(document: &Value) -> Vec<&str> {
    let findings = document["goals"][0]["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["id"].as_str().unwrap()).collect()
}

#[test]
fn a_context_of_the_users_is_enough() {
    let lab = Lab::new();
    lab.expect(0, &["working"]);
    let (exit, document) = by_context(&lab, &[]);
    assert_eq!((exit, ids(&document)), (0, vec![]), "{document:#}");
    assert!(document["lab"].is_null(), "it is no lab that was looked at");
    let goal = &document["goals"][0];
    assert!(goal["could_not"][0]["what"].as_str().unwrap().contains("login of a user"), "{document:#}");
    lab.expect(0, &["break"]);
    let (exit, document) = by_context(&lab, &[]);
    assert_eq!((exit, ids(&document)), (1, vec!["stale-argocd"]), "{document:#}");
    let fix = document["goals"][0]["findings"][0]["fix"].as_str().unwrap();
    assert!(fix.starts_with("kubectl --context oidc-lab -n argocd rollout restart"), "{fix}");
    lab.expect(0, &["fix", "break", "--fault", "credentials"]);
    let (_, document) = by_context(&lab, &[]);
    assert_eq!(ids(&document), Vec::<&str>::new(), "without a password nobody can tell");
    let user = ["--user", "admin@example.com", "--password-env", "PASSWORD"];
    let (exit, document) = by_context(&lab, &user);
    assert_eq!((exit, ids(&document)), (1, vec!["credentials"]), "{document:#}");
}

#[test]
fn from_outside_what_can_be_told_is_told_and_the_rest_is_left_open() {
    let lab = Lab::new();
    lab.expect(0, &["working"]);
    let (exit, document) = by_url(&lab, &[]);
    assert_eq!((exit, ids(&document)), (0, vec![]), "{document:#}");
    lab.expect(0, &["break", "--fault", "redirect-uri"]);
    assert_eq!(ids(&by_url(&lab, &[]).1), ["redirect-uri"]);
    lab.expect(0, &["fix", "break", "--fault", "scope"]);
    assert_eq!(ids(&by_url(&lab, &[]).1), ["scope"]);
    for of_command_line in ["cli-client-id", "cli-client-type"] {
        lab.expect(0, &["fix", "break", "--fault", of_command_line]);
        assert_eq!(ids(&by_url(&lab, &[]).1), [of_command_line]);
    }
    lab.expect(0, &["fix", "break", "--fault", "first-start"]);
    assert_eq!(ids(&by_url(&lab, &[]).1), ["first-start"]);
    // The secret is refused; which of six causes it is nobody can see from here.
    lab.expect(0, &["fix", "break"]);
    let (exit, document) = by_url(&lab, &[]);
    assert_eq!((exit, ids(&document)), (1, vec!["stale-argocd"]), "{document:#}");
    let finding = &document["goals"][0]["findings"][0];
    assert_eq!(finding["certainty"], "possible", "{document:#}");
    assert_eq!(finding["candidates"].as_array().unwrap().len(), 6, "{document:#}");
    assert!(finding["decides"].as_str().unwrap().contains("token endpoint"), "{document:#}");
}

#[test]
fn nothing_to_look_at_is_said_with_exit_3() {
    let lab = Lab::new();
    let ended = lab.expect(3, &["doctor"]);
    assert!(ended.error().contains("--context NAME"), "{ended}");
    let kubeconfig = lab.file("kubeconfig", "apiVersion: v1\nkind: Config\n");
    let named = lab.run(&["doctor", "--context", "prod", "--kubeconfig", "/nowhere/config"]);
    assert_eq!((named.status, named.stdout.as_str()), (3, ""));
    assert!(named.stderr.contains("/nowhere/config"), "{named}");
    let ended = Ended::of(lab.command(&["doctor", "--context", "prod"]).env("KUBECONFIG", &kubeconfig));
    assert_eq!(ended.status, 3, "{ended}");
    assert!(ended.error().contains("no context prod"), "{ended}");
    let ended = lab.run(&["doctor", "--url", "http://127.0.0.1:1"]);
    assert_ne!(ended.status, 0, "{ended}");
    lab.expect(2, &["doctor", "--url", "argocd.example.com"]);
    lab.expect(2, &["doctor", "--url", "http://argocd.example.com", "--user", "me"]);
}

/// Lines that the cluster recorded about the doctor.
fn audited(lab: &Lab) -> Vec<Value> {
    let text = std::fs::read_to_string(lab.path().join("audit.log")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["userAgent"].as_str().unwrap().contains("doctor")).collect()
}

#[test]
fn the_doctor_reads_and_does_nothing_else() {
    let lab = Lab::new();
    lab.expect(0, &["working", "break", "--fault", "server-key-changed"]);
    let (_, document) = by_context(&lab, &["--before-rotation", "--provider-namespace", "dex"]);
    assert!(!ids(&document).is_empty());
    lab.run(&["doctor", "--before-rotation"]);
    let lines = audited(&lab);
    let pairs: BTreeSet<(&str, &str)> = lines
        .iter()
        .map(|line| (line["verb"].as_str().unwrap(), line["resource"].as_str().unwrap()))
        .collect();
    let may = [
        ("get", "configmaps"),
        ("get", "pods/log"),
        ("get", "pods/proxy"),
        ("get", "secrets"),
        ("list", "deployments.apps"),
        ("list", "ingresses.networking.k8s.io"),
        ("list", "networkpolicies.networking.k8s.io"),
        ("list", "pods"),
    ];
    assert_eq!(pairs, BTreeSet::from(may), "{lines:#?}");
    // Secrets are read by name only, so that a Role can name them.
    let names: BTreeSet<&str> = lines
        .iter()
        .filter(|line| line["resource"] == "secrets")
        .map(|line| line["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, BTreeSet::from(["argocd-oidc", "argocd-secret", "dex", "dex-clients"]));
    // Nobody else wrote anything meanwhile.
    let text = std::fs::read_to_string(lab.path().join("audit.log")).unwrap();
    let first = text.lines().position(|line| line.contains("oidc-lab-doctor")).unwrap();
    let writes: Vec<&str> = text
        .lines()
        .skip(first)
        .filter(|line| {
            ["create", "update", "patch", "delete"]
                .iter()
                .any(|verb| line.contains(&format!("\"verb\":\"{verb}\"")))
        })
        .collect();
    assert_eq!(writes, Vec::<&str>::new());
}

#[test]
fn before_a_rotation_it_foretells_what_comes_of_it() {
    let lab = Lab::new();
    lab.expect(0, &["working"]);
    let document = lab.json(1, &["doctor", "--before-rotation"]);
    let finding = &document["goals"][0]["findings"][0];
    assert_eq!((&finding["id"], &finding["when"]), (&json!("stale-argocd"), &json!("later")), "{document:#}");
    assert!(finding["lasting_fix"].as_str().unwrap().contains("v3.3.7"), "{document:#}");
    assert!(document["goals"][0]["safe_order"].as_array().unwrap().len() > 2);
    lab.expect(0, &["--argocd", "v3.5.1", "working"]);
    lab.expect(0, &["doctor", "--before-rotation"]);
}

#[test]
fn an_empty_password_is_wrong_usage() {
    let lab = Lab::new();
    let args = ["--lab", "local", "doctor", "--url", "http://argocd.localhost:1", "--user", "me"];
    let by_variable = [&args[..], &["--password-env", "EMPTY"]].concat();
    let ended = Ended::of(lab.command(&by_variable).env("EMPTY", ""));
    assert_eq!(ended.status, 2, "{ended}");
    assert!(ended.error().contains("EMPTY (--password-env) is empty"), "{ended}");
    let ended = lab.expect(2, &[&args[..], &["--password-stdin"]].concat());
    assert!(ended.error().contains("no password on its first line"), "{ended}");
}
