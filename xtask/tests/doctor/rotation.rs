//! `rotate`: the safe order, measured.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::found;
use crate::support::Lab;

fn rotated(lab: &Lab) -> Value {
    let document = lab.json(0, &["rotate", "--rate", "10"]);
    let goal = document["goals"][0].clone();
    let count = |field: &str| goal["logins"][field].as_u64().unwrap();
    assert_eq!(count("total"), count("ok") + count("failed"), "{goal:#}");
    let phases = goal["phases"].as_array().unwrap();
    let sum = |field: &str| phases.iter().map(|phase| phase[field].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("logins"), sum("failed")), (count("total"), count("failed")), "{goal:#}");
    assert_eq!(phases.first().unwrap()["step"], "before");
    let after = phases.last().unwrap();
    assert_eq!(after["step"], "after");
    assert!(after["logins"].as_u64().unwrap() >= 5, "{goal:#}");
    goal
}

#[test]
fn a_rotation_ends_with_a_new_secret_and_logins_that_pass() {
    for release in ["v3.3.6", "v3.5.1"] {
        let lab = Lab::new();
        lab.expect(0, &["--argocd", release, "working"]);
        let before = written(&lab, "dex-clients");
        let goal = rotated(&lab);
        assert!(written(&lab, "dex-clients") > before);
        let steps: Vec<&str> =
            goal["steps"].as_array().unwrap().iter().map(|step| step["name"].as_str().unwrap()).collect();
        match release {
            "v3.5.1" => {
                assert_eq!(steps, ["dex-secret", "dex-restart", "dex-ready", "oidc-secret", "rotation-ended"])
            }
            _ => assert_eq!(steps[..3], ["dex-secret", "oidc-secret", "argocd-restart"]),
        }
        lab.expect(0, &["test"]);
        assert_eq!(found(&lab, &[]), Vec::<String>::new());
    }
}

/// How many requests the cluster recorded that write a Secret.
fn written(lab: &Lab, secret: &str) -> usize {
    let text = std::fs::read_to_string(lab.path().join("audit.log")).unwrap();
    let name = format!("\"name\":\"{secret}\"");
    text.lines().filter(|line| line.contains("\"patch\"") && line.contains(&name)).count()
}

#[test]
fn a_lab_whose_logins_are_refused_is_not_rotated_and_the_doctor_says_why() {
    let lab = Lab::new();
    lab.expect(3, &["rotate"]);
    lab.expect(0, &["working", "break"]);
    let before = written(&lab, "dex-clients");
    let ended = lab.run(&["--format", "json", "rotate"]);
    assert_eq!(ended.status, 3, "{ended}");
    let words = "before the rotation, logins are refused, so nothing was changed: stale-argocd: ";
    assert!(ended.error().contains(words) && ended.error().contains("`cargo xtask doctor`"), "{ended}");
    assert_eq!(written(&lab, "dex-clients"), before);
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    let goal = &document["goals"][0];
    assert_eq!((&goal["goal"], &goal["steps"]), (&"rotate".into(), &serde_json::json!([])));
    // It did not wait as long as it would for logins that nobody answers.
    assert!(goal["ms"].as_f64().unwrap() < 50_000.0, "{document:#}");
}

#[test]
fn what_argo_cd_says_about_its_provider_is_a_refusal_too() {
    let lab = Lab::new();
    lab.expect(0, &["working", "break", "--fault", "provider-unreachable"]);
    let ended = lab.expect(3, &["--wait", "2", "rotate"]);
    assert!(
        ended.error().contains("logins are refused, so nothing was changed: provider-unreachable"),
        "{ended}"
    );
}

#[test]
fn an_interrupted_rotation_is_recorded_and_fix_completes_it() {
    let lab = Lab::new();
    lab.expect(0, &["working"]);
    let before = written(&lab, "argocd-oidc");
    let mut command = lab.command(&["--format", "json", "rotate", "--rate", "4"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let since = Instant::now();
    while written(&lab, "argocd-oidc") == before {
        assert!(since.elapsed() < Duration::from_secs(60), "no Secret was written");
        std::thread::sleep(Duration::from_millis(10));
    }
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let goal = &document["goals"][0];
    assert_eq!((&goal["goal"], &goal["steps"][0]["name"]), (&"rotate".into(), &"dex-secret".into()));
    let fixed = lab.json(0, &["fix", "test"]);
    let healed = &fixed["goals"][0]["steps"][0];
    assert_eq!(healed["outcome"], "a rotation that was interrupted", "{fixed:#}");
    assert_eq!(found(&lab, &[]), Vec::<String>::new());
    // Once.
    assert_eq!(lab.json(0, &["fix"])["goals"][0]["steps"][0]["outcome"], "nothing to undo");
}
