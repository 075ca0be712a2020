//! Reports of runs that were made in earnest: every file against the schema of its kind, the page
//! and the drawings as they were looked at, and what a folder may hold.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::fs;

use base::Exit;
use serde_json::{Value, json};
use support::{FIXTURES, document, files, fixture, is_har, is_junit, pictures, written};

#[test]
fn a_report_is_made_again_from_its_own_file() {
    for name in FIXTURES {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("new/report");
        report::check(&dir).unwrap();
        assert!(!dir.exists(), "a check makes nothing");
        report::write(&dir, &document(name)).unwrap();
        let first = files(&dir);
        assert_eq!(serde_json::from_str::<Value>(&first.run).unwrap(), document(name), "{name}");
        let other = folder.path().join("other");
        for (into, dir) in [(None, &dir), (Some(other.as_path()), &other)] {
            assert_eq!(report::again(&folder.path().join("new/report/run.json"), into).unwrap().0, *dir);
            let again = files(dir);
            assert_eq!((again.page, again.junit), (first.page.clone(), first.junit.clone()), "{name}");
            assert_eq!((again.har, again.run), (first.har.clone(), first.run.clone()), "{name}");
        }
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 4, "nothing else is left");
    }
}

#[test]
fn other_programs_read_what_is_for_them() {
    for name in FIXTURES {
        let files = written(&document(name));
        is_junit(&files.junit);
        is_har(&files.har);
        let drawings = pictures(&document(name));
        assert!(!drawings.is_empty(), "{name}");
        for (file, svg) in drawings {
            let svg = roxmltree::Document::parse(&svg).unwrap_or_else(|error| panic!("{file}: {error}"));
            assert!(svg.descendants().any(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "title"))));
        }
    }
}

#[test]
fn the_texts_of_a_report_are_as_they_were_looked_at() {
    for name in FIXTURES {
        let files = written(&document(name));
        insta::assert_snapshot!(format!("{name}.txt"), seen(&files.page));
        insta::assert_snapshot!(format!("{name}.xml"), files.junit);
    }
    insta::assert_snapshot!("summary.md", report::markdown(&document("broken-test")));
    insta::assert_snapshot!("summary-matrix.md", report::markdown(&document("matrix")));
}

#[test]
fn the_drawings_are_as_they_were_looked_at() {
    for (name, file) in [
        ("broken-test", "2-test-login-1.svg"),
        ("broken-test", "1-broken-steps.svg"),
        ("mixed", "1-test-login-2.svg"),
        ("mixed", "1-test-latency.svg"),
    ] {
        let drawn = pictures(&document(name));
        let names: Vec<&str> = drawn.iter().map(|(name, _)| name.as_str()).collect();
        let (_, svg) =
            drawn.iter().find(|(name, _)| name == file).unwrap_or_else(|| panic!("{file}: {names:?}"));
        insta::assert_snapshot!(file, svg.replace("><", ">\n<"));
    }
}

#[test]
fn the_har_has_a_page_for_each_login_and_its_exchanges_in_their_time() {
    let har: Value = serde_json::from_str(&written(&document("mixed")).har).unwrap();
    let log = &har["log"];
    let titles: Vec<_> = log["pages"].as_array().unwrap().iter().map(|page| page["title"].clone()).collect();
    assert_eq!(titles, ["login 2: failed at callback", "login 1: logged in"]);
    let entries = log["entries"].as_array().unwrap();
    let began: Vec<&str> =
        entries[..8].iter().map(|entry| entry["startedDateTime"].as_str().unwrap()).collect();
    assert!(began.is_sorted(), "{began:?}");
    let last = &entries[7];
    assert_eq!(last["pageref"], "login_1");
    assert_eq!(last["request"]["cookies"], json!([{"name": "argocd.oauthstate", "value": "…"}]));
    assert_eq!(last["response"]["status"], 500);
    let said = last["response"]["content"]["text"].as_str().unwrap();
    assert!(said.contains("invalid_client"), "{said}");
    assert!(last["request"]["url"].as_str().unwrap().ends_with("?code=%E2%80%A6&state=%E2%80%A6"), "{last}");
}

