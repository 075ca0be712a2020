//! Documents go in by server-side apply, as `kubectl apply --server-side` does it.

use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::Value;

use super::request::resource_of;
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
        let resource = resource_of(document);
        let name = document["metadata"]["name"].as_str().unwrap_or_default();
        let api: Api<DynamicObject> = match document["metadata"]["namespace"].as_str() {
            Some(namespace) => Api::namespaced_with(self.client(), namespace, &resource),
            None => Api::all_with(self.client(), &resource),
        };
        let applied = api.patch(name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(document)).await;
        applied.map(drop).map_err(|error| failed(error).context(format!("apply {} {name}", resource.kind)))
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
