//! `probe serve`: what it answers, to whom, and what it never does.

use std::io::{ErrorKind, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::exporter::{Exporter, modules};
use crate::support::tls::Authority;
use crate::support::{Fake, PASSWORD, Reply, Request};

fn one(fake: &Fake, more: &str) -> String {
    modules(fake, &[fake.url()], more)
}

/// How often a password came.
fn posts(fake: &Fake) -> usize {
    fake.seen().iter().filter(|request| request.method == "POST").count()
}

fn at_the_form(answer: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static) -> Fake {
    Fake::start().answer("dex.host/auth/local/login", move |request, _| match request.method.as_str() {
        "POST" => answer(request),
        _ => None,
    })
}

#[test]
fn a_login_that_passes_is_a_success_with_its_hops() {
    let fake = Fake::start();
    let exporter = Exporter::start(&one(&fake, ""));
    let said = exporter.probe("http://argocd.host");
    assert_eq!(said.status, 200, "{}", said.body);
    said.says(&[
        "probe_success 1",
        "probe_http_status_code 200",
        "probe_login_outcome{outcome=\"logged-in\"} 1",
        "probe_login_outcome{outcome=\"refused\"} 0",
        "probe_login_password_withheld 0",
        "probe_login_backoff_seconds 0.0",
        "probe_logins_total{outcome=\"logged-in\"} 1",
        "probe_logins_total{outcome=\"refused\"} 0",
        "probe_login_hop_duration_seconds_count{step=\"form\"} 1",
        "probe_login_hop_duration_seconds_count{step=\"settings\"} 2",
    ]);
    assert!(
        !said.body.contains("failure_info") && !said.body.contains("certificate_expiry_timestamp_seconds{")
    );
    // Within the interval the last one is told again, by any spelling of the same address.
    let again = exporter.probe("http://ARGOCD.host:80/");
    again.says(&["probe_success 1", "probe_logins_total{outcome=\"logged-in\"} 1"]);
    assert_eq!(posts(&fake), 1);
    exporter.get("/metrics").says(&[
        "probe_exporter_logins_total{outcome=\"logged-in\"} 1",
        "probe_exporter_scrapes_total{result=\"login\"} 1",
        "probe_exporter_scrapes_total{result=\"kept\"} 1",
        "probe_exporter_logins_running 0",
        "probe_exporter_config_last_reload_successful 1",
    ]);
    let newer = exporter.ask("GET", "/metrics", "Accept: application/openmetrics-text;version=1.0.0\r\n");
    assert!(newer.head.contains("application/openmetrics-text"), "{}", newer.head);
    assert!(newer.body.ends_with("# EOF\n") && newer.body.contains("# TYPE probe_exporter_logins counter"));
    assert_eq!(exporter.get("/-/healthy").status, 200);
}

#[test]
fn a_login_that_fails_says_where_and_why_in_words_of_the_catalogue() {
    let fake = Fake::start().invalid_client(|_| true);
    let exporter = Exporter::start(&one(&fake, ""));
    let said = exporter.probe("http://argocd.host");
    said.says(&[
        "probe_success 0",
        "probe_http_status_code 500",
        "probe_login_outcome{outcome=\"refused\"} 1",
        "probe_login_failure_info{step=\"callback\",answer=\"invalid-client\",cause=\"stale-argocd\",candidates=\"6\"} 1",
    ]);
    let (_, log) = exporter.end("-TERM");
    assert!(log.contains("http://argocd.host/: refused at callback 500: failed to get token"), "{log}");
}

#[test]
fn no_secret_and_no_word_of_a_server_is_in_what_it_tells() {
    let tell = |request: &Request| {
        let said = format!("<b>\u{1b}[31m{PASSWORD} {}", request.header("cookie").unwrap_or_default());
        Some(Reply::plain(500, &said).header("X-Debug", "evil\"} 1"))
    };
    let mut kept = String::new();
    let mut secrets = vec![];
    for place in
        ["argocd.host/auth/callback", "argocd.host/api/v1/session/userinfo", "dex.host/auth/local/login"]
    {
        let fake = Fake::start().answer(place, move |request, _| {
            (request.method == "POST" || !place.contains("login")).then(|| tell(request)).flatten()
        });
        let exporter = Exporter::start(&one(&fake, ""));
        let said = exporter.probe("http://argocd.host");
        said.says(&["probe_success 0"]);
        assert!(!said.body.contains("<b>"), "{}", said.body);
        kept += &(said.body + &exporter.get("/metrics").body + &exporter.end("-TERM").1);
        secrets.extend(fake.secrets());
    }
    assert!(kept.contains("refused at") && !kept.contains('\u{1b}'), "{kept}");
    for secret in secrets {
        assert!(!kept.contains(&secret), "{secret} is in\n{kept}");
    }
}

#[test]
fn only_what_the_file_allows_is_asked() {
    let fake = Fake::start();
    let exporter = Exporter::start(&one(&fake, ""));
    for (path, says) in [
        ("/probe", "name a target"),
        ("/probe?target=http://dex.host", "does not allow this target"),
        ("/probe?target=https://argocd.host", "does not allow this target"),
        ("/probe?target=http://argocd.host/elsewhere", "does not allow this target"),
        ("/probe?target=argocd.host", "the target is no address"),
        ("/probe?target=http://me:pass@argocd.host", "an address alone"),
        ("/probe?target=http://argocd.host&module=other", "no module of this name"),
    ] {
        let said = exporter.get(path);
        assert_eq!(said.status, 400, "{path}");
        assert!(said.body.contains(says) && said.body.lines().count() == 1, "{path}: {}", said.body);
    }
    assert_eq!(exporter.get("/elsewhere").status, 404);
    assert_eq!(exporter.ask("POST", "/probe?target=http://argocd.host", "Content-Length: 0\r\n").status, 405);
    assert!(fake.seen().is_empty());
    exporter.get("/metrics").says(&["probe_exporter_scrapes_total{result=\"rejected\"} 7"]);
}

#[test]
fn a_refused_password_is_sent_once_until_it_changes() {
    let fake = Fake::start();
    let targets = [fake.url(), "http://argocd.host:8080".to_owned()];
    let exporter = Exporter::start(&modules(&fake, &targets, "    interval: 1s\n"));
    exporter.write("password", "wrong\n");
    let said = exporter.probe(&targets[0]);
    let why = "cause=\"credentials\",candidates=\"1\"} 1";
    said.says(&[
        "probe_login_outcome{outcome=\"refused\"} 1",
        "probe_login_password_withheld 1",
        &format!("probe_login_failure_info{{step=\"form\",answer=\"wrong-password\",{why}"),
    ]);
    let said = exporter.probe_until(&targets[0], "probe_login_outcome{outcome=\"withheld\"} 1");
    said.says(&[
        "probe_success 0",
        "probe_login_password_withheld 1",
        &format!("probe_login_failure_info{{step=\"form\",answer=\"password-withheld\",{why}"),
    ]);
    assert_eq!(posts(&fake), 1);
    // What was refused stays so after the file of modules was read anew, if it says the same.
    assert_eq!(exporter.ask("POST", "/-/reload", "Content-Length: 0\r\n").status, 200);
    let attempts = "probe_logins_total{outcome=\"withheld\"} 3";
    exporter.probe_until(&targets[0], attempts);
    assert_eq!(posts(&fake), 1);
    // So too if the file says something else of the same account.
    let more = [&targets[..], &["http://argocd.host:8081".to_owned()]].concat();
    exporter.write("probe.yaml", &modules(&fake, &more, "    interval: 1s\n"));
    assert_eq!(exporter.ask("POST", "/-/reload", "Content-Length: 0\r\n").status, 200);
    for target in &more {
        exporter.probe_until(target, "probe_login_outcome{outcome=\"withheld\"} 1");
    }
    assert_eq!(posts(&fake), 1);
    exporter.write("password", PASSWORD);
    exporter.probe_until(&targets[0], "probe_success 1").says(&["probe_login_password_withheld 0"]);
    assert_eq!(posts(&fake), 2);
}

#[test]
fn the_password_of_a_locked_account_is_sent_once() {
    let fake = at_the_form(|_| Some(Reply::page("<p>Your account is temporarily locked. Retry later.</p>")));
    let exporter = Exporter::start(&one(&fake, "    interval: 1s\n"));
    exporter
        .probe("http://argocd.host")
        .says(&["probe_login_outcome{outcome=\"refused\"} 1", "probe_login_password_withheld 1"]);
    assert_eq!(exporter.ask("POST", "/-/reload", "Content-Length: 0\r\n").status, 200);
    let said = exporter.probe("http://argocd.host");
    let pause = said.body.lines().find_map(|line| line.strip_prefix("probe_login_backoff_seconds "));
    assert!(pause.is_some_and(|pause| pause.parse::<f64>().is_ok_and(|pause| pause > 1.0)), "{}", said.body);
    assert_eq!(posts(&fake), 1);
}

#[test]
fn one_target_finds_out_for_all_that_the_password_is_wrong() {
    let fake = Fake::start();
    // The same Argo CD at many ports.
    let targets: Vec<String> = (8000..8020).map(|port| format!("http://argocd.host:{port}")).collect();
    let exporter = Exporter::start(&modules(&fake, &targets, ""));
    exporter.write("password", "wrong");
    std::thread::scope(|scope| {
        for target in &targets {
            scope.spawn(|| exporter.probe(target).says(&["probe_success 0"]));
        }
    });
    assert_eq!(posts(&fake), 1, "{}", exporter.log());
}

#[test]
fn a_provider_that_throttles_is_left_alone_and_told_from_one_that_refuses() {
    let throttles = Arc::new(AtomicBool::new(true));
    let asked = Arc::clone(&throttles);
    let fake = at_the_form(move |_| {
        asked
            .load(Ordering::SeqCst)
            .then(|| Reply::plain(429, "Too many requests").header("Retry-After", "2"))
    });
    let exporter = Exporter::start(&one(&fake, "    interval: 1s\n"));
    let said = exporter.probe("http://argocd.host");
    said.says(&[
        "probe_login_outcome{outcome=\"throttled\"} 1",
        "probe_login_password_withheld 0",
        "probe_login_failure_info{step=\"form\",answer=\"throttled\",cause=\"none\",candidates=\"0\"} 1",
    ]);
    let pause = said.body.lines().find_map(|line| line.strip_prefix("probe_login_backoff_seconds "));
    let pause: f64 = pause.unwrap().parse().unwrap();
    assert!(pause > 1.0 && pause <= 2.0, "{pause}");
    throttles.store(false, Ordering::SeqCst);
    let begin = Instant::now();
    exporter.probe_until("http://argocd.host", "probe_success 1").says(&["probe_login_backoff_seconds 0.0"]);
    assert!(begin.elapsed() > Duration::from_secs(1));
    assert_eq!(posts(&fake), 2);
}

#[test]
fn a_provider_that_throttles_one_target_is_left_alone_by_all() {
    let fake = at_the_form(|_| Some(Reply::plain(429, "slower").header("Retry-After", "600")));
    let targets = ["http://argocd.host".to_owned(), "http://argocd.host:8081".to_owned()];
    let exporter = Exporter::start(&modules(&fake, &targets, "    interval: 1s\n"));
    exporter.probe(&targets[0]).says(&["probe_login_outcome{outcome=\"throttled\"} 1"]);
    let said = exporter.ask("GET", &format!("/probe?target={}", targets[1]), "");
    assert_eq!(said.status, 503, "{}", said.body);
    assert!(
        said.body.contains("argocd.host:8081/: its provider wants to be left alone for 9 min 5"),
        "{}",
        said.body
    );
    assert_eq!(posts(&fake), 1);
}

#[test]
fn the_password_goes_to_no_other_host_and_never_from_https_to_http() {
    let authority = Authority::new();
    let page = "<form method=post><input name=login><input type=password name=password></form>";
    let to = |place: &str, status: u16, location: &'static str| {
        let method = if status == 307 { "POST" } else { "GET" };
        let fake = Fake::start_tls(&authority).always("evil.host/auth/local/login", Reply::page(page));
        fake.answer(place, move |request, _| {
            (request.method == method).then(|| Reply::new(status, "", "").header("Location", location))
        })
    };
    let form = |action: &'static str| {
        Fake::start_tls(&authority).answer("dex.host/auth/local/login", move |request, _| {
            let page = format!(
                "<form method=post action='{action}'><input name=login><input type=password name=password></form>"
            );
            (request.method == "GET").then(|| Reply::page(&page))
        })
    };
    for (fake, answer) in [
        (to("dex.host/auth", 302, "https://evil.host/auth/local/login?state=x"), "password-elsewhere"),
        (to("dex.host/auth/local/login", 307, "https://evil.host/login"), "password-elsewhere"),
        (to("dex.host/auth/local/login", 307, "https://dex.host:444/login"), "password-elsewhere"),
        (to("dex.host/auth/local/login", 307, "http://dex.host/login"), "insecure-form"),
        (to("dex.host/auth", 302, "http://dex.host/auth/local/login?state=x"), "insecure-form"),
        (form("https://evil.host/login"), "password-elsewhere"),
        (form("http://dex.host/login"), "insecure-form"),
        (form("https://dex.host.evil.host/login"), "password-elsewhere"),
    ] {
        // Whoever is asked by http is a server of its own, which gives the form and would take anything.
        let plain = Fake::start().always("dex.host/auth/local/login", Reply::page(page));
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, authority.pem()).unwrap();
        let more = format!("    ca_file: {}\n", ca.display());
        let config =
            one(&fake, &more).replace("resolve: [", &format!("resolve: [\"*:80:{}\", ", plain.address));
        let config = config.replace("resolve: [", &format!("resolve: [\"*:444:{}\", ", fake.address));
        let exporter = Exporter::start(&config);
        let said = exporter.probe("https://argocd.host");
        assert!(
            said.body.contains(&format!("answer=\"{answer}\"")),
            "{answer}: {}\n{}",
            said.body,
            exporter.log()
        );
        said.says(&["probe_login_outcome{outcome=\"withheld\"} 1"]);
        let elsewhere =
            |request: &Request| request.host() != "dex.host" || request.path() != "/auth/local/login";
        for request in fake.seen().iter().chain(&plain.seen()).filter(|request| elsewhere(request)) {
            assert!(!format!("{request:?}").contains("Tr0ub4dor"), "{request:?}");
        }
        assert!(plain.seen().iter().all(|request| request.method == "GET"));
    }
}

