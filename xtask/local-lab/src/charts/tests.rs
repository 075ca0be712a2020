use serde_json::{Value, json};

use super::shared::SECRETS_ANNOTATION;
use super::*;

fn of<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    objects
        .iter()
        .find(|it| it["kind"] == kind && it["metadata"]["name"] == name)
        .unwrap_or_else(|| panic!("no {kind} {name}"))
}

fn image(image: &str) -> Runs<'_> {
    Runs { image, executable: None }
}

#[test]
fn an_executable_of_this_machine_is_told_its_ports_and_shows_no_path_of_the_lab() {
    let values =
        json!({"configs": {"cm": {"url": "u"}, "params": {}, "rbac": {}}, "config": {"issuer": "i"}});
    let runs = |image| Runs { image, executable: Some("/x/program") };
    let container = |objects: &[Value], name: &str| {
        of(objects, "Deployment", name)["spec"]["template"]["spec"]["containers"][0].clone()
    };
    let new = container(&argocd(&values, runs("h:v3.3.6"), image("d"), "").unwrap(), "argocd-server");
    assert_eq!(new["command"], json!(["/x/program"]));
    let arguments: Vec<&str> =
        new["args"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    assert_eq!(arguments[0], "--port=$(PORT_8080)");
    assert!(arguments.contains(&"--metrics-address=127.0.0.1"));
    assert!(new["env"].as_array().unwrap().iter().any(|it| it["value"] == "argocd-server"));
    let old = container(&argocd(&values, runs("h:v2.4.3_x.dirty"), image("d"), "").unwrap(), "argocd-server");
    assert!(!old["args"].to_string().contains("address"));
    let dex = container(&dex(&values, runs("h:v2.45.1"), "").unwrap(), "dex");
    assert_eq!(dex["args"][5], "$(FILES)/etc/dex/config.yaml");
    let redis = container(&redis(runs("h:system")), "argocd-redis");
    assert_eq!(redis["args"][1], "$(PORT_6379)");
    let stand_in = container(&argocd(&values, image("s:v3.3.6"), image("d"), "").unwrap(), "argocd-server");
    assert_eq!(
        stand_in["args"],
        json!(["/usr/local/bin/argocd-server", "--port=8080", "--metrics-port=8083"])
    );
    assert!(stand_in["command"].is_null());
}

#[test]
fn argocd_keeps_what_the_values_say() {
    let values = json!({
        "configs": {
            "cm": {"url": "http://a", "oidc.config": "issuer: x\n", "exec.enabled": false, "left.out": null},
            "params": {"server.insecure": true},
            "rbac": {"scopes": "[email]"},
        },
        "server": {"replicas": 2, "readinessProbe": {"initialDelaySeconds": 0}},
    });
    let objects = argocd(&values, image("image:v1"), image("d"), "7").unwrap();
    let settings = &of(&objects, "ConfigMap", "argocd-cm")["data"];
    assert_eq!(*settings, json!({"url": "http://a", "oidc.config": "issuer: x\n", "exec.enabled": "false"}));
    assert_eq!(of(&objects, "ConfigMap", "argocd-cmd-params-cm")["data"]["server.insecure"], "true");
    let spec = &of(&objects, "Deployment", "argocd-server")["spec"];
    assert_eq!(spec["replicas"], 2);
    assert_eq!(spec["template"]["metadata"]["annotations"][SECRETS_ANNOTATION], "7");
    let probe = &spec["template"]["spec"]["containers"][0]["readinessProbe"];
    assert_eq!((&probe["initialDelaySeconds"], &probe["periodSeconds"]), (&json!(0), &json!(10)));
    assert_eq!(objects.iter().filter(|it| it["kind"] == "CustomResourceDefinition").count(), 3);
}

#[test]
fn dex_gets_its_configuration_and_its_environment() {
    let values = json!({
        "config": {"issuer": "http://d", "storage": {"type": "memory"}},
        "envVars": [{"name": "S", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}],
    });
    let objects = dex(&values, image("image"), "1").unwrap();
    let text = of(&objects, "Secret", "dex")["stringData"]["config.yaml"].as_str().unwrap();
    assert_eq!(serde_yaml::from_str::<Value>(text).unwrap(), values["config"]);
    let container = &of(&objects, "Deployment", "dex")["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["env"], values["envVars"]);
    assert_eq!(of(&objects, "Service", "dex")["spec"]["ports"][0]["port"], 5556);
}

#[test]
fn errors_name_the_file_and_the_key() {
    let cases = [
        (
            argocd(&json!({}), image("i"), image("d"), ""),
            "values/argocd.yaml: configs.cm.url must be a string",
        ),
        (
            argocd(&json!({"configs": {"cm": {"url": "u"}, "params": 1}}), image("i"), image("d"), ""),
            "values/argocd.yaml: configs.params must be a map",
        ),
        (dex(&json!({"config": []}), image("i"), ""), "values/dex.yaml: config must be a map"),
        (
            dex(&json!({"config": {"issuer": "i"}, "envVars": 1}), image("i"), ""),
            "values/dex.yaml: envVars must be a list",
        ),
    ];
    for (result, message) in cases {
        assert_eq!(result.unwrap_err().to_string(), message);
    }
}

#[test]
fn the_dex_inside_argo_cd_is_there_before_the_server_that_is_told_where_it_is() {
    let values = json!({"configs": {"cm": {"url": "u"}, "params": {}, "rbac": {}}, "dex": {"enabled": true}});
    let objects = argocd(&values, image("a"), image("d"), "").unwrap();
    let place = |kind: &str, name: &str| {
        objects.iter().position(|it| it["kind"] == kind && it["metadata"]["name"] == name).unwrap()
    };
    assert!(place("ConfigMap", "argocd-cm") < place("Deployment", "argocd-dex-server"));
    assert!(place("Service", "argocd-dex-server") < place("Deployment", "argocd-server"));
    let container = |objects: &[Value], name: &str| {
        of(objects, "Deployment", name)["spec"]["template"]["spec"]["containers"][0].clone()
    };
    let server = container(&objects, "argocd-server");
    assert!(server["args"].to_string().contains("--dex-server=http://$(ARGOCD_DEX_SERVER_SERVICE_HOST):"));
    let dex = container(&objects, "argocd-dex-server");
    assert_eq!(
        (&dex["image"], &dex["args"], &dex["command"]),
        (&json!("d"), &json!(["rundex"]), &Value::Null)
    );
    let real = |image, executable| Runs { image, executable: Some(executable) };
    let objects = argocd(&values, real("h:v3.3.6", "/x/argocd"), real("h:v2.45.1", "/x/dex"), "").unwrap();
    let dex = container(&objects, "argocd-dex-server");
    assert_eq!((&dex["image"], &dex["command"]), (&json!("h:v2.45.1"), &json!(["/x/argocd"])));
    for (name, value) in [("ARGOCD_BINARY_NAME", "argocd-dex"), ("DEX_PROGRAM", "/x/dex")] {
        assert!(dex["env"].as_array().unwrap().contains(&json!({"name": name, "value": value})), "{dex}");
    }
    assert!(container(&objects, "argocd-server")["args"].to_string().contains("--dex-server="));
}
