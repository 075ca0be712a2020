//! Lists and watches: versions, selectors, bookmarks, tables.

use crate::support::{Answer, Cluster};
use serde_json::{Value, json};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn map(name: &str, label: &str) -> Value {
    json!({"metadata": {"name": name, "labels": {"l": label}}})
}

fn version(answer: &Answer) -> String {
    answer.json()["metadata"]["resourceVersion"].as_str().unwrap().to_owned()
}

fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|it| it["metadata"]["name"].as_str().unwrap()).collect()
}

#[test]
fn a_watch_begins_where_the_list_ended() {
    let cluster = Cluster::start();
    cluster.post(MAPS, &map("a", "1"));
    let since = version(&cluster.get(MAPS));
    cluster.post(MAPS, &map("b", "1"));
    let mut watch = cluster.ask("GET", &format!("{MAPS}?watch=true&resourceVersion={since}")).lines();
    assert_eq!(watch.change(), "ADDED b");
    cluster.merge(&format!("{MAPS}/a"), &json!({"data": {"k": "v"}}));
    cluster.post("/api/v1/namespaces/kube-system/configmaps", &map("elsewhere", "1"));
    cluster.delete(&format!("{MAPS}/a"));
    assert_eq!(watch.change(), "MODIFIED a");
    let (kind, last) = watch.event();
    assert_eq!((kind.as_str(), &last["metadata"]["name"]), ("DELETED", &json!("a")));
    let gone: u64 = last["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
    assert!(gone > since.parse().unwrap(), "a deletion has a version of its own");
}

#[test]
fn to_a_selector_an_object_that_stops_matching_is_deleted() {
    let cluster = Cluster::start();
    cluster.post(MAPS, &map("a", "no"));
    let query = "watch=1&labelSelector=l%3Dyes&resourceVersion=0";
    let mut watch = cluster.ask("GET", &format!("{MAPS}?{query}")).lines();
    let label =
        |value: &str| cluster.merge(&format!("{MAPS}/a"), &json!({"metadata": {"labels": {"l": value}}}));
    label("yes");
    assert_eq!(watch.change(), "ADDED a");
    label("no");
    let (kind, last) = watch.event();
    assert_eq!((kind.as_str(), &last["metadata"]["labels"]["l"]), ("DELETED", &json!("yes")));
    label("other");
    label("yes");
    assert_eq!(watch.change(), "ADDED a");
    let mut by_name = cluster.ask("GET", &format!("{MAPS}?watch=1&fieldSelector=metadata.name%3Db")).lines();
    cluster.post(MAPS, &map("c", "1"));
    cluster.post(MAPS, &map("b", "1"));
    assert_eq!(by_name.change(), "ADDED b");
}

#[test]
fn a_streaming_list_says_where_it_ends() {
    let cluster = Cluster::start();
    cluster.post(MAPS, &map("a", "1"));
    let query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut watch = cluster.ask("GET", &format!("{MAPS}?{query}")).lines();
    assert_eq!(watch.change(), "ADDED a");
    let (kind, bookmark) = watch.event();
    assert_eq!(kind, "BOOKMARK");
    assert_eq!(bookmark["metadata"]["annotations"], json!({"k8s.io/initial-events-end": "true"}));
    assert_eq!(bookmark["kind"], "ConfigMap");
    assert_eq!(bookmark["metadata"]["resourceVersion"], version(&cluster.get(MAPS)).as_str());
    cluster.post(MAPS, &map("b", "1"));
    assert_eq!(watch.change(), "ADDED b");
}

#[test]
fn a_watch_ends_when_its_time_is_over() {
    let cluster = Cluster::start();
    let mut watch = cluster.ask("GET", &format!("{MAPS}?watch=1&timeoutSeconds=1")).lines();
    assert_eq!(watch.next(), None);
}

#[test]
fn a_version_too_old_is_gone() {
    let cluster = Cluster::start();
    cluster.post(MAPS, &map("a", "1"));
    let old = version(&cluster.get(MAPS));
    for n in 0..1100 {
        let object = json!({"kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}, "data": {"n": n.to_string()}});
        let key = local_cluster::store::Key::new("configmaps", "default", "a");
        cluster.store.update(&key, |_| Ok::<_, local_cluster::store::WriteError>(object.clone())).unwrap();
    }
    let mut watch = cluster.ask("GET", &format!("{MAPS}?watch=1&resourceVersion={old}")).lines();
    let (kind, status) = watch.event();
    assert_eq!(
        (kind.as_str(), &status["code"], &status["reason"]),
        ("ERROR", &json!(410), &json!("Expired"))
    );
    assert!(status["message"].as_str().unwrap().starts_with("too old resource version: "), "{status}");
    assert_eq!(watch.next(), None);
}

#[test]
fn a_list_is_whole_and_the_newest_whatever_is_asked() {
    let cluster = Cluster::start();
    for name in ["a", "b", "c"] {
        cluster.post(MAPS, &map(name, "1"));
    }
    for query in ["", "limit=500", "limit=1", "limit=500&resourceVersion=0", "resourceVersion=1&limit=1"] {
        let list = cluster.get(&format!("{MAPS}?{query}")).json();
        assert_eq!(names(&list), ["a", "b", "c"], "{query}");
        assert_eq!(list["metadata"].get("continue"), None, "nobody has to ask for more");
    }
}

#[test]
fn tables_are_answered_where_they_are_asked_for() {
    let cluster = Cluster::start();
    cluster.post(MAPS, &json!({"metadata": {"name": "a"}, "data": {"k": "v"}}));
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    let list = cluster.ask("GET", MAPS).header("Accept", table).send().json();
    let columns: Vec<&str> =
        list["columnDefinitions"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!((list["kind"].as_str(), columns), (Some("Table"), vec!["Name", "Data", "Age"]));
    let cells = &list["rows"][0]["cells"];
    assert_eq!((&cells[0], &cells[1]), (&json!("a"), &json!(1)));
    assert_eq!(list["rows"][0]["object"]["data"], json!({"k": "v"}));
    let mut watch = cluster.ask("GET", &format!("{MAPS}?watch=1")).header("Accept", table).lines();
    let (_, first) = watch.event();
    assert_eq!(first["columnDefinitions"].as_array().unwrap().len(), 3);
    cluster.post(MAPS, &map("b", "1"));
    let (_, second) = watch.event();
    assert_eq!(
        (second["columnDefinitions"].clone(), second["rows"][0]["cells"][0].clone()),
        (Value::Null, json!("b"))
    );
    let partial = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
    assert_eq!(cluster.ask("GET", MAPS).header("Accept", partial).send().status, 406);
}

#[test]
fn a_watcher_that_does_not_read_holds_nobody_up() {
    let cluster = Cluster::start();
    let silent = cluster.block_on(async {
        use tokio::io::AsyncWriteExt as _;
        let mut stream = cluster.connect().await;
        let request = format!(
            "GET {MAPS}?watch=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n",
            crate::support::TOKEN
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    });
    let mut attentive = cluster.ask("GET", &format!("{MAPS}?watch=1")).lines();
    let big = "x".repeat(100_000);
    for n in 0..50 {
        cluster.post(MAPS, &json!({"metadata": {"name": format!("m{n}")}, "data": {"k": big}}));
        assert_eq!(attentive.change(), format!("ADDED m{n}"));
    }
    drop(silent);
}

#[test]
fn a_timeout_beyond_all_clocks_is_a_long_one() {
    let cluster = Cluster::start();
    let query = format!("watch=true&timeoutSeconds={}", i64::MAX);
    let mut watch = cluster.ask("GET", &format!("{MAPS}?{query}")).lines();
    cluster.post(MAPS, &map("a", "1"));
    while watch.change() != "ADDED a" {}
}
