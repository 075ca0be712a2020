//! The columns that `kubectl get` shows, and what stands in them: the server fills them, the client prints
//! them.

mod age;

use jiff::Timestamp;
use serde_json::{Value, json};

use age::age;

use crate::store::object::{self, items, text};

const NONE: &str = "<none>";

/// The columns of a built-in kind; those of custom kinds have no name here.
pub fn columns(kind: &str) -> Vec<Value> {
    let column = |(heading, _): (&str, Value)| {
        let (wide, name) = heading.strip_prefix('+').map_or((0, heading), |name| (1, name));
        let (number, name) = name.strip_suffix('#').map_or(("string", name), |name| ("integer", name));
        json!({
            "name": name, "type": number, "format": if name == "Name" { "name" } else { "" },
            "description": "", "priority": wide,
        })
    };
    row(kind, &Value::Null, Timestamp::UNIX_EPOCH).into_iter().map(column).collect()
}

/// The cells of one object.
pub fn cells(kind: &str, object: &Value, now: Timestamp) -> Vec<Value> {
    row(kind, object, now).into_iter().map(|(_, cell)| cell).collect()
}

/// Headings and cells of an object. One with `+` is only shown wide; `#` holds a number.
fn row(kind: &str, object: &Value, now: Timestamp) -> Vec<(&'static str, Value)> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let name = ("Name", json!(text(&object["metadata"]["name"])));
    let age_of = ("Age", json!(age(&object["metadata"]["creationTimestamp"], now)));
    match kind {
        "Pod" => {
            let (ready, reason, restarts) = pod(object);
            vec![
                name,
                ("Ready", json!(format!("{ready}/{}", items(&spec["containers"]).count()))),
                ("Status", json!(reason)),
                ("Restarts#", json!(restarts)),
                age_of,
                ("+IP", or_none(text(&status["podIP"]))),
                ("+Node", or_none(text(&spec["nodeName"]))),
            ]
        }
        "Deployment" => {
            let ready = format!("{}/{}", number(&status["readyReplicas"]), number(&spec["replicas"]));
            let row = vec![
                name,
                ("Ready", json!(ready)),
                ("Up-to-date", json!(number(&status["updatedReplicas"]))),
                ("Available", json!(number(&status["availableReplicas"]))),
                age_of,
            ];
            [row, template(spec)].concat()
        }
        "ReplicaSet" => {
            let row = vec![
                name,
                ("Desired#", json!(number(&spec["replicas"]))),
                ("Current#", json!(number(&status["replicas"]))),
                ("Ready#", json!(number(&status["readyReplicas"]))),
                age_of,
            ];
            [row, template(spec)].concat()
        }
        "Service" => vec![
            name,
            ("Type", json!(text(&spec["type"]))),
            ("Cluster-IP", or_none(text(&spec["clusterIP"]))),
            ("External-IP", or_none(text(&spec["externalName"]))),
            ("Port(s)", or_none(service_ports(spec))),
            age_of,
            ("+Selector", or_none(pairs(&spec["selector"]))),
        ],
        "Ingress" => {
            let hosts = joined(items(&spec["rules"]).map(|rule| text(&rule["host"])));
            let addresses = joined(items(&status["loadBalancer"]["ingress"]).map(|it| text(&it["ip"])));
            vec![
                name,
                ("Class", or_none(text(&spec["ingressClassName"]))),
                ("Hosts", json!(if hosts.is_empty() { "*" } else { &hosts })),
                ("Address", json!(addresses)),
                ("Ports", json!(if spec["tls"].is_array() { "80, 443" } else { "80" })),
                age_of,
            ]
        }
        "ConfigMap" => {
            vec![name, ("Data", json!(size(&object["data"]) + size(&object["binaryData"]))), age_of]
        }
        "Secret" => {
            vec![name, ("Type", json!(text(&object["type"]))), ("Data", json!(size(&object["data"]))), age_of]
        }
        "RoleBinding" | "ClusterRoleBinding" => {
            let role = &object["roleRef"];
            let of = |kind: &str| {
                let subjects = items(&object["subjects"]).filter(move |it| it["kind"] == kind);
                json!(subjects.map(|it| text(&it["name"])).collect::<Vec<_>>().join(", "))
            };
            let role = json!(format!("{}/{}", text(&role["kind"]), text(&role["name"])));
            let (users, groups) = (of("User"), of("Group"));
            vec![name, ("Role", role), age_of, ("+Users", users), ("+Groups", groups)]
        }
        "Namespace" => vec![name, ("Status", json!(text(&status["phase"]))), age_of],
        "Node" => {
            let ready = object::condition(object, "Ready").is_some_and(|it| it["status"] == "True");
            vec![
                name,
                ("Status", json!(if ready { "Ready" } else { "NotReady" })),
                ("Roles", json!(NONE)),
                age_of,
                ("Version", json!(text(&status["nodeInfo"]["kubeletVersion"]))),
            ]
        }
        "Event" => {
            let involved = &object["involvedObject"];
            let target = format!("{}/{}", text(&involved["kind"]).to_lowercase(), text(&involved["name"]));
            vec![
                ("Last Seen", json!(age(&object["lastTimestamp"], now))),
                ("Type", json!(text(&object["type"]))),
                ("Reason", json!(text(&object["reason"]))),
                ("Object", json!(target)),
                ("Message", json!(text(&object["message"]).trim())),
                ("+Count", json!(number(&object["count"]))),
                ("+Name", name.1),
            ]
        }
        _ => vec![name, age_of],
    }
}

