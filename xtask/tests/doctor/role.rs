//! The Role that the doctor prints where it may read nothing: it holds all that the doctor reads
//! where it may read everything, so that one round is enough.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;

use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::support::{Ended, Lab};

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
    let text = document["goals"][0]["role"].as_str().unwrap();
    let roles = serde_yaml::Deserializer::from_str(text).map(|role| Value::deserialize(role).unwrap());
    let rules = roles.flat_map(|role| {
        let namespace = role["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
        role["rules"].as_array().unwrap().iter().map(|it| (namespace.clone(), it.clone())).collect::<Vec<_>>()
    });
    rules.collect()
}

/// Holds the Role against what the doctor has read of a lab.
#[track_caller]
pub fn suffices(lab: &Lab) {
    let rules = printed(lab);
    let has = |list: &Value, word: &str| list.as_array().unwrap().iter().any(|it| it == word);
    let audit = std::fs::read_to_string(lab.path().join("audit.log")).unwrap();
    let mut read = BTreeSet::new();
    for line in audit.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let text = |field: &str| line[field].as_str().unwrap_or_default().to_owned();
        if text("userAgent").contains("oidc-lab-doctor") {
            read.insert([text("namespace"), text("verb"), text("resource"), text("name")]);
        }
    }
    assert!(read.len() > 10, "{read:?}");
    for asked in &read {
        let [namespace, verb, resource, name] = asked;
        let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
        let grants = |(of, rule): &(String, Value)| {
            let names = &rule["resourceNames"];
            of == namespace
                && has(&rule["apiGroups"], group)
                && has(&rule["resources"], resource)
                && has(&rule["verbs"], verb)
                && (names.is_null() || has(names, name))
        };
        assert!(rules.iter().any(grants), "{asked:?} is in no Role: {rules:#?}");
    }
}
