//! The doctor at providers that are no Dex: what each answers to a right client secret and to a wrong one is its
//! own, and so is where it looks for it. One fake provider is carried by the lab's ingress and changes its ways
//! between the runs.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::by_hand::{lab, patch, restart};
use super::diagnosis;
use crate::support::{Lab, has};

/// A status and a body.
type Answer = (u16, &'static str);

/// How a provider treats a code that nobody gave out.
#[derive(Clone, Copy)]
struct Ways {
    name: &'static str,
    header: bool,
    body: bool,
    /// To a client whose secret it does not take.
    refused: Answer,
    /// To a client whose secret it takes.
    unknown_code: Answer,
}

const GRANT: Answer = (400, r#"{"error":"invalid_grant","error_description":"Code not valid"}"#);
const CLIENT: Answer =
    (401, r#"{"error":"invalid_client","error_description":"Client authentication failed"}"#);
const KEYCLOAK: Answer = (
    401,
    r#"{"error":"unauthorized_client","error_description":"Invalid client or Invalid client credentials"}"#,
);
const AUTH0: Answer = (401, r#"{"error":"access_denied","error_description":"Unauthorized"}"#);
const BUSY: Answer = (429, r#"{"error":"slow_down"}"#);
const PAGE: Answer = (400, "<html>Something went wrong</html>");

const COMMON: Ways =
    Ways { name: "common words", header: true, body: true, refused: CLIENT, unknown_code: GRANT };

const ALL: [Ways; 9] = [
    COMMON,
    Ways { name: "Keycloak's words", refused: KEYCLOAK, ..COMMON },
    Ways { name: "Auth0's words", refused: AUTH0, unknown_code: (403, GRANT.1), ..COMMON },
    Ways {
        name: "errors with status 200",
        refused: (200, r#"{"error":"incorrect_client_credentials"}"#),
        unknown_code: (200, r#"{"error":"bad_verification_code"}"#),
        ..COMMON
    },
    Ways { name: "the header alone", body: false, ..COMMON },
    Ways { name: "the body alone", header: false, ..COMMON },
    Ways { name: "the code first", refused: GRANT, ..COMMON },
    Ways { name: "asked too often", refused: BUSY, unknown_code: BUSY, ..COMMON },
    Ways { name: "a page for everything", refused: PAGE, unknown_code: PAGE, ..COMMON },
];

/// A provider that takes one secret.
struct Provider {
    port: u16,
    ways: Arc<Mutex<Ways>>,
    secret: Arc<Mutex<String>>,
    /// How many requests its token endpoint got.
    tokens: Arc<Mutex<usize>>,
}

impl Provider {
    fn start(secret: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let provider = Self {
            port: listener.local_addr().unwrap().port(),
            ways: Arc::new(Mutex::new(COMMON)),
            secret: Arc::new(Mutex::new(secret.to_owned())),
            tokens: Arc::default(),
        };
        let (ways, secret, tokens) =
            (provider.ways.clone(), provider.secret.clone(), provider.tokens.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (ways, secret, tokens) = (ways.clone(), secret.clone(), tokens.clone());
                std::thread::spawn(move || {
                    let (ways, secret) = (*ways.lock().unwrap(), secret.lock().unwrap().clone());
                    serve(stream, ways, &secret, &tokens);
                });
            }
        });
        provider
    }

    fn takes(&self, secret: &str) {
        secret.clone_into(&mut self.secret.lock().unwrap());
    }
}

fn serve(mut stream: TcpStream, ways: Ways, secret: &str, tokens: &Mutex<usize>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let (mut first, mut length, mut header) = (String::new(), 0, String::new());
    reader.read_line(&mut first).ok()?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "authorization" => value.clone_into(&mut header),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let path = first.split_whitespace().nth(1)?.split('?').next()?.to_owned();
    let document = json!({
        "issuer": "http://idp.host", "authorization_endpoint": "http://idp.host/authorize",
        "token_endpoint": "http://idp.host/token", "jwks_uri": "http://idp.host/keys",
        "id_token_signing_alg_values_supported": ["RS256"], "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
    })
    .to_string();
    let form = "<form method=post action=/in><input name=username><input name=password type=password></form>";
    let (status, kind, text) = match path.as_str() {
        "/.well-known/openid-configuration" => (200, "application/json", document),
        "/authorize" => (200, "text/html", form.to_owned()),
        "/keys" => (200, "application/json", json!({"keys": []}).to_string()),
        "/token" => {
            *tokens.lock().unwrap() += 1;
            let body = String::from_utf8_lossy(&body).into_owned();
            let taken = ways.header && in_header(&header, secret) || ways.body && in_body(&body, secret);
            let (status, text) = if taken { ways.unknown_code } else { ways.refused };
            let kind = if text.starts_with('<') { "text/html" } else { "application/json" };
            (status, kind, text.to_owned())
        }
        _ => (404, "text/plain", "not here".to_owned()),
    };
    let length = text.len();
    write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}"
    )
    .ok()
}

fn in_header(header: &str, secret: &str) -> bool {
    use base64::Engine as _;
    let decode = |text: &str| base64::prelude::BASE64_STANDARD.decode(text).ok();
    let pair = header.strip_prefix("Basic ").and_then(decode).and_then(|pair| String::from_utf8(pair).ok());
    pair.is_some_and(|pair| pair.split_once(':').is_some_and(|(_, shown)| shown == secret))
}

fn in_body(body: &str, secret: &str) -> bool {
    url::form_urlencoded::parse(body.as_bytes()).any(|(key, value)| key == "client_secret" && value == secret)
}

/// Lets the lab's ingress carry a provider on a port of this machine, by the name `idp.host`.
pub fn carry(lab: &Lab, port: u16) {
    let labels = json!({"oidc-lab/owned": "true"});
    let backend = json!({"service": {"name": "idp", "port": {"number": 80}}});
    let paths = json!([{"path": "/", "pathType": "Prefix", "backend": backend}]);
    let objects = [
        json!({"apiVersion": "v1", "kind": "Service",
               "metadata": {"name": "idp", "namespace": "dex", "labels": labels},
               "spec": {"ports": [{"port": 80, "targetPort": port}]}}),
        json!({"apiVersion": "v1", "kind": "Endpoints",
               "metadata": {"name": "idp", "namespace": "dex", "labels": labels},
               "subsets": [{"addresses": [{"ip": "127.0.0.1"}], "ports": [{"port": port}]}]}),
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
               "metadata": {"name": "idp", "namespace": "dex", "labels": labels},
               "spec": {"rules": [{"host": "idp.host", "http": {"paths": paths}}]}}),
    ];
    let documents = objects.map(|object| object.to_string()).join("\n");
    let file = lab.file("provider.json", &documents);
    lab.kubectl(&["apply", "-f", file.to_str().unwrap()]);
}

/// Points Argo CD at an issuer.
pub fn points_at(lab: &Lab, issuer: &str, client: &str) {
    let config = format!(
        "name: Other\nissuer: {issuer}\nclientID: {client}\nclientSecret: $argocd-oidc:clientSecret\nrequestedScopes: [openid, profile, email]\n"
    );
    patch(lab, "argocd", "configmap", "argocd-cm", &json!({"data": {"oidc.config": config}}));
}

pub fn set_secret(lab: &Lab, secret: &str) {
    patch(lab, "argocd", "secret", "argocd-oidc", &json!({"stringData": {"clientSecret": secret}}));
}

/// The findings as `id certainty`.
fn findings(document: &Value) -> Vec<String> {
    let all = document["goals"][0]["findings"].as_array().unwrap().iter();
    all.map(|it| format!("{} {}", it["id"].as_str().unwrap(), it["certainty"].as_str().unwrap())).collect()
}

#[test]
fn what_another_provider_says_is_held_against_a_control() {
    if !has("kubectl", "what_another_provider_says_is_held_against_a_control") {
        return;
    }
    let lab = lab("v3.3.6");
    let provider = Provider::start("first-secret");
    carry(&lab, provider.port);
    set_secret(&lab, "first-secret");
    points_at(&lab, "http://idp.host", "argo-cd");
    restart(&lab, "argocd", "argocd-server");
    let seen = |what: &str| {
        ALL.map(|ways| {
            *provider.ways.lock().unwrap() = ways;
            *provider.tokens.lock().unwrap() = 0;
            let document = diagnosis(&lab, &[]);
            let asked = &document["goals"][0]["asked"];
            let by = |who: &str| usize::try_from(asked[who].as_u64().unwrap()).unwrap();
            assert!(by("by_doctor") <= 12 && by("by_argocd") <= 2, "{what}, {}: {asked}", ways.name);
            assert!(*provider.tokens.lock().unwrap() <= by("by_doctor") + 2, "{what}, {}", ways.name);
            let not_told = document["goals"][0]["could_not"].to_string().contains("token endpoint")
                || document["goals"][0]["could_not"].to_string().contains("what Argo CD presents");
            (ways.name, findings(&document).join(", "), not_told)
        })
    };
    let table = |all: [(&'static str, String, bool); 9]| {
        let row = |(name, found, not_told): &(&str, String, bool)| {
            format!("{name}: {found}{}", if *not_told { " (cannot tell)" } else { "" })
        };
        all.iter().map(row).collect::<Vec<_>>()
    };
    insta::assert_debug_snapshot!("well", table(seen("well")));
    // A new secret on both sides, which this release does not notice.
    provider.takes("second-secret");
    set_secret(&lab, "second-secret");
    insta::assert_debug_snapshot!("stale", table(seen("stale")));
    // A new one at the provider alone.
    restart(&lab, "argocd", "argocd-server");
    provider.takes("third-secret");
    insta::assert_debug_snapshot!("wrong", table(seen("wrong")));
}

/// Real Keycloak, as `KEYCLOAK_HOME` has it; it needs a JDK.
#[test]
#[ignore = "needs KEYCLOAK_HOME, the folder of a Keycloak"]
fn keycloak() {
    let home = std::env::var_os("KEYCLOAK_HOME").expect("KEYCLOAK_HOME names the folder of a Keycloak");
    let keycloak = Keycloak::start(std::path::Path::new(&home));
    let lab = lab("v3.3.6");
    carry(&lab, keycloak.port);
    let first = |lab: &Lab, args: &[&str]| findings(&diagnosis(lab, args)).into_iter().next();
    let is = |lab: &Lab, expected: Option<&str>| assert_eq!(first(lab, &[]).as_deref(), expected);
    set_secret(&lab, "keycloaks-secret");
    points_at(&lab, "http://idp.host/realms/lab", "argo-cd");
    restart(&lab, "argocd", "argocd-server");
    is(&lab, None);
    lab.expect(0, &["test"]);
    // Another secret at Keycloak and in the Secret, which this release does not notice.
    keycloak.change_client(&json!({"secret": "keycloaks-second-secret"}));
    set_secret(&lab, "keycloaks-second-secret");
    is(&lab, Some("stale-argocd certain"));
    restart(&lab, "argocd", "argocd-server");
    is(&lab, None);
    // Another one at Keycloak alone.
    keycloak.change_client(&json!({"secret": "keycloaks-third-secret"}));
    is(&lab, Some("secret-mismatch likely"));
    set_secret(&lab, "keycloaks-third-secret");
    restart(&lab, "argocd", "argocd-server");
    keycloak.change_client(&json!({"redirectUris": ["http://elsewhere.host/auth/callback"]}));
    is(&lab, Some("redirect-uri certain"));
    keycloak.change_client(&json!({"redirectUris": ["http://argocd.host/auth/callback"]}));
    super::by_hand::config(&lab, "clientID:", "allowedAudiences: [somebody-else]\nclientID:");
    restart(&lab, "argocd", "argocd-server");
    lab.expect(1, &["test"]);
    assert_eq!(diagnosis(&lab, &[])["goals"][0]["findings"][0]["id"], "audience");
}

/// A Keycloak of one realm, with one client.
struct Keycloak {
    process: std::process::Child,
    folder: tempfile::TempDir,
    home: std::path::PathBuf,
    port: u16,
}

impl Keycloak {
    fn start(home: &std::path::Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = crate::support::ports::free();
        // A copy of its own: it keeps its database there.
        let copied = Command::new("cp").arg("-a").arg(home).arg(folder.path().join("kc")).status().unwrap();
        assert!(copied.success());
        let own = folder.path().join("kc");
        let realm = json!({
            "realm": "lab", "enabled": true,
            "users": [{"username": "admin@example.com", "email": "admin@example.com", "emailVerified": true,
                       "firstName": "A", "lastName": "B", "enabled": true,
                       "credentials": [{"type": "password", "value": "password", "temporary": false}]}],
            "clients": [{"clientId": "argo-cd", "id": "argo-cd", "enabled": true, "secret": "keycloaks-secret",
                         "redirectUris": ["http://argocd.host/auth/callback"], "protocol": "openid-connect"}],
        });
        std::fs::create_dir_all(own.join("data/import")).unwrap();
        std::fs::write(own.join("data/import/lab-realm.json"), realm.to_string()).unwrap();
        let process = Command::new(own.join("bin/kc.sh"))
            .args(["start-dev", "--import-realm", "--http-host=127.0.0.1", "--proxy-headers=xforwarded"])
            .args(["--hostname=http://idp.host", "--hostname-backchannel-dynamic=false"])
            .arg(format!("--http-port={port}"))
            .env("KC_BOOTSTRAP_ADMIN_USERNAME", "admin")
            .env("KC_BOOTSTRAP_ADMIN_PASSWORD", "admin")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let keycloak = Self { process, folder, home: own, port };
        let since = std::time::Instant::now();
        while !keycloak.answers() {
            assert!(since.elapsed().as_secs() < 180, "Keycloak does not answer on port {port}");
            std::thread::sleep(std::time::Duration::from_millis(500));
        }
        keycloak
    }

    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        let asked = write!(stream, "GET /realms/lab HTTP/1.0\r\nHost: idp.host\r\n\r\n");
        let mut first = String::new();
        asked.is_ok() && BufReader::new(stream).read_line(&mut first).is_ok() && first.contains(" 200 ")
    }

    /// Changes fields of the client, by Keycloak's own command line.
    fn change_client(&self, fields: &Value) {
        let config = self.folder.path().join("kcadm.config");
        let kcadm = |args: &[&str]| {
            let mut command = Command::new(self.home.join("bin/kcadm.sh"));
            let ended = crate::support::Ended::of(command.args(args).arg("--config").arg(&config));
            assert_eq!(ended.status, 0, "{ended}");
        };
        let server = format!("http://127.0.0.1:{}", self.port);
        kcadm(&[
            "config",
            "credentials",
            "--server",
            &server,
            "--realm",
            "master",
            "--user",
            "admin",
            "--password",
            "admin",
        ]);
        let file = self.folder.path().join("client.json");
        std::fs::write(&file, fields.to_string()).unwrap();
        kcadm(&["update", "clients/argo-cd", "-r", "lab", "--merge", "-f", file.to_str().unwrap()]);
    }
}

impl Drop for Keycloak {
    fn drop(&mut self) {
        // The script runs Java in its place.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