/// Something to say in place of nothing.
fn or_none(text: impl Into<String>) -> Value {
    Some(text.into()).filter(|it| !it.is_empty()).unwrap_or_else(|| NONE.into()).into()
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

fn size(value: &Value) -> usize {
    value.as_object().map_or(0, serde_json::Map::len)
}

fn joined(values: impl Iterator<Item = impl Into<String>>) -> String {
    values.map(Into::into).collect::<Vec<_>>().join(",")
}

fn pairs(map: &Value) -> String {
    joined(map.as_object().into_iter().flatten().map(|(key, value)| format!("{key}={}", text(value))))
}

/// What a kind's pods are, and how they are found.
fn template(spec: &Value) -> Vec<(&'static str, Value)> {
    let all = |field: &str| joined(items(&spec["template"]["spec"]["containers"]).map(|it| text(&it[field])));
    vec![
        ("+Containers", json!(all("name"))),
        ("+Images", json!(all("image"))),
        ("+Selector", or_none(pairs(&spec["selector"]["matchLabels"]))),
    ]
}

fn service_ports(spec: &Value) -> String {
    joined(items(&spec["ports"]).map(|it| format!("{}/{}", number(&it["port"]), text(&it["protocol"]))))
}

/// How many of a pod's containers are ready, what it does, and how often it began anew.
fn pod(object: &Value) -> (usize, String, i64) {
    let status = &object["status"];
    let mut reason = text(&status["phase"]).to_owned();
    let (mut restarts, mut ready) = (0, 0);
    for container in items(&status["containerStatuses"]).rev() {
        restarts += number(&container["restartCount"]);
        let state = &container["state"];
        if let Some(why) = ["waiting", "terminated"].iter().find_map(|it| state[*it]["reason"].as_str()) {
            reason = why.to_owned();
        } else if container["ready"] == true && state["running"].is_object() {
            ready += 1;
        }
    }
    if object::is_terminating(object) {
        reason = "Terminating".into();
    }
    (ready, reason, restarts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(kind: &str, object: Value) -> Vec<String> {
        let now = "2026-01-01T00:10:00Z".parse().unwrap();
        row(kind, &object, now)
            .into_iter()
            .map(|(_, cell)| cell.as_str().map_or_else(|| cell.to_string(), Into::into))
            .collect()
    }

    #[test]
    fn a_pod_says_what_its_containers_do() {
        let pod = |status: Value, deleted: bool| {
            let mut pod = json!({
                "metadata": {"name": "p", "creationTimestamp": "2026-01-01T00:00:00Z"},
                "spec": {"containers": [{"name": "c"}]}, "status": status,
            });
            if deleted {
                pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
            }
            shown("Pod", pod)[1..4].join(" ")
        };
        let running = json!({"phase": "Running", "containerStatuses": [
            {"ready": true, "restartCount": 2, "state": {"running": {}}},
        ]});
        assert_eq!(pod(running.clone(), false), "1/1 Running 2");
        assert_eq!(pod(running, true), "1/1 Terminating 2");
        let crashing = json!({"phase": "Running", "containerStatuses": [
            {"restartCount": 1, "state": {"waiting": {"reason": "CrashLoopBackOff"}}},
        ]});
        assert_eq!(pod(crashing, false), "0/1 CrashLoopBackOff 1");
        let ended =
            json!({"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"reason": "Error"}}}]});
        assert_eq!(pod(ended, false), "0/1 Error 0");
        assert_eq!(pod(json!({"phase": "Pending"}), false), "0/1 Pending 0");
    }

    #[test]
    fn services_and_ingresses() {
        let service = json!({"metadata": {"name": "s"}, "spec": {
            "type": "ClusterIP", "clusterIP": "10.0.0.1", "selector": {"app": "a"},
            "ports": [{"port": 80, "protocol": "TCP"}, {"port": 443, "protocol": "TCP"}],
        }});
        assert_eq!(
            shown("Service", service),
            ["s", "ClusterIP", "10.0.0.1", NONE, "80/TCP,443/TCP", "<unknown>", "app=a"]
        );
        let ingress =
            json!({"metadata": {"name": "i"}, "spec": {"rules": [{"host": "a.host"}, {"host": "b.host"}]}});
        assert_eq!(shown("Ingress", ingress)[1..5], [NONE, "a.host,b.host", "", "80"]);
    }
}