#[test]
fn what_only_a_server_sees_is_drawn_where_the_answer_proves_it() {
    let drawn = |run: &Value| pictures(run).remove(0).1;
    let run = document("probe");
    let unseen = "not seen from here";
    assert!(drawn(&run).contains(unseen) && drawn(&run).contains(">invalid_client<"));
    for (step, answer) in
        [("login", "sso-off"), ("callback", "state-cookie-lost"), ("form", "wrong-password")]
    {
        let mut run = run.clone();
        run["traces"][0]["failure"]["answer"] = answer.into();
        run["traces"][0]["failure"]["step"] = step.into();
        assert!(!drawn(&run).contains(unseen), "{answer} proves no call of Argo CD's");
    }
    // A login of the command line redeems its code itself.
    let mut run = run.clone();
    run["traces"][0]["exchanges"][7]["step"] = "token".into();
    assert!(!drawn(&run).contains(unseen));
}

#[test]
fn an_answer_that_could_not_be_read_is_not_called_none() {
    let mut run = document("probe");
    run["traces"][0]["exchanges"][7]["status"] = Value::Null;
    for (answer, said) in [("too-large", ">no answer that can be read · "), ("refused", ">no answer · ")] {
        run["traces"][0]["failure"]["answer"] = answer.into();
        assert!(pictures(&run).remove(0).1.contains(said), "{answer}");
    }
}

#[test]
fn the_last_test_decides_what_is_said_and_an_error_goes_before_it() {
    let entry = |verdict: &str, ok: u64| {
        json!({"goal": "test", "verdict": verdict, "expected": "logged-in", "logins": {"total": 5, "ok": ok, "failed": 5 - ok},
        "failures": if ok == 5 { json!([]) } else { json!([{"step": "callback", "status": 500, "message": "no", "count": 5 - ok}]) }})
    };
    let headline = |run: &Value| {
        let page = written(run).page;
        page.split_once("<h1>").unwrap().1.split_once("</h1>").unwrap().0.to_owned()
    };
    let mut run = json!({"goals": [{"goal": "working"}, entry("refused", 0), {"goal": "fix"}, entry("logged-in", 5), {"goal": "status"}], "exit": 0});
    assert_eq!(headline(&run), "All 5 logins passed.");
    run["goals"] = json!([entry("logged-in", 5), {"goal": "break"}, entry("mixed", 2)]);
    assert_eq!(headline(&run), "2 of 5 logins passed and 3 failed at callback with 500: no.");
    run["goals"][2]["verdict"] = "refused".into();
    run["goals"][2]["expected"] = "refused".into();
    assert!(headline(&run).contains("as was expected"), "{}", headline(&run));
    run["exit"] = 3.into();
    run["error"] = "no lab is up (hint: `cargo xtask working` brings one up)".into();
    assert_eq!(
        headline(&run),
        "The run ended with an error (exit 3): no lab is up (hint: `cargo xtask working` brings one up)"
    );
    assert!(written(&run).junit.contains("<error message=\"no lab is up"));
    assert_eq!(headline(&json!({"goals": [], "exit": 0})), "Nothing was done.");
}

