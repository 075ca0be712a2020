//! How long what people wait for takes, measured on the built program:
//! `cargo bench -p xtask`. It prints; it judges nothing. Wants an idle machine.
#![allow(missing_docs, clippy::print_stdout, reason = "it talks to whoever runs it")]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Runs of each measurement.
const RUNS: usize = 7;

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let bench = Bench { folder };
    bench.measure("working test (5 logins), from nothing", || {
        bench.run(&["down"]);
        timed(|| bench.run(&["working", "test"]))
    });
    bench.measure("both stories (reproduce), from nothing", || {
        bench.run(&["down"]);
        timed(|| bench.run(&["reproduce"]))
    });
    bench.run(&["working"]);
    bench.measure("test (5 logins)", || timed(|| bench.run(&["test"])));
    bench.measure("fix (restart until ready)", || timed(|| bench.run(&["fix"])));
    bench.measure("status", || timed(|| bench.run(&["status"])));
    bench.measure("doctor, nothing to find", || timed(|| bench.run(&["doctor"])));
    bench.run(&["break"]);
    bench.measure("doctor, a stale server", || timed(|| bench.finds(&["doctor"])));
    bench.run(&["fix"]);
    bench.logins();
    bench.idle();
    bench.run(&["down"]);
}

struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(args).env("OIDC_LAB_DIR", self.folder.path().join("lab")).stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) {
        let output = self.command(args).output().expect("the program runs");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Runs what exits 1 because it found something.
    fn finds(&self, args: &[&str]) {
        let output = self.command(args).output().expect("the program runs");
        assert_eq!(output.status.code(), Some(1), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn json(&self, args: &[&str]) -> serde_json::Value {
        let output =
            self.command(&[&["--format", "json"], args].concat()).output().expect("the program runs");
        serde_json::from_slice(&output.stdout).expect("a JSON document")
    }

    fn measure(&self, what: &str, mut one: impl FnMut() -> Duration) {
        let mut times: Vec<f64> = (0..RUNS).map(|_| one().as_secs_f64() * 1e3).collect();
        times.sort_by(f64::total_cmp);
        println!(
            "{what:<42} min {:7.1}  median {:7.1}  max {:7.1} ms",
            times[0],
            times[RUNS / 2],
            times[RUNS - 1]
        );
    }

    /// Many logins, on as many connections at once as `test` takes.
    fn logins(&self) {
        let since = Instant::now();
        let document = self.json(&["test", "--logins", "100"]);
        let time = since.elapsed().as_secs_f64();
        let latency = &document["goals"][0]["latency_ms"];
        println!("100 logins: {time:.2} s; a login {latency}");
    }

    /// What the lab costs while nobody uses it.
    fn idle(&self) {
        let text = std::fs::read(self.folder.path().join("lab/lab.json")).expect("a lab that is up");
        let description: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        let pid = description["pid"].to_string();
        let ask = |field: &str| {
            let output = Command::new("ps").args(["-o", field, "-p", &pid]).output().expect("ps");
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        };
        let before = ask("cputimes=");
        std::thread::sleep(Duration::from_secs(10));
        let after = ask("cputimes=");
        println!("idle for 10 s: {before} s -> {after} s of CPU, {} KiB resident", ask("rss="));
    }
}

fn timed(one: impl FnOnce()) -> Duration {
    let since = Instant::now();
    one();
    since.elapsed()
}
