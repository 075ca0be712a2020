//! Small changes to objects of the lab: one key of a ConfigMap or Secret, a label, a
//! number of replicas. Only what carries the lab's label is touched.

use std::collections::BTreeMap;
use std::fmt::Debug;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Api, Patch, PatchParams};
use kube::{Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Cluster, failed};
use crate::names::{OWNED, SecretName, Workload};
use base::{Error, Result};

/// An object of the lab.
///
/// # Errors
/// It is not there or not the lab's.
pub(super) async fn own<K>(api: &Api<K>, name: &str) -> Result<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let what = || match api.namespace() {
        Some(namespace) => format!("{} {namespace}/{name}", K::kind(&())),
        None => format!("{} {name}", K::kind(&())),
    };
    let found = api.get_opt(name).await.map_err(failed)?.ok_or_else(|| {
        Error::environment(format!("the lab has no {}", what()))
            .hint("`cargo xtask working` creates what is missing")
    })?;
    if found.labels().get(OWNED).is_some_and(|owned| owned == "true") {
        return Ok(found);
    }
    Err(Error::environment(format!("{} is not the lab's: it has no label {OWNED}", what()))
        .hint("only what carries the label is touched"))
}

/// Changes an object of the lab.
///
/// # Errors
/// It is not there or not the lab's.
pub(super) async fn patch<K>(api: &Api<K>, name: &str, patch: &Patch<Value>) -> Result<()>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    own(api, name).await?;
    api.patch(name, &PatchParams::default(), patch).await.map(drop).map_err(failed)
}

impl Cluster {
    /// The data of a ConfigMap of the lab.
    ///
    /// # Errors
    /// It is not there or not the lab's.
    pub async fn config_map(&self, namespace: &str, name: &str) -> Result<BTreeMap<String, String>> {
        let api: Api<ConfigMap> = Api::namespaced(self.client(), namespace);
        Ok(own(&api, name).await?.data.unwrap_or_default())
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
        let api: Api<ConfigMap> = Api::namespaced(self.client(), namespace);
        patch(&api, name, &Patch::Merge(json!({"data": {key: value}}))).await
    }

    pub(super) fn secrets(&self, name: SecretName) -> Api<Secret> {
        Api::namespaced(self.client(), name.namespace)
    }

    /// The value of a key of a Secret of the lab, if it is there.
    ///
    /// # Errors
    /// The Secret is not there or not the lab's.
    pub async fn secret_key(&self, name: SecretName, key: &str) -> Result<Option<Vec<u8>>> {
        let secret = own(&self.secrets(name), name.name).await?;
        Ok(secret.data.and_then(|mut data| data.remove(key)).map(|value| value.0))
    }

    /// Writes keys of a Secret of the lab; those without a value are taken out.
    ///
    /// # Errors
    /// It is not there or not the lab's.
    pub async fn set_secret_keys(&self, name: SecretName, keys: &[(&str, Option<&[u8]>)]) -> Result<()> {
        use base64::Engine as _;
        use base64::prelude::BASE64_STANDARD;
        let keys = keys.iter().map(|(key, value)| {
            ((*key).to_owned(), value.map_or(Value::Null, |value| BASE64_STANDARD.encode(value).into()))
        });
        let data: serde_json::Map<String, Value> = keys.collect();
        patch(&self.secrets(name), name.name, &Patch::Merge(json!({"data": data}))).await
    }

    /// Writes a label of a Secret of the lab; without a value, takes it off.
    ///
    /// # Errors
    /// It is not there or not the lab's.
    pub async fn set_secret_label(&self, name: SecretName, label: &str, value: Option<&str>) -> Result<()> {
        let change = json!({"metadata": {"labels": {label: value}}});
        patch(&self.secrets(name), name.name, &Patch::Merge(change)).await
    }

    fn deployments(&self, workload: Workload) -> Api<Deployment> {
        Api::namespaced(self.client(), workload.namespace())
    }

    /// A Deployment, if it is there.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub async fn find_deployment(&self, workload: Workload) -> Result<Option<Deployment>> {
        self.deployments(workload).get_opt(workload.deployment()).await.map_err(failed)
    }

    /// A Deployment of the lab.
    ///
    /// # Errors
    /// It is not there, or does not carry the lab's label.
    pub async fn deployment(&self, workload: Workload) -> Result<Deployment> {
        own(&self.deployments(workload), workload.deployment()).await
    }

    async fn patch_deployment(&self, workload: Workload, change: &Patch<Value>) -> Result<()> {
        patch(&self.deployments(workload), workload.deployment(), change).await
    }

    /// Starts a Deployment's pods anew, as `kubectl rollout restart` does.
    ///
    /// # Errors
    /// There is no such Deployment, or it is not the lab's.
    pub async fn restart(&self, workload: Workload) -> Result<()> {
        self.deployment(workload).await?;
        self.deployments(workload).restart(workload.deployment()).await.map(drop).map_err(failed)
    }

    /// Gives a Deployment of the lab another number of pods.
    ///
    /// # Errors
    /// It is not there or not the lab's.
    pub async fn scale(&self, workload: Workload, replicas: u32) -> Result<()> {
        self.patch_deployment(workload, &Patch::Merge(json!({"spec": {"replicas": replicas}}))).await
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
        let change = json!({"spec": {"template": {"spec": {"containers": containers}}}});
        self.patch_deployment(workload, &Patch::Strategic(change)).await
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
        let change = json!({"metadata": {"annotations": {key: value}}});
        patch(&Api::<Namespace>::all(self.client()), namespace, &Patch::Merge(change)).await
    }

    /// Changes an Ingress of the lab by a merge patch.
    ///
    /// # Errors
    /// It is not there or not the lab's.
    pub async fn patch_ingress(&self, namespace: &str, name: &str, change: Value) -> Result<()> {
        patch(&Api::<Ingress>::namespaced(self.client(), namespace), name, &Patch::Merge(change)).await
    }
}
