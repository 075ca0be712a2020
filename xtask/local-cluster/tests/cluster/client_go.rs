//! A client-go informer against the cluster API, where there is a Go that can have
//! its modules.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::{Cluster, on_path};

/// Builds a program of `tests/client-go` into a folder; `None`, said by name, where
/// its modules cannot be had.
fn built(package: &str, into: &Path, test: &str) -> Option<std::path::PathBuf> {
    if !on_path("go", test) {
        return None;
    }
    let program = into.join(package);
    let built = Command::new("go")
        // Without optimisations, which take a quarter longer for a run of a second.
        .args(["build", "-mod=readonly", "-gcflags=all=-N -l", "-o"])
        .arg(&program)
        .arg(format!("./{package}"))
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/client-go"))
        .output()
        .unwrap();
    if built.status.success() {
        return Some(program);
    }
    skipped(&built.stderr, test);
    None
}

/// Says by name that a test is skipped, if what Go said is that it cannot have the modules.
#[track_caller]
fn skipped(stderr: &[u8], test: &str) {
    let why = String::from_utf8_lossy(stderr).into_owned();
    let unreachable =
        ["dial tcp", "no such host", "missing go.sum", "module lookup disabled", "go.mod requires go"];
    assert!(unreachable.iter().any(|it| why.contains(it)), "the program does not build or run:\n{why}");
    eprintln!("skipped: {test}: go cannot have the modules");
}

#[test]
fn an_informer_sees_everything_in_order() {
    let test = "an_informer_sees_everything_in_order";
    let cluster = Cluster::start();
    let Some(program) = built("informer", cluster.folder(), test) else { return };
    let maps = "/api/v1/namespaces/default/configmaps";
    let map = |name: &str, value: &str| json!({"metadata": {"name": name, "labels": {"l": "x"}}, "data": {"k": value}});
    cluster.post(maps, &map("before", "1"));
    let mut informer = Command::new(program)
        .arg(cluster.kubeconfig())
        .stdout(Stdio::piped())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(informer.stdout.take().unwrap()));
    let mut next = || lines.next().expect("the informer goes on").unwrap();
    assert_eq!(next(), "add before 1");
    assert_eq!(next(), "synced");
    cluster.post(maps, &map("after", "1"));
    assert_eq!(next(), "add after 1");
    cluster.merge(&format!("{maps}/after"), &json!({"data": {"k": "2"}}));
    assert_eq!(next(), "update after 2");
    cluster.merge(&format!("{maps}/after"), &json!({"metadata": {"labels": {"l": "y"}}}));
    assert_eq!(next(), "delete after 2", "it no longer matches");
    cluster.delete(&format!("{maps}/before"));
    assert_eq!(next(), "delete before 1");
    // What it writes goes in protobuf, and comes back in JSON.
    assert_eq!(next(), "wrote 3 objects");
    drop(informer.stdin.take());
    assert!(informer.wait().unwrap().success());
    let deployment = cluster.get("/apis/apps/v1/namespaces/default/deployments/written").json();
    assert_eq!(deployment["spec"]["replicas"], 0, "a pointer to zero is not nothing");
    let secret: Value = cluster.get("/api/v1/namespaces/default/secrets/written").json();
    assert_eq!((&secret["data"], &secret["type"]), (&json!({"k": "AP8="}), &json!("Opaque")));
}

#[test]
fn the_table_of_types_is_what_kubernetes_says() {
    let test = "the_table_of_types_is_what_kubernetes_says";
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = built("types", folder.path(), test) else { return };
    let printed = Command::new(program)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/client-go"))
        .output()
        .unwrap();
    if !printed.status.success() {
        return skipped(&printed.stderr, test);
    }
    let table = include_str!("../../src/schema/types.json");
    assert!(String::from_utf8_lossy(&printed.stdout) == table, "src/schema/types.json is to be printed anew");
}
