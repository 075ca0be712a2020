//! `--report`: what is left of a run for others to look at, and what is never in it.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::support::{Ended, Lab, files, has};

/// What a report consists of.
const FILES: [&str; 4] = ["junit.xml", "report.html", "run.json", "trace.har"];

fn run(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("run.json")).unwrap()).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let name = |path: &std::path::PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    let mut names: Vec<String> = files(folder).iter().map(name).collect();
    names.sort();
    names
}

#[test]
fn a_run_that_ends_badly_is_reported_with_all_that_was_exchanged() {
    let lab = Lab::new();
    let folder = lab.file("x", "").with_file_name("report");
    let dir = folder.to_str().unwrap();
    let ended = lab.expect(1, &["working", "break", "test", "--logins", "3", "--report", dir]);
    assert!(ended.stderr.contains(&format!("report: {dir}/report.html")), "{ended}");
    assert_eq!(names(&folder), FILES);
    let run = run(&folder);
    assert_eq!(run["exit"], 1);
    assert_eq!(run["run"]["command"][0], "cargo");
    let [working, broken, test] = run["goals"].as_array().unwrap().as_slice() else { panic!("{run:#}") };
    let ms = |value: &Value| value.as_f64().unwrap();
    assert!(ms(&working["at_ms"]) <= ms(&broken["at_ms"]) && ms(&broken["at_ms"]) < ms(&test["at_ms"]));
    // Steps that ran side by side overlap.
    let spans: Vec<(f64, f64)> =
        working["steps"].as_array().unwrap().iter().map(|it| (ms(&it["at_ms"]), ms(&it["ms"]))).collect();
    assert!(spans.windows(2).any(|pair| pair[1].0 < pair[0].0 + pair[0].1), "{spans:?}");
    assert_eq!((test["series"].as_array().unwrap().len(), test["traces"].as_array().unwrap().len()), (3, 3));
    assert_eq!(test["series"][0]["failure"], 0);
    let callback = test["traces"][0]["exchanges"].as_array().unwrap().last().unwrap();
    assert_eq!((callback["step"].as_str(), callback["status"].as_u64()), (Some("callback"), Some(500)));
    let page = std::fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("invalid_client"), "{page}");
    // What was exchanged means to whoever reads it what it meant to the run.
    let explained = lab.json(0, &["explain", "--file", &format!("{dir}/trace.har")]);
    let causes = |list: &Value, name: fn(&Value) -> &Value| -> BTreeSet<String> {
        list.as_array().unwrap().iter().map(|it| name(it).as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        causes(&explained["goals"][0]["causes"], |cause| &cause["id"]),
        causes(&test["failures"][0]["candidates"], |id| id)
    );
    // The same from its own document, and its drawings for a README.
    let made = lab.json(0, &["report", &format!("{dir}/run.json"), "--pictures"]);
    assert_eq!(std::fs::read_to_string(folder.join("report.html")).unwrap(), page);
    let files = made["goals"][0]["files"].as_array().unwrap();
    assert!(
        files.len() > 2 && files[1..].iter().all(|it| it.as_str().unwrap().ends_with(".svg")),
        "{files:?}"
    );
    // What another run is reported in, it is reported in alone.
    lab.expect(0, &["fix", "test", "--report", dir]);
    assert_eq!(self::run(&folder)["exit"], 0);
}

#[test]
fn what_is_not_a_reports_is_never_written_over_and_nothing_is_begun() {
    let lab = Lab::new();
    let folder = lab.file("report.html", "mine").parent().unwrap().to_owned();
    let ended = lab.expect(3, &["working", "--report", folder.to_str().unwrap()]);
    assert!(ended.stderr.starts_with("error: ") && ended.stderr.contains("report.html"), "{ended}");
    assert_eq!(std::fs::read_to_string(folder.join("report.html")).unwrap(), "mine");
    lab.expect(3, &["status"]);
    let file = lab.file("file", "");
    lab.expect(3, &["working", "--report", file.to_str().unwrap()]);
    for line in [
        &["render"][..],
        &["kubectl", "--", "get", "pods"],
        &["tools"],
        &["explain", "x"],
        &["report", "run.json"],
    ] {
        let ended = lab.expect(2, &[&["--report", "x"], line].concat());
        assert!(ended.stderr.contains("--report is not of"), "{ended}");
    }
    lab.expect(2, &["--dry-run", "--report", "x", "working"]);
    for (name, text) in [("run.json", "no json"), ("other.json", "[1, 2]"), ("third.json", "{\"a\": 1}")] {
        let ended = lab.expect(3, &["report", lab.file(name, text).to_str().unwrap()]);
        assert!(ended.stderr.contains(name) && ended.stderr.lines().count() == 1, "{ended}");
    }
}

