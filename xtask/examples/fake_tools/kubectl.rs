//! `kubectl`. Of all its commands only `version` and a server-side `apply` from stdin.
//! An address for each Service, which a real API server gives, is put in here.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::path::Path;

use serde::Deserialize as _;
use serde_json::Value;

use super::world::World;
use super::{Call, Outcome, api};

pub fn run(_world: &World, call: &Call) -> Outcome {
    if call.args.first().is_some_and(|arg| arg == "version") {
        println!(r#"{{"clientVersion": {{"gitVersion": "v1.37.0"}}}}"#);
        return Ok(());
    }
    if !call.args.iter().any(|arg| arg == "apply") || !call.args.iter().any(|arg| arg == "--server-side") {
        return Err(format!("error: this kubectl only applies: kubectl {}", call.args.join(" ")));
    }
    let mut documents = vec![];
    for document in serde_yaml::Deserializer::from_str(&call.stdin) {
        let mut document =
            Value::deserialize(document).map_err(|error| format!("error: error parsing STDIN: {error}"))?;
        if document.is_null() {
            continue;
        }
        if document["kind"] == "Service" {
            document["spec"]["clusterIP"] = address(&document).into();
        }
        documents.push(document);
    }
    let kubeconfig = Path::new(call.option("--kubeconfig").unwrap());
    api::run(kubeconfig, |client| async move { api::apply(&client, "oidc-lab", &documents).await })?
}

/// An address of a Service, by its name.
fn address(service: &Value) -> String {
    let mut hasher = DefaultHasher::new();
    service["metadata"].to_string().hash(&mut hasher);
    let [high, low, ..] = hasher.finish().to_be_bytes();
    format!("10.96.{high}.{low}")
}
