use serde_json::json;

use super::*;

fn of<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    objects
        .iter()
        .find(|it| it["kind"] == kind && it["metadata"]["name"] == name)
        .unwrap_or_else(|| panic!("no {kind} {name}"))
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
    let objects = argocd(&values, "image:v1", "7").unwrap();
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
    let objects = dex(&values, "image", "1").unwrap();
    let text = of(&objects, "Secret", "dex")["stringData"]["config.yaml"].as_str().unwrap();
    assert_eq!(serde_yaml::from_str::<Value>(text).unwrap(), values["config"]);
    let container = &of(&objects, "Deployment", "dex")["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["env"], values["envVars"]);
    assert_eq!(of(&objects, "Service", "dex")["spec"]["ports"][0]["port"], 5556);
}

#[test]
fn errors_name_the_file_and_the_key() {
    let cases = [
        (argocd(&json!({}), "i", ""), "values/argocd.yaml: configs.cm.url must be a string"),
        (
            argocd(&json!({"configs": {"cm": {"url": "u"}, "params": 1}}), "i", ""),
            "values/argocd.yaml: configs.params must be a map",
        ),
        (dex(&json!({"config": []}), "i", ""), "values/dex.yaml: config must be a map"),
        (
            dex(&json!({"config": {"issuer": "i"}, "envVars": 1}), "i", ""),
            "values/dex.yaml: envVars must be a list",
        ),
    ];
    for (result, message) in cases {
        assert_eq!(result.unwrap_err().to_string(), message);
    }
}
