//! What is done to a cluster through its API, the same for every lab.

mod apply;
mod edits;
mod endpoints;
mod failing;
mod ready;
mod request;
mod requests;
mod secrets;

use std::path::Path;

use http::header::{HeaderValue, USER_AGENT};
use kube::Client;
use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig};

use base::{Error, Result};
use requests::Observed;

pub use failing::registry;
pub use ready::pod_state;
pub use request::Request;
pub use requests::Observer;
pub use secrets::{ArgocdKeys, ClientSecret};

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
