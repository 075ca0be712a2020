//! What real clients ask of the API, recorded in `clients.txt`: all of it is answered.

use local_cluster::logs::LogKey;
use local_cluster::resources::{self, Resource};
use local_cluster::store::Key;
use serde_json::{Value, json};

use crate::support::Cluster;

const RECORDED: &str = include_str!("clients.txt");

/// A recorded request: who, method, path with query, what it accepts, what it sends.
struct Recorded<'a> {
    client: &'a str,
    method: &'a str,
    path: &'a str,
    accepts: &'a str,
    sends: &'a str,
}

fn recorded() -> Vec<Recorded<'static>> {
    let lines = RECORDED.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let read = |line: &'static str| match line.split('\t').collect::<Vec<_>>()[..] {
        [client, method, path, accepts, sends] => Recorded { client, method, path, accepts, sends },
        _ => panic!("not five fields: {line}"),
    };
    lines.map(read).collect()
}

/// What a path names: its resource, namespace, name and what is below.
struct Named {
    resource: Resource,
    namespace: String,
    name: String,
    below: String,
}

fn named(cluster: &Cluster, path: &str) -> Option<Named> {
    let path = path.split('?').next().unwrap();
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (group, version, rest) = match parts[..] {
        ["api", version, ref rest @ ..] => ("", version, rest),
        ["apis", group, version, ref rest @ ..] => (group, version, rest),
        _ => return None,
    };
    let (namespace, rest) = match rest {
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
        rest => ("", rest),
    };
    let resource = resources::find(&cluster.store, group, version, rest.first()?)?;
    let part = |index: usize| (*rest.get(index).unwrap_or(&"")).to_owned();
    Some(Named { resource, namespace: namespace.into(), name: part(1), below: part(2) })
}

/// The least that an object of a kind must be.
fn least(resource: &Resource, name: &str) -> Value {
    let template = json!({
        "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]},
    });
    let mut object =
        json!({"apiVersion": resource.api_version(), "kind": resource.kind, "metadata": {"name": name}});
    object["spec"] = match resource.kind.as_str() {
        "Deployment" | "ReplicaSet" => json!({"selector": {"matchLabels": {"a": "b"}}, "template": template}),
        "Pod" => template["spec"].clone(),
        "Ingress" => json!({"defaultBackend": {"service": {"name": "s", "port": {"number": 80}}}}),
        "Service" => json!({"ports": [{"port": 80, "targetPort": 80}]}),
        "CustomResourceDefinition" => {
            let (plural, group) = name.split_once('.').unwrap_or((name, ""));
            let schema = json!({"openAPIV3Schema": {"type": "object"}});
            let version = if group == "lab.io" { "v1" } else { "v1alpha1" };
            let version = json!({"name": version, "served": true, "storage": true, "schema": schema});
            let names = json!({"plural": plural, "kind": plural.to_uppercase()});
            json!({"group": group, "scope": "Namespaced", "names": names, "versions": [version]})
        }
        _ => {
            object.as_object_mut().unwrap().remove("spec");
            if resource.kind == "Secret" {
                object["type"] = "Opaque".into();
            }
            return object;
        }
    };
    object
}

/// Makes what a request is about, unless it is there.
fn bring(cluster: &Cluster, resource: &Resource, namespace: &str, name: &str) {
    let mut object = least(resource, name);
    if !namespace.is_empty() {
        object["metadata"]["namespace"] = namespace.into();
        let namespaces = resources::find(&cluster.store, "", "v1", "namespaces").unwrap();
        let _ = cluster.store.create(&Key::new("namespaces", "", namespace), least(&namespaces, namespace));
    }
    let _ = cluster.store.create(&Key::new(&resource.id(), namespace, name), object);
}

/// A body of the type that the client sends.
fn body(recorded: &Recorded<'_>, resource: &Resource, name: &str) -> Vec<u8> {
    match recorded.sends {
        "application/json-patch+json" => b"[]".to_vec(),
        "application/merge-patch+json" | "application/strategic-merge-patch+json" => b"{}".to_vec(),
        "application/vnd.kubernetes.protobuf" => {
            let field = |number: u8, bytes: &[u8]| {
                [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()], bytes].concat()
            };
            let kind = [field(1, resource.api_version().as_bytes()), field(2, resource.kind.as_bytes())];
            let object = field(1, &field(1, name.as_bytes()));
            [b"k8s\0".to_vec(), field(1, &kind.concat()), field(2, &object)].concat()
        }
        _ if recorded.method == "DELETE" => b"{}".to_vec(),
        _ if recorded.path.contains("/scale") => {
            json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "spec": {"replicas": 1}})
                .to_string()
                .into()
        }
        _ => least(resource, name).to_string().into(),
    }
}

#[test]
fn what_clients_ask_is_answered() {
    let cluster = Cluster::start();
    let crds = resources::find(&cluster.store, "apiextensions.k8s.io", "v1", "customresourcedefinitions");
    for plural in ["applications", "applicationsets", "appprojects"] {
        bring(&cluster, crds.as_ref().unwrap(), "", &format!("{plural}.argoproj.io"));
    }
    bring(&cluster, crds.as_ref().unwrap(), "", "things.lab.io");
    for (number, request) in recorded().iter().enumerate() {
        let Recorded { client, method, path, accepts, sends } = request;
        let line = format!("{client}: {method} {path} accepts {accepts} sends {sends}");
        let mut ask = cluster.ask(method, path);
        if *accepts != "-" {
            ask = ask.header("Accept", accepts);
        }
        let mut proxied = false;
        if let Some(Named { resource, namespace, name, below }) = named(&cluster, path) {
            let dot = if resource.id() == resources::CRDS { ".lab.io" } else { "" };
            let new = if name.is_empty() { format!("new-{number}{dot}") } else { name.clone() };
            if !name.is_empty() {
                let bare = name.split(':').next().unwrap();
                bring(&cluster, &resource, &namespace, bare);
            } else if !namespace.is_empty() {
                bring(&cluster, &resource, &namespace, "another");
            }
            if below == "log" {
                let key = LogKey { namespace, pod: name, container: "c".into(), restart: 0 };
                drop(cluster.logs.start(key));
            }
            proxied = below == "proxy";
            if *sends != "-" {
                ask = ask.body(sends, body(request, &resource, &new));
            }
        } else if *sends != "-" {
            ask = ask.json(&json!({"spec": {"nonResourceAttributes": {"path": "/", "verb": "get"}}}));
        }
        let answer = ask.head();
        let code = answer.status.as_u16();
        // Of what only names its object in protobuf much is missing; nothing listens in the pods.
        let incomplete = *sends == "application/vnd.kubernetes.protobuf" && code == 422;
        assert!(matches!(code, 200 | 201) || incomplete || proxied && code == 503, "{line}: {code}");
    }
}

/// kubectl prints the rows of a table; of objects it would print less.
#[test]
fn a_table_is_answered_where_a_client_asks_for_one() {
    let cluster = Cluster::start();
    let asked = recorded();
    let request =
        asked.iter().find(|it| it.accepts.contains("as=Table") && it.path.contains("/default/configmaps"));
    let request = request.expect("kubectl get was recorded");
    let maps = resources::find(&cluster.store, "", "v1", "configmaps").unwrap();
    bring(&cluster, &maps, "default", "a");
    let table = cluster
        .ask("GET", "/api/v1/namespaces/default/configmaps")
        .header("Accept", request.accepts)
        .send()
        .json();
    assert_eq!((&table["kind"], &table["rows"][0]["cells"][0]), (&json!("Table"), &json!("a")));
}
