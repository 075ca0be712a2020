//! What stands in the columns of the built-in kinds, as kube-apiserver fills them.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::age;

const NONE: &str = "<none>";
const UNKNOWN: &str = "<unknown>";

pub(super) fn cells(kind: &str, object: &Value, now: Timestamp) -> Vec<Value> {
    let name = text(&object["metadata"]["name"]);
    let created = since(&object["metadata"]["creationTimestamp"], now);
    let (spec, status) = (&object["spec"], &object["status"]);
    let row: Vec<Value> = match kind {
        "Pod" => return pod(object, now),
        "Event" => return event(object, now),
        "Deployment" => {
            let ready = format!("{}/{}", number(&status["readyReplicas"]), number(&spec["replicas"]));
            let (updated, available) =
                (number(&status["updatedReplicas"]), number(&status["availableReplicas"]));
            let (containers, images) = containers(spec);
            vec![
                json!(name),
                json!(ready),
                json!(updated),
                json!(available),
                json!(created),
                json!(containers),
                json!(images),
                json!(selector(&spec["selector"])),
            ]
        }
        "ReplicaSet" => {
            let (containers, images) = containers(spec);
            vec![
                json!(name),
                json!(number(&spec["replicas"])),
                json!(number(&status["replicas"])),
                json!(number(&status["readyReplicas"])),
                json!(created),
                json!(containers),
                json!(images),
                json!(selector(&spec["selector"])),
            ]
        }
        "Service" => vec![
            json!(name),
            json!(text(&spec["type"])),
            json!(text(&spec["clusterIP"]).non_empty(NONE)),
            json!(external_ip(spec)),
            json!(service_ports(spec).non_empty(NONE)),
            json!(created),
            json!(pairs(&spec["selector"]).non_empty(NONE)),
        ],
        "Ingress" => {
            let class = text(&spec["ingressClassName"]).non_empty(NONE);
            let tls = spec["tls"].as_array().is_some_and(|tls| !tls.is_empty());
            let ports = if tls { "80, 443" } else { "80" };
            vec![
                json!(name),
                json!(class),
                json!(hosts(spec)),
                json!(addresses(status)),
                json!(ports),
                json!(created),
            ]
        }
        "Endpoints" => vec![json!(name), json!(endpoints(object)), json!(created)],
        "ConfigMap" => {
            let entries = size(&object["data"]) + size(&object["binaryData"]);
            vec![json!(name), json!(entries), json!(created)]
        }
        "Secret" => {
            vec![json!(name), json!(text(&object["type"])), json!(size(&object["data"])), json!(created)]
        }
        "ServiceAccount" => {
            let secrets = object["secrets"].as_array().map_or(0, Vec::len);
            vec![json!(name), json!(secrets), json!(created)]
        }
        "Namespace" => vec![json!(name), json!(text(&status["phase"])), json!(created)],
        "Node" => return node(object, &name, &created),
        _ => vec![json!(name), object["metadata"]["creationTimestamp"].clone()],
    };
    row
}

/// Something to say in place of nothing.
trait NonEmpty {
    fn non_empty(self, instead: &str) -> String;
}

