//! Services, endpoints and ingresses.

use std::collections::HashSet;
use std::net::IpAddr;

use serde_json::{Value, json};

use super::super::names;
use super::pod::{port_number, port_or_name};
use super::{Problems, meta};

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(super) fn check(spec: &Value, problems: &mut Problems) {
    meta::labels(&spec["selector"], "spec.selector", problems);
    let address = text(&spec["clusterIP"]);
    let headless = address == "None";
    if spec["type"] == "ExternalName" {
        let name = text(&spec["externalName"]).trim_end_matches('.');
        if name.is_empty() {
            problems.required("spec.externalName", "");
        } else {
            problems.check("spec.externalName", name, names::subdomain);
        }
    } else if !address.is_empty() && !headless && address.parse::<IpAddr>().is_err() {
        problems.invalid(
            "spec.clusterIPs[0]",
            &json!(address),
            "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
        );
    }
    let count = items(&spec["ports"]).count();
    if count == 0 && !headless && spec["type"] != "ExternalName" {
        problems.required("spec.ports", "");
    }
    let (mut by_name, mut by_number, mut twice) = (HashSet::new(), HashSet::new(), vec![]);
    for (index, port) in items(&spec["ports"]).enumerate() {
        let at = format!("spec.ports[{index}]");
        let name = text(&port["name"]);
        if name.is_empty() {
            if count > 1 {
                problems.required(&format!("{at}.name"), "");
            }
        } else {
            problems.check(&format!("{at}.name"), name, names::label);
            if !by_name.insert(name) {
                problems.duplicate(&format!("{at}.name"), &json!(name));
            }
        }
        port_number(&port["port"], &format!("{at}.port"), problems);
        problems.one_of(&format!("{at}.protocol"), &port["protocol"], &["SCTP", "TCP", "UDP"]);
        port_or_name(&port["targetPort"], &format!("{at}.targetPort"), problems);
        if !by_number.insert((port["port"].as_i64(), text(&port["protocol"]))) {
            // In the server's own spelling, of which only these two count.
            let (protocol, port) = (&port["protocol"], &port["port"]);
            let pair = format!(
                "{{\"Name\":\"\",\"Protocol\":{protocol},\"AppProtocol\":null,\"Port\":{port},\"TargetPort\":0,\"NodePort\":0}}"
            );
            twice.push((at, pair));
        }
    }
    problems.one_of("spec.sessionAffinity", &spec["sessionAffinity"], &["ClientIP", "None"]);
    problems.one_of("spec.type", &spec["type"], &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]);
    for (at, pair) in twice {
        problems.add("FieldValueDuplicate", &at, format!("Duplicate value: {pair}"));
    }
}

pub(super) fn check_change(old: &Value, new: &Value, problems: &mut Problems) {
    let has_address = |spec: &Value| spec["type"] != "ExternalName" && !text(&spec["clusterIP"]).is_empty();
    if has_address(old) && has_address(new) && old["clusterIP"] != new["clusterIP"] {
        problems.invalid("spec.clusterIPs[0]", &json!([new["clusterIP"]]), "may not change once set");
    }
}

pub(super) fn check_endpoints(object: &Value, problems: &mut Problems) {
    for (index, subset) in items(&object["subsets"]).enumerate() {
        let at = format!("subsets[{index}]");
        let (ready, unready) = (items(&subset["addresses"]), items(&subset["notReadyAddresses"]));
        let mut any = false;
        for (index, address) in ready.chain(unready).enumerate() {
            any = true;
            if text(&address["ip"]).parse::<IpAddr>().is_err() {
                problems.invalid(
                    &format!("{at}.addresses[{index}].ip"),
                    &address["ip"],
                    "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
                );
            }
        }
        if !any {
            problems.required(&at, "must specify `addresses` or `notReadyAddresses`");
        }
        for (index, port) in items(&subset["ports"]).enumerate() {
            port_number(&port["port"], &format!("{at}.ports[{index}].port"), problems);
        }
    }
}

pub(super) fn check_ingress(spec: &Value, problems: &mut Problems) {
    if items(&spec["rules"]).count() == 0 && !spec["defaultBackend"].is_object() {
        problems.invalid("spec", &Value::Null, "either `defaultBackend` or `rules` must be specified");
    }
    if spec["defaultBackend"].is_object() {
        backend(&spec["defaultBackend"], "spec.defaultBackend", problems);
    }
    for (index, rule) in items(&spec["rules"]).enumerate() {
        let at = format!("spec.rules[{index}]");
        let host = text(&rule["host"]);
        if host.parse::<IpAddr>().is_ok() {
            problems.invalid(&format!("{at}.host"), &json!(host), "must be a DNS name, not an IP address");
        } else if !host.is_empty() {
            let plain = host.strip_prefix("*.").unwrap_or(host);
            if let Some(why) = names::subdomain(plain) {
                problems.invalid(&format!("{at}.host"), &json!(host), &why);
            }
        }
        if !rule["http"].is_object() {
            continue;
        }
        let at = format!("{at}.http.paths");
        if items(&rule["http"]["paths"]).count() == 0 {
            problems.required(&at, "");
        }
        for (index, path) in items(&rule["http"]["paths"]).enumerate() {
            let at = format!("{at}[{index}]");
            let value = text(&path["path"]);
            match path["pathType"].as_str() {
                None => {
                    problems.required(&format!("{at}.pathType"), "pathType must be specified");
                    continue;
                }
                Some("Exact" | "Prefix") if !value.starts_with('/') => {
                    problems.invalid(&format!("{at}.path"), &json!(value), "must be an absolute path");
                }
                Some(_) => problems.one_of(
                    &format!("{at}.pathType"),
                    &path["pathType"],
                    &["Exact", "ImplementationSpecific", "Prefix"],
                ),
            }
            backend(&path["backend"], &format!("{at}.backend"), problems);
        }
    }
}

fn backend(backend: &Value, at: &str, problems: &mut Problems) {
    let service = &backend["service"];
    match (service.is_object(), backend["resource"].is_object()) {
        (true, true) => {
            problems.invalid(at, &json!(""), "cannot set both resource and service backends");
            return;
        }
        (false, true) => return,
        (false, false) => {
            problems.invalid(at, &json!(""), "resource or service backend is required");
            return;
        }
        (true, false) => {}
    }
    let outer = at;
    let at = format!("{at}.service");
    let name = text(&service["name"]);
    if name.is_empty() {
        problems.required(&format!("{at}.name"), "");
    } else {
        problems.check(&format!("{at}.name"), name, names::label_1035);
    }
    let port = &service["port"];
    match (text(&port["name"]), port["number"].as_i64().unwrap_or_default()) {
        ("", 0) => problems.required(outer, "port name or number is required"),
        ("", _) => port_number(&port["number"], &format!("{at}.port.number"), problems),
        (name, 0) => problems.check(&format!("{at}.port.name"), name, names::port_name),
        _ => problems.invalid(outer, &json!(""), "cannot set both port name & port number"),
    }
}