#[test]
fn the_end_of_certificates_is_told_by_server() {
    let authority = Authority::new();
    let fake = Fake::start_tls(&authority);
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let exporter = Exporter::start(&one(&fake, &format!("    ca_file: {}\n", ca.display())));
    let said = exporter.probe("https://argocd.host");
    // rcgen's own default.
    let end: jiff::Timestamp = "4096-01-01T00:00:00Z".parse().unwrap();
    for server in ["argocd", "provider"] {
        let name = format!("probe_certificate_expiry_timestamp_seconds{{server=\"{server}\"}}");
        said.says(&[&format!("{name} {}", end.as_second())]);
    }
    said.says(&["probe_success 1"]);
}

#[test]
fn a_scrape_ends_in_the_limit_that_prometheus_names() {
    let fake = Fake::start().answer("argocd.host/api/v1/settings", |_, _| Some(Reply::hang()));
    let exporter = Exporter::start(&one(&fake, ""));
    let begin = Instant::now();
    let header = "X-Prometheus-Scrape-Timeout-Seconds: 1\r\n";
    let said = exporter.ask("GET", "/probe?target=http://argocd.host", header);
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    said.says(&[
        "probe_login_outcome{outcome=\"unreachable\"} 1",
        "probe_http_status_code 0",
        "probe_login_failure_info{step=\"settings\",answer=\"timeout\",cause=\"none\",candidates=\"0\"} 1",
    ]);
}