impl NonEmpty for String {
    fn non_empty(self, instead: &str) -> String {
        if self.is_empty() { instead.into() } else { self }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

fn size(value: &Value) -> usize {
    value.as_object().map_or(0, serde_json::Map::len)
}

fn items(value: &Value) -> impl DoubleEndedIterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn since(time: &Value, now: Timestamp) -> String {
    time.as_str().map_or_else(|| UNKNOWN.into(), |time| age(time, now))
}

fn joined(values: impl Iterator<Item = String>) -> String {
    values.collect::<Vec<_>>().join(",")
}

fn pairs(map: &Value) -> String {
    joined(map.as_object().into_iter().flatten().map(|(key, value)| format!("{key}={}", text(value))))
}

fn selector(selector: &Value) -> String {
    let exact = selector["matchLabels"].as_object().into_iter().flatten();
    let exact = exact.map(|(key, value)| format!("{key}={}", text(value)));
    let expressions = items(&selector["matchExpressions"]).map(|it| {
        let mut values: Vec<String> = items(&it["values"]).map(text).collect();
        values.sort();
        let (key, values) = (text(&it["key"]), values.join(","));
        match it["operator"].as_str().unwrap_or_default() {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key,
        }
    });
    joined(exact.chain(expressions)).non_empty(NONE)
}

fn containers(spec: &Value) -> (String, String) {
    let all = || items(&spec["template"]["spec"]["containers"]);
    (joined(all().map(|it| text(&it["name"]))), joined(all().map(|it| text(&it["image"]))))
}

fn external_ip(spec: &Value) -> String {
    let ips = joined(items(&spec["externalIPs"]).map(text));
    match spec["type"].as_str() {
        Some("ExternalName") => text(&spec["externalName"]),
        Some("LoadBalancer") => ips.non_empty("<pending>"),
        Some("ClusterIP" | "NodePort") => ips.non_empty(NONE),
        _ => UNKNOWN.into(),
    }
}

fn service_ports(spec: &Value) -> String {
    joined(items(&spec["ports"]).map(|port| {
        let (number, protocol) = (number(&port["port"]), text(&port["protocol"]));
        match port["nodePort"].as_i64() {
            Some(node) if node > 0 => format!("{number}:{node}/{protocol}"),
            _ => format!("{number}/{protocol}"),
        }
    }))
}

/// The first three, and how many more there are.
fn first_three(all: &[String], total: usize) -> String {
    let shown = all.iter().take(3).cloned().collect::<Vec<_>>().join(",");
    if all.len() > 3 { format!("{shown} + {} more...", total - 3) } else { shown }
}

fn hosts(spec: &Value) -> String {
    let all: Vec<String> =
        items(&spec["rules"]).map(|rule| text(&rule["host"])).filter(|host| !host.is_empty()).collect();
    first_three(&all, items(&spec["rules"]).count()).non_empty("*")
}

fn addresses(status: &Value) -> String {
    let mut all: Vec<String> = items(&status["loadBalancer"]["ingress"])
        .map(|it| text(&it["ip"]).non_empty(it["hostname"].as_str().unwrap_or_default()))
        .filter(|it| !it.is_empty())
        .collect();
    all.sort();
    all.join(",")
}

fn endpoints(object: &Value) -> String {
    let mut all = vec![];
    for subset in items(&object["subsets"]) {
        let addresses = || items(&subset["addresses"]).map(|it| text(&it["ip"]));
        let ports: Vec<i64> = items(&subset["ports"]).map(|it| number(&it["port"])).collect();
        if ports.is_empty() {
            all.extend(addresses());
        }
        for port in ports {
            all.extend(
                addresses().map(|ip| {
                    if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
                }),
            );
        }
    }
    first_three(&all, all.len()).non_empty(NONE)
}

fn node(object: &Value, name: &str, created: &str) -> Vec<Value> {
    let (status, info) = (&object["status"], &object["status"]["nodeInfo"]);
    let ready = items(&status["conditions"]).find(|it| it["type"] == "Ready");
    let mut state = match ready.map(|it| it["status"] == "True") {
        Some(true) => "Ready",
        Some(false) => "NotReady",
        None => "Unknown",
    }
    .to_owned();
    if object["spec"]["unschedulable"] == true {
        state.push_str(",SchedulingDisabled");
    }
    let roles = object["metadata"]["labels"].as_object().into_iter().flatten();
    let mut roles: Vec<String> = roles
        .filter_map(|(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => Some(role.to_owned()),
            None => (key == "kubernetes.io/role").then(|| text(value)),
        })
        .collect();
    roles.sort();
    let address = |kind: &str| {
        items(&status["addresses"])
            .find(|it| it["type"] == kind)
            .map_or_else(|| NONE.into(), |it| text(&it["address"]))
    };
    vec![
        json!(name),
        json!(state),
        json!(roles.join(",").non_empty(NONE)),
        json!(created),
        json!(text(&info["kubeletVersion"])),
        json!(address("InternalIP")),
        json!(address("ExternalIP")),
        json!(text(&info["osImage"]).non_empty(UNKNOWN)),
        json!(text(&info["kernelVersion"]).non_empty(UNKNOWN)),
        json!(text(&info["containerRuntimeVersion"]).non_empty(UNKNOWN)),
    ]
}

fn event(object: &Value, now: Timestamp) -> Vec<Value> {
    let first = match object["firstTimestamp"].as_str() {
        Some(time) => age(time, now),
        None => since(&object["eventTime"], now),
    };
    let (last, count) = match &object["series"] {
        Value::Null => {
            let last = object["lastTimestamp"].as_str().map_or_else(|| first.clone(), |it| age(it, now));
            (last, number(&object["count"]).max(1))
        }
        series => (since(&series["lastObservedTime"], now), number(&series["count"])),
    };
    let involved = &object["involvedObject"];
    let kind = text(&involved["kind"]).to_lowercase();
    let target = match involved["name"].as_str() {
        Some(name) if !name.is_empty() => format!("{kind}/{name}"),
        _ => kind,
    };
    let either = |one: &Value, other: &Value| text(one).non_empty(other.as_str().unwrap_or_default());
    let component = either(&object["source"]["component"], &object["reportingComponent"]);
    let instance = either(&object["source"]["host"], &object["reportingInstance"]);
    let source = if instance.is_empty() { component } else { format!("{component}, {instance}") };
    vec![
        json!(last),
        json!(text(&object["type"])),
        json!(text(&object["reason"])),
        json!(target),
        json!(text(&involved["fieldPath"])),
        json!(source),
        json!(text(&object["message"]).trim()),
        json!(first),
        json!(count),
        json!(text(&object["metadata"]["name"])),
    ]
}

fn pod(object: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let mut reason = text(&status["reason"]).non_empty(status["phase"].as_str().unwrap_or_default());
    let (mut restarts, mut ready, mut last_restart) = (0, 0, None::<&str>);
    let mut initializing = false;
    let init_total = items(&spec["initContainers"]).count();
    for (index, container) in items(&status["initContainerStatuses"]).enumerate() {
        restarts += number(&container["restartCount"]);
        last_restart = last_restart.max(container["lastState"]["terminated"]["finishedAt"].as_str());
        let (terminated, waiting) = (&container["state"]["terminated"], &container["state"]["waiting"]);
        if terminated.is_object() && number(&terminated["exitCode"]) == 0 {
            continue;
        }
        reason = if terminated.is_object() {
            format!("Init:{}", ended(terminated))
        } else {
            match waiting["reason"].as_str() {
                Some(why) if why != "PodInitializing" => format!("Init:{why}"),
                _ => format!("Init:{index}/{init_total}"),
            }
        };
        initializing = true;
        break;
    }
    let condition =
        |kind: &str| items(&status["conditions"]).any(|it| it["type"] == kind && it["status"] == "True");
    if !initializing || condition("Initialized") {
        (restarts, last_restart) = (0, None);
        let mut running = false;
        for container in items(&status["containerStatuses"]).rev() {
            restarts += number(&container["restartCount"]);
            last_restart = last_restart.max(container["lastState"]["terminated"]["finishedAt"].as_str());
            let state = &container["state"];
            if let Some(why) = state["waiting"]["reason"].as_str() {
                reason = why.to_owned();
            } else if state["terminated"].is_object() {
                reason = ended(&state["terminated"]);
            } else if container["ready"] == true && state["running"].is_object() {
                running = true;
                ready += 1;
            }
        }
        if reason == "Completed" && running {
            reason = if condition("Ready") { "Running" } else { "NotReady" }.into();
        }
    }
    let terminal = matches!(status["phase"].as_str(), Some("Succeeded" | "Failed"));
    if object["metadata"]["deletionTimestamp"].is_string() && !terminal {
        reason = "Terminating".into();
    }
    let restarts = match last_restart {
        Some(time) if restarts > 0 => format!("{restarts} ({} ago)", age(time, now)),
        _ => restarts.to_string(),
    };
    let or_none = |value: &Value| text(value).non_empty(NONE);
    let ip = text(&status["podIPs"][0]["ip"]).non_empty(status["podIP"].as_str().unwrap_or_default());
    vec![
        json!(text(&object["metadata"]["name"])),
        json!(format!("{ready}/{}", items(&spec["containers"]).count())),
        json!(reason),
        json!(restarts),
        json!(since(&object["metadata"]["creationTimestamp"], now)),
        json!(ip.non_empty(NONE)),
        json!(or_none(&spec["nodeName"])),
        json!(or_none(&status["nominatedNodeName"])),
        json!(NONE),
    ]
}

/// Why a container ended: its reason, else its signal or exit status.
fn ended(terminated: &Value) -> String {
    match (terminated["reason"].as_str(), number(&terminated["signal"])) {
        (Some(reason), _) if !reason.is_empty() => reason.to_owned(),
        (_, 0) => format!("ExitCode:{}", number(&terminated["exitCode"])),
        (_, signal) => format!("Signal:{signal}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(kind: &str, object: Value) -> Vec<String> {
        let now = "2026-01-01T00:10:00Z".parse().unwrap();
        cells(kind, &object, now)
            .into_iter()
            .map(|cell| cell.as_str().map_or_else(|| cell.to_string(), Into::into))
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
            {"ready": true, "restartCount": 2, "state": {"running": {}},
             "lastState": {"terminated": {"finishedAt": "2026-01-01T00:09:00Z"}}},
        ]});
        assert_eq!(pod(running.clone(), false), "1/1 Running 2 (60s ago)");
        assert_eq!(pod(running, true), "1/1 Terminating 2 (60s ago)");
        let crashing = json!({"phase": "Running", "containerStatuses": [
            {"restartCount": 1, "state": {"waiting": {"reason": "CrashLoopBackOff"}}},
        ]});
        assert_eq!(pod(crashing, false), "0/1 CrashLoopBackOff 1");
        let ended =
            json!({"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"exitCode": 3}}}]});
        assert_eq!(pod(ended, false), "0/1 ExitCode:3 0");
        assert_eq!(pod(json!({"phase": "Pending"}), false), "0/1 Pending 0");
    }

    #[test]
    fn services_ingresses_and_endpoints() {
        let service = json!({"metadata": {"name": "s"}, "spec": {
            "type": "ClusterIP", "clusterIP": "10.0.0.1", "selector": {"app": "a"},
            "ports": [{"port": 80, "protocol": "TCP"}, {"port": 443, "protocol": "TCP", "nodePort": 30000}],
        }});
        assert_eq!(
            shown("Service", service),
            ["s", "ClusterIP", "10.0.0.1", NONE, "80/TCP,443:30000/TCP", UNKNOWN, "app=a"]
        );
        let ingress =
            json!({"metadata": {"name": "i"}, "spec": {"rules": [{"host": "a.host"}, {"host": "b.host"}]}});
        assert_eq!(shown("Ingress", ingress)[1..5], [NONE, "a.host,b.host", "", "80"]);
        let endpoints = json!({"metadata": {"name": "e"}, "subsets": [
            {"addresses": [{"ip": "1.1.1.1"}, {"ip": "1.1.1.2"}], "ports": [{"port": 80}, {"port": 81}]},
        ]});
        assert_eq!(shown("Endpoints", endpoints)[1], "1.1.1.1:80,1.1.1.2:80,1.1.1.1:81 + 1 more...");
    }
}
