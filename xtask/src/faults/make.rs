//! Makes a change of objects, and undoes it by what `values/` and the other Secret say.

use serde_json::{Value, json};
use serde_yaml::Mapping;

use super::secrets;
use crate::fault::{Edit, Here, On, rule};
use crate::session::Session;
use base::{Error, Result};
use cluster::names::{ARGOCD_HOST, DEX_CONFIG, DEX_CONFIG_FILE, Place, Workload};
use cluster::{Cluster, Request};

const NAMESPACE: &str = "argocd";
const CM: &str = "argocd-cm";
const OIDC_CONFIG: &str = "oidc.config";

/// Makes the change.
///
/// # Errors
/// An object is missing or not the lab's.
pub async fn make(edit: Edit, session: &Session) -> Result<()> {
    let cluster = session.cluster().await?;
    let here = Here {
        private_issuer: match session.lab.place() {
            Place::Kind => "https://kubernetes.default.svc".to_owned(),
            Place::Local => cluster.address().to_owned(),
        },
        scheme: session.scheme(),
    };
    match edit.on() {
        On::Secrets(_) => secrets::make(session, &cluster, edit).await,
        on => change(&cluster, on, |now| Some(edit.value(now, &here)).filter(|it| !it.is_null())).await,
    }
}

/// Undoes the change.
///
/// # Errors
/// An object is missing or not the lab's.
pub async fn undo(edit: Edit, session: &Session) -> Result<()> {
    let cluster = session.cluster().await?;
    let of_values = |chart: &str, pointer: &str| -> Result<Option<Value>> {
        Ok(session.sources.values(chart)?.pointer(pointer).cloned())
    };
    let original = match edit.on() {
        On::Secrets(_) => return secrets::undo(session, &cluster, edit).await,
        On::Key(map, key) => {
            let part = match map {
                CM => "cm",
                "argocd-rbac-cm" => "rbac",
                _ => "params",
            };
            of_values("argocd", &format!("/configs/{part}/{key}"))?
        }
        On::Oidc(field) => {
            let config = of_values("argocd", "/configs/cm/oidc.config")?.unwrap_or_default();
            let fields: Value = serde_yaml::from_str(&text(&config))
                .map_err(|_| Error::environment("values/argocd.yaml: configs.cm.oidc.config is no YAML"))?;
            fields.get(field).cloned()
        }
        On::Dex(pointer) => of_values("dex", &format!("/config{pointer}"))?,
        On::Rules => Some(json!([rule(ARGOCD_HOST)])),
        On::Env(_) | On::Annotation(_) => None,
    };
    change(&cluster, edit.on(), |_| original).await
}

/// What is asked of the cluster's API to make it, and to undo it.
pub fn requests(edit: Edit) -> Vec<Request> {
    match edit.on() {
        On::Secrets(names) => names.iter().copied().map(Request::patch_secret).collect(),
        On::Dex(_) => vec![Request::patch_secret(DEX_CONFIG)],
        On::Oidc(_) => vec![Request::of("patch", "configmaps", NAMESPACE, CM)],
        On::Env(_) => vec![Request::patch_rollout(Workload::Argocd.rollout())],
        On::Key(map, _) => vec![Request::of("patch", "configmaps", NAMESPACE, map)],
        On::Rules | On::Annotation(_) => {
            let name = Workload::Argocd.deployment();
            vec![Request::of("patch", "ingresses.networking.k8s.io", NAMESPACE, name)]
        }
    }
}

/// Gives a place another value, made of what it holds now; without one, takes it out.
async fn change(cluster: &Cluster, on: On, change: impl FnOnce(&Value) -> Option<Value>) -> Result<()> {
    match on {
        On::Secrets(_) => Ok(()),
        On::Key(map, key) => {
            let now = cluster.config_map(NAMESPACE, map).await?.remove(key);
            let value = change(&now.into()).map(|value| text(&value));
            cluster.set_config_map(NAMESPACE, map, key, value.as_deref()).await
        }
        On::Oidc(field) => {
            let data = cluster.config_map(NAMESPACE, CM).await?;
            let unreadable =
                || Error::environment("oidc.config in ConfigMap argocd/argocd-cm is not readable");
            let now = data.get(OIDC_CONFIG).map(String::as_str).unwrap_or_default();
            let mut config: Mapping = serde_yaml::from_str(now).map_err(|_| unreadable())?;
            let now = config.get(field).map(serde_json::to_value).transpose().map_err(|_| unreadable())?;
            match change(&now.unwrap_or_default()) {
                Some(value) => {
                    let value = serde_yaml::to_value(value).map_err(|_| unreadable())?;
                    config.insert(field.into(), value);
                }
                None => drop(config.remove(field)),
            }
            let text = serde_yaml::to_string(&config).map_err(|_| unreadable())?;
            cluster.set_config_map(NAMESPACE, CM, OIDC_CONFIG, Some(&text)).await
        }
        On::Dex(pointer) => {
            let unreadable = || Error::environment("config.yaml in Secret dex/dex is not what Dex reads");
            let text = cluster.secret_key(DEX_CONFIG, DEX_CONFIG_FILE).await?.ok_or_else(unreadable)?;
            let mut config: Value = serde_yaml::from_slice(&text).map_err(|_| unreadable())?;
            let now = config.pointer(pointer).cloned().unwrap_or_default();
            let (parent, name) = pointer.rsplit_once('/').ok_or_else(unreadable)?;
            let parent = config.pointer_mut(parent).and_then(Value::as_object_mut).ok_or_else(unreadable)?;
            match change(&now) {
                Some(value) => parent.insert(name.to_owned(), value),
                None => parent.remove(name),
            };
            // JSON is YAML, and keeps every string a string.
            let text = config.to_string();
            cluster.set_secret_keys(DEX_CONFIG, &[(DEX_CONFIG_FILE, Some(text.as_bytes()))]).await
        }
        On::Env(name) => {
            let value = change(&Value::Null).map(|value| text(&value));
            cluster.set_env(Workload::Argocd, name, value.as_deref()).await
        }
        On::Rules => {
            let rules = change(&Value::Null).unwrap_or_default();
            let patch = json!({"spec": {"rules": rules}});
            cluster.patch_ingress(NAMESPACE, Workload::Argocd.deployment(), patch).await
        }
        On::Annotation(name) => {
            let patch = json!({"metadata": {"annotations": {name: change(&Value::Null)}}});
            cluster.patch_ingress(NAMESPACE, Workload::Argocd.deployment(), patch).await
        }
    }
}

/// A value as the chart writes it into a ConfigMap.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
