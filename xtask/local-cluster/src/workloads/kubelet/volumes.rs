//! The files of a container's mounted volumes, read at the moment it starts.
//!
//! A kubelet writes a changed Secret or ConfigMap into a running container's files
//! after a while. Here, files stay as they were until the container starts again;
//! nothing that a login needs looks at them twice.

use std::collections::BTreeMap;

use serde_json::Value;

use super::sources::{Data, Sources, Unready};
use crate::store::object::{items, text};

type Files = BTreeMap<String, Vec<u8>>;

/// The files of all `volumeMounts`, by absolute path. A path that ends in a slash is
/// an empty directory.
pub(super) fn files(sources: &Sources<'_>, pod: &Value, container: &Value) -> Result<Files, Unready> {
    let mut files = Files::new();
    for mount in items(&container["volumeMounts"]) {
        let (name, path) = (text(&mount["name"]), text(&mount["mountPath"]).trim_end_matches('/'));
        let volume =
            items(&pod["spec"]["volumes"]).find(|volume| volume["name"] == name).ok_or_else(|| {
                Unready::Mount(format!("volume {name:?} is mounted but the pod has none of that name"))
            })?;
        let content = content(sources, volume).map_err(|problem| {
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
fn content(sources: &Sources<'_>, volume: &Value) -> Result<Files, String> {
    let (secret, map) = (&volume["secret"], &volume["configMap"]);
    if secret.is_object() {
        let name = text(&secret["secretName"]);
        selected(secret, sources.data("secrets", name).ok_or(format!("secret {name:?} not found")), "secret")
    } else if map.is_object() {
        let name = text(&map["name"]);
        selected(
            map,
            sources.data("configmaps", name).ok_or(format!("configmap {name:?} not found")),
            "config",
        )
    } else if volume["emptyDir"].is_object() {
        Ok(Files::new())
    } else {
        let kinds = volume.as_object().into_iter().flatten().map(|(key, _)| key.as_str());
        let kind = kinds.filter(|key| *key != "name").collect::<Vec<_>>().join(", ");
        Err(format!("this lab has volumes of Secrets, ConfigMaps and empty directories, not {kind:?}"))
    }
}

/// All keys as files, or those that `items` names, at the paths that it names.
fn selected(source: &Value, data: Result<Data, String>, kind: &str) -> Result<Files, String> {
    let optional = source["optional"] == true;
    let data = match data {
        Err(_) if optional => return Ok(Files::new()),
        data => data?,
    };
    if !source["items"].is_array() {
        return Ok(data.files());
    }
    let mut files = Files::new();
    for item in items(&source["items"]) {
        let (key, path) = (text(&item["key"]), text(&item["path"]));
        if path.is_empty() || path.starts_with('/') || path.split('/').any(|part| part == "..") {
            return Err(format!("invalid path {path:?}: it must be relative and must not contain \"..\""));
        }
        match data.get(key) {
            Some(bytes) => drop(files.insert(path.to_owned(), bytes)),
            None if optional => {}
            None => return Err(format!("references non-existent {kind} key: {key}")),
        }
    }
    Ok(files)
}
