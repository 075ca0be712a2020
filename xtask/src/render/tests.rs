use super::*;

fn checkout() -> Sources {
    Sources::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
}

fn variables() -> Variables {
    Variables {
        client_secret: Some("s3cret".into()),
        admin_password_hash: Some("$2a$04$hash".into()),
        admin_password_mtime: Some("2026-01-02T03:04:05Z".into()),
        server_secretkey: Some("a2V5".into()),
        redis_password: Some("p".into()),
        certificates: vec![TlsSecret {
            namespace: "dex",
            name: "ingress-tls",
            chain: "one\ntwo\n".into(),
            key: "three\n".into(),
        }],
        ..Variables::new(43210)
    }
}

#[test]
fn every_manifest_renders() {
    let texts: Vec<String> = Manifest::ALL
        .iter()
        .map(|manifest| {
            format!("## {}\n{}", manifest.file(), checkout().text(*manifest, &variables()).unwrap())
        })
        .collect();
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn every_manifest_has_its_documents() {
    let documents = |manifest| checkout().documents(manifest, &variables()).unwrap().len();
    assert_eq!(Manifest::ALL.map(documents), [1, 3, 1, 1, 1, 1, 1, 1, 1, 2, 4]);
}

#[test]
fn over_tls_the_front_ends_it_and_argo_cd_knows_the_authority() {
    let variables = Variables { tls_port: Some(43211), ..variables() };
    let text = |manifest| checkout().text(manifest, &variables).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.crt");
    std::fs::write(&ca, "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n").unwrap();
    let sources = |provider| checkout().with(provider, Some(ca.clone()));
    let dex = sources(Provider::Dex);
    let config = |sources: &Sources| sources.values("argocd").unwrap()["configs"]["cm"].clone();
    let texts = [
        text(Manifest::KIND_CONFIG),
        text(Manifest::INGRESS),
        dex.values_text("argocd-tls").unwrap(),
        serde_json::to_string_pretty(&dex.values("dex").unwrap()["config"]).unwrap(),
        serde_json::to_string_pretty(&dex.values("traefik").unwrap()["ports"]).unwrap(),
    ];
    insta::assert_snapshot!(texts.join("\n"));
    let oidc: Value = serde_yaml::from_str(config(&dex)["oidc.config"].as_str().unwrap()).unwrap();
    assert_eq!(oidc["rootCA"], std::fs::read_to_string(&ca).unwrap().trim_end());
    let bundled = config(&sources(Provider::Bundled));
    assert_eq!((&bundled["url"], &bundled["oidc.config"]), (&"https://argocd.host".into(), &"".into()));
    std::fs::remove_file(&ca).unwrap();
    assert!(dex.values("argocd").is_err(), "nothing is installed without it");
    assert!(dex.masked().values_text("argocd-tls").unwrap().contains("the lab's authority"));
}

fn broken(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("manifests")).unwrap();
    std::fs::write(folder.path().join("manifests/oidc-secret.yaml.j2"), text).unwrap();
    Sources::new(folder.path()).documents(Manifest::OIDC_SECRET, &variables()).unwrap_err().to_string()
}

#[test]
fn errors_name_file_line_and_variable_and_never_the_secret() {
    for (text, message) in [
        ("a: 1\nb: {{ clientsecret }}\n", "manifests/oidc-secret.yaml.j2:2: `clientsecret` is not defined"),
        (
            "a: {{ client_secret.x.y }}\n",
            "manifests/oidc-secret.yaml.j2:1: `client_secret.x.y` is not defined",
        ),
        ("a: 1\nb: {% if %}\n", "manifests/oidc-secret.yaml.j2:2: syntax error: unexpected end of block"),
        (
            "a: 1\nb: [{{ client_secret }}\n",
            "manifests/oidc-secret.yaml.j2, line 3 of the result: not valid YAML (hint: `cargo xtask render` shows the result)",
        ),
    ] {
        assert_eq!(broken(text), message);
    }
}

#[test]
fn a_missing_file_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let error = Sources::new(folder.path()).values("dex").unwrap_err().to_string();
    assert!(error.starts_with("values/dex.yaml cannot be read: "), "{error}");
}
