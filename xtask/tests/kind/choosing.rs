//! Which lab `auto` takes, and whose cluster is left alone.

use std::fs;
use std::process::Command;
use std::time::Instant;

use crate::world::{Ended, World};

#[test]
fn without_an_engine_kind_says_so_at_once_and_auto_goes_on_locally() {
    let world = World::new();
    fs::remove_dir_all(world.path("bin")).unwrap();
    fs::create_dir(world.path("bin")).unwrap();
    let since = Instant::now();
    let ended = world.expect(3, &["--lab", "kind", "working"]);
    assert!(ended.error().contains("there is no container engine"), "{ended}");
    assert!(ended.error().contains("`--lab local`"), "{ended}");
    // Not a time that is measured: what would be waited for takes far longer.
    assert!(since.elapsed().as_secs() < 10);
    let ended = world.expect(0, &["working", "test"]);
    assert!(ended.stderr.contains("on the local lab: there is no container engine"), "{ended}");
    assert_eq!(world.json(0, &["status"])["lab"], "local");
}

#[test]
fn a_dead_daemon_is_as_good_as_no_engine() {
    let world = World::new();
    fs::write(world.path("engine-dead"), "").unwrap();
    let ended = world.expect(3, &["--lab", "kind", "working"]);
    assert!(ended.error().contains("its daemon does not run"), "{ended}");
    let ended = world.expect(0, &["working"]);
    assert!(
        ended.stderr.contains("on the local lab: docker is installed, but its daemon does not run"),
        "{ended}"
    );
    assert!(world.clusters().is_empty());
}

#[test]
fn auto_takes_kind_where_an_engine_answers() {
    let world = World::new();
    assert_eq!(world.json(0, &["working", "test"])["lab"], "kind");
}

#[test]
fn an_image_that_is_wanting_sends_auto_to_the_local_lab_and_not_silently() {
    let world = World::new();
    world.fails(
        &["kind create cluster"],
        "ERROR: failed to create cluster: failed to pull image \"kindest/node:v1.37.0\": command \"docker pull\" failed with error: exit status 1\nCommand Output: Error response from daemon: toomanyrequests: You have reached your unauthenticated pull rate limit.",
    );
    let ended = world.expect(0, &["working", "test"]);
    assert!(ended.stderr.contains("kind cannot come up here: cannot create the cluster oidc-lab"), "{ended}");
    assert!(ended.stderr.contains("going on with the local lab"), "{ended}");
    assert!(ended.stdout.contains("on the local lab"), "{ended}");
    assert!(!world.lab().exists());
    // Whoever asks for kind gets the reason instead.
    world.expect(0, &["down"]);
    world.expect(3, &["--lab", "kind", "working"]);
    world.expect(3, &["--ingress", "traefik", "working"]);
}

#[test]
fn two_labs_that_are_up_have_to_be_told_apart() {
    let world = World::new();
    world.expect(0, &["--lab", "kind", "working"]);
    world.expect(0, &["--lab", "local", "working"]);
    let ended = world.expect(2, &["test"]);
    assert!(ended.error().contains("a local lab and a lab on kind are both up"), "{ended}");
    // What needs no lab asks for none.
    assert_ne!(world.run(&["doctor", "--url", "http://127.0.0.1:1"]).status, 2);
    assert!(world.expect(3, &["doctor", "--context", "none"]).error().contains("kubeconfig"));
    world.expect(0, &["--dry-run", "faults", "rotate"]);
    world.expect(0, &["--lab", "kind", "test"]);
    world.expect(0, &["--lab", "local", "test"]);
    world.expect(0, &["--lab", "local", "down"]);
    world.expect(0, &["test"]);
}

#[test]
fn another_folder_has_another_cluster() {
    let world = World::new();
    let elsewhere = |args: &[&str]| Ended::of(world.command(args).env("OIDC_LAB_DIR", world.path("x")));
    world.expect(0, &["--lab", "kind", "working"]);
    let ended = elsewhere(&["--lab", "kind", "working", "test"]);
    assert_eq!(ended.status, 0, "{ended}");
    assert_eq!(world.clusters().len(), 2);
    assert!(world.path("x-kind").is_dir());
    let ended = elsewhere(&["down"]);
    assert_eq!(ended.status, 0, "{ended}");
    assert_eq!(world.clusters(), ["oidc-lab"]);
    world.expect(0, &["test"]);
}

