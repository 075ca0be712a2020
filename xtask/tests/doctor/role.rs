//! The Role that the doctor prints where it may read nothing: it holds all that the doctor reads
//! where it may read everything, so that one round is enough.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;

use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::elsewhere::in_context;
use crate::support::{Ended, Lab, has};

/// A cluster that lets nobody do anything, for as long as the test runs.
fn denies_all() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            let body = json!({"kind": "Status", "apiVersion": "v1", "code": 403}).to_string();
            let head = "HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nConnection: close";
            let _ = write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        }
    });
    format!("http://{address}")
}

/// The rules of the Roles that are printed, each with its namespace.
fn printed(lab: &Lab) -> Vec<(String, Value)> {
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": denies_all()}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "denied", "context": {"cluster": "c", "user": "u"}}],
    });
    let kubeconfig = lab.file("denied", &kubeconfig.to_string());
    let args = ["--format", "json", "doctor", "--context", "denied", "--provider-namespace", "dex"];
    let ended = Ended::of(lab.command(&args).env("KUBECONFIG", kubeconfig));
    assert_eq!(ended.status, 3, "{ended}");
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    rules(document["goals"][0]["role"].as_str().unwrap())
}

/// The rules of Roles, each with its namespace.
fn rules(text: &str) -> Vec<(String, Value)> {
    let roles = serde_yaml::Deserializer::from_str(text).map(|role| Value::deserialize(role).unwrap());
    let rules = roles.flat_map(|role| {
        let namespace = role["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
        role["rules"].as_array().unwrap().iter().map(|it| (namespace.clone(), it.clone())).collect::<Vec<_>>()
    });
    rules.collect()
}

/// A request of the doctor's, as far as a Role is about it: namespace, verb, resource, name.
type Asked = [String; 4];

/// What the doctor asked, and whether each time it might; but for the first lines of the record.
fn asked(lab: &Lab, after: usize) -> BTreeSet<(Asked, bool)> {
    let audit = std::fs::read_to_string(lab.path().join("audit.log")).unwrap();
    let lines = audit.lines().skip(after).map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of_doctor = lines.filter(|line| line["userAgent"].as_str().unwrap().contains("oidc-lab-doctor"));
    let read = |line: Value| {
        let asked = ["namespace", "verb", "resource", "name"]
            .map(|field| line[field].as_str().unwrap_or_default().to_owned());
        (asked, line["code"] != 403)
    };
    of_doctor.map(read).collect()
}

/// Whether a rule of a Role in a namespace grants a request.
fn grants((of, rule): &(String, Value), [namespace, verb, resource, name]: &Asked) -> bool {
    let has = |list: &Value, word: &str| list.as_array().unwrap().iter().any(|it| it == word);
    let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
    of == namespace
        && has(&rule["apiGroups"], group)
        && has(&rule["resources"], resource)
        && has(&rule["verbs"], verb)
        && (rule["resourceNames"].is_null() || has(&rule["resourceNames"], name))
}

/// Holds the Role against what the doctor has read of a lab.
#[track_caller]
pub fn suffices(lab: &Lab) {
    let (rules, read) = (printed(lab), asked(lab, 0));
    assert!(read.len() > 10, "{read:?}");
    for (asked, _) in &read {
        assert!(rules.iter().any(|rule| grants(rule, asked)), "{asked:?} is in no Role: {rules:#?}");
    }
}

#[test]
fn a_colleague_with_the_printed_role_and_no_other_right_is_told_what_the_admin_is() {
    const READER: &str = "oidc-lab-reader";
    let test = "a_colleague_with_the_printed_role_and_no_other_right_is_told_what_the_admin_is";
    if !has("kubectl", test) {
        return;
    }
    let lab = Lab::new();
    lab.expect(0, &["working"]);
    // Two servers are each met alone, which takes all rights.
    lab.kubectl(&["-n", "argocd", "scale", "deploy/argocd-server", "--replicas=2"]);
    lab.kubectl(&["-n", "argocd", "rollout", "status", "deploy/argocd-server", "--timeout=60s"]);
    lab.expect(0, &["break"]);
    let dex = ["--provider-namespace", "dex"];
    let told = |document: &Value| {
        let goal = &document["goals"][0];
        let findings = goal["findings"].as_array().unwrap().iter();
        (findings.map(|it| json!([it["id"], it["certainty"]])).collect::<Vec<_>>(), goal["could_not"].clone())
    };
    // Without any right it says what it could not look at; from outside something can still be told.
    let (exit, document) = in_context(&lab, READER, &dex);
    assert_eq!((exit, told(&document).0), (3, vec![]), "{document:#}");
    let lacking = document["goals"][0]["could_not"].as_array().unwrap().iter();
    assert!(lacking.filter(|it| it["right"].is_string()).count() > 8, "{document:#}");
    let (exit, document) = in_context(&lab, READER, &["--url", "http://argocd.host"]);
    assert_eq!((exit, told(&document).0), (1, vec![json!(["stale-argocd", "possible"])]), "{document:#}");

    let (exit, document) = in_context(&lab, "oidc-lab", &dex);
    let of_admin = told(&document);
    assert_eq!((exit, of_admin.0.clone()), (1, vec![json!(["stale-argocd", "certain"])]), "{document:#}");
    let (_, document) = in_context(&lab, "oidc-lab", &["--provider-namespace", "dex", "--print-role"]);
    let roles = document["goals"][0]["role"].as_str().unwrap();
    lab.kubectl(&["apply", "-f", lab.file("roles.yaml", roles).to_str().unwrap()]);
    let bindings: Vec<&str> = roles.lines().filter_map(|line| line.strip_prefix("# kubectl ")).collect();
    assert_eq!(bindings.len(), 2, "one for each namespace: {roles}");
    for binding in bindings {
        lab.kubectl(&binding.replace("NAME", READER).split(' ').collect::<Vec<_>>());
    }
    let before = std::fs::read_to_string(lab.path().join("audit.log")).unwrap().lines().count();
    let (exit, document) = in_context(&lab, READER, &dex);
    assert_eq!((exit, told(&document)), (1, of_admin.clone()), "{document:#}");
    let (exit, document) = in_context(&lab, "oidc-lab", &[&dex[..], &["--as", READER]].concat());
    assert_eq!((exit, told(&document)), (1, of_admin), "{document:#}");
    // It was refused nothing, and nothing is granted that it does not use.
    let read = asked(&lab, before);
    assert!(read.iter().all(|(_, might)| *might), "{read:#?}");
    for (namespace, rule) in rules(roles) {
        let names = rule["resourceNames"].as_array().cloned().unwrap_or_else(|| vec![Value::Null]);
        for name in names {
            let mut one = (namespace.clone(), rule.clone());
            one.1["resourceNames"] = if name.is_null() { name } else { json!([name]) };
            assert!(read.iter().any(|(asked, _)| grants(&one, asked)), "{one:?} is not used: {read:#?}");
        }
    }
    // The lab's second user may still do nothing else.
    let ended = lab.run(&["kubectl", "--", "--context", READER, "-n", "argocd", "get", "secrets"]);
    assert_ne!(ended.status, 0, "{ended}");
    let words = "User \"oidc-lab-reader\" cannot list resource \"secrets\"";
    assert!(ended.stderr.contains(words), "{ended}");
}
