//! What a container gets when it starts, and that it stays so.

use serde_json::json;

use crate::support::{Lab, Web, container, deployment, restarted, secret};

#[tokio::test]
async fn the_environment_is_read_at_start_and_is_stale_until_the_next_one() {
    let web = Web::default();
    let lab = Lab::new(web.images());
    lab.create("secrets", secret("s", &[("key", "first")]));
    let mut wanted = deployment("web", 1);
    container(&mut wanted)["env"] = json!([
        {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "key"}}},
        {"name": "BOTH", "value": "$(HOSTNAME)/$(SECRET)/$(NONE)"},
    ]);
    container(&mut wanted)["args"] = json!(["--secret=$(SECRET)", "$$(SECRET)"]);
    lab.deploy(wanted);
    lab.rolled_out("web").await;
    lab.change("secrets", "s", |it| it["data"] = secret("s", &[("key", "second")])["data"].clone());
    lab.change("deployments.apps", "web", |it| {
        it["metadata"]["annotations"] = json!({"note": "no new template"})
    });
    lab.rolled_out("web").await;
    let launched = web.launched();
    assert_eq!(launched.len(), 1, "a changed Secret starts nothing");
    assert_eq!(launched[0].env["SECRET"], "first");
    assert_eq!(launched[0].env["BOTH"], format!("{}/first/$(NONE)", launched[0].pod));
    assert_eq!(launched[0].args, ["--secret=first", "$(SECRET)"]);
    assert_eq!(launched[0].env["HTTP_PROXY"], "http://127.0.0.1:9");
    assert_eq!(launched[0].env["HOSTNAME"], launched[0].pod);

    lab.change("deployments.apps", "web", |it| restarted(it, "2026-01-01T00:00:00Z"));
    lab.rolled_out("web").await;
    assert_eq!(web.launched()[1].env["SECRET"], "second");
    lab.end().await;
}

#[tokio::test]
async fn a_missing_secret_holds_a_container_back_until_it_is_there() {
    let web = Web::default();
    let lab = Lab::new(web.images());
    let mut wanted = deployment("web", 1);
    container(&mut wanted)["env"] =
        json!([{"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "key"}}}]);
    lab.deploy(wanted);
    assert_eq!(lab.waiting("CreateContainerConfigError").await, "secret \"s\" not found");
    lab.event("Failed", "Error: secret \"s\" not found").await;
    lab.create("secrets", secret("s", &[("other", "x")]));
    lab.event("Failed", "Error: couldn't find key key in Secret n/s").await;
    assert!(web.launched().is_empty());
    lab.change("secrets", "s", |it| it["data"] = secret("s", &[("key", "now")])["data"].clone());
    lab.rolled_out("web").await;
    assert_eq!(web.launched()[0].env["SECRET"], "now");
    lab.end().await;
}

#[tokio::test]
async fn sources_come_with_the_options_of_kubernetes() {
    let web = Web::default();
    let lab = Lab::new(web.images());
    lab.create("secrets", secret("s", &[("B", "secret\n")]));
    lab.create(
        "configmaps",
        json!({"kind": "ConfigMap", "metadata": {"name": "m", "namespace": "n"},
        "data": {"A": "map"}}),
    );
    let mut wanted = deployment("web", 1);
    container(&mut wanted)["env"] = json!([
        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "B"}}},
        {"name": "HTTP_PROXY", "value": "http://own"},
        {"name": "GONE", "valueFrom": {"secretKeyRef": {"name": "s", "key": "none", "optional": true}}},
        {"name": "NOBODY", "valueFrom": {"secretKeyRef": {"name": "none", "key": "x", "optional": true}}},
        {"name": "MAP", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "A"}}},
    ]);
    lab.deploy(wanted);
    lab.rolled_out("web").await;
    let env = &web.launched()[0].env;
    let expected = [
        ("B", Some("secret\n")),
        ("GONE", None),
        ("NOBODY", None),
        ("MAP", Some("map")),
        ("HTTP_PROXY", Some("http://own")),
    ];
    for (name, value) in expected {
        assert_eq!(env.get(name).map(String::as_str), value, "{name}");
    }
    lab.end().await;
}

