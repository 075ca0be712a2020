//! `probe watch`: what it says of changes, when it ends and with which code.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::{Fake, PASSWORD, Reply, USER};
use crate::{Ran, run};

fn watch(fake: &Fake, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_probe"));
    command.env_clear().env("PROBE_PASSWORD", PASSWORD).stdin(Stdio::null());
    command.args(["watch", &fake.url(), "--user", USER, "--password-env", "PROBE_PASSWORD"]);
    command.args(["--interval", "1s", "--resolve", &format!("*:80:{}", fake.address)]).args(args);
    command
}

fn posts(fake: &Fake) -> usize {
    fake.seen().iter().filter(|request| request.method == "POST").count()
}

#[test]
fn in_a_pipe_each_change_is_a_line() {
    let fake = Fake::start().invalid_client(|count| count >= 2);
    let ran = run(&mut watch(&fake, &["--until", "refused"]));
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let lines: Vec<&str> = ran.out.lines().collect();
    let [first, second, last] = lines[..] else { panic!("{}", ran.out) };
    assert!(first.contains(&format!("Z logged-in as {USER} in ")), "{first}");
    assert!(second.contains("Z refused at callback 500: failed to get token"), "{second}");
    assert!(second.contains("(one of stale-argocd, "), "{second}");
    assert_eq!(last, "it came: 2 of 3 logins passed, the last one: refused");
}

#[test]
fn json_is_one_document_at_the_end() {
    let fake = Fake::start().invalid_client(|count| count == 0);
    let args = ["--until", "logged-in", "--format", "json"];
    let ran = run(&mut watch(&fake, &args));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let document: Value = serde_json::from_str(&ran.out).expect("one document");
    assert_eq!(document["logins"], json!({"total": 2, "ok": 1, "failed": 1}));
    let fields = ["outcome", "end", "until", "exit"].map(|name| document[name].clone());
    assert_eq!(fields, [json!("logged-in"), json!("reached"), json!("logged-in"), json!(0)]);
    let changes = document["changes"].as_array().unwrap();
    assert_eq!(
        (changes.len(), &changes[0]["outcome"], &changes[0]["login"]),
        (2, &json!("refused"), &json!(1))
    );
    assert_eq!(changes[0]["failure"]["answer"], "invalid-client");
    assert_eq!(changes[1]["failure"], Value::Null);
    assert!(changes[0]["at"].as_str().is_some_and(|at| at.ends_with('Z')));
    assert!(ran.err.contains("Z refused at callback"), "{}", ran.err);

    let ran = run(watch(&Fake::start(), &args).arg("-q"));
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
}

#[test]
fn what_does_not_come_in_time_is_said() {
    let fake = Fake::start();
    let ran = run(&mut watch(&fake, &["--until", "refused", "--for", "1500ms"]));
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), ""));
    assert!(ran.out.contains("not refused within 1.5 s: 2 of 2 logins passed"), "{}", ran.out);
    let ran = run(&mut watch(&fake, &["--for", "500ms", "-q"]));
    assert_eq!((ran.code, ran.out.lines().count()), (Some(0), 1), "{}", ran.out);
    let refuses = Fake::start().invalid_client(|_| true);
    assert_eq!(run(&mut watch(&refuses, &["--for", "500ms"])).code, Some(1));
}

#[test]
fn nobody_who_restarts_is_waited_for() {
    // Kept taken, and not listened on.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let place = socket.local_addr().unwrap();
    let mut command = watch(&Fake::start(), &["--for", "1500ms"]);
    let ran = run(command.args(["--resolve", &format!("argocd.host:80:{place}")]));
    assert_eq!(ran.code, Some(0), "the first override that fits is used: {}", ran.out);
    let mut command = Command::new(env!("CARGO_BIN_EXE_probe"));
    command.env("PROBE_PASSWORD", PASSWORD).args(["watch", &format!("http://{place}"), "--user", USER]);
    let ran = run(command.args(["--password-env", "PROBE_PASSWORD", "--for", "500ms"]));
    assert_eq!(ran.code, Some(1));
    assert!(ran.out.contains("Z unreachable at settings: connection refused"), "{}", ran.out);
}

#[test]
fn a_refused_password_is_sent_once() {
    let fake = Fake::start();
    let ran = run(watch(&fake, &["--for", "1m"]).env("PROBE_PASSWORD", "wrong"));
    assert_eq!((ran.code, posts(&fake)), (Some(1), 1), "{}", ran.out);
    assert!(
        ran.out.contains("user name and password, or has locked the account: none is sent again"),
        "{}",
        ran.out
    );
    let ran = run(watch(&fake, &["--until", "refused"]).env("PROBE_PASSWORD", "wrong"));
    assert_eq!((ran.code, posts(&fake)), (Some(0), 2), "{}", ran.out);
}

#[test]
fn the_password_of_a_locked_account_is_sent_once() {
    let fake = Fake::start().answer("dex.host/auth/local/login", |request, _| {
        let page = "<p>Your account is temporarily locked. Retry later.</p>";
        (request.method == "POST").then(|| Reply::page(page))
    });
    let ran = run(&mut watch(&fake, &["--for", "1m"]));
    assert_eq!((ran.code, posts(&fake)), (Some(1), 1), "{}", ran.out);
}

#[test]
fn whoever_throttles_is_left_alone() {
    let fake = Fake::start().answer("dex.host/auth/local/login", |request, _| {
        (request.method == "POST").then(|| Reply::plain(429, "slower").header("Retry-After", "600"))
    });
    let ran = run(&mut watch(&fake, &["--for", "2500ms"]));
    assert_eq!((ran.code, posts(&fake)), (Some(1), 1), "{}", ran.out);
    assert!(ran.out.contains("Z throttled at form 429: slower"), "{}", ran.out);
    assert!(ran.out.contains("no login for 10 min 0 s, as that answer asks"), "{}", ran.out);
}

#[test]
fn an_interrupt_ends_it_with_what_was_seen() {
    let mut child = watch(&Fake::start(), &["--format", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("logged-in"), "{line}");
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(130));
    let document: Value = serde_json::from_str(&ran.out).expect("one document");
    assert_eq!((&document["end"], &document["exit"]), (&json!("interrupted"), &json!(130)));
}

#[test]
fn wrong_usage_is_said_before_anything_is_sent() {
    let fake = Fake::start();
    for (args, says) in [
        (["--interval", "10ms"], "a second at least"),
        (["--until", "mixed"], "possible values: logged-in, refused"),
        (["--for", "0s"], "nothing answers in no time"),
    ] {
        let ran = run(&mut watch(&fake, &args));
        assert_eq!(ran.code, Some(2));
        assert!(ran.err.contains(says), "{}", ran.err);
    }
    assert!(fake.seen().is_empty());
}
