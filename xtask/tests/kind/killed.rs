//! Interrupted and killed at every step: the next run ends well.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt as _;
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::world::{World, kill, until};

/// Each call during which a run may end, whether at its beginning or in its middle, and the
/// goal that makes it.
const STEPS: &[(&[&str], &str, &str)] = &[
    (&["kind get clusters"], "before", "working"),
    (&["kind create cluster"], "before", "working"),
    (&["kind create cluster"], "middle", "working"),
    (&["helm pull dex"], "before", "working"),
    (&["helm template argocd"], "before", "working"),
    (&["docker pull quay.io"], "before", "working"),
    (&["docker image save"], "before", "working"),
    (&["kind load image-archive"], "before", "working"),
    (&["kubectl", "apply"], "before", "working"),
    (&["helm upgrade --install ingress-nginx"], "middle", "working"),
    (&["helm upgrade --install dex"], "before", "working"),
    (&["helm upgrade --install argocd"], "middle", "working"),
    (&["kind delete cluster"], "before", "down"),
];

fn hang(world: &World, call: &[&str], at: &str, goal: &str) -> (Child, u32) {
    hang_with(world, call, json!({"hang": true, "times": 1, "at": at}), &[goal])
}

/// Starts goals, one of whose calls hangs as `fault` says.
fn hang_with(world: &World, call: &[&str], fault: Value, goals: &[&str]) -> (Child, u32) {
    if goals.contains(&"down") {
        world.expect(0, &["--lab", "kind", "working"]);
    }
    world.fault(call, fault);
    let run = world.start(&[&["--lab", "kind"], goals].concat());
    let hanging = world.hangs();
    (run, hanging)
}

/// Waits until a run says something.
fn says(said: &mut impl BufRead, part: &str) {
    let mut line = String::new();
    while !line.contains(part) {
        line.clear();
        assert_ne!(said.read_line(&mut line).unwrap(), 0, "it ended and did not say {part:?}");
    }
}

fn rest(mut said: impl Read) -> String {
    let mut text = String::new();
    said.read_to_string(&mut text).unwrap();
    text
}

fn is_running(pid: u32) -> bool {
    let output = std::process::Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output();
    let state = String::from_utf8_lossy(&output.unwrap().stdout).trim().to_owned();
    !state.is_empty() && !state.starts_with('Z')
}

#[test]
fn interrupted_at_any_step_it_leaves_nothing_behind() {
    for (call, at, goal) in STEPS {
        let world = World::new();
        let (mut run, hanging) = hang(&world, call, at, goal);
        kill("-INT", run.id());
        let said = rest(run.stderr.take().unwrap());
        assert_eq!(run.wait().unwrap().code(), Some(130), "{call:?}: {said}");
        assert!(!is_running(hanging), "{call:?}: {said}");
        assert!(!said.contains("panicked"), "{call:?}: {said}");
        if *goal == "down" {
            // A lab that was complete stays one until it is removed.
            world.expect(0, &["test"]);
            world.expect(0, &["down"]);
        }
        assert!(world.clusters().is_empty(), "{call:?}: {said}");
        // Nothing is left, so the next run is as the first one.
        assert!(!world.lab().exists(), "{call:?}: {said}");
    }
}

#[test]
fn killed_at_any_step_the_next_run_ends_well() {
    for (call, at, goal) in STEPS {
        let world = World::new();
        let (mut run, hanging) = hang(&world, call, at, goal);
        kill("-KILL", run.id());
        assert_eq!(run.wait().unwrap().signal(), Some(9));
        assert!(is_running(hanging), "{call:?}: what a killed run leaves behind");
        world.mend();
        let ended = world.expect(0, &["--lab", "kind", "--logins", "1", "working", "test"]);
        assert!(!is_running(hanging), "{call:?}: {ended}");
        world.expect(0, &["down"]);
        assert!(world.clusters().is_empty());
        assert!(!world.lab().exists());
    }
}

#[test]
fn killed_at_any_step_down_cleans_up() {
    for (call, at, goal) in STEPS {
        let world = World::new();
        let (mut run, hanging) = hang(&world, call, at, goal);
        kill("-KILL", run.id());
        run.wait().unwrap();
        world.mend();
        let ended = world.expect(0, &["--lab", "kind", "down"]);
        assert!(!is_running(hanging), "{call:?}: {ended}");
        assert!(world.clusters().is_empty(), "{call:?}: {ended}");
        assert!(!world.lab().exists(), "{call:?}: {ended}");
    }
}

