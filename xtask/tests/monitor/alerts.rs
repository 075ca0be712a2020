//! The rules: what they speak of is there, and both forms of them are one.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::root;

/// The file of rules.
pub fn rules() -> Value {
    yaml("manifests/monitor/rules.yaml")
}

pub fn yaml(path: &str) -> Value {
    serde_yaml::from_str(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Each rule, to be changed.
pub fn each_mut(rules: &mut Value) -> impl Iterator<Item = &mut Value> {
    let groups = rules["groups"].as_array_mut().unwrap().iter_mut();
    groups.flat_map(|group| group["rules"].as_array_mut().unwrap().iter_mut())
}

/// The metrics that a text names.
fn metrics(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| word.starts_with("probe_"))
        .map(|word| word.trim_end_matches("_bucket").to_owned())
        .collect()
}

/// The words of a label's regular expressions in an expression.
fn alternatives<'a>(expr: &'a str, label: &str) -> Vec<&'a str> {
    let patterns = expr
        .split(label)
        .skip(1)
        .filter_map(|rest| rest.trim_start_matches(['=', '!', '~']).strip_prefix('"')?.split('"').next());
    patterns.flat_map(|pattern| pattern.split('|')).collect()
}

pub fn say_what_is_there() {
    let (mut rules, page) = (rules(), text("docs/monitor.md"));
    let (known, mut names) = (metrics(&page), BTreeSet::new());
    for rule in each_mut(&mut rules) {
        let (alert, expr) = (rule["alert"].as_str().unwrap(), rule["expr"].as_str().unwrap());
        names.insert(alert.to_owned());
        for metric in metrics(expr) {
            assert!(known.contains(&metric), "{alert}: docs/monitor.md has no {metric}");
        }
        for answer in alternatives(expr, "answer").into_iter().filter(|it| !it.ends_with(".+")) {
            let cause = serde_json::from_value::<probe::Cause>(answer.into());
            assert!(cause.is_ok(), "{alert}: there is no answer {answer}");
        }
        for outcome in alternatives(expr, "outcome") {
            let all = ["logged-in", "refused", "throttled", "unreachable", "withheld"];
            assert!(all.contains(&outcome), "{alert}: there is no outcome {outcome}");
        }
        assert!(["critical", "warning"].map(Value::from).contains(&rule["labels"]["severity"]), "{alert}");
        let annotation =
            |name: &str| rule["annotations"][name].as_str().unwrap_or_else(|| panic!("{alert}: no {name}"));
        assert!(!annotation("summary").is_empty() && !annotation("description").is_empty());
        let (_, runbook) = annotation("runbook_url").split_once("/blob/main/").unwrap();
        let (file, section) = runbook.split_once('#').unwrap_or((runbook, ""));
        match (file, section) {
            ("docs/causes.md", section) if section.contains("$labels.cause") => {}
            // One whose page depends on whether there is a cause.
            (file, "{{ $labels.cause }}{{ end }}") => {
                assert!(file.starts_with("docs/causes.md{{ if ne $labels.cause"))
            }
            (file, section) => {
                let heading = |line: &str| {
                    let line = line.trim_start_matches('#').trim().replace('`', "").to_lowercase();
                    line.replace(' ', "-") == section
                };
                let there = text(file).lines().filter(|line| line.starts_with('#')).any(heading);
                assert!(there, "{alert}: {file} has no section {section}");
            }
        }
    }
    for name in &names {
        assert!(page.contains(&format!("`{name}`")), "docs/monitor.md does not explain {name}");
    }
    let dashboard = text("manifests/monitor/components/grafana/dashboard.json");
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    for panel in dashboard["panels"].as_array().unwrap() {
        for metric in
            panel["targets"].as_array().unwrap().iter().flat_map(|it| metrics(it["expr"].as_str().unwrap()))
        {
            assert!(known.contains(&metric), "{}: docs/monitor.md has no {metric}", panel["title"]);
        }
    }
}

pub fn are_the_same_for_the_operator() {
    let path = "manifests/monitor/components/prometheus-operator/prometheusrule.yaml";
    let operators = yaml(path);
    assert_eq!(operators["spec"]["groups"], rules()["groups"], "{path} is not manifests/monitor/rules.yaml");
}
