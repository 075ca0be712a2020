//! What a person does with kubectl has the same effect as the goals.

use crate::support::{Lab, has};

const ROTATED: &str = r#"{"stringData":{"clientSecret":"by-hand","argo-cd":"by-hand"}}"#;

fn rotate_by_hand(lab: &Lab) {
    lab.kubectl(&["-n", "argocd", "patch", "secret", "argocd-oidc", "-p", ROTATED]);
    lab.kubectl(&["-n", "dex", "patch", "secret", "dex-clients", "-p", ROTATED]);
    lab.kubectl(&["-n", "dex", "rollout", "restart", "deploy/dex"]);
    lab.kubectl(&["-n", "dex", "rollout", "status", "deploy/dex", "--timeout=30s"]);
}

fn restart_argocd(lab: &Lab) {
    lab.kubectl(&["-n", "argocd", "rollout", "restart", "deploy/argocd-server"]);
    lab.kubectl(&["-n", "argocd", "rollout", "status", "deploy/argocd-server", "--timeout=30s"]);
}

#[test]
fn a_rotation_by_kubectl_is_a_break_and_a_restart_by_kubectl_is_a_fix() {
    if !has("kubectl", "a_rotation_by_kubectl_is_a_break_and_a_restart_by_kubectl_is_a_fix") {
        return;
    }
    for (release, verdict) in [("v3.3.6", "refused"), ("v2.12.1", "mixed"), ("v3.5.1", "logged-in")] {
        let lab = Lab::new();
        lab.expect(0, &["--argocd", release, "working"]);
        rotate_by_hand(&lab);
        assert_eq!(lab.verdict(&[]), verdict, "{release}, rotated");
        restart_argocd(&lab);
        assert_eq!(lab.verdict(&[]), "logged-in", "{release}, restarted");
    }
}

#[test]
fn dex_goes_on_with_its_old_secret_until_it_is_restarted() {
    if !has("kubectl", "dex_goes_on_with_its_old_secret_until_it_is_restarted") {
        return;
    }
    let lab = Lab::new();
    lab.expect(0, &["working"]);
    lab.kubectl(&["-n", "dex", "patch", "secret", "dex-clients", "-p", ROTATED]);
    assert_eq!(lab.verdict(&[]), "logged-in");
    lab.kubectl(&["-n", "dex", "rollout", "restart", "deploy/dex"]);
    lab.kubectl(&["-n", "dex", "rollout", "status", "deploy/dex", "--timeout=30s"]);
    assert_eq!(lab.verdict(&[]), "refused");
    // A wrong secret is not healed by a restart.
    restart_argocd(&lab);
    assert_eq!(lab.verdict(&[]), "refused");
}

#[test]
fn a_secret_without_the_label_is_not_seen_on_any_release() {
    if !has("kubectl", "a_secret_without_the_label_is_not_seen_on_any_release") {
        return;
    }
    for release in ["v2.12.1", "v3.3.0", "v3.5.1"] {
        let lab = Lab::new();
        lab.expect(0, &["--argocd", release, "working"]);
        lab.kubectl(&["-n", "argocd", "label", "secret", "argocd-oidc", "app.kubernetes.io/part-of-"]);
        restart_argocd(&lab);
        assert_eq!(lab.verdict(&["--logins", "5"]), "refused", "{release}");
    }
}

#[test]
fn a_missing_key_is_refused_and_said_in_the_log() {
    if !has("kubectl", "a_missing_key_is_refused_and_said_in_the_log") {
        return;
    }
    let lab = Lab::new();
    lab.expect(0, &["--argocd", "v2.12.1", "working"]);
    let rename = r#"[{"op":"move","from":"/data/clientSecret","path":"/data/other"}]"#;
    lab.kubectl(&["-n", "argocd", "patch", "secret", "argocd-oidc", "--type=json", "-p", rename]);
    restart_argocd(&lab);
    assert_eq!(lab.verdict(&["--logins", "5"]), "refused");
    let log = lab.kubectl(&["-n", "argocd", "logs", "deploy/argocd-server"]).stdout;
    assert!(
        log.contains("config referenced '$argocd-oidc:clientSecret', but key does not exist in secret"),
        "{log}"
    );
}

