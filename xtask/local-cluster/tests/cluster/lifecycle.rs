//! How objects go: at once, gracefully, with their owner, with their namespace.

use crate::support::Cluster;
use serde_json::{Value, json};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const PODS: &str = "/api/v1/namespaces/default/pods";

fn gone(cluster: &Cluster, path: &str) {
    cluster.wait(&format!("the end of {path}"), || cluster.get(path).status == 404);
}

fn owned_by(owners: &[&Value], name: &str) -> Value {
    let owners: Vec<Value> = owners
        .iter()
        .map(|owner| {
            json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
            })
        })
        .collect();
    json!({"metadata": {"name": name, "ownerReferences": owners}})
}

#[test]
fn what_is_owned_goes_with_the_last_owner() {
    let cluster = Cluster::start();
    let one = cluster.post(MAPS, &json!({"metadata": {"name": "one"}})).json();
    let two = cluster.post(MAPS, &json!({"metadata": {"name": "two"}})).json();
    let child = cluster.post(MAPS, &owned_by(&[&one, &two], "child")).json();
    cluster.post(MAPS, &owned_by(&[&child], "grandchild"));
    assert_eq!(cluster.delete(&format!("{MAPS}/one")).status, 200);
    cluster.wait("one owner less", || {
        cluster.get(&format!("{MAPS}/child")).json()["metadata"]["ownerReferences"].as_array().unwrap().len()
            == 1
    });
    cluster.delete(&format!("{MAPS}/two"));
    gone(&cluster, &format!("{MAPS}/child"));
    gone(&cluster, &format!("{MAPS}/grandchild"));
    // Born without its owner, it does not live long.
    cluster.post(MAPS, &owned_by(&[&one], "orphan"));
    gone(&cluster, &format!("{MAPS}/orphan"));
}

#[test]
fn an_owner_neither_waits_for_what_it_owns_nor_leaves_it_behind() {
    let cluster = Cluster::start();
    let path = format!("{MAPS}/owner");
    cluster.post(MAPS, &json!({"metadata": {"name": "owner"}}));
    for policy in ["Orphan", "Foreground"] {
        let asked = cluster.ask("DELETE", &path).json(&json!({"propagationPolicy": policy})).send();
        assert_eq!(asked.status, 400, "{policy}: {}", asked.text);
        assert_eq!(cluster.get(&path).json()["metadata"].get("deletionTimestamp"), None);
    }
}

#[test]
fn a_namespace_takes_its_objects_along_and_lets_nothing_in() {
    let cluster = Cluster::start();
    let namespace = json!({"metadata": {"name": "n"}});
    assert_eq!(cluster.post("/api/v1/namespaces", &namespace).json()["status"]["phase"], "Active");
    let maps = "/api/v1/namespaces/n/configmaps";
    cluster.post(maps, &json!({"metadata": {"name": "held", "finalizers": ["lab/held"]}}));
    cluster.post(maps, &json!({"metadata": {"name": "free"}}));
    let deleted = cluster.delete("/api/v1/namespaces/n").json();
    assert_eq!(deleted["status"]["phase"], "Terminating");
    gone(&cluster, &format!("{maps}/free"));
    let late = cluster.post(maps, &json!({"metadata": {"name": "late"}}));
    assert_eq!(
        (late.status, late.json()["details"]["causes"][0]["reason"].clone()),
        (403, json!("NamespaceTerminating"))
    );
    assert_eq!(cluster.get("/api/v1/namespaces/n").status, 200, "something still holds it");
    cluster.merge(&format!("{maps}/held"), &json!({"metadata": {"finalizers": null}}));
    gone(&cluster, "/api/v1/namespaces/n");
    let vital = cluster.delete("/api/v1/namespaces/kube-system");
    assert_eq!(vital.message(), "namespaces \"kube-system\" is forbidden: this namespace may not be deleted");
}

#[test]
fn finalizers_hold_an_object() {
    let cluster = Cluster::start();
    let path = format!("{MAPS}/a");
    cluster.post(MAPS, &json!({"metadata": {"name": "a", "finalizers": ["lab/one", "lab/two"]}}));
    assert!(cluster.delete(&path).json()["metadata"]["deletionTimestamp"].is_string());
    let more = cluster.merge(&path, &json!({"metadata": {"finalizers": ["lab/three"]}}));
    assert_eq!(more.status, 422);
    cluster.merge(&path, &json!({"metadata": {"finalizers": ["lab/two"]}}));
    assert_eq!(cluster.get(&path).status, 200);
    cluster.merge(&path, &json!({"metadata": {"finalizers": null}}));
    assert_eq!(cluster.get(&path).status, 404);
}

