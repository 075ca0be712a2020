//! What a container's configuration is read from: Secrets, ConfigMaps, its own pod.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use crate::store::{Key, Store, object};
use crate::workloads::machine::{ADDRESS, NODE};

/// Why a container cannot start yet, in the kubelet's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unready {
    /// `CreateContainerConfigError`: something that the environment names is missing.
    Configuration(String),
    /// `FailedMount`: something that a volume names is missing. The container keeps
    /// being created.
    Mount(String),
}

impl Unready {
    /// A `CreateContainerConfigError` with this message.
    pub(super) fn configuration(message: impl Into<String>) -> Self {
        Self::Configuration(message.into())
    }
}

/// Reads for one pod.
pub(super) struct Sources<'a> {
    store: &'a Store,
    pod: &'a Value,
}

/// The content of a Secret or a ConfigMap.
pub(super) struct Data {
    object: Arc<Value>,
}

impl Data {
    /// Every key with its bytes.
    pub(super) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let of = |field: &str| self.object[field].as_object().into_iter().flatten();
        let keys = of("data").chain(of("binaryData")).map(|(key, _)| key);
        keys.filter_map(|key| Some((key.clone(), self.get(key)?))).collect()
    }

    /// The bytes of one key.
    pub(super) fn get(&self, key: &str) -> Option<Vec<u8>> {
        let plain = self.object["data"].get(key).and_then(Value::as_str);
        let encoded = self.object["binaryData"].get(key).and_then(Value::as_str);
        if self.object["kind"] == "Secret" {
            return BASE64_STANDARD.decode(plain?).ok();
        }
        plain.map(|text| text.as_bytes().to_vec()).or_else(|| BASE64_STANDARD.decode(encoded?).ok())
    }
}

fn name(reference: &Value) -> &str {
    reference["name"].as_str().unwrap_or_default()
}

impl<'a> Sources<'a> {
    /// What `pod` can read: its own namespace.
    pub(super) fn new(store: &'a Store, pod: &'a Value) -> Self {
        Self { store, pod }
    }

    fn namespace(&self) -> &str {
        object::namespace(self.pod)
    }

    fn object(&self, resource: &str, name: &str) -> Option<Data> {
        let object = self.store.get(&Key::new(resource, self.namespace(), name))?;
        Some(Data { object })
    }

    /// The Secret of this name.
    pub(super) fn secret(&self, name: &str) -> Option<Data> {
        self.object("secrets", name)
    }

    /// The ConfigMap of this name.
    pub(super) fn config_map(&self, name: &str) -> Option<Data> {
        self.object("configmaps", name)
    }

    /// The key that a `secretKeyRef` names; `None` if it is not there and need not be.
    pub(super) fn secret_key(&self, reference: &Value) -> Result<Option<Vec<u8>>, Unready> {
        self.key("Secret", reference, self.secret(name(reference)))
    }

    /// The key that a `configMapKeyRef` names; `None` if it is not there and need not be.
    pub(super) fn config_map_key(&self, reference: &Value) -> Result<Option<Vec<u8>>, Unready> {
        self.key("ConfigMap", reference, self.config_map(name(reference)))
    }

    fn key(&self, kind: &str, reference: &Value, data: Option<Data>) -> Result<Option<Vec<u8>>, Unready> {
        let (name, key) = (name(reference), reference["key"].as_str().unwrap_or_default());
        let missing = match data.map(|data| data.get(key)) {
            Some(Some(value)) => return Ok(Some(value)),
            _ if reference["optional"] == true => return Ok(None),
            None => format!("{} {name:?} not found", kind.to_lowercase()),
            Some(None) => format!("couldn't find key {key} in {kind} {}/{name}", self.namespace()),
        };
        Err(Unready::Configuration(missing))
    }

    /// A field of the pod, as `fieldRef` names it.
    pub(super) fn field(&self, path: &str) -> Result<String, Unready> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let metadata = &self.pod["metadata"];
        if let Some((map, key)) = path.strip_suffix("']").and_then(|path| path.split_once("['"))
            && let Some(map) = map.strip_prefix("metadata.")
            && ["labels", "annotations"].contains(&map)
        {
            return Ok(metadata[map].get(key).map(text).unwrap_or_default());
        }
        Ok(match path {
            "metadata.name" => text(&metadata["name"]),
            "metadata.namespace" => text(&metadata["namespace"]),
            "metadata.uid" => text(&metadata["uid"]),
            "spec.nodeName" => NODE.to_owned(),
            "spec.serviceAccountName" => {
                self.pod["spec"]["serviceAccountName"].as_str().unwrap_or("default").to_owned()
            }
            // Every pod of the lab has the machine's loopback address.
            "status.hostIP" | "status.hostIPs" | "status.podIP" | "status.podIPs" => ADDRESS.to_owned(),
            other => return Err(Unready::Configuration(format!("unsupported fieldPath: {other}"))),
        })
    }
}