#[test]
fn a_trailing_newline_is_trimmed_by_argo_cd_and_not_by_dex() {
    if !has("kubectl", "a_trailing_newline_is_trimmed_by_argo_cd_and_not_by_dex") {
        return;
    }
    let lab = Lab::new();
    lab.expect(0, &["working"]);
    let secret = lab.secret("argocd", "argocd-oidc", "clientSecret");
    let with_newline = |key: &str| format!(r#"{{"stringData":{{"{key}":"{secret}\n"}}}}"#);
    lab.kubectl(&["-n", "argocd", "patch", "secret", "argocd-oidc", "-p", &with_newline("clientSecret")]);
    restart_argocd(&lab);
    assert_eq!(lab.verdict(&[]), "logged-in", "in Argo CD's alone");
    lab.kubectl(&["-n", "dex", "patch", "secret", "dex-clients", "-p", &with_newline("argo-cd")]);
    lab.kubectl(&["-n", "dex", "rollout", "restart", "deploy/dex"]);
    lab.kubectl(&["-n", "dex", "rollout", "status", "deploy/dex", "--timeout=30s"]);
    assert_eq!(lab.verdict(&[]), "refused", "in both");
}

#[test]
fn touching_argocd_cm_or_adding_a_cluster_secret_does_not_heal() {
    if !has("kubectl", "touching_argocd_cm_or_adding_a_cluster_secret_does_not_heal") {
        return;
    }
    let lab = Lab::new();
    lab.expect(0, &["working", "break"]);
    lab.kubectl(&["-n", "argocd", "annotate", "configmap", "argocd-cm", "touched=yes"]);
    lab.kubectl(&[
        "-n",
        "argocd",
        "patch",
        "configmap",
        "argocd-cm",
        "-p",
        r#"{"data":{"help.chatText":"x"}}"#,
    ]);
    assert_eq!(lab.verdict(&[]), "refused", "argocd-cm touched");
    lab.kubectl(&[
        "-n",
        "argocd",
        "create",
        "secret",
        "generic",
        "c",
        "--from-literal=name=c",
        "--from-literal=server=https://c",
    ]);
    lab.kubectl(&["-n", "argocd", "label", "secret", "c", "argocd.argoproj.io/secret-type=cluster"]);
    assert_eq!(lab.verdict(&[]), "refused", "cluster secret added");
}

#[test]
fn a_key_of_argocd_secret_behaves_like_one_of_another_secret() {
    if !has("kubectl", "a_key_of_argocd_secret_behaves_like_one_of_another_secret") {
        return;
    }
    let lab = Lab::new();
    lab.expect(0, &["working"]);
    let secret = lab.secret("dex", "dex-clients", "argo-cd");
    let patch = format!(r#"{{"stringData":{{"oidc.dex.clientSecret":"{secret}"}}}}"#);
    lab.kubectl(&["-n", "argocd", "patch", "secret", "argocd-secret", "-p", &patch]);
    let config =
        "name: Dex\nissuer: http://dex.host\nclientID: argo-cd\nclientSecret: $oidc.dex.clientSecret\n";
    let patch = serde_json::json!({"data": {"oidc.config": config}}).to_string();
    lab.kubectl(&["-n", "argocd", "patch", "configmap", "argocd-cm", "-p", &patch]);
    restart_argocd(&lab);
    assert_eq!(lab.verdict(&[]), "logged-in");
}

#[test]
fn a_way_that_leads_nowhere_is_waited_for_and_said() {
    if !has("kubectl", "a_way_that_leads_nowhere_is_waited_for_and_said") {
        return;
    }
    let lab = Lab::new();
    lab.expect(0, &["working"]);
    let selector = |name: &str| {
        let patch = format!(r#"{{"spec":{{"selector":{{"app.kubernetes.io/name":"{name}"}}}}}}"#);
        lab.kubectl(&["-n", "dex", "patch", "service", "dex-host", "-p", &patch]);
    };
    // Ready it is, and nobody is led to it.
    selector("nobody");
    let ended = lab.expect(3, &["--wait", "2", "fix"]);
    let way =
        "the way to dex/dex by http://dex.host/.well-known/openid-configuration was not there after 2 s";
    assert!(ended.error().contains(way) && ended.error().contains("led to no new pods"), "{ended}");
    selector("dex");
    lab.expect(0, &["fix", "test"]);
    // The Service leads to it, and the ingress elsewhere.
    let path =
        r#"{"path":"/","pathType":"Prefix","backend":{"service":{"name":"none","port":{"number":80}}}}"#;
    let patch = format!(r#"{{"spec":{{"rules":[{{"host":"argocd.host","http":{{"paths":[{path}]}}}}]}}}}"#);
    lab.kubectl(&["-n", "argocd", "patch", "ingress", "argocd-server", "--type=merge", "-p", &patch]);
    let ended = lab.expect(3, &["--wait", "2", "fix"]);
    assert!(ended.error().contains("http://argocd.host/healthz was not there after 2 s"), "{ended}");
    assert!(ended.error().contains("the answer was 503"), "{ended}");
    lab.expect(0, &["working", "test"]);
}
