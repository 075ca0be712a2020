//! `load`: a Job of many workers, on an API that runs them as processes of this machine.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stderr, reason = "a test that cannot go on fails")]

mod api;
#[path = "../support/mod.rs"]
mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use api::{Api, Fate, NO_NODE};
use serde_json::{Value, json};
use support::{Ended, Lab};

const THEIRS: &str = "/apis/batch/v1/namespaces/logins/jobs/theirs";
const PASSWORD: &str = "hunter2-and-more";

/// A user with a kubeconfig for the API, who runs the program.
struct User {
    api: Api,
    home: tempfile::TempDir,
}

impl User {
    fn new() -> Self {
        let user = Self { api: Api::start(), home: tempfile::tempdir().unwrap() };
        user.api.put(THEIRS, json!({"metadata": {"name": "theirs"}}));
        std::fs::write(user.home.path().join("kubeconfig"), user.api.kubeconfig()).unwrap();
        user
    }

    fn command(&self, url: &str, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.env_clear().env("HOME", self.home.path()).env("PATH", std::env::var_os("PATH").unwrap());
        command.env("KUBECONFIG", self.home.path().join("kubeconfig")).env("PASSWORD", PASSWORD);
        command.env("OIDC_LAB_DIR", self.home.path().join("lab")).stdin(Stdio::null());
        command.args(["load", "--context", "theirs", "--yes", "--image", "registry.example.com/probe:v1"]);
        command.args([
            "--url",
            url,
            "--user",
            "admin@example.com",
            "--password-env",
            "PASSWORD",
            "--rate",
            "1000",
        ]);
        command.args(args);
        command
    }

    /// Runs with JSON. Whatever comes of it, nothing is left and nothing of others was touched.
    #[track_caller]
    fn json(&self, url: &str, args: &[&str]) -> (Ended, Value) {
        let ended = Ended::of(self.command(url, args).args(["--format", "json"]));
        let document: Value =
            serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended}"));
        self.nothing_is_left(&ended.both());
        (ended, document["goals"][0].clone())
    }

    #[track_caller]
    fn nothing_is_left(&self, said: &str) {
        assert_eq!(self.api.objects().keys().collect::<Vec<_>>(), [THEIRS], "{said}");
        // Where pods may not be listed nobody waits for the last one's end.
        until(said, || self.api.running() == 0);
        let requests = self.api.requests();
        assert!(requests.iter().all(|it| !it.contains("theirs") && !it.contains("PUT")), "{requests:#?}");
        let kubeconfig = std::fs::read_to_string(self.home.path().join("kubeconfig")).unwrap();
        assert_eq!(kubeconfig, self.api.kubeconfig(), "the user's kubeconfig is read and never written");
        assert!(!said.contains(PASSWORD), "{said}");
    }
}

/// A server that answers each connection with this, or never answers.
fn server(answer: Option<&'static str>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut kept = vec![];
        for mut stream in listener.incoming().map_while(Result::ok) {
            if let Some(answer) = answer {
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(answer.as_bytes());
            } else {
                kept.push(stream);
            }
        }
    });
    format!("http://{address}")
}

