//! Both stories of the post, on the local lab, for a release of each era.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{Lab, has};

#[test]
fn working_test_logs_in() {
    let lab = Lab::new();
    let ended = lab.expect(0, &["working", "test"]);
    assert!(ended.stdout.contains("logged-in: 5 of 5 logged in"), "{ended}");
    for step in ["settings", "login", "authorize", "form", "callback", "userinfo"] {
        assert!(ended.stdout.contains(step), "{step}: {ended}");
    }
    assert!(ended.stderr.contains("argocd v3.3.6 (stand-in"), "what is a stand-in is named as one: {ended}");
}

#[test]
fn broken_test_is_refused_at_callback_with_argo_cds_own_words() {
    let lab = Lab::new();
    let ended = lab.expect(1, &["broken", "test"]);
    assert!(ended.stdout.contains("refused at callback: 0 of 5 logged in"), "{ended}");
    let words = r#"500 failed to get token: oauth2: "invalid_client" "Invalid client credentials.""#;
    assert!(ended.stdout.contains(words), "{ended}");
    assert!(ended.stdout.contains("next: cargo xtask fix test"), "{ended}");
    let ended = lab.expect(0, &["broken", "fix", "test"]);
    assert!(ended.stdout.contains("logged-in: 5 of 5"), "{ended}");
}

#[test]
fn goals_one_after_another_find_the_lab_again() {
    let lab = Lab::new();
    lab.expect(0, &["working", "test"]);
    let pid = lab.pid();
    lab.expect(0, &["break"]);
    lab.expect(1, &["test"]);
    lab.expect(0, &["test", "--expect", "refused"]);
    lab.expect(0, &["fix"]);
    lab.expect(0, &["test"]);
    assert_eq!(lab.pid(), pid);
    // Twice does no harm, and mends what `break` left.
    lab.expect(0, &["break", "working", "working", "test"]);
    lab.expect(0, &["down"]);
    assert!(!lab.path().exists());
    lab.expect(3, &["test"]);
}

#[test]
fn a_watch_sees_what_another_run_does_to_the_lab() {
    let lab = Lab::new();
    lab.expect(0, &["working"]);
    let ended = std::thread::scope(|scope| {
        let watch = scope.spawn(|| lab.json(0, &["test", "--watch", "--expect", "refused"]));
        lab.expect(0, &["break"]);
        watch.join().unwrap()
    });
    let goal = &ended["goals"][0];
    assert_eq!(
        (goal["outcome"].as_str(), goal["end"].as_str()),
        (Some("refused"), Some("reached")),
        "{goal:#}"
    );
    // Dex is started anew: a login that was under way then ends at its form.
    let last = goal["changes"].as_array().unwrap().last().unwrap();
    assert!(["form", "callback"].iter().any(|step| last["failure"]["step"] == *step), "{last:#}");
    let ended = lab.expect(1, &["test", "--watch", "--wait", "1"]);
    assert!(ended.stdout.contains("Z refused at callback 500: failed to get token"), "{ended}");
    lab.expect(0, &["fix", "test", "--watch", "--expect", "logged-in", "--wait", "60"]);
    lab.expect(2, &["test", "--watch", "--expect", "mixed"]);
    lab.expect(2, &["test", "status", "--watch"]);
}

/// The verdicts after `break` and after `broken`.
#[track_caller]
fn stories_of(release: &str, expected: &str) {
    let lab = Lab::new();
    let document = lab.json(0, &["--argocd", release, "reproduce"]);
    let goal = &document["goals"][0];
    let verdicts: Vec<(&str, &str)> = goal["stories"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row: &Value| (row["after"].as_str().unwrap(), row["verdict"].as_str().unwrap()))
        .collect();
    let wanted = [
        ("working", "logged-in"),
        ("break", expected),
        ("fix", "logged-in"),
        ("broken", expected),
        ("fix", "logged-in"),
    ];
    assert_eq!(verdicts, wanted, "{release}");
    assert_eq!(document["argocd"]["version"], release);
    assert_eq!(document["argocd"]["kind"], "stand-in");
}

/// Where the logins after each act failed.
fn refusals(goal: &Value) -> Vec<Value> {
    goal["stories"].as_array().unwrap().iter().map(|row| row["refusals"].clone()).collect()
}

