//! Faults that a person makes with kubectl are found as those are that `break` makes.

use serde_json::json;

use super::{diagnosis, found};
use crate::support::{Lab, has};

const LABEL: &str = "app.kubernetes.io/part-of-";

/// What a person does.
pub type Hand<'a> = &'a dyn Fn(&Lab);

pub fn lab(release: &str) -> Lab {
    let lab = Lab::new();
    lab.expect(0, &["--argocd", release, "working"]);
    lab
}

pub fn restart(lab: &Lab, namespace: &str, deployment: &str) {
    let deployment = format!("deploy/{deployment}");
    lab.kubectl(&["-n", namespace, "rollout", "restart", &deployment]);
    lab.kubectl(&["-n", namespace, "rollout", "status", &deployment, "--timeout=30s"]);
}

/// kubectl restarts nothing twice within one second of the clock.
pub fn another_second() {
    let second = || std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let now = second();
    while second() == now {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

pub fn patch(lab: &Lab, namespace: &str, kind: &str, name: &str, patch: &serde_json::Value) {
    lab.kubectl(&["-n", namespace, "patch", kind, name, "-p", &patch.to_string()]);
}

pub fn config(lab: &Lab, from: &str, to: &str) {
    let text = lab
        .kubectl(&["-n", "argocd", "get", "configmap", "argocd-cm", "-o", r"jsonpath={.data.oidc\.config}"])
        .stdout;
    assert!(text.contains(from), "{text}");
    patch(lab, "argocd", "configmap", "argocd-cm", &json!({"data": {"oidc.config": text.replace(from, to)}}));
}

#[test]
fn what_kubectl_breaks_is_found() {
    if !has("kubectl", "what_kubectl_breaks_is_found") {
        return;
    }
    let unlabel = |lab: &Lab| {
        lab.kubectl(&["-n", "argocd", "label", "secret", "argocd-oidc", LABEL]);
    };
    let rename = |lab: &Lab| {
        let patch = r#"[{"op":"move","from":"/data/clientSecret","path":"/data/clientsecret"}]"#;
        lab.kubectl(&["-n", "argocd", "patch", "secret", "argocd-oidc", "--type=json", "-p", patch]);
    };
    let dot = |lab: &Lab| config(lab, "argocd-oidc:clientSecret", "argocd-oidc.clientSecret");
    let no_dollar = |lab: &Lab| config(lab, "$argocd-oidc:clientSecret", "argocd-oidc:clientSecret");
    let gone = |lab: &Lab| {
        lab.kubectl(&["-n", "argocd", "delete", "secret", "argocd-oidc"]);
    };
    let slash = |lab: &Lab| config(lab, "http://dex.host", "http://dex.host/");
    let url = |lab: &Lab| {
        patch(lab, "argocd", "configmap", "argocd-cm", &json!({"data": {"url": "https://argocd.host"}}));
    };
    let faults: [(&str, Hand<'_>); 7] = [
        ("secret-unlabelled", &unlabel),
        ("secret-key-missing", &rename),
        ("secret-reference", &dot),
        ("secret-reference", &no_dollar),
        ("secret-key-missing", &gone),
        ("issuer-mismatch", &slash),
        ("argocd-url", &url),
    ];
    let lab = lab("v3.3.6");
    for (id, make) in faults {
        make(&lab);
        restart(&lab, "argocd", "argocd-server");
        assert_eq!(found(&lab, &[]), [id]);
        another_second();
        lab.expect(0, &["working"]);
    }
}

#[test]
fn a_label_that_goes_while_the_server_is_up_bites_later() {
    if !has("kubectl", "a_label_that_goes_while_the_server_is_up_bites_later") {
        return;
    }
    let lab = lab("v3.3.6");
    lab.kubectl(&["-n", "argocd", "label", "secret", "argocd-oidc", LABEL]);
    let document = diagnosis(&lab, &[]);
    let finding = &document["goals"][0]["findings"][0];
    assert_eq!((&finding["id"], &finding["when"]), (&json!("secret-unlabelled"), &json!("later")));
    lab.expect(0, &["test"]);
}

#[test]
fn a_line_break_is_found_in_either_secret_and_in_both() {
    if !has("kubectl", "a_line_break_is_found_in_either_secret_and_in_both") {
        return;
    }
    let lab = lab("v3.3.6");
    for (argocd, dex, when) in [(true, false, "later"), (false, true, "now"), (true, true, "now")] {
        let value = lab.secret("argocd", "argocd-oidc", "clientSecret");
        let with_break = format!("{value}\n");
        if argocd {
            patch(
                &lab,
                "argocd",
                "secret",
                "argocd-oidc",
                &json!({"stringData": {"clientSecret": with_break}}),
            );
            restart(&lab, "argocd", "argocd-server");
        }
        if dex {
            patch(&lab, "dex", "secret", "dex-clients", &json!({"stringData": {"argo-cd": with_break}}));
            restart(&lab, "dex", "dex");
        }
        let document = diagnosis(&lab, &[]);
        let findings = document["goals"][0]["findings"].as_array().unwrap();
        assert_eq!(findings.len(), 1, "{argocd} {dex}: {document:#}");
        assert_eq!(findings[0]["id"], "secret-whitespace", "{argocd} {dex}");
        assert_eq!(findings[0]["when"], when, "{argocd} {dex}");
        another_second();
        lab.expect(0, &["working"]);
    }
}

#[test]
fn a_value_that_was_encoded_twice_is_found() {
    if !has("kubectl", "a_value_that_was_encoded_twice_is_found") {
        return;
    }
    let lab = lab("v3.3.6");
    let encoded =
        lab.kubectl(&["-n", "dex", "get", "secret", "dex-clients", "-o", "jsonpath={.data.argo-cd}"]).stdout;
    patch(&lab, "argocd", "secret", "argocd-oidc", &json!({"stringData": {"clientSecret": encoded}}));
    restart(&lab, "argocd", "argocd-server");
    assert_eq!(found(&lab, &[]), ["secret-whitespace"]);
}

#[test]
fn one_of_two_replicas_that_is_older_than_the_secret_is_found_and_named() {
    if !has("kubectl", "one_of_two_replicas_that_is_older_than_the_secret_is_found_and_named") {
        return;
    }
    let lab = lab("v3.3.6");
    let old = lab.kubectl(&["-n", "argocd", "get", "pods", "-o", "name"]).stdout;
    let old = old.trim().trim_start_matches("pod/").to_owned();
    patch(&lab, "argocd", "secret", "argocd-oidc", &json!({"stringData": {"clientSecret": "by-hand"}}));
    patch(&lab, "dex", "secret", "dex-clients", &json!({"stringData": {"argo-cd": "by-hand"}}));
    restart(&lab, "dex", "dex");
    lab.kubectl(&["-n", "argocd", "scale", "deploy/argocd-server", "--replicas=2"]);
    lab.kubectl(&["-n", "argocd", "rollout", "status", "deploy/argocd-server", "--timeout=30s"]);
    let document = diagnosis(&lab, &[]);
    let findings = document["goals"][0]["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1, "{document:#}");
    assert_eq!(findings[0]["id"], "stale-replica");
    assert!(findings[0]["where"].as_str().unwrap().contains(&old), "{document:#}");
}

#[test]
fn a_dex_that_was_not_restarted_is_told_from_secrets_that_differ() {
    if !has("kubectl", "a_dex_that_was_not_restarted_is_told_from_secrets_that_differ") {
        return;
    }
    let lab = lab("v3.3.6");
    patch(&lab, "argocd", "secret", "argocd-oidc", &json!({"stringData": {"clientSecret": "by-hand"}}));
    patch(&lab, "dex", "secret", "dex-clients", &json!({"stringData": {"argo-cd": "by-hand"}}));
    // Nobody was restarted: both go on with the old secret, and logins pass.
    let document = diagnosis(&lab, &[]);
    let finding = &document["goals"][0]["findings"][0];
    assert_eq!(
        (&finding["id"], &finding["when"]),
        (&json!("secret-mismatch"), &json!("later")),
        "{document:#}"
    );
    restart(&lab, "argocd", "argocd-server");
    let document = diagnosis(&lab, &[]);
    let finding = &document["goals"][0]["findings"][0];
    assert_eq!((&finding["id"], &finding["when"]), (&json!("secret-mismatch"), &json!("now")));
    assert!(finding["fix"].as_str().unwrap().contains("rollout restart deploy/dex"), "{document:#}");
    restart(&lab, "dex", "dex");
    assert_eq!(found(&lab, &[]), Vec::<String>::new());
}

#[test]
fn a_server_without_pods_is_said_and_not_waited_for() {
    if !has("kubectl", "a_server_without_pods_is_said_and_not_waited_for") {
        return;
    }
    let lab = lab("v3.3.6");
    lab.kubectl(&["-n", "argocd", "scale", "deploy/argocd-server", "--replicas=0"]);
    lab.kubectl(&["-n", "argocd", "wait", "--for=delete", "pods", "--all", "--timeout=30s"]);
    let document = diagnosis(&lab, &[]);
    let unexplained = document["goals"][0]["unexplained"][0].as_str().unwrap();
    assert!(unexplained.contains("scale deploy/argocd-server --replicas=1"), "{document:#}");
    let ended = lab.expect(1, &["test"]);
    assert!(!ended.stderr.contains("waiting up to"), "{ended}");
}
