//! Secrets: which keys there are, who may see them, and when each was written.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt as _;
use serde::{Deserialize, Serialize};

use crate::hidden::Hidden;
use crate::shown::{object, shown};

/// The label without which Argo CD does not see a Secret, and its value.
pub const PART_OF: (&str, &str) = ("app.kubernetes.io/part-of", "argocd");

/// The Secret that holds Argo CD's own keys.
pub const OWN: &str = "argocd-secret";

/// The key of argocd-secret that Argo CD signs with.
pub const SERVER_KEY: &str = "server.secretkey";

/// A Secret as it is now.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct SecretSeen {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether it carries the label that lets Argo CD see it.
    pub labelled: bool,
    /// Its keys.
    pub keys: BTreeMap<String, KeySeen>,
    /// What makes it and writes it anew: `ExternalSecret argocd-oidc`.
    pub maker: Option<String>,
}

/// One key of a Secret.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct KeySeen {
    /// Its value.
    pub value: Hidden,
    /// When it was written last, and by whom.
    pub written: Option<Written>,
}

/// A write, as far as the object remembers it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Written {
    /// When. The manager may have changed something else of its own then, so the value
    /// is at least as old.
    pub at: Timestamp,
    /// The manager: `kubectl-patch`, `argocd-server`; empty if nobody said.
    pub by: String,
}

impl SecretSeen {
    /// Reads a Secret.
    pub fn of(secret: &Secret) -> Self {
        let metadata = &secret.metadata;
        let key = |(name, value): (&String, &k8s_openapi::ByteString)| {
            let written = written(metadata, "data", Some(name));
            // It signs sessions: all that may be known of it is whether it is there.
            let value = match name.as_str() {
                SERVER_KEY if !value.0.is_empty() => Hidden::random().unwrap_or_default(),
                _ => Hidden::new(value.0.clone()),
            };
            (name.clone(), KeySeen { value, written })
        };
        Self {
            namespace: secret.namespace().unwrap_or_default(),
            name: secret.name_any(),
            labelled: secret.labels().get(PART_OF.0).is_some_and(|value| value == PART_OF.1),
            keys: secret.data.iter().flatten().map(key).collect(),
            maker: maker(secret),
        }
    }

    /// `Secret argocd/argocd-oidc`: where a finding is.
    pub fn place(&self) -> String {
        object("Secret", &self.namespace, &self.name)
    }

    /// `Secret argocd/argocd-oidc, key clientSecret`.
    pub fn place_of(&self, key: &str) -> String {
        format!("{}, key {}", self.place(), shown(key))
    }

    /// When a key was written last, and by whom.
    pub fn written(&self, key: &str) -> Option<&Written> {
        self.keys.get(key)?.written.as_ref()
    }

    /// The value of a key, unless it is empty.
    pub fn value(&self, key: &str) -> Option<&Hidden> {
        self.keys.get(key).map(|key| &key.value).filter(|value| !value.is_empty())
    }
}

/// What an object is made from: its owner (External Secrets, Sealed Secrets, an operator), an application of Argo
/// CD's, a Helm release.
fn maker(secret: &Secret) -> Option<String> {
    if let [owner, ..] = secret.owner_references() {
        return Some(format!("{} {}", owner.kind, owner.name));
    }
    let (label, annotation) = (|key| secret.labels().get(key), |key| secret.annotations().get(key));
    if label("reconcile.external-secrets.io/managed").is_some_and(|managed| managed == "true") {
        return Some("an ExternalSecret".to_owned());
    }
    let tracked = annotation("argocd.argoproj.io/tracking-id").or(label("argocd.argoproj.io/instance"));
    let application = tracked.map(|id| id.split(':').next().unwrap_or_default().to_owned());
    let release = || Some(format!("Helm release {}", annotation("meta.helm.sh/release-name")?));
    application.map(|name| format!("Argo CD application {name}")).or_else(release)
}

/// When a field was written last: by its managers' times, else by the object's own.
/// `key` names one key below `field`; without it, any counts.
pub fn written(metadata: &ObjectMeta, field: &str, key: Option<&str>) -> Option<Written> {
    let of_field = format!("f:{field}");
    let of_key = key.map(|key| format!("f:{key}"));
    let entries = metadata.managed_fields.iter().flatten();
    let written = entries.filter_map(|entry| {
        let fields = entry.fields_v1.as_ref()?.0.get(&of_field)?;
        if let Some(key) = &of_key {
            fields.get(key)?;
        }
        let at = entry.time.as_ref()?.0;
        Some(Written { at, by: entry.manager.clone().unwrap_or_default() })
    });
    let created = || {
        let at = metadata.creation_timestamp.as_ref()?.0;
        Some(Written { at, by: String::new() })
    };
    written.max_by_key(|written| written.at).or_else(created)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_key_has_the_time_of_whoever_wrote_it_last() {
        let entry = |manager: &str, time: &str, fields: serde_json::Value| {
            json!({"manager": manager, "operation": "Update", "apiVersion": "v1", "time": time,
                   "fieldsType": "FieldsV1", "fieldsV1": fields})
        };
        let secret: Secret = serde_json::from_value(json!({
            "metadata": {
                "name": "s", "namespace": "n", "creationTimestamp": "2026-01-01T00:00:00Z",
                "labels": {"app.kubernetes.io/part-of": "argocd"},
                "managedFields": [
                    entry("a", "2026-01-02T00:00:00Z", json!({"f:data": {".": {}, "f:x": {}, "f:y": {}}})),
                    entry("b", "2026-01-03T00:00:00Z", json!({"f:data": {"f:x": {}}})),
                    entry("c", "2026-01-04T00:00:00Z", json!({"f:metadata": {"f:labels": {}}})),
                ],
            },
            "data": {"x": "eA==", "y": "", "z": "eg=="},
        }))
        .unwrap();
        let seen = SecretSeen::of(&secret);
        assert!(seen.labelled);
        let by = |key: &str| seen.keys[key].written.clone().map(|written| written.by);
        assert_eq!(
            (by("x").as_deref(), by("y").as_deref(), by("z").as_deref()),
            (Some("b"), Some("a"), Some(""))
        );
        assert_eq!(seen.keys["z"].written.as_ref().unwrap().at.to_string(), "2026-01-01T00:00:00Z");
        assert_eq!(
            (seen.value("x").map(Hidden::len), seen.value("y"), seen.value("none")),
            (Some(1), None, None)
        );
    }

    #[test]
    fn an_object_that_says_nothing_of_itself_is_read_too() {
        let seen = SecretSeen::of(&Secret::default());
        assert!(!seen.labelled && seen.keys.is_empty());
    }
}
