//! The lab over https: both stories, what is printed for people, and its own faults.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Ended, Lab, has};

const REFUSED: &str = r#"500 failed to get token: oauth2: "invalid_client" "Invalid client credentials.""#;

/// The verdicts of both stories.
#[track_caller]
fn stories_of(args: &[&str], expected: &str) {
    let lab = Lab::new();
    let document = lab.json(0, &[&["--tls"], args, &["reproduce"]].concat());
    let goal = &document["goals"][0];
    let rows = goal["stories"].as_array().unwrap();
    let verdicts: Vec<&str> = rows.iter().map(|row| row["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["logged-in", expected, "logged-in", expected, "logged-in"], "{args:?}");
    assert_eq!((&document["tls"], &goal["as_known"]), (&json!(true), &json!(true)), "{goal:#}");
}

#[test]
fn both_stories_are_the_same_over_https() {
    stories_of(&["--argocd", "v3.3.6"], "refused");
    stories_of(&["--argocd", "v3.5.1"], "logged-in");
}

#[test]
fn both_stories_are_the_same_with_the_dex_inside_argo_cd() {
    stories_of(&["--provider", "bundled"], "refused");
}

/// What curl says of a URL by the printed options and these.
fn curl(options: &str, more: &[&str]) -> String {
    let run = Command::new("curl").args(["-sS", "-m", "20"]).args(options.split(' ')).args(more).output();
    let output = run.unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn what_status_prints_reaches_the_lab_and_its_key_is_its_owners_alone() {
    let lab = Lab::new();
    lab.expect(0, &["--tls", "working", "test"]);
    let document = lab.json(0, &["status"]);
    let status = &document["goals"][0];
    let ca = lab.path().join("ca.crt");
    assert_eq!(status["tls"]["ca"], ca.display().to_string());
    let mode = std::fs::metadata(lab.path().join("ca.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let shown = lab.expect(0, &["status"]).stdout;
    assert!(
        shown.contains("--user-data-dir=") && shown.contains("--ignore-certificate-errors-spki-list="),
        "{shown}"
    );
    let line = shown.lines().find_map(|line| line.trim().strip_prefix("curl ")).unwrap();
    let line = line.trim().strip_prefix("curl ").unwrap();
    assert!(line.contains(&format!("--cacert {}", ca.display())), "{line}");
    if !has("curl", "what_status_prints_reaches_the_lab_and_its_key_is_its_owners_alone") {
        return;
    }
    let form = curl(line, &[]);
    assert!(form.contains("name=\"password\""), "{form}");
    let (options, _) = line.rsplit_once(' ').unwrap();
    let set = curl(options.trim_start_matches("-L "), &["-D-", "https://argocd.host/auth/login"]);
    let cookie = set.lines().find(|line| line.starts_with("Set-Cookie: argocd.oauthstate=")).unwrap();
    assert!(cookie.contains("; Secure"), "{cookie}");
    // Without the lab's authority nobody trusts it, and it leads nowhere else.
    let address = status["address"].as_str().unwrap();
    let proxy = format!("-x http://{address}");
    assert!(curl(&proxy, &["https://argocd.host/"]).contains("certificate"));
    assert!(curl(&proxy, &["https://example.com/"]).contains("403"));
    // Past the proxy, as clients do that know no proxies.
    let tls = status["tls"]["address"].as_str().unwrap();
    let direct = format!("--cacert {} --connect-to dex.host:443:{tls}", ca.display());
    let issuer = curl(&direct, &["https://dex.host/.well-known/openid-configuration"]);
    assert!(issuer.contains(r#""issuer": "https://dex.host""#), "{issuer}");
}

#[test]
fn a_lab_keeps_what_it_is_spoken_to_by_until_the_other_is_named() {
    let lab = Lab::new();
    lab.expect(0, &["--tls", "working"]);
    let pid = lab.pid();
    let ended = lab.expect(1, &["break", "test"]);
    assert!(ended.stdout.contains(REFUSED), "{ended}");
    lab.expect(0, &["working", "fix", "test"]);
    assert_eq!(lab.pid(), pid);
    assert_eq!(lab.json(0, &["doctor"])["tls"], true);
    let ended = lab.expect(2, &["--tls=false", "test"]);
    assert!(ended.error().contains("--tls=false, and the lab that is up speaks https"), "{ended}");
    let ended = lab.expect(0, &["--tls=false", "working", "test"]);
    assert!(ended.stderr.contains("the lab goes: it is made anew over http"), "{ended}");
    assert_ne!(lab.pid(), pid);
    assert!(!lab.path().join("ca.key").exists());
    let document = lab.json(0, &["status"]);
    assert_eq!((&document["tls"], &document["goals"][0]["tls"]), (&json!(false), &Value::Null));
    let ended = lab.expect(2, &["--tls", "fix"]);
    assert!(ended.error().contains("--tls, and the lab that is up speaks http"), "{ended}");
}

#[test]
fn each_fault_of_its_own_is_named_first_and_healed() {
    let lab = Lab::new();
    lab.expect(0, &["--tls", "working"]);
    for (fault, id, step, says) in [
        ("ca-missing", "provider-ca", "login", "x509: certificate signed by unknown authority"),
        (
            "certificate-name",
            "provider-ca",
            "login",
            "x509: certificate is valid for login.argocd.host, not dex.host",
        ),
        (
            "certificate-expired",
            "provider-ca",
            "login",
            "x509: certificate has expired or is not yet valid: current time",
        ),
        ("http-beside", "state-cookie", "login", "Invalid redirect URL"),
        ("redirect-loop", "redirect-loop", "settings", "still redirecting after 20 redirects"),
    ] {
        lab.expect(0, &["break", "--fault", fault]);
        let document = lab.json(1, &["doctor"]);
        let first = &document["goals"][0]["findings"][0];
        assert_eq!((&first["id"], &first["when"]), (&json!(id), &json!("now")), "{fault}: {document:#}");
        let document = lab.json(1, &["test"]);
        let failure = &document["goals"][0]["failures"][0];
        assert_eq!(failure["step"], step, "{fault}: {failure:#}");
        assert!(failure["message"].as_str().unwrap().contains(says), "{fault}: {failure:#}");
        lab.expect(0, &["fix", "test"]);
        lab.expect(0, &["doctor"]);
    }
}

#[test]
fn faults_of_https_are_refused_where_there_is_none() {
    let lab = Lab::new();
    let refused = |ended: Ended| {
        assert!(ended.error().contains("the fault ca-missing is of a lab over https"), "{ended}");
    };
    refused(lab.expect(2, &["working", "break", "--fault", "ca-missing"]));
    refused(lab.expect(2, &["faults", "ca-missing"]));
    let ended =
        lab.expect(2, &["--tls", "--provider", "bundled", "working", "break", "--fault", "ca-missing"]);
    assert!(ended.error().contains("the fault ca-missing is of a Dex of its own"), "{ended}");
    assert!(!lab.path().exists());
    // A plan is what runs.
    for dry_run in [&[][..], &["--dry-run"]] {
        let ended = lab.expect(2, &[dry_run, &["--tls", "faults", "--update"]].concat());
        assert!(ended.error().contains("is for the faults of https alone"), "{ended}");
    }
    let ended = lab.expect(2, &["--tls", "compare"]);
    assert!(ended.error().contains("`compare` is over plain http"), "{ended}");
    let plan = lab.expect(0, &["--tls", "--dry-run", "working", "test"]).stdout;
    assert!(plan.contains("https://argocd.host") && plan.contains("--ca "), "{plan}");
}