#[test]
fn logins_that_were_watched_are_no_test_without_logins() {
    let refused = json!({"step": "callback", "status": 500, "message": "no <secret>"});
    let entry = json!({"goal": "test", "ms": 6000, "steps": [], "end": "limit", "outcome": "refused",
        "logins": {"total": 6, "ok": 2, "failed": 4}, "changes": [
            {"at": "2026-01-02T03:04:05Z", "login": 1, "outcome": "logged-in"},
            {"at": "2026-01-02T03:04:07Z", "login": 3, "outcome": "refused", "failure": refused}]});
    let mut run = json!({"goals": [entry], "exit": 1});
    let report = written(&run);
    let said = "2 of 6 logins passed, one after another; the last one was refused at callback with 500";
    assert!(report.page.contains(said) && report.page.contains("2026-01-02T03:04:07Z"), "{}", report.page);
    assert!(report.junit.contains("failures=\"1\"") && !report.page.contains("No login"), "{}", report.junit);
    run["goals"][0]["end"] = "reached".into();
    run["exit"] = 0.into();
    assert!(written(&run).junit.contains("failures=\"0\""));
}

#[test]
fn nothing_that_is_not_a_reports_is_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let refused = |path: &std::path::Path| {
        let error = report::check(path).unwrap_err();
        assert_eq!(error.exit, Exit::Environment);
        assert!(report::write(path, &document("probe")).is_err());
        error.message().to_owned()
    };
    fs::write(dir.join("junit.xml"), "<mine/>").unwrap();
    assert!(refused(dir).contains("holds junit.xml, and not from a report"));
    fs::write(dir.join("run.json"), r#"{"scripts": {}}"#).unwrap();
    assert!(refused(dir).contains("holds run.json, junit.xml"));
    assert!(refused(&dir.join("junit.xml")).contains("is not a folder"));
    assert!(refused(&dir.join("junit.xml/below")).contains("is not a folder"));
    assert_eq!(fs::read_to_string(dir.join("junit.xml")).unwrap(), "<mine/>");
    fs::write(dir.join("run.json"), r#"{"goals": [], "exit": 0}"#).unwrap();
    report::check(dir).unwrap();
    fs::remove_file(dir.join("junit.xml")).unwrap();
    std::os::unix::fs::symlink("/dev/null", dir.join("junit.xml")).unwrap();
    refused(dir);
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("notes.txt"), "mine").unwrap();
    report::write(other.path(), &document("probe")).unwrap();
    assert_eq!(fs::read_to_string(other.path().join("notes.txt")).unwrap(), "mine");
}

#[test]
fn a_file_that_is_no_run_is_said_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("it.json");
    for (content, said) in [
        (&b"{"[..], "is no JSON: EOF"),
        (b"\xff\x00\xc0", "is no text"),
        (b"[]", "is JSON, but not the document of a run"),
        (br#"{"goals": 3}"#, "is JSON, but not the document of a run"),
        (b"{\"goals\": [{\"ms\": 1e999}]}", "is no JSON: number out of range"),
        ("[".repeat(100_000).as_bytes(), "is no JSON: recursion limit"),
    ] {
        fs::write(&path, content).unwrap();
        let error = report::again(&path, None).unwrap_err();
        assert_eq!(error.exit, Exit::Environment);
        assert!(error.message().contains(said), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is written");
    }
    let error = report::again(&folder.path().join("none.json"), None).unwrap_err();
    assert!(error.message().contains("none.json cannot be read"), "{error}");
    // As PowerShell's `>` writes it.
    let text = fs::read_to_string(fixture("probe")).unwrap();
    let bytes: Vec<u8> =
        "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    fs::write(&path, bytes).unwrap();
    assert_eq!(report::again(&path, None).unwrap().0, folder.path());
}

/// What a page shows, without its style, its drawings and its marks.
fn seen(page: &str) -> String {
    let mut page = page.to_owned();
    for (from, to) in [("<style>", "</style>"), ("<svg", "</svg>")] {
        while let Some(begin) = page.find(from) {
            let end = page[begin..].find(to).unwrap() + begin + to.len();
            page.replace_range(begin..end, "");
        }
    }
    let mut text = String::new();
    for part in page.split('<') {
        let (_, after) = part.split_once('>').unwrap_or(("", part));
        let after = after.trim();
        if !after.is_empty() {
            text += after;
            text.push('\n');
        }
    }
    text
}