#[test]
fn a_refusal_counts_as_known_only_where_it_is_known() {
    let lab = Lab::new();
    let goal = lab.json(0, &["reproduce"])["goals"][0].clone();
    let secret = serde_json::json!([{"step": "callback", "answer": "invalid-client"}]);
    let none = serde_json::json!([]);
    assert_eq!(refusals(&goal), [&none, &secret, &none, &secret, &none].map(Clone::clone), "{goal:#}");
    assert_eq!((&goal["stories"][1]["known_refusals"], &goal["as_known"]), (&secret, &true.into()));

    if !has("kubectl", "a_refusal_counts_as_known_only_where_it_is_known") {
        return;
    }
    // By hand: what browsers are sent to is answered by another server than Dex.
    lab.expect(0, &["working"]);
    let ingress = lab.file(
        "ingress.yaml",
        r#"
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: astray, namespace: argocd}
spec:
  rules:
  - host: dex.host
    http:
      paths:
      - {path: /auth, pathType: Prefix, backend: {service: {name: argocd-server, port: {number: 80}}}}
"#,
    );
    lab.kubectl(&["apply", "-f", ingress.to_str().unwrap()]);
    let ended = lab.expect(1, &["--format", "json", "reproduce"]);
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    let goal = &document["goals"][0];
    assert_eq!(goal["as_known"], false);
    for (row, after) in [(&goal["stories"][1], "break"), (&goal["stories"][3], "broken")] {
        assert_eq!((&row["after"], &row["verdict"]), (&after.into(), &"refused".into()), "{row:#}");
        assert_eq!(row["refusals"][0]["step"], "authorize", "{row:#}");
        assert_eq!((&row["known"], &row["as_known"]), (&"refused".into(), &false.into()), "{row:#}");
    }
    let words = ended.stderr.lines().find(|line| line.trim_start().starts_with("break ")).unwrap();
    assert!(words.contains("refused at authorize (") && words.ends_with("NO"), "{ended}");
}

#[test]
fn never_before_2_3() {
    stories_of("v2.2.16", "refused");
}

#[test]
fn both_answer_up_to_2_13() {
    stories_of("v2.12.1", "mixed");
}

#[test]
fn reloads_from_2_14() {
    stories_of("v2.14.11", "logged-in");
}

#[test]
fn reloads_up_to_3_2() {
    stories_of("v3.2.6", "logged-in");
}

#[test]
fn never_in_3_3() {
    stories_of("v3.3.0", "refused");
    stories_of("v3.3.6", "refused");
}

#[test]
fn reloads_again_from_3_3_7() {
    stories_of("v3.3.7", "logged-in");
    stories_of("v3.5.1", "logged-in");
}

#[test]
fn a_first_start_on_an_empty_secret_loses_sso_in_3_3_6_only() {
    let lab = Lab::new();
    lab.expect(0, &["working", "break", "--fault", "first-start"]);
    let ended = lab.expect(1, &["test"]);
    assert!(ended.stdout.contains("404 404 page not found"), "{ended}");
    assert!(ended.stdout.contains("refused at login: 0 of 5 logged in"), "{ended}");
    lab.expect(0, &["fix", "test"]);
    for release in ["v2.12.1", "v3.2.12", "v3.4.7", "v3.5.1"] {
        lab.expect(
            0,
            &["--argocd", release, "--logins", "5", "working", "break", "--fault", "first-start", "test"],
        );
    }
}

#[test]
fn a_lab_keeps_its_release_until_another_is_named() {
    let lab = Lab::new();
    lab.expect(0, &["--argocd", "v3.5.1", "working"]);
    assert_eq!(lab.json(0, &["working"])["argocd"]["version"], "v3.5.1");
    assert_eq!(lab.json(0, &["--argocd", "v3.3.6", "working"])["argocd"]["version"], "v3.3.6");
}

#[test]
fn the_json_document_has_what_scripts_rely_on() {
    let lab = Lab::new();
    let document = lab.json(1, &["broken", "test"]);
    assert_eq!(document["lab"], "local");
    assert_eq!(
        document["argocd"],
        serde_json::json!({"version": "v3.3.6", "kind": "stand-in", "era": "never", "because": "the servers restart, but with the client app that was made when the process started"})
    );
    assert_eq!(document["dex"]["kind"], "stand-in");
    assert_eq!(document["exit"], 1);
    let [broken, test] = document["goals"].as_array().unwrap().as_slice() else { panic!("{document:#}") };
    assert_eq!(broken["goal"], "broken");
    assert!(broken["steps"].as_array().unwrap().iter().all(|step| step["ms"].is_number()), "{broken:#}");
    assert_eq!(
        (&test["goal"], &test["verdict"], &test["expected"]),
        (&"test".into(), &"refused".into(), &"logged-in".into())
    );
    assert_eq!(test["logins"], serde_json::json!({"total": 5, "ok": 0, "failed": 5}));
    let failure = &test["failures"][0];
    assert_eq!(
        (&failure["step"], &failure["status"], &failure["count"]),
        (&"callback".into(), &500.into(), &5.into())
    );
    for number in ["min", "median", "p95", "max"] {
        assert!(test["latency_ms"][number].is_number(), "{test:#}");
    }
    let status = &lab.json(0, &["status"])["goals"][0];
    assert_eq!(status["hosts"], serde_json::json!({"argocd": "argocd.host", "dex": "dex.host"}));
    assert_eq!((&status["user"], &status["password"]), (&"admin@example.com".into(), &"password".into()));
    assert_eq!(status["namespaces"], serde_json::json!(["argocd", "dex", "ingress"]));
    assert!(status["address"].as_str().unwrap().starts_with("127.0.0.1:"));
    assert!(std::path::Path::new(status["kubeconfig"].as_str().unwrap()).is_file());
}