#[tokio::test]
async fn volumes_are_files_below_their_mounts() {
    let web = Web::default();
    let lab = Lab::new(web.images());
    let mut wanted = deployment("web", 1);
    wanted["spec"]["template"]["spec"]["volumes"] = json!([
        {"name": "all", "secret": {"secretName": "s"}},
        {"name": "some", "configMap": {"name": "m", "items": [{"key": "A", "path": "deep/er"}]}},
        {"name": "none", "secret": {"secretName": "nobody", "optional": true}},
        {"name": "tmp", "emptyDir": {}},
        {"name": "map", "configMap": {"name": "m"}},
    ]);
    container(&mut wanted)["volumeMounts"] = json!([
        {"name": "all", "mountPath": "/all"},
        {"name": "some", "mountPath": "/some/"},
        {"name": "none", "mountPath": "/none"},
        {"name": "tmp", "mountPath": "/tmp"},
        {"name": "map", "mountPath": "/map"},
    ]);
    lab.deploy(wanted);
    lab.event("FailedMount", "MountVolume.SetUp failed for volume \"all\" : secret \"s\" not found").await;
    lab.create("secrets", secret("s", &[("k", "v")]));
    lab.create(
        "configmaps",
        json!({"kind": "ConfigMap", "metadata": {"name": "m", "namespace": "n"},
        "data": {"A": "a"}, "binaryData": {"B": "AAE="}}),
    );
    lab.rolled_out("web").await;
    let files = web.launched()[0].files.clone();
    let files: Vec<_> = files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
    assert_eq!(
        files,
        [
            ("/all/k", &b"v"[..]),
            ("/map/A", b"a"),
            ("/map/B", &[0, 1]),
            ("/none/", b""),
            ("/some/deep/er", b"a"),
            ("/tmp/", b""),
        ]
    );
    lab.end().await;
}

#[tokio::test]
async fn a_volume_names_what_it_cannot_be() {
    for (volume, words) in [
        (json!({"hostPath": {"path": "/"}}), "not \"hostPath\""),
        (
            json!({"secret": {"secretName": "s", "items": [{"key": "none", "path": "x"}]}}),
            "references non-existent secret key: none",
        ),
        (
            json!({"secret": {"secretName": "s", "items": [{"key": "k", "path": "../x"}]}}),
            "must not contain \"..\"",
        ),
    ] {
        let web = Web::default();
        let lab = Lab::new(web.images());
        lab.create("secrets", secret("s", &[("k", "v")]));
        let mut wanted = deployment("web", 1);
        let mut named = volume.clone();
        named["name"] = "v".into();
        wanted["spec"]["template"]["spec"]["volumes"] = json!([named]);
        container(&mut wanted)["volumeMounts"] = json!([{"name": "v", "mountPath": "/v"}]);
        lab.deploy(wanted);
        lab.event("FailedMount", words).await;
        lab.end().await;
    }
}

#[tokio::test]
async fn what_no_container_of_this_lab_gets_is_refused_in_words() {
    let source = json!({"configMapRef": {"name": "m", "optional": true}});
    let probe = json!({"tcpSocket": {"port": 8080}});
    let mount = |field: &str| json!([{"name": "v", "mountPath": "/v", field: "x"}]);
    let init = json!([{"name": "i", "image": "test/web"}]);
    let field = json!([{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]);
    let refused = "CreateContainerConfigError";
    for (reason, field, value, words) in [
        (refused, "initContainers", init, "this lab runs no initContainers"),
        (refused, "restartPolicy", json!("Never"), "has no restartPolicy Never"),
        (refused, "env", field, "this lab fills a variable from a Secret or a ConfigMap only"),
        (refused, "envFrom", json!([source]), "this lab has no envFrom"),
        (refused, "startupProbe", probe, "this lab has no startupProbe"),
        (refused, "volumeMounts", mount("subPath"), "this lab mounts whole volumes, and no subPath"),
        (refused, "volumeMounts", mount("subPathExpr"), "this lab mounts whole volumes, and no subPathExpr"),
        ("ContainerCreating", "projected", json!({"sources": []}), "not \"projected\""),
        ("ContainerCreating", "downwardAPI", json!({"items": []}), "not \"downwardAPI\""),
    ] {
        let web = Web::default();
        let lab = Lab::new(web.images());
        let mut wanted = deployment("web", 1);
        wanted["spec"]["template"]["spec"]["volumes"] = json!([{"name": "v", "emptyDir": {}}]);
        match field {
            "initContainers" | "restartPolicy" => wanted["spec"]["template"]["spec"][field] = value,
            "projected" | "downwardAPI" => {
                wanted["spec"]["template"]["spec"]["volumes"] = json!([{"name": "v", field: value}]);
                container(&mut wanted)["volumeMounts"] = json!([{"name": "v", "mountPath": "/v"}]);
            }
            _ => container(&mut wanted)[field] = value,
        }
        lab.deploy(wanted);
        let event = if reason == refused { "Failed" } else { "FailedMount" };
        lab.event(event, words).await;
        let message = lab.waiting(reason).await;
        assert!(reason != refused || message.contains(words), "{message}");
        assert!(web.launched().is_empty(), "{field}");
        lab.end().await;
    }
}
