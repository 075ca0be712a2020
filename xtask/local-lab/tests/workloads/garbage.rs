//! What goes with something that is deleted.

use local_lab::store::{Key, object};
use serde_json::{Value, json};

use crate::support::{Lab, Web, deployment};

fn key() -> Key {
    Key::new("deployments.apps", "n", "web")
}

async fn deployed(web: &Web) -> Lab {
    let lab = Lab::new(web.images());
    lab.deploy(deployment("web", 2));
    lab.rolled_out("web").await;
    lab
}

async fn empty(lab: &Lab, resource: &'static str) {
    lab.until(resource, |all| all.is_empty().then_some(())).await;
}

#[tokio::test]
async fn a_deleted_deployment_takes_its_replicaset_and_pods_along() {
    let lab = deployed(&Web::default()).await;
    lab.store.delete(&key()).unwrap();
    empty(&lab, "replicasets.apps").await;
    empty(&lab, "pods").await;
    lab.end().await;
}

#[tokio::test]
async fn orphans_stay() {
    let lab = deployed(&Web::default()).await;
    lab.change("deployments.apps", "web", |it| it["metadata"]["finalizers"] = json!(["orphan"]));
    lab.store.delete(&key()).unwrap();
    empty(&lab, "deployments.apps").await;
    let set = lab.list("replicasets.apps").remove(0);
    assert_eq!(object::controller(&set), None);
    assert_eq!(lab.pods().len(), 2);
    lab.end().await;
}

#[tokio::test]
async fn a_deletion_in_the_foreground_ends_with_the_last_pod() {
    let lab = deployed(&Web::default()).await;
    lab.change("deployments.apps", "web", |it| it["metadata"]["finalizers"] = json!(["foregroundDeletion"]));
    lab.store.delete(&key()).unwrap();
    empty(&lab, "deployments.apps").await;
    assert!(lab.list("replicasets.apps").is_empty());
    empty(&lab, "pods").await;
    lab.end().await;
}

#[tokio::test]
async fn a_pod_with_another_label_is_let_go_and_replaced_and_can_come_back() {
    let lab = deployed(&Web::default()).await;
    let name = object::name(&lab.pods()[0]).to_owned();
    let label = |value: &'static str| move |it: &mut Value| it["metadata"]["labels"]["app"] = value.into();
    lab.change("pods", &name, label("aside"));
    lab.until("pods", |pods| (pods.len() == 3).then_some(())).await;
    assert_eq!(object::controller(&lab.get("pods", &name).unwrap()), None);
    lab.rolled_out("web").await;
    lab.change("pods", &name, label("web"));
    lab.until("pods", |pods| (pods.len() == 2).then_some(())).await;
    lab.rolled_out("web").await;
    lab.end().await;
}

#[tokio::test]
async fn a_namespace_goes_when_it_is_empty() {
    let web = Web::default();
    let lab = Lab::new(web.images());
    let namespace = Key::new("namespaces", "", "n");
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}});
    lab.store.create(&namespace, object).unwrap();
    lab.create(
        "configmaps",
        json!({"kind": "ConfigMap", "metadata": {"name": "held", "namespace": "n", "finalizers": ["a/b"]}}),
    );
    lab.deploy(deployment("web", 1));
    lab.rolled_out("web").await;
    let marked = lab
        .store
        .update(&namespace, |old| Ok::<_, local_lab::store::WriteError>(object::marked_for_deletion(old)));
    marked.unwrap();
    for resource in ["deployments.apps", "replicasets.apps", "pods"] {
        empty(&lab, resource).await;
    }
    assert!(lab.store.get(&namespace).is_some(), "a finalizer holds it");
    lab.change("configmaps", "held", |it| it["metadata"]["finalizers"] = json!([]));
    let mut follow = lab.store.follow("namespaces");
    while lab.store.get(&namespace).is_some() {
        follow.next().await;
    }
    lab.end().await;
}
