//! What a container's configuration is read from: Secrets and ConfigMaps.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use crate::store::object::{self, text};
use crate::store::{Key, Store};

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

impl<'a> Sources<'a> {
    /// What `pod` can read: its own namespace.
    pub(super) fn new(store: &'a Store, pod: &'a Value) -> Self {
        Self { store, pod }
    }

    /// A Secret (of `secrets`) or ConfigMap (of `configmaps`).
    pub(super) fn data(&self, resource: &str, name: &str) -> Option<Data> {
        let object = self.store.get(&Key::new(resource, object::namespace(self.pod), name))?;
        Some(Data { object })
    }

    /// The key that a `secretKeyRef` or a `configMapKeyRef` names; `None` if it is not there and
    /// need not be.
    pub(super) fn key(&self, kind: &str, reference: &Value) -> Result<Option<Vec<u8>>, Unready> {
        let (name, key) = (text(&reference["name"]), text(&reference["key"]));
        let of = kind.to_lowercase();
        let missing = match self.data(&format!("{of}s"), name).map(|data| data.get(key)) {
            Some(Some(value)) => return Ok(Some(value)),
            _ if reference["optional"] == true => return Ok(None),
            None => format!("{of} {name:?} not found"),
            Some(None) => format!("couldn't find key {key} in {kind} {}/{name}", object::namespace(self.pod)),
        };
        Err(Unready::Configuration(missing))
    }
}