#[test]
fn what_a_release_does_that_nobody_looked_at_is_said_to_be_assumed() {
    let lab = Lab::new();
    let ended = lab.expect(0, &["--argocd", "v3.9.0", "working"]);
    let assumed = "era: reloads (assumed: v3.9.0 is no release that this program knows), dex";
    assert!(ended.stderr.contains(assumed), "{ended}");
    let ended = lab.expect(0, &["--argocd", "v3.5.1", "working"]);
    assert!(ended.stderr.contains("era: reloads, dex"), "{ended}");
}

/// What a request is about, without how often it was made.
fn about(request: &Value) -> [String; 4] {
    ["verb", "resource", "namespace", "name"]
        .map(|field| request[field].as_str().unwrap_or_default().to_owned())
}

/// What this program has asked of the lab's cluster since a line of its audit; `reads` or not.
fn asked(lab: &Lab, since: usize, reads: bool) -> BTreeSet<[String; 4]> {
    let audit = std::fs::read_to_string(lab.path().join("audit.log")).unwrap_or_default();
    let lines = audit.lines().skip(since).map(|line| serde_json::from_str::<Value>(line).unwrap());
    let own = lines.filter(|line| line["userAgent"].as_str().unwrap_or_default().starts_with("oidc-lab/"));
    let is_read = |about: &[String; 4]| ["get", "list", "watch"].contains(&about[0].as_str());
    own.map(|line| about(&line)).filter(|about| is_read(about) == reads).collect()
}

/// `rotate` too: its release reloads nothing, so that all its steps are there.
#[test]
fn what_a_dry_run_prints_is_what_is_asked_of_the_cluster() {
    printed_is_asked("dex", Some("rotate"));
    printed_is_asked("bundled", None);
}

#[track_caller]
fn printed_is_asked(provider: &str, command: Option<&'static str>) {
    let lab = Lab::new();
    let goals = ["working", "break", "fix", "broken", "fix", "test"];
    let with = ["--provider", provider];
    let document = lab.json(0, &[&with[..], &["--dry-run"], &goals[..]].concat());
    assert!(!lab.path().exists(), "nothing is touched");
    let (mut needed, mut made) = (BTreeSet::new(), BTreeSet::new());
    let plans = goals.iter().zip(document["goals"].as_array().unwrap().clone());
    let alone = command.iter().map(|command| (command, Value::Null));
    for (goal, mut plan) in plans.chain(alone) {
        if plan.is_null() {
            plan = lab.json(0, &["--dry-run", goal])["goals"][0].clone();
        }
        let since = std::fs::read_to_string(lab.path().join("audit.log")).unwrap_or_default().lines().count();
        lab.expect(0, &[with[0], with[1], goal]);
        let (changes, reads) = (asked(&lab, since, false), asked(&lab, since, true));
        let steps = plan["plan"].as_array().unwrap();
        let printed: Vec<&Value> =
            steps.iter().flat_map(|step| step["requests"].as_array().unwrap()).collect();
        let unprinted: Vec<_> =
            changes.iter().filter(|it| !printed.iter().any(|printed| about(printed) == **it)).collect();
        assert!(unprinted.is_empty(), "{goal} does what it did not say: {unprinted:?}");
        for request in printed {
            let [verb, resource, namespace, name] = about(request);
            if verb == "watch" {
                assert!(reads.iter().any(|it| it[1] == resource && it[2] == namespace), "{goal}: {request}");
            } else if request["if_needed"] == true {
                needed.insert([verb, resource, namespace, name]);
            } else {
                assert!(changes.contains(&about(request)), "{goal} does not do what it said: {request}");
            }
        }
        made.extend(changes);
    }
    assert!(needed.is_subset(&made), "nobody needed {:?}", needed.difference(&made).collect::<Vec<_>>());
}