/// What is said at the first interrupt where there is something to clean up.
const ASKED: &str = "Ctrl-C again kills what runs";

#[test]
fn a_second_interrupt_kills_a_program_that_does_not_hear_the_first() {
    let world = World::new();
    let deaf = json!({"hang": true, "deaf": true, "times": 1, "at": "middle"});
    let (mut run, hanging) = hang_with(&world, &["helm upgrade --install dex"], deaf, &["working"]);
    let mut said = BufReader::new(run.stderr.take().unwrap());
    kill("-INT", run.id());
    says(&mut said, ASKED);
    assert!(is_running(hanging));
    kill("-INT", run.id());
    let said = rest(said);
    assert_eq!(run.wait().unwrap().code(), Some(130), "{said}");
    assert!(!is_running(hanging));
    // What could be cleaned up was.
    assert!(world.clusters().is_empty() && !world.lab().exists(), "{said}");
}

#[test]
fn a_second_interrupt_ends_a_cleaning_up_that_hangs() {
    for second in ["-INT", "-TERM", "-HUP"] {
        let world = World::new();
        world.fault(&["kind delete cluster"], json!({"hang": true, "deaf": true, "times": 1}));
        let (mut run, _) = hang(&world, &["helm upgrade --install dex"], "before", "working");
        kill("-INT", run.id());
        let deleting = world.hangs();
        kill(second, run.id());
        let said = rest(run.stderr.take().unwrap());
        assert_eq!(run.wait().unwrap().code(), Some(130), "{second}: {said}");
        assert!(!is_running(deleting), "{second}: {said}");
        assert!(said.contains("the half-made lab was not taken down: "), "{second}: {said}");
        assert!(said.contains("`cargo xtask down` removes what is left"), "{second}: {said}");
        world.expect(0, &["down"]);
        assert!(world.clusters().is_empty() && !world.lab().exists());
    }
}

#[test]
fn three_interrupts_leave_at_once_wherever_it_is() {
    for (call, at, goal) in STEPS {
        let world = World::new();
        let deaf = json!({"hang": true, "deaf": true, "at": at});
        world.fault(&["kind delete cluster"], json!({"hang": true, "deaf": true}));
        let (mut run, _) = hang_with(&world, call, deaf, &["--format", "json", goal]);
        let since = Instant::now();
        // As fast as a person is.
        for _ in 0..3 {
            kill("-INT", run.id());
            std::thread::sleep(Duration::from_millis(100));
        }
        let document: Value = serde_json::from_str(&rest(run.stdout.take().unwrap())).unwrap();
        assert_eq!(run.wait().unwrap().code(), Some(130), "{call:?}");
        assert_eq!(document["exit"], 130, "{call:?}");
        // Not a time that is measured: who is asked only has a quarter of a minute.
        assert!(since.elapsed().as_secs() < 10, "{call:?}: {:?}", since.elapsed());
        world.mend();
        world.expect(0, &["--lab", "kind", "down"]);
        assert!(world.clusters().is_empty() && !world.lab().exists(), "{call:?}");
    }
}

#[test]
fn an_interrupt_is_heard_while_an_engine_is_asked() {
    let world = World::new();
    let (mut run, asked) =
        hang_with(&world, &["docker version"], json!({"hang": true, "times": 1}), &["working"]);
    kill("-INT", run.id());
    let said = rest(run.stderr.take().unwrap());
    assert_eq!(run.wait().unwrap().code(), Some(130), "{said}");
    assert!(said.contains("error: interrupted"), "{said}");
    until("the engine's command ends", || !is_running(asked));
}

#[test]
fn a_release_that_a_killed_helm_left_pending_is_taken_out_and_installed_anew() {
    let world = World::new();
    world.expect(0, &["--lab", "kind", "working"]);
    world.fault(&["helm upgrade --install argocd"], json!({"hang": true, "times": 1, "at": "middle"}));
    let mut run = world.start(&["working"]);
    let helm = world.hangs();
    // Both at once, so that nobody tells Helm to end in order.
    kill("-KILL", run.id());
    kill("-KILL", helm);
    run.wait().unwrap();
    world.mend();
    let ended = world.expect(0, &["working", "test"]);
    assert!(ended.stderr.contains("argocd was being installed when an earlier run was killed"), "{ended}");
    assert_eq!(world.calls_with("helm uninstall argocd").len(), 1);
}
