//! Fixes heal when they are typed as they are printed.

use std::process::{Command, Stdio};

use serde_json::json;

use super::by_hand::{Hand, another_second, config, lab, patch, restart};
use super::{diagnosis, found};
use crate::support::{Ended, Lab, has};

/// Types a fix into a shell, as a person does at the root of the project, and waits for
/// what it restarts.
#[track_caller]
fn type_in(lab: &Lab, fix: &str) {
    let xtask = format!("'{}'", env!("CARGO_BIN_EXE_xtask"));
    let mut shell = Command::new("bash");
    shell
        .args(["-e", "-o", "pipefail", "-c", &fix.replace("cargo xtask", &xtask)])
        .env("OIDC_LAB_DIR", lab.path())
        .env("OIDC_LAB", "local")
        .env("HOME", lab.home())
        .env_remove("KUBECONFIG")
        .stdin(Stdio::null());
    let ended = Ended::of(&mut shell);
    assert_eq!(ended.status, 0, "{fix}\n{ended}");
    for (namespace, deployment) in [("argocd", "deploy/argocd-server"), ("dex", "deploy/dex")] {
        lab.kubectl(&["-n", namespace, "rollout", "status", deployment, "--timeout=30s"]);
    }
}

/// The lab is broken by hand, and healed by the first finding's fix alone, so that it can be broken anew.
fn heals(release: &str, faults: &[(&str, Hand<'_>)]) {
    let lab = lab(release);
    for (id, make) in faults {
        another_second();
        make(&lab);
        restart(&lab, "argocd", "argocd-server");
        let document = diagnosis(&lab, &[]);
        let finding = &document["goals"][0]["findings"][0];
        assert_eq!(finding["id"], *id, "{document:#}");
        lab.expect(1, &["test"]);
        another_second();
        type_in(&lab, finding["fix"].as_str().unwrap());
        assert_eq!(found(&lab, &[]), Vec::<String>::new(), "after {id}: {finding:#}");
        lab.expect(0, &["test"]);
    }
}

fn ready(test: &str) -> bool {
    ["kubectl", "jq", "bash"].iter().all(|program| has(program, test))
}

fn dex(lab: &Lab, from: &str, to: &str) {
    let text = lab.secret("dex", "dex", "config.yaml");
    assert!(text.contains(from), "{text}");
    patch(lab, "dex", "secret", "dex", &json!({"stringData": {"config.yaml": text.replace(from, to)}}));
    restart(lab, "dex", "dex");
}

#[test]
fn what_stands_in_argocd_cm_is_mended_by_the_fix() {
    if !ready("what_stands_in_argocd_cm_is_mended_by_the_fix") {
        return;
    }
    heals(
        "v3.3.6",
        &[
            ("secret-reference", &|lab| config(lab, "argocd-oidc:clientSecret", "argocd-oidc.clientSecret")),
            ("secret-mismatch", &|lab| config(lab, "$argocd-oidc:clientSecret", "put-here-by-hand")),
            ("client-id", &|lab| config(lab, "clientID: argo-cd", "clientID: argocd")),
            ("issuer-mismatch", &|lab| config(lab, "issuer: http://dex.host", "issuer: https://dex.host")),
            ("issuer-mismatch", &|lab| config(lab, "issuer: http://dex.host", "issuer: ''")),
        ],
    );
}

#[test]
fn the_url_and_the_scopes_are_mended_by_the_fix() {
    if !ready("the_url_and_the_scopes_are_mended_by_the_fix") {
        return;
    }
    let url = |lab: &Lab, url: &str| {
        patch(lab, "argocd", "configmap", "argocd-cm", &json!({"data": {"url": url}}));
    };
    heals(
        "v3.3.6",
        &[("argocd-url", &|lab| url(lab, "")), ("argocd-url", &|lab| url(lab, "http://argocd.host/argo"))],
    );
    heals("v3.5.1", &[("scope", &|lab| config(lab, "\"email\"]", "\"email\", \"everything\"]"))]);
}

#[test]
fn the_command_lines_client_is_named_by_the_fix() {
    if !ready("the_command_lines_client_is_named_by_the_fix") {
        return;
    }
    let lab = lab("v3.3.6");
    for fault in ["cli-redirect-uri", "cli-client-id", "cli-audience"] {
        lab.expect(0, &["break", "--fault", fault]);
        let document = diagnosis(&lab, &[]);
        let finding = &document["goals"][0]["findings"][0];
        assert_eq!(finding["id"], fault, "{document:#}");
        another_second();
        type_in(&lab, finding["fix"].as_str().unwrap());
        assert_eq!(found(&lab, &[]), Vec::<String>::new(), "after {fault}: {finding:#}");
        lab.expect(0, &["fix"]);
    }
}

#[test]
fn what_stands_in_a_secret_is_mended_by_the_fix() {
    if !ready("what_stands_in_a_secret_is_mended_by_the_fix") {
        return;
    }
    let white_space = |lab: &Lab, argocd: &str, dex: &str| {
        let value = lab.secret("argocd", "argocd-oidc", "clientSecret");
        let with = |form: &str| form.replace('x', &value);
        patch(lab, "argocd", "secret", "argocd-oidc", &json!({"stringData": {"clientSecret": with(argocd)}}));
        patch(lab, "dex", "secret", "dex-clients", &json!({"stringData": {"argo-cd": with(dex)}}));
        restart(lab, "dex", "dex");
    };
    let label = |lab: &Lab| {
        let label = "app.kubernetes.io/part-of=argo";
        lab.kubectl(&["-n", "argocd", "label", "--overwrite", "secret", "argocd-oidc", label]);
    };
    heals(
        "v3.3.6",
        &[
            ("secret-whitespace", &|lab| white_space(lab, "x", " x")),
            ("secret-whitespace", &|lab| white_space(lab, "x", "x\r\n")),
            ("secret-whitespace", &|lab| white_space(lab, "  x ", "  x ")),
            ("secret-unlabelled", &label),
            ("redirect-uri", &|lab| dex(lab, "argocd.host/auth/callback", "argocd.host/callback")),
        ],
    );
}

#[test]
fn two_faults_of_one_chain_are_found_at_once() {
    if !has("kubectl", "two_faults_of_one_chain_are_found_at_once") {
        return;
    }
    let lab = lab("v3.3.6");
    let value = lab.secret("argocd", "argocd-oidc", "clientSecret");
    let with_break = json!({"stringData": {"argo-cd": format!("{value}\n")}});
    patch(&lab, "dex", "secret", "dex-clients", &with_break);
    config(&lab, "argocd-oidc:clientSecret", "argocd-oidc.clientSecret");
    restart(&lab, "dex", "dex");
    restart(&lab, "argocd", "argocd-server");
    assert_eq!(found(&lab, &[]), ["secret-reference", "secret-whitespace"]);
}
