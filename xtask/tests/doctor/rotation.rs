//! `rotate`: the safe order, measured.

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
        let written = |lab: &Lab| {
            let text = std::fs::read_to_string(lab.path().join("audit.log")).unwrap();
            text.lines().filter(|line| line.contains("\"patch\"") && line.contains("dex-clients")).count()
        };
        let before = written(&lab);
        let goal = rotated(&lab);
        assert!(written(&lab) > before);
        let steps: Vec<&str> =
            goal["steps"].as_array().unwrap().iter().map(|step| step["name"].as_str().unwrap()).collect();
        match release {
            "v3.5.1" => assert_eq!(steps, ["dex-secret", "dex-restart", "dex-ready", "oidc-secret"]),
            _ => assert_eq!(steps[..3], ["dex-secret", "oidc-secret", "argocd-restart"]),
        }
        lab.expect(0, &["test"]);
        assert_eq!(found(&lab, &[]), Vec::<String>::new());
    }
}

#[test]
fn a_lab_whose_logins_fail_is_not_rotated() {
    let lab = Lab::new();
    lab.expect(3, &["rotate"]);
    lab.expect(0, &["working", "break"]);
    let ended = lab.expect(3, &["--wait", "2", "rotate"]);
    assert!(ended.error().contains("before the rotation, logins did not pass for 2 s"), "{ended}");
    assert!(ended.error().contains("doctor"), "{ended}");
}
