//! A lab's cluster, the same for every lab: the names inside it ([`names`]), how it
//! is reached ([`Access`]), and what is done to
//! it through its API by kube ([`Cluster`]): documents applied, Secrets and settings changed,
//! pods started anew and waited for, and what a change will ask ([`Request`]). Only what carries
//! the lab's label is touched. It brings no cluster up and takes none down, and knows neither
//! goals nor logins nor whoever runs in the cluster; of this house it knows `base` alone.

mod access;
mod apply;
mod edits;
mod endpoints;
mod failing;
pub mod names;
mod ready;
mod request;
mod requests;
mod secrets;
mod shared;

use std::net::IpAddr;
use std::path::Path;

use http::header::{HeaderValue, USER_AGENT};
use k8s_openapi::api::core::v1::Service;
use kube::Client;
use kube::api::Api;
use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig};

use crate::names::Rollout;
use base::{Error, Result};
use requests::Observed;

pub use access::Access;
pub use failing::registry;
pub use ready::pod_state;
pub use request::Request;
pub use requests::Observer;
pub use secrets::{ArgocdKeys, ClientSecret};
pub use shared::untyped;

/// Who asks, for the audit of a cluster.
const AGENT: &str = concat!("oidc-lab/", env!("CARGO_PKG_VERSION"));

/// A cluster that carries the lab's label.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    address: String,
}

impl Cluster {
    /// The cluster of a kubeconfig of the lab's own; `observer` hears of every request. The
    /// user's kubeconfig is never looked for.
    ///
    /// # Errors
    /// The file cannot be read, or names no cluster.
    pub async fn connect(kubeconfig: &Path, context: &str, observer: Option<Observer>) -> Result<Self> {
        let broken = |what: String| {
            Error::environment(format!("{}: {what}", kubeconfig.display()))
                .hint("`cargo xtask down` removes what is left of the lab")
        };
        let file = Kubeconfig::read_from(kubeconfig).map_err(|error| broken(error.to_string()))?;
        let options = KubeConfigOptions { context: Some(context.to_owned()), ..KubeConfigOptions::default() };
        let mut config = kube::Config::from_custom_kubeconfig(file, &options)
            .await
            .map_err(|error| broken(error.to_string()))?;
        // An HTTP proxy of the user's network has no business on loopback.
        config.proxy_url = None;
        config.headers.push((USER_AGENT, HeaderValue::from_static(AGENT)));
        let address = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        let builder = ClientBuilder::try_from(config).map_err(failed)?;
        let client = match observer {
            None => builder.build(),
            Some(observer) => builder.with_layer(&Observed(observer)).build(),
        };
        Ok(Self { client, address })
    }

    /// Where its API is.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Where the Service of a rollout is reached inside the cluster.
    ///
    /// # Errors
    /// There is no such Service, or it has no address.
    pub async fn service_address(&self, rollout: Rollout) -> Result<IpAddr> {
        let services: Api<Service> = Api::namespaced(self.client(), rollout.namespace);
        let service = services.get(rollout.name).await.map_err(failed)?;
        service.spec.and_then(|spec| spec.cluster_ip?.parse().ok()).ok_or_else(|| {
            Error::environment(format!("the Service {}/{} has no address", rollout.namespace, rollout.name))
                .hint("`cargo xtask working` puts the ingress in")
        })
    }

    /// The client, for reading.
    pub fn client(&self) -> Client {
        self.client.clone()
    }
}

/// The sentence for a request to the cluster's API that failed.
pub fn failed(error: kube::Error) -> Error {
    match error {
        kube::Error::Api(status) => Error::environment(format!("the cluster answered: {}", status.message)),
        kube::Error::HyperError(_) | kube::Error::Service(_) => {
            Error::environment("the cluster API does not answer")
                .hint("`cargo xtask status` says whether the lab is still up")
        }
        other => Error::environment(format!("the cluster API: {other}")),
    }
}
