//! How long a report takes of a run with 20 traces and 1,000 logins: `cargo bench -p report`.
//! It must not be felt: 50 ms at most, in the build that people run.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for a terminal")]

use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// What it may add to a run.
const LIMIT: Duration = Duration::from_millis(50);
const ROUNDS: usize = 20;

fn main() {
    let run = run();
    let folder = tempfile::tempdir().unwrap();
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let since = Instant::now();
            report::write(folder.path(), &run).unwrap();
            since.elapsed()
        })
        .collect();
    times.sort();
    let (fastest, median) = (times[0], times[ROUNDS / 2]);
    println!("a report of 20 traces and 1,000 logins: {median:.1?} in the median, {fastest:.1?} at best");
    for name in ["run.json", "report.html", "junit.xml", "trace.har"] {
        println!("  {name}  {} KB", std::fs::metadata(folder.path().join(name)).unwrap().len() / 1000);
    }
    if fastest > LIMIT {
        println!("that is more than {LIMIT:?}");
        std::process::exit(1);
    }
}

fn run() -> Value {
    let mut run: Value = serde_json::from_str(include_str!("../tests/fixtures/mixed.json")).unwrap();
    let traces = run["traces"].as_array().unwrap().clone();
    run["traces"] = traces.iter().cycle().take(20).cloned().collect();
    let login = |login: u32| json!({"login": login, "at_ms": f64::from(login) * 30.0, "ms": f64::from(login * 37 % 61) + 20.0, "failure": login.is_multiple_of(3).then_some(0)});
    run["series"] = (1..=1000).map(login).collect();
    run
}
