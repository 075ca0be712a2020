//! Which pods a ReplicaSet takes for its own.

use local_lab::store::object;
use serde_json::Value;

use crate::support::{Lab, Web, deployment};

#[tokio::test]
async fn a_pod_with_another_label_is_let_go_and_replaced_and_can_come_back() {
    let lab = Lab::new(Web::default().images());
    lab.deploy(deployment("web", 2));
    lab.rolled_out("web").await;
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
