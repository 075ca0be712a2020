//! Pods and the templates of pods.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::super::names;
use super::Problems;

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(super) fn check(spec: &Value, at: &str, problems: &mut Problems) {
    let mut volumes = HashSet::new();
    for (index, volume) in items(&spec["volumes"]).enumerate() {
        let field = format!("{at}.volumes[{index}]");
        let name = text(&volume["name"]);
        if name.is_empty() {
            problems.required(&format!("{field}.name"), "");
        } else {
            problems.check(&format!("{field}.name"), name, names::label);
        }
        if !volumes.insert(name) {
            problems.duplicate(&format!("{field}.name"), &json!(name));
        }
        if volume.as_object().is_some_and(|it| it.len() > 2) {
            problems.forbidden(&field, "may not specify more than 1 volume type");
        }
        if volume["secret"].is_object() && text(&volume["secret"]["secretName"]).is_empty() {
            problems.required(&format!("{field}.secret.secretName"), "");
        }
        if volume["configMap"].is_object() && text(&volume["configMap"]["name"]).is_empty() {
            problems.required(&format!("{field}.configMap.name"), "");
        }
    }
    if items(&spec["containers"]).count() == 0 {
        problems.required(&format!("{at}.containers"), "");
    }
    let mut seen = HashSet::new();
    for list in ["initContainers", "containers"] {
        for (index, one) in items(&spec[list]).enumerate() {
            let field = format!("{at}.{list}[{index}]");
            if !seen.insert(text(&one["name"])) && !text(&one["name"]).is_empty() {
                problems.duplicate(&format!("{field}.name"), &one["name"]);
            }
            container(one, &field, &volumes, problems);
        }
    }
    problems.one_of(
        &format!("{at}.restartPolicy"),
        &spec["restartPolicy"],
        &["Always", "OnFailure", "Never"],
    );
}

fn container(container: &Value, at: &str, volumes: &HashSet<&str>, problems: &mut Problems) {
    let name = text(&container["name"]);
    if name.is_empty() {
        problems.required(&format!("{at}.name"), "");
    } else {
        problems.check(&format!("{at}.name"), name, names::label);
    }
    if text(&container["image"]).is_empty() {
        problems.required(&format!("{at}.image"), "");
    }
    problems.one_of(
        &format!("{at}.imagePullPolicy"),
        &container["imagePullPolicy"],
        &["Always", "IfNotPresent", "Never"],
    );
    let mut port_names = HashSet::new();
    for (index, port) in items(&container["ports"]).enumerate() {
        let field = format!("{at}.ports[{index}]");
        if let Some(name) = port["name"].as_str().filter(|it| !it.is_empty()) {
            problems.check(&format!("{field}.name"), name, names::port_name);
            if !port_names.insert(name) {
                problems.duplicate(&format!("{field}.name"), &json!(name));
            }
        }
        match port["containerPort"].as_i64().unwrap_or_default() {
            0 => problems.required(&format!("{field}.containerPort"), ""),
            _ => port_number(&port["containerPort"], &format!("{field}.containerPort"), problems),
        }
        problems.one_of(&format!("{field}.protocol"), &port["protocol"], &["SCTP", "TCP", "UDP"]);
    }
    for (index, variable) in items(&container["env"]).enumerate() {
        environment(variable, &format!("{at}.env[{index}]"), problems);
    }
    for (index, mount) in items(&container["volumeMounts"]).enumerate() {
        let field = format!("{at}.volumeMounts[{index}]");
        let name = text(&mount["name"]);
        if name.is_empty() {
            problems.required(&format!("{field}.name"), "");
        } else if !volumes.contains(name) {
            problems.add(
                "FieldValueNotFound",
                &format!("{field}.name"),
                format!("Not found: {}", json!(name)),
            );
        }
        if text(&mount["mountPath"]).is_empty() {
            problems.required(&format!("{field}.mountPath"), "");
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if container[probe].is_object() {
            handler(&container[probe], &format!("{at}.{probe}"), problems);
        }
    }
}

fn environment(variable: &Value, at: &str, problems: &mut Problems) {
    let name = text(&variable["name"]);
    if name.is_empty() {
        problems.required(&format!("{at}.name"), "");
    } else {
        problems.check(&format!("{at}.name"), name, names::env_name);
    }
    let from = &variable["valueFrom"];
    if !from.is_object() {
        return;
    }
    let at = format!("{at}.valueFrom");
    if !text(&variable["value"]).is_empty() {
        problems.invalid(&at, &"".into(), "may not be specified when `value` is not empty");
    }
    let sources = from.as_object().map_or(0, |it| it.values().filter(|it| it.is_object()).count());
    match sources {
        0 => problems.invalid(
            &at,
            &"".into(),
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`",
        ),
        1 => {}
        _ => problems.invalid(&at, &"".into(), "may not have more than one field specified at a time"),
    }
    for source in ["configMapKeyRef", "secretKeyRef"] {
        let reference = &from[source];
        if reference.is_object() {
            for part in ["name", "key"] {
                if text(&reference[part]).is_empty() {
                    problems.required(&format!("{at}.{source}.{part}"), "");
                }
            }
        }
    }
}

fn handler(probe: &Value, at: &str, problems: &mut Problems) {
    let kinds = ["exec", "httpGet", "tcpSocket", "grpc"];
    match kinds.iter().filter(|kind| probe[**kind].is_object()).count() {
        0 => problems.required(at, "must specify a handler type"),
        1 => {}
        _ => problems.forbidden(at, "may not specify more than 1 handler type"),
    }
    for kind in ["httpGet", "tcpSocket"] {
        if probe[kind].is_object() {
            port_or_name(&probe[kind]["port"], &format!("{at}.{kind}.port"), problems);
        }
    }
    for field in ["timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"] {
        if probe[field].as_i64().is_some_and(|it| it < 0) {
            problems.invalid(&format!("{at}.{field}"), &probe[field], "must be greater than or equal to 0");
        }
    }
}

pub(super) fn port_number(port: &Value, at: &str, problems: &mut Problems) {
    match port.as_i64().unwrap_or_default() {
        0 if port.is_null() => problems.required(at, ""),
        1..=65535 => {}
        number => problems.invalid(at, &json!(number), "must be between 1 and 65535, inclusive"),
    }
}

pub(super) fn port_or_name(port: &Value, at: &str, problems: &mut Problems) {
    match port {
        Value::String(name) => problems.check(at, name, names::port_name),
        number => port_number(number, at, problems),
    }
}

pub(super) fn check_change(old: &Value, new: &Value, problems: &mut Problems) {
    let fixed = |spec: &Value| {
        let mut spec = spec.clone();
        for list in ["containers", "initContainers"] {
            for container in spec[list].as_array_mut().into_iter().flatten() {
                if let Some(container) = container.as_object_mut() {
                    container.remove("image");
                    container.remove("imagePullPolicy");
                }
            }
        }
        if let Some(spec) = spec.as_object_mut() {
            for field in [
                "activeDeadlineSeconds",
                "terminationGracePeriodSeconds",
                "tolerations",
                "nodeName",
                "schedulingGates",
            ] {
                spec.remove(field);
            }
            spec.retain(|_, value| !value.is_null());
        }
        spec
    };
    if fixed(old) != fixed(new) {
        problems.forbidden(
            "spec",
            "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
        );
    }
}
