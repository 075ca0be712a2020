//! The command itself: what it prints where, and what it exits with.

#[cfg(feature = "serve")]
mod serve;
mod support;
mod watch;
mod worker;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use support::{BAD_GATEWAY, Fake, INVALID_CLIENT, PASSWORD, Reply, USER, tls::Authority};

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("output is text");
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// The command with everything that a login at `fake` needs.
fn command(fake: &Fake) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_probe"));
    command.env_clear().env("PROBE_PASSWORD", PASSWORD).env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    command.args([&fake.url(), "--user", USER, "--password-env", "PROBE_PASSWORD", "--wait", "0s"]);
    for (host, port) in [("argocd.host", 80), ("dex.host", 80), ("argocd.host", 443), ("dex.host", 443)] {
        command.args(["--resolve", &format!("{host}:{port}:{}", fake.address)]);
    }
    command
}

fn run(command: &mut Command) -> Ran {
    command.output().expect("the command starts").into()
}

/// Without the times, which differ, and the width of their column.
fn without_times(text: &str) -> String {
    let is_time = |word: &str, next: Option<&&str>| {
        let is_number = word.parse::<f64>().is_ok();
        is_number && (word.contains('.') || next.is_some_and(|unit| *unit == "ms"))
    };
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let shown = words
            .iter()
            .enumerate()
            .map(|(at, word)| if is_time(word, words.get(at + 1)) { "#" } else { word });
        shown.collect::<Vec<_>>().join(" ")
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_series_that_passes() {
    let fake = Fake::start();
    let ran = run(command(&fake).args(["--logins", "3"]));
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    insta::assert_snapshot!(without_times(&ran.out));
    assert!(!ran.out.contains('\u{1b}'));
}

#[test]
fn a_series_that_is_refused() {
    let fake = Fake::start().invalid_client(|_| true);
    let ran = run(command(&fake).args(["--logins", "3"]));
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), ""));
    insta::assert_snapshot!(without_times(&ran.out));
    for (expected, code) in [("refused", 0), ("mixed", 1), ("logged-in", 1)] {
        let ran = run(command(&fake).args(["--logins", "1", "--expect", expected]));
        assert_eq!(ran.code, Some(code), "{expected}: {}", ran.out);
    }
}

#[test]
fn json_is_one_document_and_alone_on_standard_output() {
    let fake = Fake::start().invalid_client(|count| count == 1);
    let ran = run(command(&fake).args(["--logins", "2", "--format", "json"]));
    assert_eq!(ran.code, Some(1));
    let json: serde_json::Value = serde_json::from_str(&ran.out).expect("one document");
    assert_eq!(json["verdict"], "mixed");
    assert_eq!(json["expected"], "logged-in");
    assert_eq!(json["exit"], 1);
    assert_eq!(json["logins"], serde_json::json!({"total": 2, "ok": 1, "failed": 1}));
    assert_eq!(json["failures"][0]["step"], "callback");
    assert_eq!(json["failures"][0]["message"], INVALID_CLIENT.trim());
    assert!(json["latency_ms"]["p95"].as_f64().is_some_and(|ms| ms > 0.0));
    assert!(ran.err.contains("mixed: 1 of 2 logins passed"), "{}", ran.err);

    let quiet = run(command(&fake).args(["--logins", "2", "--format", "json", "-q"]));
    assert_eq!((quiet.code, quiet.err.as_str()), (Some(0), ""));
    assert!(serde_json::from_str::<serde_json::Value>(&quiet.out).is_ok());
}

#[test]
fn more_and_less_of_it() {
    let fake = Fake::start();
    let quiet = run(command(&fake).args(["--logins", "2", "-q"]));
    assert_eq!(quiet.out, format!("logged-in: all 2 logins passed as {USER}\n"));
    let verbose = run(command(&fake).args(["--logins", "2", "-v"]));
    assert_eq!(verbose.out.matches("GET  argocd.host/auth/login").count(), 2, "{}", verbose.out);
    let usual = run(command(&fake).args(["--logins", "2"]));
    assert_eq!(usual.out.matches("GET  argocd.host/auth/login").count(), 1, "{}", usual.out);
}

