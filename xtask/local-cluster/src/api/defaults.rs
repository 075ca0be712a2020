//! What the server fills in where an object says nothing.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::resources::RBAC;
use crate::store::object::text;

use super::kinds::Kind;

/// Fills in the defaults of a built-in kind. The object is of its type's shape.
pub fn fill(kind: &Kind, object: &mut Value) {
    match kind.resource.kind.as_str() {
        _ if kind.resource.custom => {}
        "Namespace" if object["metadata"]["name"].is_string() => {
            object["metadata"]["labels"]["kubernetes.io/metadata.name"] = object["metadata"]["name"].clone();
        }
        "Secret" => secret(object),
        "Pod" => pod_spec(&mut object["spec"]),
        "Deployment" => {
            let spec = &mut object["spec"];
            for (field, value) in [("replicas", 1), ("revisionHistoryLimit", 10)] {
                set(&mut spec[field], value);
            }
            set(&mut spec["strategy"]["type"], "RollingUpdate");
            if spec["strategy"]["type"] == "RollingUpdate" {
                set(&mut spec["strategy"]["rollingUpdate"]["maxUnavailable"], "25%");
                set(&mut spec["strategy"]["rollingUpdate"]["maxSurge"], "25%");
            }
            pod_spec(&mut spec["template"]["spec"]);
        }
        "ReplicaSet" => {
            set(&mut object["spec"]["replicas"], 1);
            pod_spec(&mut object["spec"]["template"]["spec"]);
        }
        "Service" => service(&mut object["spec"]),
        "Endpoints" => {
            for port in items(object, "subsets").flat_map(|subset| items(subset, "ports")) {
                set(&mut port["protocol"], "TCP");
            }
        }
        "RoleBinding" | "ClusterRoleBinding" => {
            set(&mut object["roleRef"]["apiGroup"], RBAC);
            for subject in items(object, "subjects").filter(|it| it["kind"] != "ServiceAccount") {
                set(&mut subject["apiGroup"], RBAC);
            }
        }
        "CustomResourceDefinition" => {
            set(&mut object["spec"]["conversion"]["strategy"], "None");
            let names = &mut object["spec"]["names"];
            let kind = text(&names["kind"]).to_owned();
            set(&mut names["singular"], kind.to_lowercase());
            set(&mut names["listKind"], format!("{kind}List"));
        }
        _ => {}
    }
}

/// Sets what is not there.
fn set(at: &mut Value, value: impl Into<Value>) {
    if at.is_null() {
        *at = value.into();
    }
}

fn items<'v>(object: &'v mut Value, field: &str) -> impl Iterator<Item = &'v mut Value> {
    object.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten()
}

fn secret(object: &mut Value) {
    set(&mut object["type"], "Opaque");
    // Only for writing: what stands in it is data.
    let Some(Value::Object(plain)) = object.as_object_mut().and_then(|it| it.remove("stringData")) else {
        return;
    };
    for (key, value) in plain {
        object["data"][key] = BASE64_STANDARD.encode(text(&value)).into();
    }
}

fn pod_spec(spec: &mut Value) {
    set(&mut spec["restartPolicy"], "Always");
    set(&mut spec["dnsPolicy"], "ClusterFirst");
    set(&mut spec["terminationGracePeriodSeconds"], 30);
    set(&mut spec["schedulerName"], "default-scheduler");
    set(&mut spec["securityContext"], json!({}));
    // The older name of the same thing.
    if let Some(name) = spec.get("serviceAccountName").or_else(|| spec.get("serviceAccount")).cloned() {
        spec["serviceAccountName"] = name.clone();
        spec["serviceAccount"] = name;
    }
    items(spec, "containers").for_each(container);
    for volume in items(spec, "volumes") {
        if let Some(source) = ["secret", "configMap"].into_iter().find(|it| volume[*it].is_object()) {
            set(&mut volume[source]["defaultMode"], 0o644);
        }
        if volume.as_object().is_some_and(|it| it.len() == 1) {
            volume["emptyDir"] = json!({});
        }
    }
}

fn container(container: &mut Value) {
    set(&mut container["terminationMessagePath"], "/dev/termination-log");
    set(&mut container["terminationMessagePolicy"], "File");
    set(&mut container["resources"], json!({}));
    let policy = if is_newest(text(&container["image"])) { "Always" } else { "IfNotPresent" };
    set(&mut container["imagePullPolicy"], policy);
    for port in items(container, "ports") {
        set(&mut port["protocol"], "TCP");
    }
    for probe in ["livenessProbe", "readinessProbe"] {
        let Some(probe) = container.get_mut(probe) else { continue };
        for (field, value) in
            [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)]
        {
            set(&mut probe[field], value);
        }
        if let Some(get) = probe.get_mut("httpGet") {
            set(&mut get["path"], "/");
            set(&mut get["scheme"], "HTTP");
        }
    }
}

/// An image without a tag is the newest, whatever that is.
fn is_newest(image: &str) -> bool {
    let name = image.rsplit('/').next().unwrap_or_default();
    !image.contains('@') && name.split_once(':').is_none_or(|(_, tag)| tag == "latest")
}

fn service(spec: &mut Value) {
    set(&mut spec["type"], "ClusterIP");
    set(&mut spec["sessionAffinity"], "None");
    if spec["type"] != "ExternalName" {
        set(&mut spec["internalTrafficPolicy"], "Cluster");
    }
    for port in items(spec, "ports") {
        set(&mut port["protocol"], "TCP");
        if matches!(&port["targetPort"], target if target.is_null() || *target == 0 || *target == "") {
            port["targetPort"] = port["port"].clone();
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
