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
            "clientID: argocd",
            "clientID: $keycloak-client:id",
            &["secret-reference likely will fail when applied: clientID: $keycloak-client:id"],
        ),
        (
            "kustomize.yaml",
            "issuer: https://sso.example.org/realms/main",
            "issuer: $keycloak-client:secret",
            &[],
        ),
        ("kustomize.yaml", "issuer: https://sso.example.org/realms/main", "issuer: $unseen:issuer", &[]),
        (
            "kustomize.yaml",
            "    clientID: argocd",
            "    clientID: argocd\n    cliClientID: argocd-cli\n    allowedAudiences: [argocd]",
            &["cli-audience certain will bite later: allowedAudiences: [argocd]"],
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
        // Keycloak gives groups by a mapper, whoever asks.
        ("kustomize.yaml", "    - groups\n", "", &[]),
        (
            "kustomize.yaml",
            "    issuer: https://sso.example.org/realms/main\n    clientID: argocd\n    clientSecret: $keycloak-client:secret\n    requestedScopes:\n    - openid\n    - profile\n    - email\n    - groups\n",
            "    issuer: https://sso.example.org\n    clientID: argocd\n    clientSecret: $keycloak-client:secret\n    requestedScopes: [openid, email]\n",
            &["no-rights possible will fail when applied: requestedScopes: [openid, email]"],
        ),
        (
            "kustomize.yaml",
            "g, /platform, role:admin",
            "g, jane@example.org, role:admin\n  scopes: '[email]'",
            &[],
        ),
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
            &["no-rights certain will fail when applied: g, platform"],
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

/// A Dex whose configuration stands in a ConfigMap, beside the chart's objects.
const DEX: &str = "---
apiVersion: v1
kind: ConfigMap
metadata: {name: dex, namespace: dex}
data:
  config.yaml: |
    issuer: https://login.example.com/dex
    storage: {type: kubernetes}
    staticClients:
    - id: argo-cd
      secretEnv: ARGO_CD
      redirectURIs:
      - https://argocd.example.com/auth/callback
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: dex
  namespace: dex
  labels: {app.kubernetes.io/name: dex}
spec:
  selector: {}
  template:
    spec:
      containers:
      - {name: dex, image: dex, args: [dex, serve, /etc/dex/config.yaml], env: [{name: ARGO_CD, valueFrom: {secretKeyRef: {name: dex-clients, key: argo-cd}}}]}
      volumes:
      - {name: config, configMap: {name: dex}}
---
apiVersion: v1
kind: Secret
metadata: {name: dex-clients, namespace: dex}
stringData: {argo-cd: a-secret-that-nobody-may-read}
";

#[test]
fn a_dex_in_the_files_is_held_against_the_settings() {
    let with = |change: &dyn Fn(String) -> String| found(&change(text("chart.yaml") + DEX));
    assert_eq!(with(&|text| text), [""; 0]);
    assert_eq!(
        with(&|text| text
            .replace("  url: https://argocd.example.com", "  url: https://argocd.example.com/argo")),
        ["redirect-uri likely will fail when applied: redirectURIs:"]
    );
    assert_eq!(
        with(&|text| text.replace(
            "    issuer: https://login.example.com/dex\n    clientID",
            "    issuer: https://login.example.com/dex/\n    clientID"
        )),
        ["issuer-mismatch likely will fail when applied: issuer: https://login.example.com/dex/"]
    );
    // What stands for a secret differs from whatever else does, and that says nothing.
    let unlabelled = "---\nkind: Secret\nmetadata: {name: argocd-oidc, namespace: gitops}\nstringData: {clientSecret: x}\n";
    assert_eq!(
        with(&|text| text + unlabelled),
        ["secret-unlabelled likely will fail when applied: metadata: {name: argocd-oidc, namespace: gitops}"]
    );
}

#[test]
fn a_secret_in_the_settings_themselves_is_never_shown() {
    let plain = text("chart.yaml").replace("$argocd-oidc:clientSecret", "a-secret-that-nobody-may-read");
    assert_eq!(found(&plain), [""; 0]);
    let files = Files::read(&["-".into()], plain.as_bytes(), None).unwrap();
    let diagnosis = files.diagnosis(&evidence(&files), true);
    let ids: Vec<&str> = diagnosis.findings.iter().map(|finding| finding.id.name()).collect();
    assert_eq!(ids, ["secret-reference"]);
    let said = format!("{}{}{:?}", diagnosis.body(), diagnosis.annotations(), diagnosis.fields());
    assert!(!said.contains("nobody-may-read"), "{said}");
}

#[test]
fn what_makes_a_secret_counts_as_one() {
    let external = |labels: &str, key: &str| {
        let made = format!(
            "---\nkind: ExternalSecret\nmetadata:\n  name: sso\n  namespace: gitops\n{labels}spec:\n  target: {{name: argocd-oidc}}\n  data:\n  - secretKey: {key}\n"
        );
        found(&(text("chart.yaml") + &made))
    };
    let label = "  labels:\n    app.kubernetes.io/part-of: argocd\n";
    assert_eq!(external(label, "clientSecret"), [""; 0]);
    assert_eq!(external("", "clientSecret"), ["secret-unlabelled likely will fail when applied: metadata:"]);
    assert_eq!(external(label, "other"), ["secret-key-missing likely will fail when applied: name: sso"]);
}

#[test]
fn lists_and_json_are_read_as_kubectl_prints_them() {
    let objects: Vec<Value> = read::objects(0, &Source { name: "-".into(), text: text("kustomize.yaml") })
        .unwrap()
        .into_iter()
        .map(|found| found.value)
        .collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    for text in [
        list.to_string(),
        serde_json::to_string_pretty(&list).unwrap(),
        serde_yaml::to_string(&list).unwrap(),
    ] {
        assert_eq!(found(&text), [""; 0], "{text}");
        let broken = text.replace("https://sso.example.org", "sso.example.org");
        let found = found(&broken);
        assert!(found[0].starts_with("issuer-mismatch certain"), "{found:?}");
        assert!(found[0].contains("sso.example.org") || !found[0].contains("name"), "{found:?}");
    }
}

/// What reading says, and what it exits with.
fn refused(text: &[u8], namespace: Option<&str>) -> (String, u8) {
    let error = Files::read(&["-".into()], text, namespace).err().unwrap();
    (error.message().to_owned(), error.exit.code())
}

#[test]
fn what_is_not_to_be_read_is_an_error_with_its_line() {
    let good = text("kustomize.yaml");
    let cut = &good[..good.find("clientSecret").unwrap()];
    for (text, said) in [
        ("", "no ConfigMap argocd-cm is in standard input"),
        ("# nothing\n---\n", "no ConfigMap argocd-cm is in standard input"),
        ("a: b\n---\nx: y: z\n", "standard input, line 3, is no YAML that can be read"),
        ("a:\n\t- b\n", "standard input, line 2, is no YAML that can be read"),
        ("url: {{ .Values.url }}\n  x\n", "standard input, line 2, is no YAML that can be read"),
        (
            "kind: ConfigMap\nmetadata: {name: argocd-cm}\ndata:\n  url: http://a\n  exec.enabled: true\n",
            "standard input, line 5, has exec.enabled of argocd-cm, which is no text: the API refuses it (put it in quotes, or behind `|`)",
        ),
        (
            "kind: ConfigMap\nmetadata: {name: argocd-cm}\ndata:\n  a: ~\n---\nkind: ConfigMap\nmetadata: {name: argocd-cmd-params-cm}\ndata:\n  server.insecure: true\n",
            "standard input, line 9, has server.insecure of argocd-cmd-params-cm, which is no text: the API refuses it (put it in quotes, or behind `|`)",
        ),
        (
            &format!("{good}---\n{good}"),
            "argocd-cm is in standard input, line 19, and in standard input, line 81: which one counts they do not say",
        ),
    ] {
        assert_eq!(refused(text.as_bytes(), None), (said.to_owned(), 3), "{text}");
    }
    // As PowerShell's `>` writes it.
    let wide: Vec<u8> = "\u{feff}a: [".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(refused(&wide, None).0.ends_with("is no YAML that can be read"));
    assert_eq!(refused(b"a: b\nc: \xff\n", None).0, "standard input, line 2, is no text in UTF-8");
    assert!(refused(b"\x7fELF\x02\x01\x01\0", None).0.ends_with("is no YAML that can be read"));
    // A pipe that broke off: kustomize says last what it was.
    assert_eq!(refused(cut.as_bytes(), None).0, "no ConfigMap argocd-cm is in standard input");
}

#[test]
fn a_namespace_chooses_between_installations() {
    let one = text("chart.yaml");
    let both = format!(
        "{one}---\n{}",
        one.replace("gitops", "second").replace("https://argocd.example.com", "none")
    );
    assert!(refused(both.as_bytes(), None).0.contains("which one counts"));
    assert_eq!(
        refused(one.as_bytes(), Some("argocd")).0,
        "no argocd-cm of namespace argocd is in these files; the one in standard input, line 35, is of gitops"
    );
    let of = |namespace: &str| {
        let files = Files::read(&["-".into()], both.as_bytes(), Some(namespace)).unwrap();
        files.diagnosis(&evidence(&files), false).findings.len()
    };
    assert_eq!((of("gitops"), of("second")), (0, 1));
}

#[test]
fn folders_are_read_to_their_bottom_and_files_once() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("a/b");
    std::fs::create_dir_all(&below).unwrap();
    std::fs::create_dir_all(folder.path().join(".git")).unwrap();
    std::fs::write(below.join("argocd.yml"), text("kustomize.yaml").replace("https://cd", "cd")).unwrap();
    for other in ["a/values.txt", ".git/x.yaml"] {
        std::fs::write(folder.path().join(other), "a: b: c").unwrap();
    }
    std::os::unix::fs::symlink(folder.path(), below.join("round.yaml")).unwrap();
    let paths = [folder.path().to_owned(), below.join("argocd.yml")];
    let files = Files::read(&paths, b"", None).unwrap();
    let diagnosis = files.diagnosis(&evidence(&files), false);
    let finding = &diagnosis.findings[0];
    assert!(finding.file.as_ref().unwrap().ends_with("a/b/argocd.yml"), "{finding:?}");
    assert_eq!((finding.line, diagnosis.findings.len()), (Some(13), 1));
    let annotations = diagnosis.annotations();
    assert!(
        annotations.starts_with("::error file=")
            && annotations.contains("argocd.yml,line=13,title=argocd-url")
    );
    assert!(diagnosis.body().contains("a/b/argocd.yml:13\n"), "{}", diagnosis.body());
    for (path, said) in
        [(folder.path().join("none"), "cannot be read"), (folder.path().join(".git/none"), "cannot be read")]
    {
        assert!(Files::read(&[path], b"", None).err().unwrap().message().contains(said));
    }
    let empty = tempfile::tempdir().unwrap();
    let error = Files::read(&[empty.path().to_owned()], b"", None).err().unwrap();
    assert!(error.message().ends_with("has no *.yaml, *.yml or *.json"), "{error}");
}