#[test]
fn as_curl_goes_without_the_page() {
    let fake = Fake::start();
    let ran = run(command(&fake).args(["--logins", "1", "--as-curl"]));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(fake.seen()[0].target, "/auth/login");
    assert!(!ran.out.contains("settings"), "{}", ran.out);
}

#[test]
fn as_cli_is_another_login() {
    let not_registered =
        Reply::new(400, "text/html", "<h2>Bad Request</h2><p>Unregistered redirect_uri.</p>");
    let document = r#"{"issuer":"http://dex.host","authorization_endpoint":"http://dex.host/auth","token_endpoint":"http://dex.host/token"}"#;
    let fake = Fake::start()
        .always("dex.host/.well-known/openid-configuration", Reply::json(document))
        .always("dex.host/auth/local", not_registered);
    let ran = run(command(&fake).args(["--logins", "1", "--as-cli"]));
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(
        ran.out.contains("cli-redirect-uri") && ran.out.contains("the web's client, argo-cd"),
        "{}",
        ran.out
    );
    assert!(fake.seen().iter().all(|request| request.path() != "/auth/login"), "{}", ran.out);
    let both = run(command(&fake).args(["--as-cli", "--as-curl"]));
    assert_eq!(both.code, Some(2), "{}", both.err);
}

#[test]
fn the_password_can_come_by_standard_input() {
    let fake = Fake::start();
    for (input, code) in [
        (format!("{PASSWORD}\n"), 0),
        (format!("{PASSWORD}\r\nmore\n"), 0),
        ("wrong\n".to_owned(), 1),
        (String::new(), 2),
        ("\n".to_owned(), 2),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_probe"));
        command.args([&fake.url(), "--user", USER, "--password-stdin", "--logins", "1"]);
        for host in ["argocd.host", "dex.host"] {
            command.args(["--resolve", &format!("{host}:80:{}", fake.address)]);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        // It may have ended without reading.
        let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
        let ran: Ran = child.wait_with_output().expect("ends").into();
        assert_eq!(ran.code, Some(code), "{input:?}: {}{}", ran.out, ran.err);
    }
}

#[test]
fn a_line_break_at_the_end_of_a_variable_is_no_part_of_the_password() {
    let fake = Fake::start();
    for (value, code) in [(format!("{PASSWORD}\n"), 0), (format!("{PASSWORD}\r\n"), 0), ("\n".to_owned(), 2)]
    {
        let ran = run(command(&fake).env("PROBE_PASSWORD", &value).args(["--logins", "1"]));
        assert_eq!(ran.code, Some(code), "{value:?}: {}{}", ran.out, ran.err);
    }
}

#[test]
fn wrong_usage_is_told_and_exits_with_2() {
    let fake = Fake::start();
    for (arguments, words) in [
        (vec!["--resolve", "argocd.host"], "is not HOST:PORT:ADDR"),
        (vec!["--logins", "0"], "0 is not in"),
        (vec!["--concurrency", "0"], "0 is not in"),
        (vec!["--rate", "fast"], "as in 5/s"),
        (vec!["--timeout", "soon"], "as in 500ms, 10s or 1m"),
        (vec!["--timeout", "0"], "nothing answers in no time"),
        (vec!["--expect", "unreachable"], "invalid value"),
        (vec!["--format", "xml"], "invalid value"),
        (vec!["--password-stdin"], "cannot be used with"),
        (vec!["--insecure", "--ca", "x"], "cannot be used with"),
        (vec!["-v", "-q"], "cannot be used with"),
        (vec!["--colour"], "unexpected argument"),
        (vec!["another"], "unexpected argument"),
    ] {
        let ran = run(command(&fake).args(&arguments));
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(ran.err.contains(words), "{arguments:?}: {}", ran.err);
    }
    for arguments in [
        vec!["argocd.host", "--user", "u", "--password-stdin"],
        vec!["http://argocd.host", "--user", "u"],
        vec![],
    ] {
        let ran = run(Command::new(env!("CARGO_BIN_EXE_probe")).args(&arguments));
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{arguments:?}");
    }
    assert!(fake.seen().is_empty());
}

#[test]
fn what_the_environment_lacks_is_told_and_exits_with_3() {
    let fake = Fake::start();
    let directory = tempfile::tempdir().expect("a directory");
    let not_a_ca = directory.path().join("not-a-ca");
    std::fs::write(&not_a_ca, "hello").expect("written");
    let no_such = directory.path().join("no/such/file");
    let (not_a_ca, no_such) = (not_a_ca.to_str().expect("text"), no_such.to_str().expect("text"));
    for (arguments, words) in [
        (["--ca", no_such], "cannot be read"),
        (["--ca", not_a_ca], "no certificate"),
        (["--trace", no_such], "cannot be written"),
    ] {
        let ran = run(command(&fake).args(arguments));
        assert_eq!((ran.code, ran.out.as_str()), (Some(3), ""), "{arguments:?}");
        assert!(ran.err.starts_with("error: --") && ran.err.contains(words), "{arguments:?}: {}", ran.err);
        assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
    }
    let ran = run(command(&fake).env_remove("PROBE_PASSWORD"));
    assert_eq!(ran.code, Some(3));
    assert!(ran.err.contains("PROBE_PASSWORD (--password-env) is not set"), "{}", ran.err);
    let ran = run(command(&fake).env("PROBE_PASSWORD", ""));
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "nobody can have meant that");
    assert!(ran.err.contains("PROBE_PASSWORD (--password-env) is empty"), "{}", ran.err);
    assert!(fake.seen().is_empty());
}

