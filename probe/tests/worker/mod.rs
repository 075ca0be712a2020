//! The command as a worker among others, and held against an earlier run.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::support::{Fake, PASSWORD, Reply, USER};
use super::{Ran, command, run};

fn document(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}{}", ran.out, ran.err))
}

fn json(fake: &Fake, more: &[&str]) -> (Option<i32>, Value) {
    let ran = run(command(fake).args(["--format", "json"]).args(more));
    (ran.code, document(&ran))
}

#[test]
fn a_share_is_a_workers_part_of_the_logins_and_of_the_rate() {
    let fake = Fake::start();
    let totals = ["0/3", "1/3", "2/3"].map(|share| {
        let (code, document) = json(&fake, &["--logins", "7", "--rate", "1000", "--share", share]);
        assert_eq!(code, Some(0), "{document}");
        document["logins"]["total"].as_u64()
    });
    assert_eq!(totals, [Some(3), Some(2), Some(2)]);
    let (code, none) = json(&fake, &["--logins", "2", "--share", "2/3"]);
    assert_eq!((code, &none["exit"]), (Some(2), &2.into()), "{none}");
    assert!(
        none["error"].as_str().is_some_and(|words| words.contains("no more shares than logins")),
        "{none}"
    );
}

#[test]
fn the_times_of_all_logins_are_given_if_asked_for() {
    let fake = Fake::start().invalid_client(|count| count == 1);
    let (_, document) = json(&fake, &["--logins", "3", "--series"]);
    let series = document["series"].as_array().cloned().unwrap_or_default();
    let of = |name: &str| series.iter().map(|it| it[name].clone()).collect::<Vec<_>>();
    assert_eq!(of("login"), [json!(1), json!(2), json!(3)], "{document}");
    assert_eq!(of("failure"), [json!(null), json!(0), json!(null)], "{document}");
    assert!(of("ms").iter().all(|ms| ms.as_f64().is_some_and(|ms| ms > 0.0)), "{document}");
    let (_, without) = json(&fake, &["--logins", "3"]);
    assert!(without["series"].is_null(), "{without}");
}

#[test]
fn a_gentle_series_ends_at_the_first_sign_of_a_lock_out() {
    let login = "dex.host/auth/local/login";
    let throttled = Fake::start().always("argocd.host/api/v1/settings", Reply::plain(429, "slow down\n"));
    let wrong = Fake::start().answer(login, |request, _| {
        (request.method == "POST")
            .then(|| Reply::plain(401, "Account is disabled, contact your administrator."))
    });
    for (fake, sign) in [(throttled, "429"), (wrong, "locked or disabled")] {
        let (code, document) = json(&fake, &["--logins", "6", "--gentle", "--expect", "refused"]);
        assert_eq!((code, &document["logins"]["total"]), (Some(1), &1.into()), "{document}");
        assert!(document["stopped"].as_str().is_some_and(|words| words.contains(sign)), "{document}");
        let ran = run(command(&fake).args(["--logins", "6", "--gentle"]));
        assert!(ran.out.contains("refused: 0 of 1 login passed, 5 not done"), "{}", ran.out);
        assert!(ran.out.contains("stopped: another login"), "{}", ran.out);
    }
    let refused = Fake::start().invalid_client(|_| true);
    let (_, document) = json(&refused, &["--logins", "3", "--gentle"]);
    assert_eq!(document["logins"]["total"], 3, "a client secret locks nobody's account: {document}");
    assert!(document["stopped"].is_null(), "{document}");
}

#[test]
fn a_refused_password_is_not_sent_again() {
    let fake = Fake::start();
    let mut command = command(&fake);
    command.args(["--logins", "3", "--expect", "refused", "--format", "json"]);
    let ran = run(command.env("PROBE_PASSWORD", "wrong"));
    let document = document(&ran);
    assert_eq!((ran.code, &document["logins"]["total"]), (Some(0), &1.into()), "{document}");
    assert_eq!(document["stopped"], "a password that is not taken", "{document}");
    assert_eq!(fake.seen().iter().filter(|request| request.method == "POST").count(), 1);
}

#[test]
fn the_password_can_come_by_a_file() {
    let fake = Fake::start();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("password");
    let with_file = |path: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_probe"));
        command.env_clear().args([&fake.url(), "--user", USER, "--logins", "1", "--password-file"]).arg(path);
        for host in ["argocd.host", "dex.host"] {
            command.args(["--resolve", &format!("{host}:80:{}", fake.address)]);
        }
        run(&mut command)
    };
    for (text, code) in [(format!("{PASSWORD}\n"), 0), (PASSWORD.to_owned(), 0), (String::new(), 2)] {
        std::fs::write(&file, &text).expect("written");
        let ran = with_file(&file);
        assert_eq!(ran.code, Some(code), "{text:?}: {}{}", ran.out, ran.err);
        assert!(!ran.out.contains(PASSWORD) && !ran.err.contains(PASSWORD));
    }
    let missing = with_file(&folder.path().join("nowhere"));
    assert_eq!(missing.code, Some(3), "{}", missing.err);
    assert!(missing.err.contains("nowhere cannot be read"), "{}", missing.err);
}

