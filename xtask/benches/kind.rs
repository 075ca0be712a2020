//! What the lab on kind costs beside the outside programs, measured behind their fakes:
//! `cargo bench -p xtask --bench kind`. It prints; it judges nothing. Wants an idle
//! machine. How long a real cluster takes, it cannot say.
#![allow(
    missing_docs,
    dead_code,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "it talks to whoever runs it"
)]

#[path = "../tests/support/ended.rs"]
mod ended;
#[path = "../tests/kind/world.rs"]
mod world;

use std::process::{Command, Stdio};
use std::time::Instant;

use world::World;

/// Runs of each measurement.
const RUNS: usize = 11;

fn main() {
    let world = World::new();
    let since = Instant::now();
    world.expect(0, &["--lab", "kind", "working"]);
    println!("working, from nothing             {:8.1} ms", ms(since));
    let plan = world.json(0, &["--dry-run", "--timings", "working"]);
    let critical = &plan["goals"][0]["critical"];
    let (path, sum) = (critical["ms"].as_f64().unwrap(), critical["sum_ms"].as_f64().unwrap());
    println!(
        "critical path                     {path:8.1} ms of {sum:.1} ms in all steps ({:.2})",
        path / sum
    );
    println!("  {}", critical["path"]);

    let reconciled = (0..RUNS).map(|_| {
        let since = Instant::now();
        let document = world.json(0, &["working"]);
        (ms(since), step(&document, "ingress-images"))
    });
    let (whole, one_call): (Vec<f64>, Vec<f64>) = reconciled.unzip();
    println!("working, on a lab that is up      {:8.1} ms", median(whole));

    // The same call without the lab around it.
    let alone = (0..RUNS).map(|_| {
        let mut docker = Command::new(world.path("bin").join("docker"));
        docker.args([
            "image",
            "inspect",
            "--format",
            "{{.Id}}",
            "registry.k8s.io/ingress-nginx/controller:v1.15.1",
        ]);
        docker.env("FAKE_WORLD", world.path("")).stdout(Stdio::piped()).stderr(Stdio::piped());
        let since = Instant::now();
        assert!(docker.output().unwrap().status.success());
        ms(since)
    });
    let (alone, in_step) = (median(alone.collect()), median(one_call));
    println!("a step of one call                {in_step:8.1} ms, of which the call alone is {alone:.1} ms");
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

fn step(document: &serde_json::Value, name: &str) -> f64 {
    let steps = document["goals"][0]["steps"].as_array().unwrap();
    steps.iter().find(|step| step["name"] == name).unwrap()["ms"].as_f64().unwrap()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