#[test]
fn json_is_one_document_also_where_nothing_could_be_tried() {
    let fake = Fake::start();
    for (arguments, code, words) in [
        (["--logins", "0"], 2, "invalid value '0' for '--logins <N>': 0 is not in"),
        (["--colour", "x"], 2, "unexpected argument '--colour' found"),
        (["--ca", "/no/such/file"], 3, "--ca /no/such/file cannot be read"),
        (["--password-env", "PROBE_NO_SUCH"], 3, "the environment variable PROBE_NO_SUCH"),
        (["--trace", "/no/such/file"], 3, "--trace /no/such/file cannot be written"),
    ] {
        let ran = run(command(&fake).args(["--format", "json"]).args(arguments));
        assert_eq!(ran.code, Some(code), "{arguments:?}: {}", ran.err);
        let json: serde_json::Value = serde_json::from_str(&ran.out).expect("one document");
        assert_eq!((&json["exit"], &json["verdict"]), (&code.into(), &serde_json::Value::Null));
        let error = json["error"].as_str().expect("a sentence");
        assert!(error.starts_with(words) && !error.contains("Usage"), "{arguments:?}: {error}");
        assert!(ran.err.starts_with("error: "), "{}", ran.err);
    }
    assert!(fake.seen().is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn a_trace_that_ends_early_is_said_in_the_document_and_by_the_exit() {
    let fake = Fake::start();
    let ran = run(command(&fake).args(["--logins", "1", "--format", "json", "--trace", "/dev/full"]));
    let json: serde_json::Value = serde_json::from_str(&ran.out).expect("one document");
    assert_eq!((ran.code, &json["exit"]), (Some(3), &3.into()));
    assert_eq!(json["verdict"], "logged-in");
    assert!(json["error"].as_str().is_some_and(|error| error.contains("cannot be written")), "{}", ran.out);
}

#[test]
fn nothing_that_answers_exits_with_1_unless_it_was_waited_out() {
    let fake = Fake::start().always("argocd.host/api/v1/settings", Reply::new(502, "text/html", BAD_GATEWAY));
    let ran = run(command(&fake).args(["--logins", "2"]));
    assert_eq!(ran.code, Some(1));
    assert!(ran.out.contains("unreachable: 0 of 2 logins passed"), "{}", ran.out);
    // What did not answer cannot have refused.
    let ran = run(command(&fake).args(["--logins", "2", "--expect", "refused"]));
    assert_eq!(ran.code, Some(1));

    let fake = Fake::start().answer("argocd.host/auth/login", |_, count| {
        (count < 2).then(|| Reply::new(502, "text/html", BAD_GATEWAY))
    });
    let ran = run(command(&fake).args(["--logins", "2"]).arg("--wait=20s"));
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("Argo CD is not answering (login: 502 Bad Gateway"), "{}", ran.err);
    assert!(ran.err.contains("waiting up to 20 s"), "{}", ran.err);
    assert!(ran.err.contains("answers again after"), "{}", ran.err);
    assert!(ran.out.contains("logins began again 2 times"), "{}", ran.out);
}

#[test]
fn https_with_an_authority_of_ones_own() {
    let authority = Authority::new();
    let fake = Fake::start_tls(&authority);
    let directory = tempfile::tempdir().expect("a directory");
    let ca = directory.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).expect("written");
    let ran = run(command(&fake).args(["--logins", "1", "--ca"]).arg(&ca));
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    assert_eq!(run(command(&fake).args(["--logins", "1", "--insecure"])).code, Some(0));
    let ran = run(command(&fake).args(["--logins", "1"]));
    assert_eq!(ran.code, Some(1));
    assert!(ran.out.contains("certificate"), "{}", ran.out);
}

