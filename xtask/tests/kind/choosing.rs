//! Which lab `auto` takes, and whose cluster is left alone.

use std::fs;
use std::process::Command;
use std::time::Instant;

use serde_json::json;

use crate::world::{Ended, World};

/// The line that names the labs that were not chosen.
const OTHERS: &str =
    "others: `--real` (the released programs), `--lab kind` (the real cluster in containers)";

#[test]
fn without_an_engine_kind_says_so_at_once() {
    let world = World::new();
    fs::remove_dir_all(world.path("bin")).unwrap();
    fs::create_dir(world.path("bin")).unwrap();
    let since = Instant::now();
    let ended = world.expect(3, &["--lab", "kind", "working"]);
    assert!(ended.error().contains("there is no container engine"), "{ended}");
    assert!(ended.error().contains("`--lab local`"), "{ended}");
    // Not a time that is measured: what would be waited for takes far longer.
    assert!(since.elapsed().as_secs() < 10);
}

#[test]
fn a_dead_daemon_is_as_good_as_no_engine() {
    let world = World::new();
    fs::write(world.path("engine-dead"), "").unwrap();
    let ended = world.expect(3, &["--lab", "kind", "working"]);
    assert!(ended.error().contains("its daemon does not run"), "{ended}");
    assert!(world.clusters().is_empty());
}

#[test]
fn auto_is_the_local_lab_where_none_is_there_and_asks_no_engine() {
    let world = World::new();
    let ended = world.expect(0, &["working", "test"]);
    assert!(ended.stderr.contains(OTHERS), "{ended}");
    assert!(!ended.stdout.contains(OTHERS), "{ended}");
    assert_eq!(world.json(0, &["status"])["lab"], "local");
    assert!(world.calls().is_empty(), "{:?}", world.calls());
    // It is said once, where it is news.
    assert!(!world.expect(0, &["working", "test"]).stderr.contains("others: "));
    world.expect(0, &["down"]);
    // Whoever chose is not told what else there is to choose.
    assert!(!world.expect(0, &["--lab", "local", "working", "down"]).stderr.contains("others: "));
    assert!(!world.expect(0, &["-q", "working", "down"]).stderr.contains("others: "));
}

#[test]
fn options_of_the_kind_lab_name_it() {
    for options in
        [["--ingress", "traefik"], ["--node-image", "x/node:v1"], ["--argocd-image", "me/argocd:dev"]]
    {
        let world = World::new();
        assert_eq!(world.json(0, &[&options[..], &["--dry-run", "working"]].concat())["lab"], "kind");
        // Also beside a local lab that is up.
        world.expect(0, &["working"]);
        assert_eq!(world.json(0, &[&options[..], &["--dry-run", "working"]].concat())["lab"], "kind");
    }
}

#[test]
fn what_kind_is_wanting_is_said_and_no_other_lab_taken() {
    let world = World::new();
    world.fails(
        &["kind create cluster"],
        "ERROR: failed to create cluster: failed to pull image \"kindest/node:v1.37.0\": command \"docker pull\" failed with error: exit status 1\nCommand Output: Error response from daemon: toomanyrequests: You have reached your unauthenticated pull rate limit.",
    );
    for choice in [["--lab", "kind"], ["--ingress", "traefik"]] {
        let ended = world.expect(3, &[&choice[..], &["working"]].concat());
        assert!(ended.error().contains("cannot create the cluster oidc-lab"), "{ended}");
        assert!(!world.lab().exists());
    }
    assert!(world.expect(3, &["status"]).error().contains("no lab is up"));
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
fn down_finds_a_cluster_whose_folder_is_gone_without_being_told_where() {
    let world = World::new();
    world.expect(0, &["--lab", "kind", "working"]);
    fs::remove_dir_all(world.lab()).unwrap();
    let ended = world.expect(0, &["down"]);
    assert_eq!(ended.stdout, "the lab is gone\n", "{ended}");
    assert!(world.clusters().is_empty());
    // Where there is none, nothing else is asked, and nothing waited for.
    world.forget_calls();
    assert_eq!(world.expect(0, &["down"]).stdout, "there was no lab\n");
    let asked = ["docker ps --all --quiet --filter label=io.x-k8s.kind.cluster=oidc-lab"];
    assert_eq!(world.calls().into_iter().map(|call| call.line).collect::<Vec<_>>(), asked);
    world.fault(&["docker ps"], json!({"hang": true}));
    assert_eq!(world.expect(0, &["down"]).stdout, "there was no lab\n");
    // Nor is it looked for where somebody said which lab is meant.
    world.forget_calls();
    world.expect(0, &["--lab", "local", "down"]);
    assert!(world.calls().is_empty());
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
    let ended = world.expect(3, &["test"]);
    assert!(
        ended.error().contains("no lab is up: the cluster of the one on kind does not answer"),
        "{ended}"
    );
    assert!(ended.error().contains("`cargo xtask working` starts its node again"), "{ended}");
    let ended = world.expect(0, &["working", "test"]);
    assert!(ended.stderr.contains("started again"), "{ended}");
    assert_eq!(world.calls_with("docker start oidc-lab-control-plane").len(), 1);
    assert_eq!(world.calls_with("kind create cluster").len(), 1);
}
