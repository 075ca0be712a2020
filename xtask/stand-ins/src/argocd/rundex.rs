//! The stand-in for `argocd-dex rundex`: writes a configuration for Dex from what Argo CD
//! runs with, runs the stand-in for Dex with it, and anew whenever it is another.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};

use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::details::Details;
use super::flags::{find, parse_bool};
use super::log::Log;
use super::manager::{self, Manager};
use super::process::{FATAL, terminated};
use super::{begin, dex_config, failure};
use crate::dex;
use local_cluster::program::{Exit, Launch, Program};

/// The image name under which it is known, without tag. The tag is Argo CD's release.
pub const IMAGE: &str = "oidc-lab/stand-in-argocd-dex";
/// Where the configuration is for Dex.
const FILE: &str = "/tmp/dex.yaml";
/// The program.
pub fn program() -> impl Program {
    |launch| async { start(launch).await.unwrap_or_else(|exit| exit) }
}

async fn start(launch: Launch) -> Result<Exit, Exit> {
    let format = launch.env.get("ARGOCD_DEX_SERVER_LOGFORMAT").map(String::as_str);
    let (release, details, log) = begin(&launch, format)?;
    log.info("this is a stand-in for argocd-dex, not argocd-dex itself");
    log.info(format!(
        "ArgoCD Dex Server is starting (namespace: {}, version: {release}+stand-in)",
        launch.namespace
    ));
    let told = find(&launch.args, "disable-tls");
    let plaintext = told.as_ref().or_else(|| launch.env.get("ARGOCD_DEX_SERVER_DISABLE_TLS"));
    if !plaintext.and_then(|value| parse_bool(value)).unwrap_or(false) {
        let message = "the stand-in for argocd-dex speaks no TLS: set dexserver.disable.tls";
        return Err(failure(&log, FATAL, message.into()));
    }
    run(launch, details, &log).await.map_err(|message| failure(&log, FATAL, message))
}

async fn run(mut launch: Launch, details: Details, log: &Log) -> Result<Exit, String> {
    let client = manager::client(&launch.cluster, &launch.namespace)?;
    let manager = Manager::start(client, &launch.namespace, details, log.clone()).await;
    let mut settings = manager.complete_settings()?;
    let mut updates = manager.subscribe();
    // Nobody listens where Dex does not run.
    let addresses = std::mem::take(&mut launch.ports).into_iter();
    let addresses: BTreeMap<u16, SocketAddr> =
        addresses.filter_map(|(port, socket)| Some((port, socket.local_addr().ok()?))).collect();
    loop {
        let config = dex_config::generate(&settings, &details, log)?;
        let running = match &config {
            Some(config) => Some(start_dex(&launch, &addresses, config)?),
            None => {
                log.info("dex is not configured");
                None
            }
        };
        let ends = loop {
            let update = tokio::select! {
                biased;
                () = launch.stop.cancelled() => break true,
                update = updates.next() => update,
            };
            let Some(update) = update else { break true };
            if dex_config::generate(&update, &details, log)? != config {
                log.info("dex config modified. restarting dex");
                settings = (*update).clone();
                break false;
            }
            log.info("dex config unmodified");
        };
        if let Some((stop, dex)) = running {
            stop.cancel();
            // However it ended, it is no more.
            let _ = dex.await;
        }
        if ends {
            return Ok(terminated());
        }
    }
}

/// A Dex that runs, and what ends it. One that ends by itself is not started again, until its
/// configuration is another.
fn start_dex(
    launch: &Launch,
    addresses: &BTreeMap<u16, SocketAddr>,
    config: &Value,
) -> Result<(CancellationToken, AbortOnDropHandle<Exit>), String> {
    let listen = |(port, address): (&u16, &SocketAddr)| {
        let socket = TcpListener::bind(address).map_err(|error| format!("listen tcp {address}: {error}"));
        Ok((*port, socket?))
    };
    let stop = CancellationToken::new();
    let dex = dex::program().run(Launch {
        namespace: launch.namespace.clone(),
        pod: launch.pod.clone(),
        container: launch.container.clone(),
        image: format!("{}:{}", dex::IMAGE, dex::RELEASE),
        command: vec!["dex".into()],
        args: ["serve", FILE].map(Into::into).into(),
        env: launch.env.clone(),
        // JSON is YAML, and keeps every string a string.
        files: BTreeMap::from([(FILE.to_owned(), config.to_string().into_bytes())]),
        ports: addresses.iter().map(listen).collect::<Result<_, String>>()?,
        log: launch.log.clone(),
        stop: stop.clone(),
        cluster: launch.cluster.clone(),
    });
    Ok((stop, AbortOnDropHandle::new(tokio::spawn(dex))))
}