#[test]
fn the_trace_is_complete_private_and_without_secrets() {
    let fake = Fake::start().invalid_client(|count| count == 1);
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("trace.jsonl");
    // One that is there already, and open to all.
    std::fs::write(&path, "old\n".repeat(1000)).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).expect("set");
    let ran = run(command(&fake).args(["--logins", "3", "-v", "--trace"]).arg(&path));
    assert_eq!(ran.code, Some(1));
    assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    let trace = std::fs::read_to_string(&path).expect("text");
    let logins: Vec<serde_json::Value> =
        trace.lines().map(|line| serde_json::from_str(line).expect("a line is a document")).collect();
    assert_eq!(logins.len(), 3);
    assert_eq!(logins[0]["user"]["username"], USER);
    assert_eq!(logins[1]["failure"]["step"], "callback");
    assert_eq!(logins[1]["failure"]["answer"], "invalid-client");
    assert_eq!(logins[1]["failure"]["candidates"][0], "stale-argocd");
    let exchanges = logins[0]["exchanges"].as_array().expect("a list");
    assert_eq!(exchanges.len(), 9);
    assert_eq!(exchanges[0]["step"], "settings");
    assert_eq!(exchanges[6]["fields_sent"], serde_json::json!(["login", "password"]));
    assert_eq!(exchanges[6]["location"], "http://argocd.host/auth/callback?code=…&state=…");
    assert_eq!(exchanges[7]["cookies_sent"], serde_json::json!(["argocd.oauthstate"]));
    assert_eq!(
        exchanges[7]["cookies"][1],
        serde_json::json!({"name": "argocd.token", "kept": "kept", "empty": false})
    );
    for secret in fake.secrets() {
        for text in [&trace, &ran.out, &ran.err] {
            assert!(!text.contains(&secret), "{secret}");
        }
    }
}

#[test]
fn a_signal_ends_it_and_says_what_was_done() {
    for signal in ["-INT", "-TERM"] {
        interrupted_by(signal);
    }
}

