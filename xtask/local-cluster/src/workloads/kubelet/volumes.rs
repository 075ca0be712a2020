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
        place(&mut files, path.trim_end_matches('/'), mount["subPath"].as_str(), content);
    }
    Ok(files)
}

/// Puts a volume's content below `path`.
fn place(files: &mut Files, path: &str, sub_path: Option<&str>, content: Files) {
    let sub_path = sub_path.unwrap_or_default().trim_matches('/');
    if content.is_empty() {
        files.insert(format!("{path}/"), Vec::new());
        return;
    }
    for (name, bytes) in content {
        if sub_path.is_empty() {
            files.insert(format!("{path}/{name}"), bytes);
        } else if name == sub_path {
            files.insert(path.to_owned(), bytes);
        } else if let Some(below) = name.strip_prefix(sub_path).and_then(|rest| rest.strip_prefix('/')) {
            files.insert(format!("{path}/{below}"), bytes);
        }
    }
}

/// The files of one volume, by path inside it.
fn content(sources: &Sources<'_>, volume: &Value) -> Result<Files, String> {
    if let secret @ Value::Object(_) = &volume["secret"] {
        let name = secret["secretName"].as_str().unwrap_or_default();
        return secret_files(sources, secret, name);
    }
    if let map @ Value::Object(_) = &volume["configMap"] {
        return config_map_files(sources, map);
    }
    if let projected @ Value::Object(_) = &volume["projected"] {
        let mut files = Files::new();
        for source in projected["sources"].as_array().into_iter().flatten() {
            if let secret @ Value::Object(_) = &source["secret"] {
                files.extend(secret_files(sources, secret, secret["name"].as_str().unwrap_or_default())?);
            } else if let map @ Value::Object(_) = &source["configMap"] {
                files.extend(config_map_files(sources, map)?);
            } else {
                files.extend(pod_fields(sources, &source["downwardAPI"])?);
            }
        }
        return Ok(files);
    }
    if let fields @ Value::Object(_) = &volume["downwardAPI"] {
        return pod_fields(sources, fields);
    }
    if volume["emptyDir"].is_object() {
        return Ok(Files::new());
    }
    let kinds = volume.as_object().into_iter().flatten().map(|(key, _)| key.as_str());
    let kind = kinds.filter(|key| *key != "name").collect::<Vec<_>>().join(", ");
    Err(format!(
        "this lab has volumes of Secrets, ConfigMaps, pod fields and empty directories, not {kind:?}"
    ))
}

fn secret_files(sources: &Sources<'_>, source: &Value, name: &str) -> Result<Files, String> {
    let missing = || format!("secret {name:?} not found");
    selected(source, sources.secret_named(name), "secret", missing)
}

fn config_map_files(sources: &Sources<'_>, source: &Value) -> Result<Files, String> {
    let name = source["name"].as_str().unwrap_or_default();
    let missing = || format!("configmap {name:?} not found");
    selected(source, sources.config_map_named(name), "config", missing)
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

fn pod_fields(sources: &Sources<'_>, source: &Value) -> Result<Files, String> {
    let mut files = Files::new();
    let Some(items) = source["items"].as_array() else {
        return Err("this lab projects Secrets, ConfigMaps and pod fields only".to_owned());
    };
    for item in items {
        let (Some(path), Some(field)) = (item["path"].as_str(), item["fieldRef"]["fieldPath"].as_str())
        else {
            return Err("this lab fills a file from a pod's field with fieldRef only".to_owned());
        };
        let value = sources.field(field).map_err(|error| match error {
            Unready::Configuration(message) | Unready::Mount(message) => message,
        })?;
        files.insert(inside(path)?, value.into_bytes());
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
