//! The workflows and the action: what they rely on is pinned, and they may do little.

use std::path::{Path, PathBuf};

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn files() -> Vec<PathBuf> {
    let workflows = std::fs::read_dir(root().join(".github/workflows")).unwrap().flatten();
    workflows.map(|entry| entry.path()).chain([root().join("action.yml")]).collect()
}

fn read(path: &Path) -> (String, Value) {
    let text = std::fs::read_to_string(path).unwrap();
    let document = serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    (text, document)
}

#[test]
fn every_action_is_pinned_by_a_full_commit() {
    let mut pinned = 0;
    for path in files() {
        let (text, _) = read(&path);
        for line in text.lines() {
            let Some((_, used)) = line.split_once("uses: ") else { continue };
            let (action, version) =
                used.split_once(" # ").unwrap_or_else(|| panic!("no version is said: {line}"));
            let commit = action.split_once('@').unwrap().1;
            assert_eq!(commit.len(), 40, "{line}");
            assert!(commit.bytes().all(|byte| byte.is_ascii_hexdigit()), "{line}");
            assert!(version.starts_with('v'), "{line}");
            pinned += 1;
        }
    }
    assert!(pinned >= 3);
}

#[test]
fn a_workflow_may_read_the_repository_and_only_a_release_writes() {
    for path in files().iter().filter(|path| !path.ends_with("action.yml")) {
        let (_, document) = read(path);
        assert_eq!(document["permissions"], serde_json::json!({"contents": "read"}), "{}", path.display());
        for (name, job) in document["jobs"].as_object().unwrap() {
            // Those that make a release write it, and say who built what.
            let writes =
                ["release.yml", "image.yml"].iter().any(|it| path.ends_with(it)) && name == "publish";
            assert_eq!(job["permissions"].is_null(), !writes, "{name}: {}", job["permissions"]);
            assert!(job["timeout-minutes"].is_number(), "{name} has no limit");
        }
    }
}

#[test]
fn what_comes_from_outside_is_no_part_of_a_script() {
    for path in files() {
        let (_, document) = read(&path);
        let jobs = document["jobs"].as_object().into_iter().flatten().map(|(_, job)| &job["steps"]);
        for steps in jobs.chain([&document["runs"]["steps"]]) {
            for step in steps.as_array().into_iter().flatten() {
                let script = step["run"].as_str().unwrap_or_default();
                assert!(!script.contains("${{"), "{}: {script}", path.display());
            }
        }
    }
}

/// A suite that lacks its programs is reported as ignored, and would be green for ever.
#[test]
fn suites_that_can_be_ignored_are_run_where_that_is_not_enough() {
    for suite in ["browser", "typing"] {
        let run = format!("--test {suite} ");
        let scripts = files().into_iter().filter(|path| !path.ends_with("action.yml")).flat_map(|path| {
            let jobs = read(&path).1["jobs"].as_object().unwrap().clone();
            let steps = jobs.into_iter().flat_map(|(_, job)| job["steps"].as_array().cloned());
            steps.flatten().filter_map(|step| step["run"].as_str().map(str::to_owned)).collect::<Vec<_>>()
        });
        let held = |script: &String| script.contains(&run) && script.contains("grep -q ' 0 ignored;'");
        assert!(scripts.into_iter().any(|script| held(&script)), "no workflow runs {suite}");
    }
}

#[test]
fn every_input_of_the_action_is_said_and_used() {
    let (text, action) = read(&root().join("action.yml"));
    for (name, input) in action["inputs"].as_object().unwrap() {
        assert!(text.contains(&format!("${{{{ inputs.{name} }}}}")), "{name} is read by nobody");
        assert!(input["description"].as_str().is_some_and(|words| !words.is_empty()), "{name}");
        let required = input["required"] == Value::Bool(true);
        assert_ne!(required, input["default"].is_string(), "{name} is required, or has a default");
    }
    // One without a baseline has none to be held against.
    assert_eq!(action["inputs"]["baseline"]["default"], "");
    assert_eq!(action["inputs"]["slower-than"]["default"], "2");
    // What the script takes from outside is given to it.
    let steps = action["runs"]["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["id"] == "probe").unwrap();
    let script = step["run"].as_str().unwrap();
    for name in step["env"].as_object().unwrap().keys().filter(|name| *name != "ARGOCD_PASSWORD") {
        assert!(script.contains(&format!("\"${name}\"")), "{name}");
    }
}

#[test]
fn the_krew_manifest_names_what_was_packed() {
    let folder = tempfile::tempdir().unwrap();
    let sum = "0".repeat(64);
    for target in ["x86_64-unknown-linux-musl", "aarch64-apple-darwin"] {
        let name = format!("kubectl-argocd_sso-{target}.tar.gz");
        std::fs::write(folder.path().join(format!("{name}.sha256")), format!("{sum}  {name}\n")).unwrap();
    }
    let krew = |folder: &Path| {
        let args = ["v1.2.3", "https://example.com/v1.2.3"];
        std::process::Command::new(root().join(".ci/krew")).args(args).arg(folder).output().unwrap()
    };
    let output = krew(folder.path());
    let manifest: Value = serde_yaml::from_slice(&output.stdout).unwrap();
    assert_eq!((&manifest["spec"]["version"], &manifest["kind"]), (&"v1.2.3".into(), &"Plugin".into()));
    let platforms = manifest["spec"]["platforms"].as_array().unwrap();
    assert_eq!(platforms.len(), 2, "{manifest:#}");
    let uri = "https://example.com/v1.2.3/kubectl-argocd_sso-x86_64-unknown-linux-musl.tar.gz";
    assert_eq!((&platforms[0]["uri"], &platforms[0]["sha256"]), (&uri.into(), &sum.as_str().into()));
    let empty = tempfile::tempdir().unwrap();
    assert!(!krew(empty.path()).status.success(), "nothing to install is no manifest");
}