#[test]
fn two_scrapes_at_once_share_a_login() {
    let fake = Fake::start();
    let exporter = Exporter::start(&one(&fake, ""));
    std::thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| exporter.probe("http://argocd.host").says(&["probe_success 1"]));
        }
    });
    assert_eq!(
        (posts(&fake), exporter.get("/metrics").has("probe_exporter_scrapes_total{result=\"kept\"} 9")),
        (1, true)
    );
}

#[test]
fn half_of_two_hundred_hang_and_the_others_do_not_feel_it() {
    let fake = Fake::start();
    // Its connections are taken by the system, and nobody ever answers, until it goes away.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = silent.local_addr().unwrap();
    let healthy: Vec<String> = (8000..8100).map(|port| format!("http://argocd.host:{port}")).collect();
    let hanging: Vec<String> = (0..100).map(|number| format!("http://silent.host/{number}")).collect();
    let config = modules(&fake, &[&healthy[..], &hanging].concat(), "    interval: 1s\n    timeout: 5m\n");
    let config = config.replace("resolve: [", &format!("resolve: [\"silent.host:80:{place}\", "));
    let exporter = Exporter::start(&config);
    let round = |silent: TcpListener, hang: usize, logins: usize| {
        // What was told last is told again until another login is due.
        let ended = |outcome: &str| format!("probe_logins_total{{outcome=\"{outcome}\"}} {logins}");
        let (passed, gone) = (ended("logged-in"), ended("unreachable"));
        std::thread::scope(|scope| {
            let scrapes: Vec<_> =
                hanging.iter().map(|target| scope.spawn(|| exporter.probe_until(target, &gone))).collect();
            exporter.wait_for("/metrics", &format!("probe_exporter_logins_running {hang}"));
            let others: Vec<_> =
                healthy.iter().map(|target| scope.spawn(|| exporter.probe_until(target, &passed))).collect();
            others.into_iter().for_each(|scrape| scrape.join().unwrap().says(&["probe_success 1"]));
            exporter.get("/metrics").says(&[&format!("probe_exporter_logins_running {hang}")]);
            let open = exporter.open_files();
            assert!(open > hang && open < 500, "{open}");
            drop(silent);
            for scrape in scrapes {
                scrape.join().unwrap().says(&["probe_login_outcome{outcome=\"unreachable\"} 1"]);
            }
        });
    };
    round(silent, 100, 1);
    // Those that nobody answered have a quarter of the slots from now on.
    round(TcpListener::bind(place).unwrap(), 32, 2);
    assert!(exporter.status("VmHWM:") < 120 * 1024, "{} KiB", exporter.status("VmHWM:"));
}

