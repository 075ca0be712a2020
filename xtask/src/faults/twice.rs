//! Two rotations, the second while Argo CD's server is restarting for the first.
//!
//! From v2.14 on a server that takes in a change lets open requests end, for up to 20
//! seconds, before it starts anew. It no longer listens to changes then, and the new
//! server begins with the settings that ended the old one. A browser on the page of
//! applications is such a request.

use std::time::Duration;

use futures::{AsyncBufRead, AsyncBufReadExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, LogParams};
use probe::NotOpen;

use crate::login;
use crate::session::Session;
use base::{Error, Result};
use cluster::names::Workload;
use cluster::{Cluster, failed};

/// What a server says when it has noticed that its settings changed.
const NOTICED: &str = "oidc config modified. restarting";
/// How long it may take to notice. It takes some milliseconds.
const LIMIT: Duration = Duration::from_secs(10);

/// Rotates, waits until the server has noticed while a page is open on it, rotates again
/// and closes the page.
///
/// # Errors
/// Nobody can log in, the server does not notice the first rotation, or a Secret is not
/// the lab's.
pub async fn rotate_twice(session: &Session, cluster: &Cluster) -> Result<&'static str> {
    let page = probe::open_page(&login::options(session).await?).await.map_err(|error| {
        let why = match error {
            NotOpen::Login(failure) => format!("{}: {}", failure.step, failure.message),
            NotOpen::NoAnswer(why) => why.message(),
            NotOpen::Status(status) => format!("it was answered {status}"),
        };
        Error::environment(format!("no page could be opened on Argo CD: {why}"))
            .hint("`cargo xtask working test` says whether a login passes")
    })?;
    // Listened to before anything is said.
    let lines = log(cluster).await?;
    cluster.rotate_client_secret().await?;
    match tokio::time::timeout(LIMIT, notices(lines)).await {
        Ok(noticed) => noticed?,
        Err(_) => {
            return Err(Error::environment(format!(
                "argocd-server did not say within {} s that its settings changed",
                LIMIT.as_secs()
            ))
            .hint("this fault is for releases that notice: v2.14 and later"));
        }
    }
    cluster.rotate_client_secret().await?;
    drop(page);
    Ok("rotated twice")
}

/// The log of argocd-server from now on.
async fn log(cluster: &Cluster) -> Result<impl AsyncBufRead + Unpin> {
    let pods = cluster.pods_of(Workload::Argocd.rollout()).await?;
    let name = pods.first().and_then(|pod| pod.metadata.name.clone());
    let name = name.ok_or_else(|| Error::environment("argocd-server has no pod"))?;
    let api: Api<Pod> = Api::namespaced(cluster.client(), Workload::Argocd.namespace());
    let parameters = LogParams { follow: true, tail_lines: Some(0), ..LogParams::default() };
    api.log_stream(&name, &parameters).await.map_err(failed)
}

/// Ends when the server says that it has noticed a change.
async fn notices(log: impl AsyncBufRead + Unpin) -> Result<()> {
    let mut lines = log.lines();
    let ended = |why: &str| Error::environment(format!("the log of argocd-server ended{why}"));
    while let Some(line) = lines.try_next().await.map_err(|error| ended(&format!(": {error}")))? {
        if line.contains(NOTICED) {
            return Ok(());
        }
    }
    Err(ended(""))
}
