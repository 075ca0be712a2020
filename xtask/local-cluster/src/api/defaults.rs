//! What the server fills in where an object says nothing.

use serde_json::{Map, Value, json};

use super::kinds::Kind;

/// Fills in the defaults of a built-in kind.
pub fn fill(kind: &Kind, object: &mut Value) {
    if kind.resource.custom {
        return;
    }
    let Value::Object(map) = object else { return };
    match kind.resource.kind.as_str() {
        "Namespace" => {
            let metadata = object_in(map, "metadata");
            if let Some(name) = metadata.get("name").cloned() {
                object_in(metadata, "labels").insert("kubernetes.io/metadata.name".into(), name);
            }
        }
        "Secret" => secret(map),
        "Pod" => {
            let spec = object_in(map, "spec");
            set(spec, "enableServiceLinks", json!(true));
            pod_spec(spec);
        }
        "Deployment" => {
            let spec = object_in(map, "spec");
            set(spec, "replicas", json!(1));
            let strategy = object_in(spec, "strategy");
            set(strategy, "type", json!("RollingUpdate"));
            if strategy["type"] == "RollingUpdate" {
                let rolling = object_in(strategy, "rollingUpdate");
                set(rolling, "maxUnavailable", json!("25%"));
                set(rolling, "maxSurge", json!("25%"));
            }
            set(spec, "revisionHistoryLimit", json!(10));
            set(spec, "progressDeadlineSeconds", json!(600));
            template(spec);
        }
        "ReplicaSet" => {
            let spec = object_in(map, "spec");
            set(spec, "replicas", json!(1));
            template(spec);
        }
        "Service" => service(object_in(map, "spec")),
        "Endpoints" => {
            for subset in items(map, "subsets") {
                for port in items(subset, "ports") {
                    set(port, "protocol", json!("TCP"));
                }
            }
        }
        "CustomResourceDefinition" => {
            let spec = object_in(map, "spec");
            set(object_in(spec, "conversion"), "strategy", json!("None"));
            let names = object_in(spec, "names");
            let kind = names.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
            set(names, "singular", kind.to_lowercase().into());
            set(names, "listKind", format!("{kind}List").into());
        }
        _ => {}
    }
}

/// Sets a field that is not there.
fn set(map: &mut Map<String, Value>, name: &str, value: Value) {
    map.entry(name).or_insert(value);
}

/// The object under a name, made if it is not there. What is no object is left to
/// validation, and what is filled in then is filled into nothing.
fn object_in<'m>(map: &'m mut Map<String, Value>, name: &str) -> &'m mut Map<String, Value> {
    let value = map.entry(name).or_insert_with(|| json!({}));
    if !value.is_object() {
        *value = json!({});
    }
    match value {
        Value::Object(inner) => inner,
        // It was made one just now.
        _ => unreachable!("an object was put here"),
    }
}

fn items<'m>(
    map: &'m mut Map<String, Value>,
    name: &str,
) -> impl Iterator<Item = &'m mut Map<String, Value>> {
    let items = map.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten();
    items.filter_map(Value::as_object_mut)
}

fn inner<'m>(map: &'m mut Map<String, Value>, name: &str) -> Option<&'m mut Map<String, Value>> {
    map.get_mut(name)?.as_object_mut()
}

fn secret(map: &mut Map<String, Value>) {
    set(map, "type", json!("Opaque"));
    // Only for writing: what stands in it is data.
    let Some(Value::Object(plain)) = map.remove("stringData") else { return };
    if plain.is_empty() {
        return;
    }
    let data = object_in(map, "data");
    for (key, value) in plain {
        let text = value.as_str().unwrap_or_default();
        data.insert(key, base64(text).into());
    }
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::prelude::BASE64_STANDARD.encode(text)
}

fn template(spec: &mut Map<String, Value>) {
    pod_spec(object_in(object_in(spec, "template"), "spec"));
}

fn pod_spec(spec: &mut Map<String, Value>) {
    set(spec, "restartPolicy", json!("Always"));
    set(spec, "dnsPolicy", json!("ClusterFirst"));
    set(spec, "terminationGracePeriodSeconds", json!(30));
    set(spec, "schedulerName", json!("default-scheduler"));
    set(spec, "securityContext", json!({}));
    // The older name of the same thing.
    if let Some(name) = spec.get("serviceAccountName").or_else(|| spec.get("serviceAccount")).cloned() {
        spec.insert("serviceAccountName".into(), name.clone());
        spec.insert("serviceAccount".into(), name);
    }
    for container in containers(spec) {
        fill_container(container);
    }
    for volume in items(spec, "volumes") {
        for source in ["secret", "configMap", "projected", "downwardAPI"] {
            if let Some(source) = inner(volume, source) {
                set(source, "defaultMode", json!(0o644));
            }
        }
        if let Some(path) = inner(volume, "hostPath") {
            set(path, "type", json!(""));
        }
        if volume.len() == 1 && volume.contains_key("name") {
            volume.insert("emptyDir".into(), json!({}));
        }
    }
}

