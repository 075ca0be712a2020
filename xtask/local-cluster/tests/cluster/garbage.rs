//! Objects with something wrong in every place: each is answered, on the same
//! connection, and nothing breaks.

use serde_json::{Value, json};

use crate::support::Cluster;

/// A thing that hardly fits anywhere.
fn junk() -> Vec<Value> {
    vec![
        Value::Null,
        json!(-1),
        json!(1e300),
        json!("\u{0}/ä.."),
        json!([[]]),
        json!({"": {"a": [null, {}]}}),
        json!([{"$patch": "delete"}]),
    ]
}

/// The paths to everything in a value.
fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                let path = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                all.push(path.clone());
                places(value, &path, all);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                all.push(format!("{at}/{index}"));
                places(value, &format!("{at}/{index}"), all);
            }
        }
        _ => {}
    }
}

fn samples() -> Vec<(&'static str, Value)> {
    let template = json!({
        "metadata": {"labels": {"a": "b"}},
        "spec": {
            "volumes": [{"name": "v", "secret": {"secretName": "s"}}],
            "containers": [{
                "name": "c", "image": "i", "ports": [{"containerPort": 80}],
                "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
                "readinessProbe": {"httpGet": {"port": 80}}, "resources": {"limits": {"cpu": "1"}},
            }],
        },
    });
    vec![
        (
            "/apis/apps/v1/namespaces/default/deployments",
            json!({
                "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": "x", "finalizers": ["a/b"], "ownerReferences": [
                    {"apiVersion": "other.io/v1", "kind": "Other", "name": "o", "uid": "u"},
                ]},
                "spec": {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": template},
            }),
        ),
        (
            "/api/v1/namespaces/default/services",
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {
                "clusterIP": "None", "ports": [{"port": 80, "targetPort": "web"}], "selector": {"a": "b"},
            }}),
        ),
        (
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            json!({
                "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                "metadata": {"name": "xs.lab.io"},
                "spec": {
                    "group": "lab.io", "scope": "Cluster", "names": {"plural": "xs", "kind": "X"},
                    "versions": [{
                        "name": "v1", "served": true, "storage": true,
                        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object"}}}},
                        "subresources": {"status": {}},
                    }],
                },
            }),
        ),
    ]
}

#[test]
fn something_wrong_in_every_place_is_answered() {
    let cluster = Cluster::start();
    let mut kept = cluster.keep();
    for (path, sample) in samples() {
        let name = sample["metadata"]["name"].as_str().unwrap();
        let one = format!("{path}/{name}");
        assert_eq!(kept.send("POST", path, "application/json", &sample.to_string()).0, 201);
        let mut all = vec![];
        places(&sample, "", &mut all);
        for place in all {
            for junk in junk() {
                let mut broken = sample.clone();
                *broken.pointer_mut(&place).unwrap() = junk.clone();
                let broken = broken.to_string();
                let applied = format!("{one}?fieldManager=m&force=true&dryRun=All");
                for (method, path, kind) in [
                    ("POST", &format!("{path}?dryRun=All"), "application/json"),
                    ("PATCH", &format!("{one}?dryRun=All"), "application/merge-patch+json"),
                    ("PATCH", &format!("{one}?dryRun=All"), "application/strategic-merge-patch+json"),
                    ("PATCH", &applied, "application/apply-patch+yaml"),
                ] {
                    let (code, text) = kept.send(method, path, kind, &broken);
                    assert!(code < 500, "{method} {path} {place} = {junk}: {code} {text}");
                }
            }
        }
    }
}

#[test]
fn a_refusal_that_reads_no_body_keeps_the_connection() {
    let cluster = Cluster::start();
    let mut kept = cluster.keep();
    let body = "x".repeat(1 << 20);
    for (method, path, code) in [
        ("POST", "/nowhere", 404),
        ("POST", "/api/v1/things", 404),
        ("PUT", "/api/v1/namespaces/default/configmaps", 405),
        ("POST", "/api/v1/namespaces/default/pods/none/proxy/", 404),
        ("GET", "/api/v1/namespaces", 200),
    ] {
        assert_eq!(kept.send(method, path, "application/json", &body).0, code, "{method} {path}");
    }
}
