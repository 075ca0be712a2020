//! Reports of runs that were made in earnest, and what a folder may hold.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

const FIXTURES: [&str; 8] =
    ["broken-test", "working-test", "mixed", "probe", "doctor", "matrix", "faults", "reproduce"];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/{name}.json"))
}

fn document(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(fixture(name)).unwrap()).unwrap()
}

#[test]
fn a_report_is_made_of_every_kind_of_run_and_again_from_its_own_file() {
    for name in FIXTURES {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("new/report");
        report::check(&dir).unwrap();
        report::write(&dir, &document(name)).unwrap();
        let files = |dir: &Path| {
            ["run.json", "report.html", "junit.xml", "trace.har"]
                .map(|file| fs::read_to_string(dir.join(file)).unwrap())
        };
        let first = files(&dir);
        assert_eq!(serde_json::from_str::<Value>(&first[0]).unwrap(), document(name), "{name}");
        assert_eq!(report::again(&dir.join("run.json"), None).unwrap().0, dir);
        assert_eq!(files(&dir), first, "{name}");
        let other = folder.path().join("other");
        assert_eq!(report::again(&dir.join("run.json"), Some(&other)).unwrap().0, other);
        assert_eq!(files(&other), first, "{name}");
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 4, "nothing else is left");
    }
}
