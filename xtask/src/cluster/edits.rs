//! Small changes to objects of the lab: one key of a ConfigMap or Secret, a label, a
//! number of replicas.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};

use super::{Cluster, failed};
use crate::names::{OWNED, SecretName, Workload};
use base::{Error, Result};

/// Only what carries the label is touched.
fn owned(what: &str, metadata: &ObjectMeta) -> Result<()> {
    let label = metadata.labels.as_ref().and_then(|labels| labels.get(OWNED));
    if label.is_some_and(|value| value == "true") {
        return Ok(());
    }
    Err(Error::environment(format!("{what} is not the lab's: it has no label {OWNED}"))
        .hint("only what carries the label is touched"))
}

fn missing(what: &str) -> Error {
    Error::environment(format!("the lab has no {what}")).hint("`cargo xtask working` creates what is missing")
}

impl Cluster {
    /// The data of a ConfigMap of the lab.
    ///
    /// # Errors
    /// It is not there or not the lab's.
    pub async fn config_map(&self, namespace: &str, name: &str) -> Result<BTreeMap<String, String>> {
        let what = format!("ConfigMap {namespace}/{name}");
        let api: Api<ConfigMap> = Api::namespaced(self.client(), namespace);
        let found = api.get_opt(name).await.map_err(failed)?.ok_or_else(|| missing(&what))?;
        owned(&what, &found.metadata)?;
        Ok(found.data.unwrap_or_default())
    }

    /// Writes a key of a ConfigMap of the lab; without a value, takes it out.
    ///
    /// # Errors
    /// It is not there or not the lab's.
    pub async fn set_config_map(
        &self,
        namespace: &str,
        name: &str,
        key: &str,
        value: Option<&str>,
    ) -> Result<()> {
        self.config_map(namespace, name).await?;
        let api: Api<ConfigMap> = Api::namespaced(self.client(), namespace);
        let patch = json!({"data": {key: value}});
        api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.map_err(failed)?;
        Ok(())
    }

    /// The value of a key of a Secret of the lab, if it is there.
    ///
    /// # Errors
    /// The Secret is not there or not the lab's.
    pub async fn secret_key(&self, name: SecretName, key: &str) -> Result<Option<Vec<u8>>> {
        let secret = self.own_secret(name).await?;
        Ok(secret.data.and_then(|mut data| data.remove(key)).map(|value| value.0))
    }

    /// Writes keys of a Secret of the lab; those without a value are taken out.
    ///
    /// # Errors
    /// It is not there or not the lab's.
    pub async fn set_secret_keys(&self, name: SecretName, keys: &[(&str, Option<&[u8]>)]) -> Result<()> {
        use base64::Engine as _;
        use base64::prelude::BASE64_STANDARD;
        self.own_secret(name).await?;
        let keys = keys.iter().map(|(key, value)| {
            ((*key).to_owned(), value.map_or(Value::Null, |value| BASE64_STANDARD.encode(value).into()))
        });
        let data: serde_json::Map<String, Value> = keys.collect();
        self.patch_secret(name, &json!({"data": data})).await
    }

    /// Writes a label of a Secret of the lab; without a value, takes it off.
    ///
    /// # Errors
    /// It is not there or not the lab's.
    pub async fn set_secret_label(&self, name: SecretName, label: &str, value: Option<&str>) -> Result<()> {
        self.own_secret(name).await?;
        self.patch_secret(name, &json!({"metadata": {"labels": {label: value}}})).await
    }

    async fn own_secret(&self, name: SecretName) -> Result<Secret> {
        let what = format!("Secret {}/{}", name.namespace, name.name);
        let api: Api<Secret> = Api::namespaced(self.client(), name.namespace);
        let found = api.get_opt(name.name).await.map_err(failed)?.ok_or_else(|| missing(&what))?;
        owned(&what, &found.metadata)?;
        Ok(found)
    }

    async fn patch_secret(&self, name: SecretName, patch: &Value) -> Result<()> {
        let api: Api<Secret> = Api::namespaced(self.client(), name.namespace);
        api.patch(name.name, &PatchParams::default(), &Patch::Merge(patch)).await.map_err(failed)?;
        Ok(())
    }

    /// Gives a Deployment of the lab another number of pods.
    ///
    /// # Errors
    /// It is not there or not the lab's.
    pub async fn scale(&self, workload: Workload, replicas: u32) -> Result<()> {
        self.deployment(workload).await?;
        let api: Api<Deployment> = Api::namespaced(self.client(), workload.namespace());
        let patch = json!({"spec": {"replicas": replicas}});
        api.patch(workload.deployment(), &PatchParams::default(), &Patch::Merge(patch))
            .await
            .map_err(failed)?;
        Ok(())
    }

    /// Writes a variable of a Deployment's first container; without a value, takes it out.
    ///
    /// # Errors
    /// It is not there or not the lab's.
    pub async fn set_env(&self, workload: Workload, name: &str, value: Option<&str>) -> Result<()> {
        let deployment = self.deployment(workload).await?;
        let pod = deployment.spec.and_then(|spec| spec.template.spec).unwrap_or_default();
        let container = pod.containers.first().map(|container| container.name.clone()).unwrap_or_default();
        let variable = match value {
            Some(value) => json!({"name": name, "value": value}),
            None => json!({"name": name, "$patch": "delete"}),
        };
        let containers = json!([{"name": container, "env": [variable]}]);
        let patch = json!({"spec": {"template": {"spec": {"containers": containers}}}});
        let api: Api<Deployment> = Api::namespaced(self.client(), workload.namespace());
        let strategic = Patch::Strategic(patch);
        api.patch(workload.deployment(), &PatchParams::default(), &strategic).await.map_err(failed)?;
        Ok(())
    }

    /// An annotation of a namespace, if both are there.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub async fn namespace_annotation(&self, namespace: &str, key: &str) -> Result<Option<String>> {
        let api: Api<Namespace> = Api::all(self.client());
        let found = api.get_opt(namespace).await.map_err(failed)?;
        Ok(found.and_then(|found| found.metadata.annotations?.remove(key)))
    }

    /// Writes an annotation of a namespace of the lab; without a value, takes it off.
    ///
    /// # Errors
    /// It is not there or not the lab's.
    pub async fn annotate_namespace(&self, namespace: &str, key: &str, value: Option<&str>) -> Result<()> {
        let what = format!("namespace {namespace}");
        let api: Api<Namespace> = Api::all(self.client());
        let found = api.get_opt(namespace).await.map_err(failed)?.ok_or_else(|| missing(&what))?;
        owned(&what, &found.metadata)?;
        let patch = json!({"metadata": {"annotations": {key: value}}});
        api.patch(namespace, &PatchParams::default(), &Patch::Merge(patch)).await.map_err(failed)?;
        Ok(())
    }

    /// Changes an Ingress of the lab by a merge patch.
    ///
    /// # Errors
    /// It is not there or not the lab's.
    pub async fn patch_ingress(&self, namespace: &str, name: &str, patch: &Value) -> Result<()> {
        use k8s_openapi::api::networking::v1::Ingress;
        let what = format!("Ingress {namespace}/{name}");
        let api: Api<Ingress> = Api::namespaced(self.client(), namespace);
        let found = api.get_opt(name).await.map_err(failed)?.ok_or_else(|| missing(&what))?;
        owned(&what, &found.metadata)?;
        api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.map_err(failed)?;
        Ok(())
    }
}
