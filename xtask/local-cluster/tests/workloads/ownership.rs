//! Which pods a ReplicaSet takes for its own.

use local_cluster::store::{Key, object};
use serde_json::{Value, json};

use crate::support::{Lab, Web, deployment};

#[tokio::test]
async fn a_pod_with_another_label_is_let_go_and_replaced_and_can_come_back() {
    let lab = Lab::with_web(2).await;
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
async fn a_deployment_takes_in_what_outlived_it() {
    let web = Web::default();
    let lab = Lab::new(web.images());
    lab.deploy(deployment("web", 1));
    lab.rolled_out("web").await;
    let set = object::name(&lab.list("replicasets.apps")[0]).to_owned();
    // As a deletion leaves them that orphans.
    lab.store.remove(&Key::new("deployments.apps", "n", "web")).unwrap();
    lab.change("replicasets.apps", &set, |it| it["metadata"]["ownerReferences"] = json!([]));
    let again = lab.deploy(deployment("web", 1));
    lab.rolled_out("web").await;
    let sets = lab.list("replicasets.apps");
    assert_eq!((sets.len(), object::name(&sets[0])), (1, set.as_str()));
    assert_eq!(object::controller(&sets[0]), Some(("Deployment", object::uid_of(&again))));
    assert_eq!(web.launched().len(), 1);
    lab.end().await;
}