/// Waits until something is so.
#[track_caller]
fn until(what: &str, mut so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !so() {
        assert!(since.elapsed() < Duration::from_secs(60), "{what}: not within a minute");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn workers_are_one_verdict_and_one_that_does_not_report_is_said() {
    let lab = Lab::new();
    lab.expect(0, &["working"]);
    let address = lab.json(0, &["status"])["goals"][0]["address"].as_str().unwrap().to_owned();
    let resolve = ["argocd.host", "dex.host"].map(|host| format!("--resolve={host}:80:{address}"));
    let login = |user: &User, more: &[&str]| {
        let args = [&["--workers", "3", "--logins", "7", &resolve[0], &resolve[1]], more].concat();
        let mut command = user.command("http://argocd.host", &args);
        // The lab's own user.
        let ended = Ended::of(command.env("PASSWORD", "password").args(["--format", "json"]));
        let document: Value =
            serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended}"));
        user.nothing_is_left(&ended.stderr);
        (ended, document["goals"][0].clone())
    };

    let user = User::new();
    let (ended, load) = login(&user, &[]);
    assert_eq!((ended.status, &load["verdict"]), (0, &"logged-in".into()), "{ended}");
    assert_eq!(load["logins"], json!({"total": 7, "ok": 7, "failed": 0}));
    let totals: Vec<&Value> =
        load["workers"].as_array().unwrap().iter().map(|it| &it["logins"]["total"]).collect();
    assert_eq!(totals, [3, 2, 2], "{load:#}");
    assert!(load["latency_ms"]["median"].as_f64().is_some_and(|ms| ms > 0.0) && load["suspended"].is_null());
    assert!(ended.stderr.contains("load: 7 logins at http://argocd.host/ as admin@example.com, 1000 a second, by 3 workers in namespace logins"), "{ended}");

    let user = User::new();
    user.api.fate(0, Fate::Killed);
    user.api.fate(2, Fate::Cut);
    let (ended, load) = login(&user, &[]);
    assert_eq!((ended.status, &load["verdict"]), (0, &"logged-in".into()), "{ended}");
    assert_eq!(load["logins"]["total"], 2, "{load:#}");
    assert_eq!(load["workers"][0]["error"], "it was killed (exit 137); its log is empty", "{ended}");
    assert_eq!(load["workers"][2]["error"], "it ended with exit 0; its log ends in the middle of its report");
    assert!(
        ended.stderr.contains("2 of 2 logins passed, 5 not done or not known of; 1 of 3 workers reported"),
        "{ended}"
    );
    assert!(ended.stderr.contains("worker 0 did not report: it was killed"), "{ended}");

    lab.expect(0, &["break"]);
    let user = User::new();
    let (ended, load) = login(&user, &["--expect", "refused"]);
    assert_eq!((ended.status, &load["verdict"]), (0, &"refused".into()), "{ended}");
    assert_eq!(
        (&load["failures"][0]["count"], &load["failures"][0]["workers"]),
        (&7.into(), &json!([0, 1, 2]))
    );
}

#[test]
fn nobody_reports_is_no_verdict() {
    let user = User::new();
    (0..2).for_each(|index| user.api.fate(index, Fate::NoImage));
    let (ended, load) = user.json("http://127.0.0.1:9", &[]);
    assert_eq!((ended.status, &load["verdict"]), (3, &Value::Null), "{ended}");
    let error = ended.error();
    assert!(error.contains("none of 2 workers reported") && error.contains("ImagePullBackOff"), "{error}");
    assert!(error.contains("kubectl --context theirs -n logins get events"), "{error}");
    let user = User::new();
    (0..2).for_each(|index| user.api.fate(index, Fate::Unread));
    let (ended, load) = user
        .json(&server(Some("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")), &[]);
    assert_eq!(ended.status, 3, "{ended}");
    let why = load["workers"][1]["error"].as_str().unwrap();
    assert!(why.contains(&format!("; its log could not be read: {NO_NODE}")), "{why}");
}

#[test]
fn the_job_is_suspended_at_the_first_sign_of_a_lock_out() {
    let user = User::new();
    let url =
        server(Some("HTTP/1.1 429 Too Many Requests\r\nContent-Length: 4\r\nConnection: close\r\n\r\nslow"));
    let (ended, load) = user.json(&url, &["--workers", "2", "--logins", "200", "--expect", "refused"]);
    assert_eq!((ended.status, &load["verdict"]), (1, &"refused".into()), "{ended}");
    assert!(load["suspended"].as_str().is_some_and(|why| why.contains("429")), "{load:#}");
    // Each of them stops by itself, and the Job is suspended besides.
    assert!(load["logins"]["total"].as_u64().is_some_and(|total| (1..=2).contains(&total)), "{load:#}");
    let patches = user.api.requests().iter().filter(|it| it.starts_with("PATCH")).count();
    assert_eq!(patches, 2, "started and suspended");
    assert!(
        ended.stderr.contains("the Job was suspended, as further logins could lock the account"),
        "{ended}"
    );
    // What a dry run prints is what was asked.
    let dry = Ended::of(&mut user.command(&url, &["--dry-run", "--format", "json"]));
    let dry: Value = serde_json::from_str(&dry.stdout).unwrap();
    let plan = dry["goals"][0]["plan"].as_array().unwrap();
    let printed = plan.iter().flat_map(|step| step["requests"].as_array().unwrap()).map(|it| {
        let verb = it["verb"].as_str().unwrap().replace("create", "post").to_uppercase();
        format!("{verb} {}", it["resource"].as_str().unwrap().trim_end_matches(".batch"))
    });
    let requests = user.api.requests();
    let asked = requests.iter().filter(|it| !it.starts_with("GET") && !it.ends_with("reviews")).map(|it| {
        let (method, path) = it.split_once(' ').unwrap();
        let kind = if path.contains("/secrets") { "secrets" } else { "jobs" };
        format!("{method} {kind}")
    });
    let (mut printed, mut asked): (Vec<_>, Vec<_>) = (printed.collect(), asked.collect());
    // Job and Secret are removed side by side.
    printed.sort();
    asked.sort();
    assert_eq!(printed, asked, "{requests:#?}");
}

#[test]
fn an_interrupt_removes_what_was_made() {
    let user = User::new();
    let url = server(None);
    let mut command = user.command(&url, &["--logins", "100"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("the workers run", || user.api.running() == 2);
    until("their logs are read", || {
        user.api.requests().iter().filter(|it| it.ends_with("/log")).count() == 2
    });
    let _ = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("removing the Job and its Secret"), "{said}");
    user.nothing_is_left(&said);
}

#[test]
fn a_right_that_is_missing_is_named_and_nothing_is_left() {
    for (right, tells, words) in [
        ("get pods/log", true, "this takes the right to get pods/log in namespace logins"),
        ("create jobs", false, "this takes the right to create jobs.batch in namespace logins"),
        ("create secrets", false, "this takes the right to create secrets in namespace logins"),
        ("list pods", false, "this takes the right to list and watch pods in namespace logins"),
        ("get pods/log", false, "this takes the right to get pods/log in namespace logins"),
    ] {
        let user = User::new();
        user.api.deny(right, tells);
        let (ended, load) = user.json(&server(None), &["--workers", "1"]);
        assert_eq!((ended.status, &load["verdict"]), (3, &Value::Null), "{right}: {ended}");
        assert!(ended.error().contains(words), "{right}: {ended}");
        let created = user.api.requests().iter().any(|it| it.starts_with("POST") && it.ends_with("/jobs"));
        assert_eq!(created, !tells, "{right}");
    }
}

#[test]
fn what_was_made_by_a_request_that_failed_is_removed() {
    let user = User::new();
    user.api.answers_too_late();
    let (ended, _) = user.json("http://127.0.0.1:9", &[]);
    assert_eq!(ended.status, 3, "{ended}");
    assert!(ended.error().contains("request timed out"), "{ended}");
}

#[test]
fn a_cluster_that_would_begin_workers_anew_is_refused() {
    let user = User::new();
    user.api.is_old();
    let (ended, _) = user.json("http://127.0.0.1:9", &[]);
    assert_eq!(ended.status, 3, "{ended}");
    assert!(ended.error().contains("backoffLimitPerIndex"), "{ended}");
    let requests = user.api.requests();
    assert!(requests.iter().all(|it| !it.starts_with("PATCH")), "no worker was begun: {requests:#?}");
}

#[test]
fn a_dry_run_asks_nobody_and_shows_no_secret() {
    let user = User::new();
    let (ended, load) =
        user.json("https://argocd.example.com", &["--dry-run", "--workers", "4", "-n", "other"]);
    assert_eq!(ended.status, 0, "{ended}");
    assert_eq!(user.api.requests(), Vec::<String>::new());
    let documents = load["documents"].as_array().unwrap().iter().map(|it| it["text"].as_str().unwrap());
    let manifests: Vec<Value> = documents.map(|text| serde_yaml::from_str(text).unwrap()).collect();
    assert_eq!(manifests[0]["spec"]["completions"], 4);
    assert_eq!(
        (&manifests[1]["kind"], &manifests[1]["stringData"]["password"]),
        (&"Secret".into(), &"********".into())
    );
    let steps: Vec<&str> =
        load["plan"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(steps, ["may", "create", "start", "follow", "remove"]);
    assert!(ended.stderr.contains("load: 20 logins at https://argocd.example.com/"), "{ended}");
    assert!(ended.stderr.contains("> patch jobs.batch other/oidc-lab-load-"), "{ended}");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let user = User::new();
    let local = user.home.path().join("lab");
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.env_clear().env("HOME", user.home.path()).env("OIDC_LAB_DIR", &local).stdin(Stdio::null());
        Ended::of(
            command
                .env("PASSWORD", PASSWORD)
                .env("KUBECONFIG", user.home.path().join("kubeconfig"))
                .args(args),
        )
    };
    let all = ["load", "--context", "theirs", "--image", "i", "--url", "http://a.b", "--user", "u"];
    let yes = [&all[..], &["--yes"]].concat();
    for (args, words) in [
        (&["load"][..], "the local lab has none"),
        (&["load", "--lab", "local"], "`probe --concurrency C` logs in from this machine"),
        (&all, "--yes"),
        (&["load", "--context", "theirs", "--yes", "--url", "http://a.b", "--user", "u"], "--image"),
        (&["load", "--yes"], "--context"),
        (&yes, "the password of --user is missing"),
        (
            &[&yes[..], &["--password-env", "PASSWORD", "--workers", "3", "--logins", "2"]].concat(),
            "no more --workers than --logins",
        ),
        (
            &[&yes[..], &["--password-env", "PASSWORD", "--rate", "0.001", "--logins", "100"]].concat(),
            "more than a day",
        ),
        (&["load", "--rate", "0"], "logins a second"),
    ] {
        let ended = run(args);
        assert_eq!(ended.status, 2, "{args:?}: {ended}");
        assert!(ended.stderr.contains(words), "{args:?}: {ended}");
    }
    assert_eq!(user.api.requests(), Vec::<String>::new());
    let ended = run(&[&yes[..], &["--password-env", "NOWHERE"]].concat());
    assert_eq!(ended.status, 3, "{ended}");
    let unknown = [
        &["load", "--context", "none", "--yes", "--image", "i", "--url", "http://a.b"][..],
        &["--user", "u", "--password-env", "PASSWORD"],
    ];
    let ended = run(&unknown.concat());
    assert_eq!(ended.status, 3, "{ended}");
    assert!(ended.error().contains("no context none"), "{ended}");
}
