//! Endpoints of Services.

use local_cluster::store::object;
use serde_json::{Value, json};

use crate::support::{Lab, Web, deployment, restarted};

fn service(ports: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "n"},
        "spec": {"clusterIP": "10.0.0.1", "selector": {"app": "web"}, "ports": ports}})
}

/// `address:port` of every ready pod.
fn ready(endpoints: &Value) -> Vec<String> {
    let subsets = endpoints["subsets"].as_array().unwrap().iter();
    let ready = subsets.filter(|it| it["addresses"].is_array());
    ready
        .map(|it| format!("{}:{}", it["addresses"][0]["ip"].as_str().unwrap(), it["ports"][0]["port"]))
        .collect()
}

#[tokio::test]
async fn endpoints_are_the_real_ports_of_ready_pods() {
    let web = Web::default();
    let lab = Lab::new(web.images());
    lab.create("services", service(json!([{"name": "web", "port": 80, "targetPort": "http"}])));
    lab.deploy(deployment("web", 2));
    lab.rolled_out("web").await;
    let endpoints = lab.get("endpoints", "s").unwrap();
    let mut found = ready(&endpoints);
    let mut expected: Vec<String> = lab
        .pods()
        .iter()
        .map(|pod| {
            let text = object::annotation(pod, "oidc-lab/listening").unwrap();
            serde_json::from_str::<Value>(text).unwrap()["8080"].as_str().unwrap().to_owned()
        })
        .collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(endpoints["subsets"][0]["ports"][0]["name"], "web");
    let target = &endpoints["subsets"][0]["addresses"][0]["targetRef"];
    assert_eq!(target["kind"], "Pod");
    assert_eq!(lab.get("services", "s").unwrap()["spec"]["clusterIP"], "10.0.0.1");

    web.healthy.send_replace(false);
    lab.change("deployments.apps", "web", |it| restarted(it, "2026-01-01T00:00:00Z"));
    lab.until("endpoints", |all| {
        let waiting = all[0]["subsets"].as_array()?.iter().filter(|it| it["notReadyAddresses"].is_array());
        (waiting.count() == 1 && ready(&all[0]).len() == 2).then_some(())
    })
    .await;
    lab.store.remove(&local_cluster::store::Key::new("services", "n", "s")).unwrap();
    lab.until("endpoints", |all| all.is_empty().then_some(())).await;
    lab.end().await;
}

#[tokio::test]
async fn a_port_that_nobody_opened_leads_nowhere_and_an_unknown_name_to_nothing() {
    let web = Web::default();
    let lab = Lab::new(web.images());
    lab.create("services", service(json!([{"port": 80, "targetPort": 9999}])));
    lab.deploy(deployment("web", 1));
    lab.rolled_out("web").await;
    assert_eq!(ready(&lab.get("endpoints", "s").unwrap()), ["127.0.0.1:0"]);
    lab.change("services", "s", |it| it["spec"]["ports"][0]["targetPort"] = "none".into());
    lab.until("endpoints", |all| all[0]["subsets"].as_array()?.is_empty().then_some(())).await;
    lab.end().await;
}

#[tokio::test]
async fn services_without_a_selector_are_left_alone() {
    let web = Web::default();
    let lab = Lab::new(web.images());
    let mut service = service(json!([{"port": 80}]));
    service["spec"].as_object_mut().unwrap().remove("selector");
    lab.create("services", service);
    lab.create(
        "endpoints",
        json!({"kind": "Endpoints", "metadata": {"name": "s", "namespace": "n"},
        "subsets": [{"addresses": [{"ip": "127.0.0.1"}], "ports": [{"port": 1}]}]}),
    );
    lab.deploy(deployment("web", 1));
    lab.rolled_out("web").await;
    assert_eq!(ready(&lab.get("endpoints", "s").unwrap()), ["127.0.0.1:1"]);
    lab.end().await;
}

#[tokio::test]
async fn containers_reach_services_by_the_variables_of_a_kubelet() {
    let web = Web::default();
    let lab = Lab::new(web.images());
    let mut my_web = service(json!([{"name": "web-ui", "port": 80, "targetPort": "http"}]));
    my_web["metadata"]["name"] = "my-web".into();
    let created = lab.create("services", my_web);
    lab.deploy(deployment("web", 1));
    lab.rolled_out("web").await;
    let env = web.launched()[0].env.clone();
    let port = env["MY_WEB_SERVICE_PORT"].clone();
    for (name, value) in
        [("MY_WEB_SERVICE_HOST", "127.0.0.1".to_owned()), ("MY_WEB_SERVICE_PORT_WEB_UI", port.clone())]
    {
        assert_eq!(env.get(name), Some(&value), "{name}");
    }
    let address = format!("127.0.0.1:{port}");
    // The port stays while pods come and go behind it.
    for at in ["2026-01-01T00:00:01Z", "2026-01-01T00:00:02Z"] {
        let answer = get(&address).await.unwrap();
        assert!(answer.ends_with(object::name(&lab.pods()[0])), "{answer}");
        lab.change("deployments.apps", "web", |it| restarted(it, at));
        lab.rolled_out("web").await;
    }
    assert_eq!(web.launched()[2].env["MY_WEB_SERVICE_PORT"], port);
    lab.change("deployments.apps", "web", |it| it["spec"]["replicas"] = 0.into());
    lab.until("pods", |all| all.is_empty().then_some(())).await;
    assert_eq!(get(&address).await.unwrap_or_default(), "");
    lab.store.remove(&local_cluster::store::Key::of("services", &created)).unwrap();
    while tokio::net::TcpStream::connect(&address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    lab.end().await;
}

#[tokio::test]
async fn a_port_that_is_renamed_goes_on_leading_to_its_pods() {
    let web = Web::default();
    let lab = Lab::new(web.images());
    lab.create("services", service(json!([{"name": "web", "port": 80, "targetPort": "http"}])));
    lab.deploy(deployment("web", 1));
    lab.rolled_out("web").await;
    let address = format!("127.0.0.1:{}", web.launched()[0].env["S_SERVICE_PORT"]);
    assert!(get(&address).await.unwrap().contains("200 OK"));
    lab.change("services", "s", |it| it["spec"]["ports"][0]["name"] = "site".into());
    lab.first("endpoints", |it| it["subsets"][0]["ports"][0]["name"] == "site").await;
    assert!(get(&address).await.unwrap().contains("200 OK"));
    lab.end().await;
}

async fn get(address: &str) -> std::io::Result<String> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