fn interrupted_by(signal: &str) {
    let (hung, hangs) = std::sync::mpsc::channel();
    let hung = std::sync::Mutex::new(hung);
    let fake = Fake::start().answer("argocd.host/auth/login", move |_, count| {
        (count >= 2).then(|| {
            let _ = hung.lock().map(|hung| hung.send(()));
            Reply::hang()
        })
    });
    let mut command = command(&fake);
    command.args(["--logins", "50", "--timeout", "5m"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("starts");
    hangs.recv_timeout(Duration::from_secs(20)).expect("the third login hangs");
    let interrupted =
        Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill runs");
    assert!(interrupted.success());
    let mut out = String::new();
    child.stdout.take().expect("piped").read_to_string(&mut out).expect("text");
    assert_eq!(child.wait().expect("ends").code(), Some(130));
    assert!(out.contains("all 2 logins passed as admin@example.com, 48 not done"), "{out}");
}

#[test]
fn a_signal_ends_the_wait_for_a_password() {
    for signal in ["-INT", "-TERM"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_probe"));
        command.args(["http://argocd.host", "--user", USER, "--password-stdin", "--format", "json"]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        // Its handlers are there when the reading thread is: before, the signal ends it all the same.
        let status = format!("/proc/{}/status", child.id());
        let catches = || {
            let status = std::fs::read_to_string(&status).unwrap_or_default();
            let mask =
                status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or_default().trim();
            // SIGINT and SIGTERM are bits 1 and 14.
            u64::from_str_radix(mask, 16).is_ok_and(|mask| mask & 0x4002 == 0x4002)
        };
        for _ in 0..2000 {
            if catches() {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill runs");
        assert!(sent.success());
        let mut out = String::new();
        child.stdout.take().expect("piped").read_to_string(&mut out).expect("text");
        assert_eq!(child.wait().expect("ends").code(), Some(130), "{signal}");
        let json: serde_json::Value = serde_json::from_str(&out).expect("one document");
        assert_eq!(json["exit"], 130);
        assert_eq!(json["error"], "interrupted while it waited for the password");
    }
}

#[test]
fn proxies_are_taken_from_the_environment_as_by_curl() {
    let proxy = Fake::start();
    let address = format!("http://{}", proxy.address);
    let by = |variables: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_probe"));
        command.env_clear().env("PROBE_PASSWORD", PASSWORD).envs(variables.iter().copied());
        command.args([
            "http://argocd.host",
            "--user",
            USER,
            "--password-env",
            "PROBE_PASSWORD",
            "--wait",
            "0s",
        ]);
        command.args(["--logins", "1", "--timeout", "5s"]);
        command
    };
    let ran = run(&mut by(&[("http_proxy", &address)]));
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    assert!(proxy.seen().iter().all(|request| request.target.starts_with("http://")), "as a proxy is asked");
    // Names that lead nowhere by themselves, and so show that no proxy was asked.
    let before = proxy.seen().len();
    for variables in [
        vec![("HTTP_PROXY", address.as_str())],
        vec![("http_proxy", &address), ("no_proxy", "dex.host,.argocd.host")],
        vec![("all_proxy", &address), ("NO_PROXY", "*")],
    ] {
        assert_eq!(run(&mut by(&variables)).code, Some(1), "{variables:?}");
    }
    assert_eq!(proxy.seen().len(), before);
    // A host of `--resolve` is asked where that says.
    let fake = Fake::start();
    let ran = run(command(&fake).args(["--logins", "1"]).env("http_proxy", &address));
    assert_eq!((ran.code, proxy.seen().len()), (Some(0), before), "{}", ran.err);
    // One that does not answer is named, and without its password.
    let dead = format!("http://me:hunter22@{}", free_address());
    let ran = run(&mut by(&[("all_proxy", &dead)]));
    assert!(ran.out.contains("argocd.host by the proxy 127.0.0.1:"), "{}", ran.out);
    assert!(!ran.out.contains("hunter22") && !ran.err.contains("hunter22"));
}

/// A proxy that makes ways to `server` alone; gives its address and the heads of the requests for a way.
fn tunnels_to(server: std::net::SocketAddr) -> (std::net::SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let heads = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&heads);
    std::thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                let mut byte = [0];
                client.read_exact(&mut byte).expect("a head");
                head.push(char::from(byte[0]));
            }
            let allowed =
                head.starts_with("CONNECT argocd.host:443 ") || head.starts_with("CONNECT dex.host:443 ");
            kept.lock().expect("no panic").push(head);
            if !allowed {
                client.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").expect("written");
                continue;
            }
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").expect("written");
            let server = TcpStream::connect(server).expect("the server listens");
            let ends = [(&client, &server), (&server, &client)];
            for (from, to) in ends.map(|(from, to)| (from.try_clone(), to.try_clone())) {
                std::thread::spawn(move || {
                    std::io::copy(&mut from.expect("a socket"), &mut to.expect("a socket"))
                });
            }
        }
    });
    (address, heads)
}

