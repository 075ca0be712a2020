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
    assert_eq!(Manifest::ALL.map(documents), [1, 3, 1, 1, 1, 1, 1, 1, 2]);
}

fn broken(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("manifests")).unwrap();
    std::fs::write(folder.path().join("manifests/oidc-secret.yaml.j2"), text).unwrap();
    Sources::new(folder.path()).documents(Manifest::OidcSecret, &variables()).unwrap_err().to_string()
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