fn containers(spec: &mut Map<String, Value>) -> impl Iterator<Item = &mut Map<String, Value>> {
    spec.iter_mut()
        .filter(|(name, _)| matches!(name.as_str(), "containers" | "initContainers"))
        .filter_map(|(_, list)| list.as_array_mut())
        .flatten()
        .filter_map(Value::as_object_mut)
}

fn fill_container(container: &mut Map<String, Value>) {
    set(container, "terminationMessagePath", json!("/dev/termination-log"));
    set(container, "terminationMessagePolicy", json!("File"));
    set(container, "resources", json!({}));
    let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
    let policy = if is_newest(image) { "Always" } else { "IfNotPresent" };
    set(container, "imagePullPolicy", json!(policy));
    for port in items(container, "ports") {
        set(port, "protocol", json!("TCP"));
    }
    for variable in items(container, "env") {
        let field = inner(variable, "valueFrom").and_then(|it| inner(it, "fieldRef"));
        if let Some(field) = field {
            set(field, "apiVersion", json!("v1"));
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(probe) = inner(container, probe) else { continue };
        set(probe, "timeoutSeconds", json!(1));
        set(probe, "periodSeconds", json!(10));
        set(probe, "successThreshold", json!(1));
        set(probe, "failureThreshold", json!(3));
        if let Some(get) = inner(probe, "httpGet") {
            set(get, "path", json!("/"));
            set(get, "scheme", json!("HTTP"));
        }
    }
}

/// An image without a tag is the newest, whatever that is.
fn is_newest(image: &str) -> bool {
    if image.contains('@') {
        return false;
    }
    let name = image.rsplit('/').next().unwrap_or_default();
    name.split_once(':').is_none_or(|(_, tag)| tag == "latest")
}

fn service(spec: &mut Map<String, Value>) {
    set(spec, "type", json!("ClusterIP"));
    set(spec, "sessionAffinity", json!("None"));
    let kind = spec["type"].as_str().unwrap_or_default().to_owned();
    if kind != "ExternalName" {
        set(spec, "internalTrafficPolicy", json!("Cluster"));
    }
    for port in items(spec, "ports") {
        set(port, "protocol", json!("TCP"));
        if port.get("targetPort").is_none_or(|target| target == 0 || target == "") {
            let number = port.get("port").cloned().unwrap_or_else(|| json!(0));
            port.insert("targetPort".into(), number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::kinds;
    use crate::store::Store;

    fn filled(group: &str, plural: &str, mut object: Value) -> Value {
        let kind = kinds::find(&Store::new(), group, "v1", plural).unwrap();
        fill(&kind, &mut object);
        object
    }

    #[test]
    fn a_deployment_gets_what_kubectl_shows() {
        let deployment = filled(
            "apps",
            "deployments",
            json!({"spec": {"template": {"spec": {"containers": [
                {"name": "a", "image": "x/y:1", "ports": [{"containerPort": 80}], "readinessProbe": {"httpGet": {"port": 80}}},
                {"name": "b", "image": "localhost:5000/y"},
            ]}}}}),
        );
        let spec = &deployment["spec"];
        assert_eq!(spec["replicas"], 1);
        assert_eq!(
            spec["strategy"],
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}})
        );
        let pod = &spec["template"]["spec"];
        assert_eq!(pod["terminationGracePeriodSeconds"], 30);
        assert_eq!(pod["containers"][0]["imagePullPolicy"], "IfNotPresent");
        assert_eq!(pod["containers"][1]["imagePullPolicy"], "Always");
        assert_eq!(
            pod["containers"][0]["readinessProbe"],
            json!({
                "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
                "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3,
            })
        );
        let recreate = filled("apps", "deployments", json!({"spec": {"strategy": {"type": "Recreate"}}}));
        assert_eq!(recreate["spec"]["strategy"], json!({"type": "Recreate"}));
    }

    #[test]
    fn string_data_becomes_data() {
        let secret =
            filled("", "secrets", json!({"data": {"a": "eA=="}, "stringData": {"a": "y", "b": "z"}}));
        assert_eq!(secret, json!({"data": {"a": "eQ==", "b": "eg=="}, "type": "Opaque"}));
    }

    #[test]
    fn a_service_port_leads_to_itself() {
        let service = filled("", "services", json!({"spec": {"ports": [{"port": 80}]}}));
        assert_eq!(service["spec"]["ports"], json!([{"port": 80, "protocol": "TCP", "targetPort": 80}]));
        assert_eq!(service["spec"]["type"], "ClusterIP");
    }
}