#[test]
fn a_proxy_makes_a_way_for_https_and_sees_nothing_of_it() {
    let authority = Authority::new();
    let fake = Fake::start_tls(&authority);
    let directory = tempfile::tempdir().expect("a directory");
    let ca = directory.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).expect("written");
    let (proxy, heads) = tunnels_to(fake.address);
    let by_proxy = |url: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_probe"));
        command.env_clear().env("PROBE_PASSWORD", PASSWORD).arg(url).args(["--user", USER]);
        command.env("https_proxy", format!("http://me:hunter22@{proxy}"));
        command.args(["--password-env", "PROBE_PASSWORD", "--logins", "1", "--wait", "0s", "--ca"]).arg(&ca);
        run(&mut command)
    };
    let ran = by_proxy("https://argocd.host");
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    let heads = heads.lock().expect("no panic").clone();
    assert_eq!(heads.len(), 2, "a way for each host: {heads:?}");
    let credentials = "proxy-authorization: Basic bWU6aHVudGVyMjI=";
    assert!(heads.iter().all(|head| head.contains(credentials)), "{heads:?}");
    assert!(fake.seen().iter().all(|request| request.target.starts_with('/')), "servers are asked as ever");
    let ran = by_proxy("https://elsewhere.host");
    assert_eq!(ran.code, Some(1));
    let named = format!("tunnel error: unsuccessful (elsewhere.host by the proxy {proxy})");
    assert!(ran.out.contains(&named) && !ran.out.contains("hunter22"), "{}{}", ran.out, ran.err);
}

/// An address on which nobody listens.
fn free_address() -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

#[test]
fn colours_are_for_terminals_and_only_if_wanted() {
    let fake = Fake::start().invalid_client(|_| true);
    for colour in ["", "1"] {
        let ran = run(command(&fake).args(["--logins", "1"]).env("NO_COLOR", colour));
        assert!(!ran.out.contains('\u{1b}') && !ran.err.contains('\u{1b}'));
    }
}

#[test]
fn no_word_of_a_server_is_obeyed_by_a_terminal() {
    let name = r#"{"oidcConfig":{"name":"\u001b[31m\u001b]0;x\u0007 \u202e"}}"#;
    let user = r#"{"loggedIn":true,"username":"me\u001b[2J\u2066\nexit"}"#;
    for place in ["argocd.host/api/v1/settings", "argocd.host/api/v1/session/userinfo"] {
        let said = if place.ends_with("settings") { name } else { user };
        let ran = run(command(&Fake::start().always(place, Reply::json(said))).args(["--logins", "1", "-v"]));
        assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
        assert!(ran.out.contains('\u{fffd}') && !ran.out.contains("\nexit"), "{}", ran.out);
        let obeyed = |c: char| base::shown::is_obeyed(c) && c != '\n';
        assert!(!ran.out.contains(obeyed) && !ran.err.contains(obeyed), "{:?}", ran.out);
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure_of_the_login() {
    let fake = Fake::start();
    let mut child = command(&fake).args(["--logins", "1"]).stdout(Stdio::piped()).spawn().expect("starts");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("ends").code(), Some(0));
}
