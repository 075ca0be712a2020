//! The doctor and the Dex inside Argo CD: mistakes as people make them in `dex.config` and around it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::by_hand::{Hand, another_second, patch, restart};
use super::diagnosis;
use crate::support::{Lab, has};

/// How long it may take until Dex has taken a change over.
const LIMIT: Duration = Duration::from_secs(20);

/// A key of argocd-cm.
fn setting(lab: &Lab, key: &str) -> String {
    let path = format!("go-template={{{{index .data \"{key}\"}}}}");
    lab.kubectl(&["-n", "argocd", "get", "configmap", "argocd-cm", "-o", &path]).stdout
}

fn set(lab: &Lab, key: &str, value: &Value) {
    patch(lab, "argocd", "configmap", "argocd-cm", &json!({"data": {key: value}}));
}

/// Writes `dex.config` with something in the place of something else.
fn dex(lab: &Lab, from: &str, to: &str) {
    let text = setting(lab, "dex.config");
    assert!(text.contains(from), "{text}");
    set(lab, "dex.config", &text.replace(from, to).into());
}

fn scale(lab: &Lab, replicas: &str) {
    let replicas = format!("--replicas={replicas}");
    lab.kubectl(&["-n", "argocd", "scale", "deploy/argocd-dex-server", &replicas]);
}

fn first(document: &Value) -> Option<String> {
    let finding = document["goals"][0]["findings"].get(0)?;
    Some(format!("{} {}", finding["id"].as_str()?, finding["certainty"].as_str()?))
}

#[test]
fn each_mistake_has_a_cause_of_its_own() {
    if !has("kubectl", "each_mistake_has_a_cause_of_its_own") {
        return;
    }
    let mistakes: [(&str, &str, Hand<'_>); 6] = [
        ("no connectors", "dex-config certain", &|lab| {
            set(lab, "dex.config", &"enablePasswordDB: true".into())
        }),
        ("no url", "argocd-url certain", &|lab| set(lab, "url", &Value::Null)),
        ("a slash", "argocd-url certain", &|lab| set(lab, "url", &"http://argocd.host/".into())),
        ("another host", "argocd-url certain", &|lab| set(lab, "url", &"http://other.host".into())),
        ("an unknown connector", "dex-down certain", &|lab| dex(lab, "mockPassword", "nosuch")),
        ("no pods", "dex-down certain", &|lab| scale(lab, "0")),
    ];
    let lab = Lab::new();
    for (name, expected, make) in mistakes {
        lab.expect(0, &["--provider", "bundled", "working"]);
        another_second();
        make(&lab);
        if !matches!(name, "no connectors" | "no pods") {
            restart(&lab, "argocd", "argocd-server");
        }
        // Dex is started anew by itself, and until then it is down.
        let since = Instant::now();
        let mut document = diagnosis(&lab, &[]);
        while first(&document).as_deref() != Some(expected) && since.elapsed() < LIMIT {
            document = diagnosis(&lab, &[]);
        }
        assert_eq!(first(&document).as_deref(), Some(expected), "{name}: {document:#}");
    }
}

#[test]
fn each_fault_of_dex_config_is_named_first_and_healed() {
    let lab = Lab::new();
    lab.expect(0, &["--provider", "bundled", "working"]);
    for expected in
        ["dex-config certain", "dex-client certain", "dex-reference likely", "dex-connector certain"]
    {
        let fault = expected.split(' ').next().unwrap();
        lab.expect(0, &["break", "--fault", fault]);
        let document = diagnosis(&lab, &[]);
        assert_eq!(first(&document).as_deref(), Some(expected), "{document:#}");
        lab.expect(0, &["fix", "test"]);
        assert_eq!(first(&diagnosis(&lab, &[])), None, "{fault}, healed");
    }
}

#[test]
fn a_changed_server_key_is_told_by_what_argo_cd_presents() {
    let lab = Lab::new();
    lab.expect(0, &["--provider", "bundled", "working"]);
    assert_eq!(first(&diagnosis(&lab, &[])), None, "well before");
    for (release, found) in [("v3.3.6", Some("stale-argocd certain")), ("v3.5.1", None)] {
        lab.expect(0, &["--provider", "bundled", "--argocd", release, "working", "break"]);
        assert_eq!(first(&diagnosis(&lab, &[])).as_deref(), found, "{release}");
    }
    // Without the secret there are only the words.
    lab.expect(0, &["--argocd", "v3.3.6", "working", "break"]);
    let document = diagnosis(&lab, &["--no-secret-check"]);
    // How sure times make it depends on whether both are within one second.
    let found = first(&document).unwrap();
    assert!(["stale-argocd likely", "stale-argocd possible"].contains(&found.as_str()), "{document:#}");
    assert!(document["goals"][0]["could_not"].to_string().contains("--no-secret-check"), "{document:#}");
    let key = lab.secret("argocd", "argocd-secret", "server.secretkey");
    assert!(!document.to_string().contains(&key));
}