#[test]
fn the_file_is_read_anew_by_post_alone_and_a_broken_one_changes_nothing() {
    let fake = Fake::start();
    let config = one(&fake, "");
    let exporter = Exporter::start(&config);
    exporter.write("probe.yaml", &config.replace("argocd.host", "other.host"));
    assert_eq!(exporter.get("/-/reload").status, 405);
    assert_eq!(exporter.probe("http://argocd.host").status, 200);
    let post = || exporter.ask("POST", "/-/reload", "Content-Length: 0\r\n");
    let said = post();
    assert_eq!((said.status, said.body.contains("1 module with 1 target")), (200, true), "{}", said.body);
    assert_eq!(exporter.probe("http://argocd.host").status, 400);
    exporter.write("probe.yaml", &config.replace("user:", "usr:"));
    let said = post();
    assert_eq!(said.status, 500);
    assert!(
        said.body.contains("probe.yaml: modules.dex: unknown field `usr`") && said.body.contains("stays"),
        "{}",
        said.body
    );
    assert_eq!(exporter.probe("http://argocd.host").status, 400);
    exporter.get("/metrics").says(&["probe_exporter_config_last_reload_successful 0"]);
    exporter.write("probe.yaml", &config);
    assert_eq!(post().status, 200);
    assert_eq!(exporter.probe("http://argocd.host").status, 200);
    assert!(exporter.log().contains("what was read before stays"));
}

