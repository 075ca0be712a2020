//! What a container's configuration is read from: Secrets and ConfigMaps.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};

use crate::store::{Key, Store, object};

/// Why a container cannot start yet, in the kubelet's words.
#[derive(Debug)]
pub(super) enum Unready {
    /// `CreateContainerConfigError`: something that the environment names is missing; a write to
    /// the store may bring it.
    Configuration(String),
    /// `FailedMount`: something that a volume names is missing, likewise. The container keeps
    /// being created.
    Mount(String),
    /// The lab has no such image.
    Image,
    /// The system refuses something.
    System(io::Error),
}

/// A Secret (of `secrets`) or ConfigMap (of `configmaps`) that a pod can read: one of its own
/// namespace.
pub(super) fn find(store: &Store, pod: &Value, resource: &str, name: &str) -> Option<Arc<Value>> {
    store.get(&Key::new(resource, object::namespace(pod), name))
}

/// Every key of a Secret or ConfigMap with its bytes.
pub(super) fn files(source: &Value) -> BTreeMap<String, Vec<u8>> {
    let keys = ["data", "binaryData"].into_iter().flat_map(|it| source[it].as_object()).flat_map(Map::keys);
    keys.filter_map(|key| Some((key.clone(), bytes(source, key)?))).collect()
}

/// The bytes of one key.
pub(super) fn bytes(source: &Value, key: &str) -> Option<Vec<u8>> {
    let plain = source["data"].get(key).and_then(Value::as_str);
    let encoded = source["binaryData"].get(key).and_then(Value::as_str);
    if source["kind"] == "Secret" {
        return BASE64_STANDARD.decode(plain?).ok();
    }
    plain.map(|text| text.as_bytes().to_vec()).or_else(|| BASE64_STANDARD.decode(encoded?).ok())
}
