//! The exporter's objects, from `manifests/monitor`, as a lab takes them.

use std::path::Path;

use local_lab::charts::Runs;
use serde_json::{Value, json};

use super::Sources;
use base::{Error, Result};
use cluster::names::{OWNED, Place, Workload};

/// On the pod template: what the pods were started with. Another value there starts new ones.
const STARTED_WITH: &str = "oidc-lab/started-with";

/// The files that make objects, as the kustomization there has them.
const FILES: [&str; 3] = ["service", "deployment", "networkpolicy"];

impl Sources {
    /// The Service and the Deployment, and on kind the NetworkPolicy, which the local lab's API does not have.
    ///
    /// # Errors
    /// A file cannot be read, or is no object.
    pub fn exporter(&self, runs: Runs<'_>, place: Place, started_with: &str) -> Result<Vec<Value>> {
        let is_there = |file: &&str| place == Place::Kind || *file != "networkpolicy";
        FILES
            .into_iter()
            .filter(is_there)
            .map(|file| self.exporter_object(file, runs, started_with))
            .collect()
    }

    fn exporter_object(&self, file: &str, runs: Runs<'_>, started_with: &str) -> Result<Value> {
        let path = Path::new("manifests/monitor").join(format!("{file}.yaml"));
        let wrong = |what: String| Error::environment(format!("{}: {what}", path.display()));
        let mut object: Value = serde_yaml::from_str(&self.read(&path)?)
            .map_err(|error| wrong(format!("not valid YAML: {error}")))?;
        if !object["metadata"]["labels"].is_object() {
            return Err(wrong("an object without labels".to_owned()));
        }
        object["metadata"]["namespace"] = Workload::Exporter.namespace().into();
        object["metadata"]["labels"][OWNED] = "true".into();
        match file {
            "deployment" => run(&mut object["spec"]["template"], runs, started_with),
            // Who asks comes by the ingress here, and logins go there.
            "networkpolicy" => {
                let ingress =
                    json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}});
                object["spec"]["ingress"][0]["from"] = json!([ingress]);
                object["spec"]["egress"] = json!([{"to": [ingress]}]);
            }
            _ => {}
        }
        Ok(object)
    }
}

/// What the container runs. A program of this machine is told where its files are, and the port that was chosen for it.
fn run(template: &mut Value, runs: Runs<'_>, started_with: &str) {
    template["metadata"]["annotations"] = json!({STARTED_WITH: started_with});
    let container = &mut template["spec"]["containers"][0];
    container["image"] = runs.image.into();
    container["imagePullPolicy"] = "IfNotPresent".into();
    if let Some(program) = runs.executable {
        container["command"] = json!([program]);
        container["args"] =
            json!(["serve", "--config=$(FILES)/etc/probe/modules.yaml", "--listen=127.0.0.1:$(PORT_9977)"]);
    }
}