#[test]
fn a_client_that_is_slow_or_writes_too_much_is_let_go() {
    let fake = Fake::start();
    let exporter = Exporter::start(&one(&fake, ""));
    let slow: Vec<TcpStream> = (0..50)
        .map(|_| {
            let mut stream = TcpStream::connect(exporter.address).unwrap();
            stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: ex").unwrap();
            stream
        })
        .collect();
    assert_eq!(exporter.get("/-/healthy").status, 200);
    let long = format!("X-Long: {}\r\n", "a".repeat(20_000));
    let said = exporter.ask("GET", "/metrics", &long);
    assert_eq!((said.status, said.body.as_str()), (431, ""));
    drop(slow);
}

#[test]
fn a_client_that_reads_nothing_is_let_go() {
    let fake = Fake::start();
    let exporter = Exporter::start(&one(&fake, ""));
    let mut stream = TcpStream::connect(exporter.address).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    let requests = "GET /metrics HTTP/1.1\r\nHost: exporter\r\n\r\n".repeat(1000);
    let error = (0..1000).find_map(|_| stream.write_all(requests.as_bytes()).err()).expect("it is closed");
    assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
}

#[test]
fn it_ends_by_a_signal_and_leaves_a_scrape_its_answer() {
    for signal in ["-TERM", "-INT"] {
        let fake = Fake::start();
        let (status, log) = Exporter::start(&one(&fake, "")).end(signal);
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(log.contains("ended, as it was told to"), "{log}");
    }
}

#[test]
fn what_it_cannot_begin_with_is_said_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("probe.yaml");
    std::fs::write(&file, "modules:\n  dex:\n    users: me\n").unwrap();
    let run = |args: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_probe")).args(args).stdin(Stdio::null()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let file = file.display().to_string();
    for (args, code, says) in [
        (vec!["serve", "--config", &file], 3, "unknown field `users`"),
        (vec!["serve", "--config", &file], 3, "at line 3 column 5"),
        (vec!["serve", "--config", "/no/such.yaml"], 3, "/no/such.yaml cannot be read"),
        (vec!["serve"], 2, "--config"),
        (vec!["serve", "--config", &file, "--listen", "here"], 2, "--listen"),
    ] {
        let (found, err) = run(&args);
        assert!(found == Some(code) && err.contains(says), "{args:?}: {found:?} {err}");
    }
}
