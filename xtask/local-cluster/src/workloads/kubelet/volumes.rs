//! The files of a container's mounted volumes, read at the moment it starts.
//!
//! A kubelet writes a changed Secret or ConfigMap into a running container's files
//! after a while. Here, files stay as they were until the container starts again;
//! nothing that a login needs looks at them twice.

use std::collections::BTreeMap;

use serde_json::Value;

use super::sources::{self, Unready, bytes, find};
use crate::store::Store;
use crate::store::object::{items, text};

type Files = BTreeMap<String, Vec<u8>>;

/// The files of all `volumeMounts`, by absolute path. A path that ends in a slash is
/// an empty directory.
pub(super) fn files(store: &Store, pod: &Value, container: &Value) -> Result<Files, Unready> {
    let mut files = Files::new();
    for mount in items(&container["volumeMounts"]) {
        let (name, path) = (text(&mount["name"]), text(&mount["mountPath"]).trim_end_matches('/'));
        let volume =
            items(&pod["spec"]["volumes"]).find(|volume| volume["name"] == name).ok_or_else(|| {
                Unready::Mount(format!("volume {name:?} is mounted but the pod has none of that name"))
            })?;
        let content = content(store, pod, volume).map_err(|problem| {
            Unready::Mount(format!("MountVolume.SetUp failed for volume {name:?} : {problem}"))
        })?;
        if content.is_empty() {
            files.insert(format!("{path}/"), Vec::new());
        }
        files.extend(content.into_iter().map(|(name, bytes)| (format!("{path}/{name}"), bytes)));
    }
    Ok(files)
}

/// The files of one volume, by path inside it.
fn content(store: &Store, pod: &Value, volume: &Value) -> Result<Files, String> {
    let (secret, map) = (&volume["secret"], &volume["configMap"]);
    let (kind, key, name, source) = if secret.is_object() {
        ("secret", "secret", text(&secret["secretName"]), secret)
    } else if map.is_object() {
        ("configmap", "config", text(&map["name"]), map)
    } else if volume["emptyDir"].is_object() {
        return Ok(Files::new());
    } else {
        let kinds = volume.as_object().into_iter().flatten().map(|(key, _)| key.as_str());
        let kind = kinds.filter(|key| *key != "name").collect::<Vec<_>>().join(", ");
        return Err(format!(
            "this lab has volumes of Secrets, ConfigMaps and empty directories, not {kind:?}"
        ));
    };
    let optional = source["optional"] == true;
    let Some(data) = find(store, pod, &format!("{kind}s"), name) else {
        return if optional { Ok(Files::new()) } else { Err(format!("{kind} {name:?} not found")) };
    };
    if !source["items"].is_array() {
        return Ok(sources::files(&data));
    }
    // Those that `items` names, at the paths that it names.
    let mut files = Files::new();
    for item in items(&source["items"]) {
        let (name, path) = (text(&item["key"]), text(&item["path"]));
        if path.is_empty() || path.starts_with('/') || path.split('/').any(|part| part == "..") {
            return Err(format!("invalid path {path:?}: it must be relative and must not contain \"..\""));
        }
        match bytes(&data, name) {
            Some(bytes) => drop(files.insert(path.to_owned(), bytes)),
            None if optional => {}
            None => return Err(format!("references non-existent {key} key: {name}")),
        }
    }
    Ok(files)
}