/// Makes a cluster of the lab's name that somebody else made.
fn foreign(world: &World) {
    let config = world.path("foreign.yaml");
    let port = crate::ports::free();
    let text =
        format!("nodes: [{{labels: {{mine: \"true\"}}, extraPortMappings: [{{hostPort: {port}}}]}}]\n");
    fs::write(&config, text).unwrap();
    let mut kind = Command::new(world.path("bin").join("kind"));
    kind.args(["create", "cluster", "--name", "oidc-lab", "--config"]).arg(config);
    kind.arg("--kubeconfig").arg(world.path("foreign-kubeconfig"));
    kind.env("FAKE_WORLD", world.path("")).env("FAKE_XTASK", env!("CARGO_BIN_EXE_xtask"));
    assert!(kind.output().unwrap().status.success());
}

#[test]
fn somebody_elses_cluster_of_the_same_name_is_left_alone() {
    let world = World::new();
    foreign(&world);
    for goal in ["working", "broken", "down"] {
        let ended = world.expect(3, &["--lab", "kind", goal]);
        assert!(
            ended.error().contains("a cluster named oidc-lab is there and is not this lab's"),
            "{goal}: {ended}"
        );
    }
    assert!(world.calls_with("kind delete").is_empty());
    assert_eq!(world.clusters(), ["oidc-lab"]);
    assert!(!world.lab().exists());
}

#[test]
fn a_cluster_that_was_put_in_the_labs_place_is_neither_changed_nor_deleted() {
    let world = World::new();
    world.expect(0, &["--lab", "kind", "working"]);
    // Somebody deletes it behind the lab's back, and makes one of their own.
    let mut kind = Command::new(world.path("bin").join("kind"));
    kind.args(["delete", "cluster", "--name", "oidc-lab"]).env("HOME", world.path("home"));
    kind.env("FAKE_WORLD", world.path("")).env("FAKE_XTASK", env!("CARGO_BIN_EXE_xtask"));
    assert!(kind.output().unwrap().status.success());
    foreign(&world);
    fs::copy(world.path("foreign-kubeconfig"), world.lab().join("kubeconfig")).unwrap();
    world.forget_calls();
    for goal in ["break", "fix", "down"] {
        let ended = world.expect(3, &["--lab", "kind", goal]);
        assert!(ended.error().contains("is not this lab's: no node of it has the label"), "{goal}: {ended}");
    }
    assert!(world.calls_with("kind delete").is_empty());
}

#[test]
fn a_lab_whose_state_was_lost_is_known_again_by_its_node() {
    let world = World::new();
    world.expect(0, &["--lab", "kind", "working"]);
    fs::remove_dir_all(world.lab()).unwrap();
    world.expect(0, &["--lab", "kind", "working", "test"]);
    assert_eq!(world.calls_with("kind create cluster").len(), 1);
    fs::remove_dir_all(world.lab()).unwrap();
    world.expect(0, &["--lab", "kind", "down"]);
    assert!(world.clusters().is_empty());
}

#[test]
fn a_cluster_that_is_gone_is_made_anew() {
    let world = World::new();
    world.expect(0, &["--lab", "kind", "working"]);
    let mut kind = Command::new(world.path("bin").join("kind"));
    kind.args(["delete", "cluster", "--name", "oidc-lab"]).env("HOME", world.path("home"));
    kind.env("FAKE_WORLD", world.path("")).env("FAKE_XTASK", env!("CARGO_BIN_EXE_xtask"));
    assert!(kind.output().unwrap().status.success());
    assert!(world.expect(3, &["test"]).error().contains("no lab is up"));
    world.expect(0, &["working", "test"]);
}

#[test]
fn a_node_that_stopped_is_started_again() {
    let world = World::new();
    world.expect(0, &["--lab", "kind", "working"]);
    // As after a restart of the machine: the container is there and does not run.
    let lab = world.path("clusters/oidc-lab/lab");
    let stopped = world.command(&["--lab", "local", "down"]).env("OIDC_LAB_DIR", &lab).output().unwrap();
    assert!(stopped.status.success());
    assert!(world.expect(3, &["test"]).error().contains("no lab is up"));
    let ended = world.expect(0, &["working", "test"]);
    assert!(ended.stderr.contains("started again"), "{ended}");
    assert_eq!(world.calls_with("docker start oidc-lab-control-plane").len(), 1);
    assert_eq!(world.calls_with("kind create cluster").len(), 1);
}
