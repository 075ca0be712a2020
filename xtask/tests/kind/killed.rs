//! Interrupted and killed at every step: the next run ends well.

use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Child;

use serde_json::json;

use crate::world::{World, kill};

/// Each call during which a run may end, and whether at its beginning or in its middle.
const STEPS: &[(&[&str], &str)] = &[
    (&["kind get clusters"], "before"),
    (&["kind create cluster"], "before"),
    (&["kind create cluster"], "middle"),
    (&["helm pull dex"], "before"),
    (&["helm template argocd"], "before"),
    (&["docker pull quay.io"], "before"),
    (&["docker image save"], "before"),
    (&["kind load image-archive"], "before"),
    (&["kubectl", "apply"], "before"),
    (&["helm upgrade --install ingress-nginx"], "middle"),
    (&["helm upgrade --install dex"], "before"),
    (&["helm upgrade --install argocd"], "middle"),
];

fn hang(world: &World, call: &[&str], at: &str) -> (Child, u32) {
    world.fault(call, json!({"hang": true, "times": 1, "at": at}));
    let run = world.start(&["--lab", "kind", "working"]);
    let hanging = world.hangs();
    (run, hanging)
}

fn is_running(pid: u32) -> bool {
    let output = std::process::Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output();
    let state = String::from_utf8_lossy(&output.unwrap().stdout).trim().to_owned();
    !state.is_empty() && !state.starts_with('Z')
}

#[test]
fn interrupted_at_any_step_it_leaves_nothing_behind() {
    for (call, at) in STEPS {
        let world = World::new();
        let (mut run, hanging) = hang(&world, call, at);
        kill("-INT", run.id());
        let mut said = String::new();
        run.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(run.wait().unwrap().code(), Some(130), "{call:?}: {said}");
        assert!(!is_running(hanging), "{call:?}: {said}");
        assert!(world.clusters().is_empty(), "{call:?}: {said}");
        assert!(!said.contains("panicked"), "{call:?}: {said}");
        // Nothing is left, so the next run is as the first one.
        assert!(!world.lab().exists(), "{call:?}: {said}");
    }
}

#[test]
fn killed_at_any_step_the_next_run_ends_well() {
    for (call, at) in STEPS {
        let world = World::new();
        let (mut run, hanging) = hang(&world, call, at);
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
    for (call, at) in STEPS {
        let world = World::new();
        let (mut run, hanging) = hang(&world, call, at);
        kill("-KILL", run.id());
        run.wait().unwrap();
        world.mend();
        let ended = world.expect(0, &["--lab", "kind", "down"]);
        assert!(!is_running(hanging), "{call:?}: {ended}");
        assert!(world.clusters().is_empty(), "{call:?}: {ended}");
        assert!(!world.lab().exists(), "{call:?}: {ended}");
    }
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
