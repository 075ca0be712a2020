//! Manifests as people have them, and as nobody should have to read them.

use std::path::Path;

use super::*;

/// The files of a folder beside this one.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/files/fixtures").join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(fixture(name)).unwrap()
}

fn evidence(files: &Files) -> Evidence {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(files.evidence(None)).unwrap()
}

fn diagnosis(text: &str) -> Diagnosis {
    let files = Files::read(&["-".into()], text.as_bytes(), None).unwrap();
    files.diagnosis(&evidence(&files), false)
}

/// All findings as `id certainty when LINE: what the line says`.
fn found(text: &str) -> Vec<String> {
    let diagnosis = diagnosis(text);
    let said = format!("{}{}{diagnosis:?}", diagnosis.headline(), diagnosis.body());
    assert!(!said.contains("a-secret-that-nobody-may-read"), "{said}");
    let lines: Vec<&str> = text.lines().collect();
    let one = |it: &Finding| {
        assert!(!it.evidence.is_empty() && !it.why.is_empty() && !it.fix.contains("kubectl"), "{it:#?}");
        let line = lines[it.line.unwrap() - 1].trim();
        format!("{} {} {}: {line}", it.id, it.certainty.name(), it.when.words())
    };
    diagnosis.findings.iter().map(one).collect()
}

#[test]
fn nothing_is_found_where_all_is_well() {
    for (name, release) in [("chart.yaml", "v3.5.1, 2 replicas"), ("kustomize.yaml", "v3.4.7, 1 replica")] {
        let diagnosis = diagnosis(&text(name));
        assert_eq!(found(&text(name)), [""; 0], "{name}");
        assert!(diagnosis.subject.contains(release), "{}", diagnosis.subject);
        assert_eq!(diagnosis.exit().code(), 0, "{name}");
    }
}

/// A change of a fixture, and what has to be found then.
type Case = (&'static str, &'static str, &'static str, &'static [&'static str]);

#[test]
fn each_mistake_is_told_by_its_line() {
    let cases: &[Case] = &[
        (
            "kustomize.yaml",
            "    app.kubernetes.io/part-of: argocd\n  name: keycloak-client",
            "    app.kubernetes.io/part-of: other\n  name: keycloak-client",
            &["secret-unlabelled likely will fail when applied: labels:"],
        ),
        (
            "kustomize.yaml",
            "  secret: a-secret",
            "  other: a-secret",
            &["secret-key-missing likely will fail when applied: name: keycloak-client"],
        ),
        (
            "kustomize.yaml",
            "$keycloak-client:secret",
            "$keycloak-client.secret",
            &["secret-reference certain will fail when applied: clientSecret: $keycloak-client.secret"],
        ),
        (
            "kustomize.yaml",
            "$keycloak-client:secret",
            "keycloak-client:secret",
            &["secret-reference certain will fail when applied: clientSecret: keycloak-client:secret"],
        ),
        // It may be in the cluster, and so may a key of argocd-secret.
        ("kustomize.yaml", "$keycloak-client:secret", "$another:secret", &[]),
        ("chart.yaml", "$argocd-oidc:clientSecret", "$oidc.clientSecret", &[]),
        (
            "chart.yaml",
            "issuer: https://login.example.com/dex",
            "issuer: login.example.com/dex",
            &["issuer-mismatch certain will fail when applied: issuer: login.example.com/dex"],
        ),
        (
            "chart.yaml",
            "issuer: https://login.example.com/dex",
            "issuer: https://login.example.com/dex/.well-known/openid-configuration",
            &[
                "issuer-mismatch certain will fail when applied: issuer: https://login.example.com/dex/.well-known/openid-configuration",
            ],
        ),
        (
            "chart.yaml",
            "    issuer: https://login.example.com/dex\n",
            "",
            &["issuer-mismatch certain will fail when applied: oidc.config: |"],
        ),
        (
            "chart.yaml",
            "    clientID: argo-cd",
            "    clientId_: argo-cd",
            &["client-id certain will fail when applied: oidc.config: |"],
        ),
        (
            "chart.yaml",
            "    clientSecret: $",
            "    client_secret: $",
            &["secret-key-missing likely will fail when applied: oidc.config: |"],
        ),
        (
            "chart.yaml",
            "    clientID: argo-cd",
            "      clientID: argo-cd",
            &["oidc-config certain will fail when applied: clientID: argo-cd"],
        ),
        (
            "chart.yaml",
            "  url: https://argocd.example.com\n",
            "",
            &["argocd-url certain will fail when applied: name: argocd-cm"],
        ),
        (
            "chart.yaml",
            "  url: https://argocd.example.com\n",
            "  url: argocd.example.com\n",
            &["argocd-url certain will fail when applied: url: argocd.example.com"],
        ),
        (
            "chart.yaml",
            "  - host: argocd.example.com",
            "  - host: cd.example.com",
            &["argocd-url likely will fail when applied: url: https://argocd.example.com"],
        ),
        (
            "chart.yaml",
            ", \"groups\"]",
            "]",
            &[
                "no-rights likely will fail when applied: requestedScopes: [\"openid\", \"profile\", \"email\"]",
            ],
        ),
        ("chart.yaml", "g, platform, role:admin", "g, jane@example.com, role:admin", &[]),
        (
            "chart.yaml",
            "  policy.csv: |",
            "  policies.csv: |",
            &["no-rights likely will fail when applied: policies.csv: |"],
        ),
        (
            "chart.yaml",
            "policy.default: \"\"",
            "policy.default: readonly",
            &["no-rights likely will fail when applied: policy.default: readonly"],
        ),
        (
            "chart.yaml",
            "g, platform, role:admin",
            "g, platform",
            &["no-rights certain will fail when applied: policy.csv: |"],
        ),
        (
            "chart.yaml",
            "argoproj/argocd:v3.5.1",
            "argoproj/argocd:v3.3.6",
            &["first-start possible will fail when applied: name: argocd-secret"],
        ),
        (
            "chart.yaml",
            "argoproj/argocd:v3.5.1",
            "argoproj/argocd:v2.0.5",
            &["secret-reference certain will fail when applied: clientSecret: $argocd-oidc:clientSecret"],
        ),
        (
            "chart.yaml",
            "  oidc.config: |\n    name: SSO\n    issuer: https://login.example.com/dex\n    clientID: argo-cd\n    clientSecret: $argocd-oidc:clientSecret\n    requestedScopes: [\"openid\", \"profile\", \"email\", \"groups\"]\n  url: https://argocd.example.com\n",
            "  dex.config: |\n    connectors:\n    - type: github\n      id: gh\n      config:\n        clientID: x\n        clientSecret: $argocd-dex:secret\n  url: https://argocd.example.com/\n---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: argocd-dex\n  namespace: gitops\ndata:\n  secret: eA==\n",
            &[
                "argocd-url certain will fail when applied: url: https://argocd.example.com/",
                "dex-reference likely will fail when applied: clientSecret: $argocd-dex:secret",
            ],
        ),
    ];
    for (name, from, to, expected) in cases {
        let text = text(name);
        assert!(text.contains(from), "{from}");
        assert_eq!(found(&text.replace(from, to)), *expected, "{to}");
    }
}
