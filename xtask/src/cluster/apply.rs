//! Documents go in by server-side apply, as `kubectl apply --server-side` does it.

use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use serde_json::Value;

use super::{Cluster, failed};
use crate::names::MANAGER;
use base::Result;

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
}