#[test]
fn the_release_is_the_images_else_the_one_that_is_named() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let release = |text: &str| {
        let files = Files::read(&["-".into()], text.as_bytes(), None).unwrap();
        let evidence = runtime.block_on(files.evidence(Some(Release::new(3, 3, 6)))).unwrap();
        evidence.release.unwrap().to_string()
    };
    assert_eq!(release(&text("kustomize.yaml")), "v3.4.7");
    assert_eq!(release(text("kustomize.yaml").rsplit_once("---").unwrap().0), "v3.3.6");
}

#[test]
fn nothing_that_somebody_may_write_ends_it() {
    let whole = text("chart.yaml") + DEX;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |most: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % most as u64).unwrap()
    };
    let mut read = 0;
    for _ in 0..150 {
        let mut bytes = whole.clone().into_bytes();
        for _ in 0..1 + below(4) {
            let odd = [
                b' ', b':', b'-', b'\n', b'"', b'|', b'#', b'&', b'*', b'$', b'{', b'~', b'\t', 0, b'9', b'/',
            ];
            let (at, with) = (below(bytes.len()), odd[below(odd.len())]);
            match below(3) {
                0 => bytes[at] = with,
                1 => bytes.insert(at, with),
                _ => drop(bytes.drain(at..(at + below(60)).min(bytes.len()))),
            }
        }
        let Ok(files) = Files::read(&["-".into()], &bytes, None) else { continue };
        let diagnosis = files.diagnosis(&evidence(&files), true);
        let said = format!("{}{}{}", diagnosis.body(), diagnosis.annotations(), diagnosis.headline());
        assert!(!said.contains("nobody-may-read"), "{said}");
        read += 1;
    }
    assert!(read > 30, "{read}");
}

#[test]
fn a_megabyte_of_anything_is_read_or_refused_soon() {
    let good = text("kustomize.yaml");
    let long = "a line of a script: [ { # \n    ".repeat(40_000);
    let script = format!("{good}---\nkind: ConfigMap\nmetadata: {{name: x}}\ndata:\n  text: |\n    {long}\n");
    assert!(Files::read(&["-".into()], script.as_bytes(), None).is_err());
    let objects = "---\nkind: Secret\nmetadata: {name: x, labels: {a: b}}\ndata: {a: b}\n".repeat(5_000);
    assert_eq!(found(&format!("{good}{objects}")), [""; 0]);
    let items = "- {kind: List, items: [{kind: List}]}\n".repeat(5_000);
    assert_eq!(refused(format!("kind: List\nitems:\n{items}").as_bytes(), None).1, 3);
}
