//! The matrix with stand-ins: the same labs, the same table; never on the page.

use serde_json::json;

use crate::support::Lab;

#[test]
fn a_table_for_people_and_one_for_each_kind_of_program() {
    let lab = Lab::new();
    let (markdown, junit) = (lab.file("table.md", ""), lab.file("table.xml", ""));
    let args = ["--logins", "5", "matrix", "v3.3.6", "v3.5.1"];
    let files = ["--markdown", markdown.to_str().unwrap(), "--junit", junit.to_str().unwrap()];
    let ended = lab.expect(0, &[&args[..], &files].concat());
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let table: Vec<Vec<String>> = ended.stdout.lines().map(words).collect();
    assert_eq!(table[0][..3], ["release", "program", "era"], "{ended}");
    let row = |release: &str| {
        table.iter().find(|row| row[0] == release).unwrap_or_else(|| panic!("{ended}")).join(" ")
    };
    let all = "logged-in 5/5 refused 0/5 refused 0/5 logged-in 15/15 refused 0/5 yes";
    assert_eq!(row("v3.3.6"), format!("v3.3.6 stand-in never {all}"));
    let all = "logged-in 5/5 logged-in 5/5 logged-in 5/5 logged-in 15/15 logged-in 5/5 yes";
    assert_eq!(row("v3.5.1"), format!("v3.5.1 stand-in reloads {all}"));
    let markdown = std::fs::read_to_string(markdown).unwrap();
    assert!(markdown.contains("| v3.3.6 | stand-in | never | logged-in 5/5 | refused 0/5 |"), "{markdown}");
    let junit = std::fs::read_to_string(junit).unwrap();
    assert_eq!(junit.matches("<testsuite name=\"argocd ").count(), 2, "{junit}");
    assert!(!junit.contains("<failure") && !junit.contains("<error"), "{junit}");
    assert!(!lab.path().exists(), "its labs are its own, and gone");
}

#[test]
fn a_server_of_two_minds_is_asked_until_both_were_heard() {
    let lab = Lab::new();
    let ended = lab.expect(0, &["matrix", "v2.12.1"]);
    let row = ended.stdout.lines().find(|line| line.starts_with("v2.12.1 ")).unwrap();
    assert_eq!(row.matches(" mixed ").count(), 2, "{ended}");
    assert!(row.contains("logged-in 20/20") && row.ends_with(" yes"), "{ended}");
    assert!(ended.stdout.contains("up to 100 until both are seen"), "{ended}");
}

#[test]
fn the_json_document_has_what_scripts_rely_on() {
    let lab = Lab::new();
    let document = lab.json(0, &["--logins", "5", "matrix", "v3.3.6", "--jobs", "1"]);
    assert_eq!((&document["lab"], &document["exit"]), (&json!("local"), &json!(0)));
    let goal = &document["goals"][0];
    assert_eq!(goal["goal"], "matrix");
    let row = &goal["releases"][0];
    let wanted = json!({
        "version": "v3.3.6", "kind": "stand-in", "era": "never", "working": "logged-in", "break": "refused",
        "broken": "refused", "fix": "logged-in", "first_start": "refused", "as_known": true,
    });
    for (field, value) in wanted.as_object().unwrap() {
        assert_eq!(&row[field], value, "{field}: {row:#}");
    }
    assert_eq!(row["logins"]["break"], json!({"total": 5, "ok": 0, "failed": 5}));
    assert_eq!(row["refusals"]["break"], json!([{"step": "callback", "answer": "invalid-client"}]));
    assert_eq!(
        (&row["refusals"]["first_start"][0]["step"], &row["refusals"]["fix"]),
        (&json!("login"), &json!([]))
    );
}

#[test]
fn no_release_at_all_is_no_error() {
    let document = Lab::new().json(0, &["--logins", "5", "matrix", "new"]);
    let rows = &document["goals"][0]["releases"];
    assert_eq!(*rows, json!([]), "nothing came out since, for a program that asks nobody");
}

#[test]
fn a_bisection_finds_both_neighbours() {
    let lab = Lab::new();
    let bisect = |status: i32, range: &str| {
        let document = lab.json(status, &["--logins", "5", "matrix", "--bisect", range, "--story", "break"]);
        document["goals"][0].clone()
    };
    // Both ends reload; what lies between does not.
    let goal = bisect(0, "v3.2.11..v3.3.7");
    assert_eq!((&goal["before"], &goal["after"]), (&json!("v3.2.12"), &json!("v3.3.0")), "{goal:#}");
    let looked_at = goal["releases"].as_array().unwrap().len();
    assert!(looked_at < 10, "not every release was tried: {looked_at}");
    let goal = bisect(1, "v3.3.7..v3.3.8");
    assert_eq!((&goal["before"], &goal["after"]), (&json!(null), &json!(null)), "{goal:#}");
}

#[test]
fn what_cannot_be_run_is_a_row_and_what_is_unknown_wrong_usage() {
    let lab = Lab::new();
    let ended = lab.expect(3, &["--logins", "5", "matrix", "/nowhere/argocd", "v3.3.7"]);
    assert!(ended.stdout.contains("argocd: --argocd-bin /nowhere/argocd is not there"), "{ended}");
    assert!(ended.stdout.contains("v3.3.7"), "the others are measured: {ended}");
    lab.expect(2, &["matrix", "v9.9.x"]);
    lab.expect(3, &["matrix", "--argocd-bins", "/nowhere"]);
    let ended = lab.expect(2, &["compare"]);
    assert!(ended.error().contains("nothing real to compare"), "{ended}");
}
