//! Documents go in by server-side apply, as `kubectl apply --server-side` does it.

use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};

use super::{Cluster, failed};
use crate::names::{MANAGER, OWNED, Workload};
use base::{Error, Result};

impl Cluster {
    /// Applies a document. Fields that another manager took over meanwhile are taken
    /// back: the manifest says how the lab has to look.
    ///
    /// # Errors
    /// The cluster refuses it, or a document has no kind or name.
    pub async fn apply(&self, document: &Value) -> Result<()> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (kind, name) = (text(&document["kind"]), text(&document["metadata"]["name"]));
        let what = format!("apply {kind} {name}");
        let api_version = text(&document["apiVersion"]);
        let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &kind));
        let api: Api<DynamicObject> = match document["metadata"]["namespace"].as_str() {
            Some(namespace) => Api::namespaced_with(self.client(), namespace, &resource),
            None => Api::all_with(self.client(), &resource),
        };
        let parameters = PatchParams::apply(MANAGER).force();
        api.patch(&name, &parameters, &Patch::Apply(document))
            .await
            .map_err(|error| failed(error).context(&what))?;
        Ok(())
    }

    /// Applies documents one after another, in their order.
    ///
    /// # Errors
    /// As [`Cluster::apply`].
    pub async fn apply_all(&self, documents: &[Value]) -> Result<()> {
        for document in documents {
            self.apply(document).await?;
        }
        Ok(())
    }

    /// Starts a Deployment's pods anew, as `kubectl rollout restart` does.
    ///
    /// # Errors
    /// There is no such Deployment, or it is not the lab's.
    pub async fn restart(&self, workload: Workload) -> Result<()> {
        self.deployment(workload).await?;
        let api: Api<Deployment> = Api::namespaced(self.client(), workload.namespace());
        let now = jiff::Timestamp::now().to_string();
        let annotations = json!({"kubectl.kubernetes.io/restartedAt": now});
        let patch = json!({"spec": {"template": {"metadata": {"annotations": annotations}}}});
        api.patch(workload.deployment(), &PatchParams::default(), &Patch::Merge(patch))
            .await
            .map_err(failed)?;
        Ok(())
    }

    /// A Deployment, if it is there.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub async fn find_deployment(&self, workload: Workload) -> Result<Option<Deployment>> {
        let api: Api<Deployment> = Api::namespaced(self.client(), workload.namespace());
        api.get_opt(workload.deployment()).await.map_err(failed)
    }

    /// A Deployment of the lab.
    ///
    /// # Errors
    /// It is not there, or does not carry the lab's label.
    pub async fn deployment(&self, workload: Workload) -> Result<Deployment> {
        let name = format!("{}/{}", workload.namespace(), workload.deployment());
        let found = self.find_deployment(workload).await?.ok_or_else(|| {
            Error::environment(format!("the lab has no Deployment {name}"))
                .hint("`cargo xtask working` installs what is missing")
        })?;
        let owned = found.metadata.labels.as_ref().and_then(|labels| labels.get(OWNED));
        if owned.is_none_or(|value| value != "true") {
            return Err(Error::environment(format!(
                "Deployment {name} is not the lab's: it has no label {OWNED}"
            ))
            .hint("only what carries the label is touched"));
        }
        Ok(found)
    }
}