#[test]
fn a_run_is_held_against_an_earlier_one() {
    let fake = Fake::start();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("run.json");
    let path = file.to_str().expect("text");
    let held = |text: &str, more: &[&str]| {
        std::fs::write(&file, text).expect("written");
        json(&fake, &[&["--logins", "3", "--baseline", path], more].concat())
    };
    let earlier = |median: f64| {
        json!({"verdict": "logged-in", "logins": {"total": 5}, "latency_ms": {"median": median}}).to_string()
    };
    let (code, document) = held(&earlier(60_000.0), &[]);
    assert_eq!(code, Some(0), "{document}");
    assert_eq!(document["baseline"], json!({"median_ms": 60_000.0, "factor": 2.0, "slower": false}));
    // What it wrote itself can be the next one's baseline, and is no slower than itself.
    let (code, document) = held(&document.to_string(), &["--slower-than", "1000"]);
    assert_eq!((code, &document["baseline"]["slower"]), (Some(0), &false.into()), "{document}");
    for (text, words) in [("", "no JSON document"), ("{}", "no latency_ms.median")] {
        let (code, document) = held(text, &[]);
        assert_eq!((code, document["verdict"].is_null()), (Some(3), true), "{document}");
        assert!(document["error"].as_str().is_some_and(|said| said.contains(words)), "{document}");
    }
    std::fs::remove_file(&file).expect("removed");
    let (code, document) = json(&fake, &["--baseline", path]);
    assert_eq!(code, Some(3), "{document}");
    let (code, document) = json(&fake, &["--baseline", path, "--logins", "2"]);
    assert_eq!((code, document["exit"].as_u64()), (Some(2), Some(2)), "{document}");
}

#[test]
fn slower_than_the_baseline_is_1() {
    // Argo CD's settings come in pieces, and take far longer than the floor for noise.
    let settings = r#"{"url":"http://argocd.host","oidcConfig":{"name":"Dex","issuer":"http://dex.host","clientID":"argo-cd"}}"#;
    let slow = Reply::json(settings).slow(std::time::Duration::from_millis(20));
    let fake = Fake::start().always("argocd.host/api/v1/settings", slow);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("run.json");
    std::fs::write(&file, r#"{"verdict":"logged-in","logins":{"total":3},"latency_ms":{"median":0.5}}"#)
        .expect("written");
    let path = file.to_str().expect("text");
    let ran = run(command(&fake).args(["--logins", "3", "--baseline", path]));
    assert_eq!(ran.code, Some(1), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("slower than the baseline:"), "{}", ran.out);
    let (code, document) = json(&fake, &["--logins", "3", "--baseline", path]);
    assert_eq!((code, &document["baseline"]["slower"]), (Some(1), &true.into()), "{document}");
}

/// The step of the action that logs in, with this environment.
fn action(folder: &Path, fake: &Fake, baseline: &str) -> (Option<i32>, String, String) {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../action.yml")).expect("there");
    let script = text.split_once("      id: probe\n").expect("the step").1;
    let script = script.split_once("      run: |\n").expect("its script").1;
    let script: String = script.lines().map(|line| line.trim_start().to_owned() + "\n").collect();
    // The names that the provider has here lead to it.
    let file = folder.join("step");
    std::fs::write(&file, script).expect("written");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o700)).expect("set");
    let resolve = ["argocd.host", "dex.host"].map(|host| format!("{host}:80:{}", fake.address)).join("\n");
    let mut bash = Command::new("bash");
    bash.args(["--noprofile", "--norc", "-eo", "pipefail"]).arg(&file);
    bash.env("PROBE", env!("CARGO_BIN_EXE_probe")).env("REPORT", folder.join("report.json"));
    bash.env("ARGOCD_URL", fake.url()).env("ARGOCD_USER", USER).env("ARGOCD_PASSWORD", PASSWORD);
    bash.env("LOGINS", "3").env("EXPECT", "logged-in").env("RESOLVE", resolve).env("CA", "");
    bash.env("TIMEOUT", "10s").env("BASELINE", baseline).env("SLOWER_THAN", "1000");
    bash.env("GITHUB_OUTPUT", folder.join("output")).env("GITHUB_STEP_SUMMARY", folder.join("summary"));
    let output = bash.output().expect("bash starts");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), read("summary"), said)
}

#[test]
fn the_action_takes_a_baseline_that_may_not_be_there_yet() {
    let fake = Fake::start();
    let folder = tempfile::tempdir().expect("a folder");
    let baseline = folder.path().join("baseline.json");
    let path = baseline.to_str().expect("text");
    let (code, summary, said) = action(folder.path(), &fake, path);
    assert_eq!(code, Some(0), "{summary}{said}");
    assert!(summary.contains("no baseline yet"), "{summary}{said}");
    std::fs::copy(folder.path().join("report.json"), &baseline).expect("copied");
    let (code, summary, said) = action(folder.path(), &fake, path);
    assert_eq!(code, Some(0), "{summary}{said}");
    std::fs::write(&baseline, "no report").expect("written");
    let (code, _, said) = action(folder.path(), &fake, path);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("no JSON document"), "{said}");
}
