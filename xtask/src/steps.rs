//! What each step of a plan does.

use local_lab::charts;
use serde_json::Value;

use crate::cluster::{ArgocdKeys, ClientSecret, Cluster};
use crate::console::Running;
use crate::error::{Error, Result};
use crate::lab::{Lab, kind};
use crate::names::Workload;
use crate::plan::Action;
use crate::render::{Manifest, Variables};
use crate::session::Session;

/// Does a step and says in a few words what came of it.
///
/// # Errors
/// It could not be done.
pub async fn act(session: &Session, action: Action, running: &Running<'_>) -> Result<String> {
    match action {
        Action::StartLab => return session.start_lab().await.map(str::to_owned),
        Action::StopLab => {
            let was = session.stop_lab(running).await?;
            return Ok(if was { "removed" } else { "there was none" }.to_owned());
        }
        Action::Kind(step) => return kind::act(session, step, running).await,
        _ => {}
    }
    let cluster = session.cluster().await?;
    match action {
        Action::StartLab | Action::StopLab | Action::Kind(_) | Action::Login => {}
        Action::Namespaces => {
            apply(session, &cluster, Manifest::Namespaces, &session.variables()?, running).await?;
        }
        Action::ArgocdSecret => {
            if cluster.argocd_secret_is_filled().await? {
                return Ok("kept".into());
            }
            let keys = ArgocdKeys::random()?;
            let variables = Variables {
                admin_password_hash: Some(keys.password_hash),
                admin_password_mtime: Some(keys.password_mtime),
                server_secretkey: Some(keys.secretkey),
                ..session.variables()?
            };
            apply(session, &cluster, Manifest::ArgocdSecret, &variables, running).await?;
            return Ok("filled".into());
        }
        Action::DexSecret => {
            if cluster.dex_client_secret().await?.is_some() {
                return Ok("kept".into());
            }
            let secret = ClientSecret::random()?;
            client_secret(session, &cluster, Manifest::DexSecret, secret, running).await?;
            return Ok("created".into());
        }
        Action::OidcSecret => {
            let secret = cluster.dex_client_secret().await?;
            let secret = secret
                .ok_or_else(|| Error::environment("the lab has no client secret in dex/dex-clients"))?;
            client_secret(session, &cluster, Manifest::OidcSecret, secret, running).await?;
            return Ok("applied".into());
        }
        Action::NoOidcSecret => cluster.delete_oidc_secret().await?,
        Action::Install(workload) => {
            let versions = cluster.secret_versions(workload).await?;
            return install(session, &cluster, workload, &versions, running).await;
        }
        Action::InstallAnew(workload) => {
            // Whatever the pods that run were started with, these are others.
            let started = jiff::Timestamp::now();
            let versions = format!("{},started={started}", cluster.secret_versions(workload).await?);
            return install(session, &cluster, workload, &versions, running).await;
        }
        Action::Rotate => {
            cluster.rotate_client_secret().await?;
            return Ok("rotated in both Secrets".into());
        }
        Action::EmptyArgocdSecret => {
            cluster.empty_argocd_secret().await?;
            return Ok("emptied".into());
        }
        Action::Restart(workload) => {
            cluster.restart(workload).await?;
            return Ok("restarted".into());
        }
        Action::Ready(workload) => {
            running.doing(&format!("waiting for {}/{}", workload.namespace(), workload.deployment()));
            cluster.wait_ready(workload.rollout(), session.wait(), |text| running.waiting(text)).await?;
            return Ok("ready".into());
        }
    }
    Ok("done".into())
}

async fn apply(
    session: &Session,
    cluster: &Cluster,
    manifest: Manifest,
    variables: &Variables,
    running: &Running<'_>,
) -> Result<()> {
    match &session.lab {
        Lab::Local(_) => cluster.apply_all(&session.sources.documents(manifest, variables)?).await,
        Lab::Kind(_) => {
            let name = format!("manifests/{}", manifest.file());
            kind::apply(session, &name, session.sources.text(manifest, variables)?, running).await
        }
    }
}

async fn client_secret(
    session: &Session,
    cluster: &Cluster,
    manifest: Manifest,
    secret: ClientSecret,
    running: &Running<'_>,
) -> Result<()> {
    let variables = Variables { client_secret: Some(secret.reveal().to_owned()), ..session.variables()? };
    apply(session, cluster, manifest, &variables, running).await
}

async fn install(
    session: &Session,
    cluster: &Cluster,
    workload: Workload,
    secrets: &str,
    running: &Running<'_>,
) -> Result<String> {
    if matches!(session.lab, Lab::Kind(_)) {
        return kind::install(session, workload, secrets, running).await;
    }
    let variables = session.variables()?;
    let ingress = session.sources.documents(Manifest::Ingress, &variables)?;
    let own = |document: &&Value| document["metadata"]["namespace"] == workload.namespace();
    let program = session.chosen(workload).await?;
    let image = program.image(workload);
    let derived = match workload {
        Workload::Argocd => charts::argocd(&session.sources.values("argocd")?, &image, secrets),
        Workload::Dex => charts::dex(&session.sources.values("dex")?, &image, secrets),
    };
    let mut documents = derived.map_err(|error| Error::environment(error.to_string()))?;
    if workload == Workload::Dex {
        documents.extend(session.sources.documents(Manifest::DexService, &variables)?);
    }
    documents.extend(ingress.iter().filter(own).cloned());
    cluster.apply_all(&documents).await?;
    Ok(program.described())
}