#[test]
fn preconditions_are_kept() {
    let cluster = Cluster::start();
    let path = format!("{MAPS}/a");
    let map = cluster.post(MAPS, &json!({"metadata": {"name": "a"}})).json();
    let delete = |preconditions: Value| {
        cluster.ask("DELETE", &path).json(&json!({"preconditions": preconditions})).send()
    };
    assert_eq!(delete(json!({"uid": "other"})).status, 409);
    assert_eq!(delete(json!({"resourceVersion": "1"})).status, 409);
    assert_eq!(cluster.delete(&format!("{path}?dryRun=All")).status, 200);
    let done = delete(json!({"uid": map["metadata"]["uid"]}));
    assert_eq!((done.status, done.json()["status"].clone()), (200, json!("Success")));
    assert_eq!(cluster.delete(&path).status, 404);
}

#[test]
fn a_pod_that_runs_gets_its_time_to_end() {
    let cluster = Cluster::start();
    let pod = |name: &str, node: Option<&str>| {
        json!({"metadata": {"name": name}, "spec": {
            "nodeName": node, "terminationGracePeriodSeconds": 7, "containers": [{"name": "c", "image": "i"}],
        }})
    };
    cluster.post(PODS, &pod("nowhere", None));
    cluster.delete(&format!("{PODS}/nowhere"));
    assert_eq!(cluster.get(&format!("{PODS}/nowhere")).status, 404);

    let path = format!("{PODS}/placed");
    cluster.post(PODS, &pod("placed", Some("local")));
    let marked = cluster.delete(&path).json();
    assert_eq!(marked["metadata"]["deletionGracePeriodSeconds"], 7);
    assert_eq!(cluster.get(&path).status, 200);
    let shorter = cluster.delete(&format!("{path}?gracePeriodSeconds=3")).json();
    assert_eq!(shorter["metadata"]["deletionGracePeriodSeconds"], 3);
    let longer = cluster.delete(&format!("{path}?gracePeriodSeconds=60")).json();
    assert_eq!(longer["metadata"]["deletionGracePeriodSeconds"], 3);
    cluster.delete(&format!("{path}?gracePeriodSeconds=0"));
    assert_eq!(cluster.get(&path).status, 404);
}

#[test]
fn custom_kinds_come_and_go_with_their_definition() {
    let cluster = Cluster::start();
    let crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let crd = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.lab.io"}, "spec": {
        "group": "lab.io", "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"},
        "versions": [{
            "name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema},
            "subresources": {"status": {}},
        }],
    }});
    let created = cluster.post(crds, &crd);
    assert_eq!(created.status, 201, "{}", created.text);
    assert_eq!(created.json()["status"]["conditions"][1]["type"], "Established");
    let found = cluster.get("/apis/lab.io/v1").json();
    assert_eq!(found["resources"][0]["singularName"], "thing");

    let things = "/apis/lab.io/v1/namespaces/default/things";
    let thing = |spec: Value| json!({"apiVersion": "lab.io/v1", "kind": "Thing", "metadata": {"name": "t"}, "spec": spec});
    let made = cluster.post(things, &thing(json!({"size": 2, "more": 1}))).json();
    assert_eq!(made["spec"], json!({"size": 2, "more": 1}), "it is nobody's but its client's");
    cluster.merge(&format!("{things}/t"), &json!({"status": {"ready": true}}));
    assert_eq!(cluster.get(&format!("{things}/t")).json().get("status"), None);
    cluster.merge(&format!("{things}/t/status"), &json!({"status": {"ready": true}}));
    assert_eq!(cluster.get(&format!("{things}/t")).json()["status"], json!({"ready": true}));

    cluster.delete(&format!("{crds}/things.lab.io"));
    assert_eq!(cluster.get(&format!("{things}/t")).status, 404);
    cluster.wait("the end of its objects", || cluster.store.list("things.lab.io", None).0.is_empty());
    assert_eq!(cluster.get("/apis/lab.io/v1").status, 404);
}