#[test]
fn a_run_that_could_not_be_done_says_why() {
    let lab = Lab::new();
    let folder = lab.home().join("report");
    lab.expect(3, &["test", "--report", folder.to_str().unwrap()]);
    let run = run(&folder);
    assert!(run["error"].as_str().unwrap().contains("no lab"), "{run:#}");
    let page = std::fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(page.contains("no lab"), "{page}");
}

#[test]
fn no_secret_is_in_any_file_of_a_report() {
    if !has("kubectl", "no_secret_is_in_any_file_of_a_report") {
        return;
    }
    let lab = Lab::new();
    let folder = lab.home().join("report");
    let mut secrets = vec![];
    for goals in
        [&["working", "test", "status"][..], &["break", "test"], &["doctor"], &["fix", "test"], &["rotate"]]
    {
        let ended = lab.run(&[goals, &["--report", folder.to_str().unwrap()]].concat());
        assert!([0, 1].contains(&ended.status), "{ended}");
        for (namespace, name, key) in [
            ("dex", "dex-clients", "argo-cd"),
            ("argocd", "argocd-secret", "server.secretkey"),
            ("argocd", "argocd-secret", "admin.password"),
        ] {
            secrets.push(lab.secret(namespace, name, key));
        }
        for path in files(&folder) {
            let text = std::fs::read_to_string(&path).unwrap();
            if let Some(secret) = secrets.iter().find(|secret| text.contains(secret.as_str())) {
                panic!("{} shows {} characters that are secret", path.display(), secret.len());
            }
            // A code, a token and the state of a login are as good as a password while they live.
            for telling in ["code=", "state=", "argocd.token="] {
                let live = |(at, _): (usize, &str)| {
                    text[at + telling.len()..].starts_with(|c: char| c.is_ascii_alphanumeric())
                };
                assert!(!text.match_indices(telling).any(live), "{} shows a {telling}", path.display());
            }
        }
    }
}

#[test]
fn whatever_logs_in_comes_with_its_logins() {
    let lab = Lab::new();
    let of = |args: &[&str]| -> (Ended, Value) {
        let folder = lab.home().join(args[0]);
        let ended = lab.expect(0, &[args, &["--report", folder.to_str().unwrap()]].concat());
        (ended, run(&folder))
    };
    let (_, run) = of(&["matrix", "v3.3.6", "--logins", "2"]);
    let traces = &run["goals"][0]["releases"][0]["traces"];
    assert_eq!(
        (traces["working"]["failure"].is_null(), &traces["break"]["failure"]["step"]),
        (true, &Value::from("callback"))
    );
    let (_, run) = of(&["faults", "client-id", "--logins", "2"]);
    assert!(run["goals"][0]["faults"][0]["trace"]["failure"].is_object(), "{run:#}");
    let (_, run) = of(&["reproduce", "--logins", "2"]);
    let stories = run["goals"][0]["stories"].as_array().unwrap();
    assert!(
        stories
            .iter()
            .all(|story| story["traces"].as_array().unwrap().len() == 1 && story["series"].is_array()),
        "{run:#}"
    );
    let (_, run) = of(&["rotate", "--rate", "2"]);
    let logins = |name: &str| run["goals"][0][name].as_array().map_or(0, Vec::len);
    assert!(logins("series") > 2 && logins("traces") > 2, "{run:#}");
    let (_, run) = of(&["--expect=logged-in", "test", "--watch"]);
    assert_eq!(run["goals"][0]["traces"].as_array().unwrap().len(), 1, "{run:#}");
}

#[test]
fn github_gets_a_summary_of_the_job_and_nothing_of_it_elsewhere() {
    let lab = Lab::new();
    let summary = lab.file("summary.md", "before\n");
    let mut command = lab.command(&["working", "break", "test", "--logins", "2"]);
    command.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", &summary);
    let ended = Ended::of(&mut command);
    assert_eq!(ended.status, 1, "{ended}");
    let text = std::fs::read_to_string(&summary).unwrap();
    assert!(text.starts_with("before\n### ❌ ") && text.contains("| test |"), "{text}");
    assert!(ended.stderr.contains("::group::") && ended.stderr.contains("::error title=test::"), "{ended}");
    lab.expect(1, &["test", "--logins", "2"]);
    assert_eq!(std::fs::read_to_string(&summary).unwrap(), text);
}
