//! The files of a container's mounted volumes, read at the moment it starts.
//!
//! A kubelet writes a changed Secret or ConfigMap into a running container's files
//! after a while. Here, files stay as they were until the container starts again;
//! nothing that a login needs looks at them twice.

use std::collections::BTreeMap;

use serde_json::Value;

use super::sources::{Data, Sources, Unready};

type Files = BTreeMap<String, Vec<u8>>;

/// The files of all `volumeMounts`, by absolute path. A path that ends in a slash is
/// an empty directory.
pub(super) fn files(sources: &Sources<'_>, pod: &Value, container: &Value) -> Result<Files, Unready> {
    let mut files = Files::new();
    for mount in container["volumeMounts"].as_array().into_iter().flatten() {
        let (Some(name), Some(path)) = (mount["name"].as_str(), mount["mountPath"].as_str()) else {
            continue;
        };
        let volumes = pod["spec"]["volumes"].as_array();
        let Some(volume) = volumes.into_iter().flatten().find(|volume| volume["name"] == name) else {
            return Err(Unready::Mount(format!(
                "volume {name:?} is mounted but the pod has none of that name"
            )));
        };
        let content = content(sources, volume).map_err(|problem| {
            Unready::Mount(format!("MountVolume.SetUp failed for volume {name:?} : {problem}"))
        })?;
        let path = path.trim_end_matches('/');
        if content.is_empty() {
            files.insert(format!("{path}/"), Vec::new());
        }
        files.extend(content.into_iter().map(|(name, bytes)| (format!("{path}/{name}"), bytes)));
    }
    Ok(files)
}

/// The files of one volume, by path inside it.
fn content(sources: &Sources<'_>, volume: &Value) -> Result<Files, String> {
    if let secret @ Value::Object(_) = &volume["secret"] {
        let name = secret["secretName"].as_str().unwrap_or_default();
        let missing = || format!("secret {name:?} not found");
        return selected(secret, sources.secret(name), "secret", missing);
    }
    if let map @ Value::Object(_) = &volume["configMap"] {
        let name = map["name"].as_str().unwrap_or_default();
        let missing = || format!("configmap {name:?} not found");
        return selected(map, sources.config_map(name), "config", missing);
    }
    if volume["emptyDir"].is_object() {
        return Ok(Files::new());
    }
    let kinds = volume.as_object().into_iter().flatten().map(|(key, _)| key.as_str());
    let kind = kinds.filter(|key| *key != "name").collect::<Vec<_>>().join(", ");
    Err(format!("this lab has volumes of Secrets, ConfigMaps and empty directories, not {kind:?}"))
}

/// All keys as files, or those that `items` names, at the paths that it names.
fn selected(
    source: &Value,
    data: Option<Data>,
    kind: &str,
    missing: impl FnOnce() -> String,
) -> Result<Files, String> {
    let optional = source["optional"] == true;
    let Some(data) = data else { return if optional { Ok(Files::new()) } else { Err(missing()) } };
    let Some(items) = source["items"].as_array() else { return Ok(data.files()) };
    let mut files = Files::new();
    for item in items {
        let (Some(key), Some(path)) = (item["key"].as_str(), item["path"].as_str()) else { continue };
        match data.get(key) {
            Some(bytes) => {
                files.insert(inside(path)?, bytes);
            }
            None if optional => {}
            None => return Err(format!("references non-existent {kind} key: {key}")),
        }
    }
    Ok(files)
}

/// A relative path that stays inside its volume.
fn inside(path: &str) -> Result<String, String> {
    let bad = path.is_empty() || path.starts_with('/') || path.split('/').any(|part| part == "..");
    if bad {
        Err(format!("invalid path {path:?}: it must be relative and must not contain \"..\""))
    } else {
        Ok(path.to_owned())
    }
}
