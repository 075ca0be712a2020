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

    // Long enough that its beginning and its end, when not all cores have something to do, weigh little.
    let logins = 200;
    let (took, servers, all) = beside(|| run(&mut probe(&fake, logins, 8)));
    let own = all.saturating_sub(servers);
    said("the command, 8 at a time", logins, took, servers, own);
    #[cfg(feature = "serve")]
    exporter(&fake, logins);
}

/// The same logins by the exporter, eight scrapes at a time, each of a target of its own; and what it costs when nobody
/// asks.
#[cfg(feature = "serve")]
fn exporter(fake: &Fake, logins: usize) {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use support::exporter::{Exporter, modules};

    let targets: Vec<String> =
        (0..logins).map(|number| format!("http://argocd.host:{}", 8000 + number)).collect();
    let exporter = Exporter::start(&modules(fake, &targets, "    interval: 60m\n"));
    let idle = exporter.status("VmRSS:");
    let next = AtomicUsize::new(0);
    let before = exporter.cpu();
    let (took, servers, _) = beside(|| {
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
        start.elapsed()
    });
    said("the exporter, 8 scrapes at a time", logins, took, servers, exporter.cpu() - before);
    let before = exporter.cpu();
    std::thread::sleep(Duration::from_secs(3));
    let (idle_cpu, after) = (exporter.cpu() - before, exporter.status("VmRSS:"));
    println!(
        "idle: {idle} KiB before and {after} KiB after it; {} ms of processor time in 3 s",
        ms(idle_cpu)
    );
}

/// What something takes, the servers' own processor time in it, which is this process', and that of ended children too.
fn beside(work: impl FnOnce() -> Duration) -> (Duration, Duration, Duration) {
    let (own, all) = processor();
    let took = work();
    let (own_after, all_after) = processor();
    (took, own_after - own, all_after - all)
}

/// The processor time of this process, and with that of its children that have ended.
fn processor() -> (Duration, Duration) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let mut ticks =
        after_name.split_whitespace().skip(11).map(|it| it.parse::<u64>().unwrap_or_default() * 10);
    let mut two = || Duration::from_millis(ticks.next().unwrap() + ticks.next().unwrap());
    let own = two();
    (own, own + two())
}

/// How many of the logins that the servers' own processor time allows were made, on all cores.
fn said(who: &str, logins: usize, took: Duration, servers: Duration, own: Duration) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let ideal = servers / u32::try_from(cores).unwrap();
    println!(
        "{logins} logins by {who}, {cores} cores: {} ms; the servers alone need {} ms of each core: {:.1} % of the \
         logins that they allow; own processor time {:.2} ms a login",
        ms(took),
        ms(ideal),
        100.0 * ratio(ideal, took),
        1000.0 * own.as_secs_f64() / logins as f64
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
