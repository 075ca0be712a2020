//! Programs that go wrong in place of Argo CD and Dex: each is named, with its last words,
//! and none of them outlives the lab.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::support::{Lab, processes_of};

/// A program that says which release it is, and as a server does `what`.
fn argocd(lab: &Lab, what: &str) -> PathBuf {
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = version ] && echo 'argocd: v3.3.6+0123456' && exit 0\n# {0}\n{what}\n",
        lab.path().display()
    );
    program(lab, "argocd", script.as_bytes())
}

fn program(lab: &Lab, name: &str, bytes: &[u8]) -> PathBuf {
    let path = lab.file(name, "");
    // Renamed into place: a file that is written to cannot be executed.
    let new = path.with_extension("new");
    fs::write(&new, bytes).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(&new, &path).unwrap();
    path
}

#[test]
fn one_that_crashes_is_named_with_its_last_words() {
    let lab = Lab::new();
    let path = argocd(&lab, "echo starting; echo 'level=fatal msg=\"no flux capacitor\"' >&2; exit 20");
    let ended = lab.expect(3, &["--argocd-bin", path.to_str().unwrap(), "working"]);
    let error = ended.error();
    assert!(error.contains("argocd/argocd-server: container server ended 3 times"), "{error}");
    assert!(error.contains("with status 20"), "{error}");
    assert!(error.contains("no flux capacitor"), "{error}");
    assert!(processes_of(&path).is_empty());
}

/// The lab that is up is of another release, and not looked at; what was seen until the
/// labs did not come up is said.
#[test]
fn what_compare_announces_is_what_it_runs() {
    let lab = Lab::new();
    lab.expect(0, &["--argocd", "v3.5.1", "working"]);
    let path = argocd(&lab, "exit 20");
    let path = path.to_str().unwrap();
    let ended = lab.expect(3, &["--format", "json", "--argocd-bin", path, "--wait", "2", "compare"]);
    let announced =
        "compare: the stand-ins of argocd v3.3.6 and Dex with argocd v3.3.6 (real) and dex v2.45.1 (stand-in";
    assert!(ended.stderr.contains(announced), "{ended}");
    let document: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    let goal = &document["goals"][0];
    assert_eq!(
        (&goal["argocd"]["version"], &goal["differences"]),
        (&"v3.3.6".into(), &serde_json::json!([]))
    );
    assert!(goal["left_out"]["redis"].is_string(), "{goal:#}");
    // A Dex alone is compared with the default release's stand-in, not with the lab's.
    let script = "#!/bin/sh\necho 'Dex Version: v2.45.1'\n[ \"$1\" = version ] || exit 1\n";
    let dex = program(&lab, "dex", script.as_bytes());
    let ended = lab.expect(3, &["--dex-bin", dex.to_str().unwrap(), "--wait", "2", "compare"]);
    let announced = "compare: the stand-ins of argocd v3.3.6 and Dex with argocd v3.3.6 (stand-in) and dex v2.45.1 (real)";
    assert!(ended.stderr.contains(announced), "{ended}");
    lab.expect(0, &["status"]);
}

#[test]
fn one_that_hangs_is_waited_for_as_long_as_asked_and_gone_afterwards() {
    let lab = Lab::new();
    let path = argocd(&lab, "echo 'waiting for Godot'; trap '' TERM; while :; do sleep 1; done");
    let ended = lab.expect(3, &["--argocd-bin", path.to_str().unwrap(), "--wait", "2", "working"]);
    let error = ended.error();
    assert!(error.contains("was not ready after 2 s"), "{error}");
    assert!(error.contains("waiting for Godot"), "{error}");
    lab.expect(0, &["down"]);
    assert!(processes_of(&path).is_empty(), "it ignores SIGTERM, and is ended all the same");
}

#[test]
fn one_for_another_machine_is_told_before_anything_is_done() {
    let lab = Lab::new();
    // An ELF file for a processor that is none.
    let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
    elf.resize(64, 0);
    (elf[16], elf[18], elf[20]) = (2, 0xfe, 1);
    let path = program(&lab, "argocd", &elf);
    let ended = lab.expect(3, &["--argocd-bin", path.to_str().unwrap(), "working"]);
    assert!(ended.error().contains("--argocd-bin"), "{ended}");
    assert!(ended.error().contains("no program for this machine"), "{ended}");
    assert!(!lab.path().join("lab.json").exists(), "no lab was started for it");
}

#[test]
fn one_that_is_another_program_is_told() {
    let lab = Lab::new();
    let path = program(&lab, "argocd", b"#!/bin/sh\necho hello\n");
    let ended = lab.expect(3, &["--argocd-bin", path.to_str().unwrap(), "working"]);
    assert!(ended.error().contains(r#"is no argocd: asked for its version it said "hello""#), "{ended}");
    let ended = lab.expect(3, &["--dex-bin", "/nowhere/dex", "working"]);
    assert!(ended.error().contains("--dex-bin /nowhere/dex"), "{ended}");
}

#[test]
fn one_that_was_built_anew_is_started_anew() {
    let lab = Lab::new();
    let path = argocd(&lab, "echo 'the first build'; exit 1");
    let args = ["--argocd-bin", path.to_str().unwrap(), "--wait", "3", "working"];
    assert!(lab.expect(3, &args).error().contains("the first build"));
    argocd(&lab, "echo 'the second build, which is better'; exit 1");
    let ended = lab.expect(3, &args);
    assert!(ended.error().contains("the second build"), "{ended}");
}
