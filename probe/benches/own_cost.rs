//! What the probe itself costs, beside servers that take as long as the real ones: `cargo bench -p probe`,
//! or `cargo bench -p probe --profile dev` for the build that the lab uses. Prints ratios; fails nothing.
#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used, reason = "it talks to whoever runs it")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::hint::black_box;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::{Fake, PASSWORD, USER};

/// What Dex takes to check a password.
const BCRYPT: Duration = Duration::from_millis(60);

fn main() {
    // `cargo test --all-targets` runs it, too, and means to test.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let rounds = calibrate();
    let fake = Fake::start().answer("dex.host/auth/local/login", move |request, _| {
        if request.method == "POST" {
            work(rounds);
        }
        None
    });

    let login = median(15, || run(&mut probe(&fake, 1, 1)));
    let idle = Fake::start();
    let own = median(15, || run(&mut probe(&idle, 1, 1)));
    println!("one login by the command: {} ms, of which {} ms without any bcrypt", ms(login), ms(own));
    match Command::new("curl").arg("--version").output() {
        Ok(_) => {
            let directory = tempfile::tempdir().unwrap();
            let script = directory.path().join("login.sh");
            std::fs::write(&script, CURL).unwrap();
            let curl = median(15, || {
                let mut command = Command::new("sh");
                command.arg(&script).current_dir(directory.path());
                command.env("AT", fake.address.to_string()).env("LOGIN", USER).env("PASSWORD", PASSWORD);
                run(&mut command)
            });
            println!("the same by a curl script: {} ms; ratio {:.2}", ms(curl), ratio(login, curl));
        }
        Err(_) => println!("there is no curl to compare with"),
    }

    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let logins = 100;
    // What the cores can do when they do nothing else.
    let start = Instant::now();
    std::thread::scope(|scope| {
        for core in 0..cores {
            let share = (logins + core) / cores;
            scope.spawn(move || (0..share).for_each(|_| work(rounds)));
        }
    });
    let ideal = start.elapsed();
    let took = run(&mut probe(&fake, logins, 8));
    println!(
        "{logins} logins, 8 at a time, {cores} cores: {} ms; the bcrypt alone {} ms; that is {:.0} %",
        ms(took),
        ms(ideal),
        100.0 * ratio(ideal, took)
    );
    #[cfg(feature = "serve")]
    exporter(&fake, logins, ideal);
}

/// The same logins by the exporter, eight scrapes at a time, each of a target of its own; and what it costs when nobody
/// asks.
#[cfg(feature = "serve")]
fn exporter(fake: &Fake, logins: usize, ideal: Duration) {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use support::exporter::{Exporter, modules};

    let targets: Vec<String> =
        (0..logins).map(|number| format!("http://argocd.host:{}", 8000 + number)).collect();
    let exporter = Exporter::start(&modules(fake, &targets, "    interval: 1h\n"));
    let (idle, before) = (exporter.status("VmRSS:"), exporter.cpu());
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some(target) = targets.get(next.fetch_add(1, Ordering::Relaxed)) {
                    assert!(exporter.probe(target).has("probe_success 1"));
                }
            });
        }
    });
    let took = start.elapsed();
    let own = exporter.cpu() - before;
    println!(
        "{logins} logins by the exporter, 8 scrapes at a time: {} ms, that is {:.0} %; its own processor time {:.2} ms a login",
        ms(took),
        100.0 * ratio(ideal, took),
        1000.0 * own.as_secs_f64() / logins as f64
    );
    let before = exporter.cpu();
    std::thread::sleep(Duration::from_secs(3));
    let (idle_cpu, after) = (exporter.cpu() - before, exporter.status("VmRSS:"));
    println!(
        "idle: {} KiB before and {after} KiB after it; {} ms of processor time in 3 s",
        idle,
        ms(idle_cpu)
    );
}

fn probe(fake: &Fake, logins: usize, concurrency: usize) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_probe"));
    command.args([&fake.url(), "--user", USER, "--password-env", "PROBE_PASSWORD"]);
    command.env("PROBE_PASSWORD", PASSWORD);
    command.args(["--logins", &logins.to_string(), "--concurrency", &concurrency.to_string()]);
    for host in ["argocd.host", "dex.host"] {
        command.args(["--resolve", &format!("{host}:80:{}", fake.address)]);
    }
    command
}

/// The login as people script it.
const CURL: &str = r#"set -e
rm -f jar
ask() { curl -sS -o page -w '%{redirect_url}' -b jar -c jar --connect-to "::$AT" "$@"; }
next=$(ask http://argocd.host/auth/login)
while [ -n "$next" ]; do at=$next; next=$(ask "$at"); done
next=$(ask --data-urlencode "login=$LOGIN" --data-urlencode "password=$PASSWORD" "$at")
ask "$next" > last
ask http://argocd.host/api/v1/session/userinfo > last
grep -q '"loggedIn":true' page
"#;

fn run(command: &mut Command) -> Duration {
    let start = Instant::now();
    let status = command.stdout(Stdio::null()).status().unwrap();
    let took = start.elapsed();
    assert!(status.success(), "{command:?}");
    took
}

fn median(times: usize, mut measure: impl FnMut() -> Duration) -> Duration {
    let mut measured: Vec<Duration> = (0..times).map(|_| measure()).collect();
    measured.sort();
    measured[times / 2]
}

/// Keeps one core busy.
fn work(rounds: u64) {
    let mut value = 1_u64;
    for round in 0..rounds {
        value = black_box(value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(round));
    }
}

/// How many rounds of work take as long as a password check.
fn calibrate() -> u64 {
    let rounds = 1_000_000;
    let once = median(9, || {
        let start = Instant::now();
        work(rounds);
        start.elapsed()
    });
    (f64::from(u32::try_from(rounds).unwrap()) * ratio(BCRYPT, once)) as u64
}

fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64()
}

fn ms(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1000.0)
}
