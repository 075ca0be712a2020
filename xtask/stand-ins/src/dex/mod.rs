//! The stand-in for Dex: an OpenID Connect provider with memory storage and
//! one connector, the local passwords or a `mockPassword`, from the same configuration file.
//!
//! What it does not have: other connectors and storages, an approval screen, renewed
//! tokens, the device flow, token exchange, implicit and hybrid flows, themes, metrics.

mod auth;
mod config;
mod form;
mod jwt;
mod keys;
mod log;
mod pages;
mod server;
mod state;
mod storage;
mod token;

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::expiring::Expiring;
use config::Config;
use local_cluster::program::{Exit, Launch, Program};
use local_cluster::serve::{Limits, serve};
use log::{Level, Log};
use server::{Telemetry, Web};
use state::Dex;

/// The image name under which it is known, without tag.
pub const IMAGE: &str = "oidc-lab/stand-in-dex";
/// The release whose answers it gives.
pub const RELEASE: &str = "v2.45.1";
/// The web server's `containerPort`.
pub const WEB_PORT: u16 = 5556;
/// The `containerPort` that probes ask.
pub const TELEMETRY_PORT: u16 = 5558;

const CONFIG_FILE: &str = "/etc/dex/config.yaml";

/// The program. Its image's tag is the Dex release that it says it stands in for.
pub fn program() -> impl Program {
    |launch| async { run(launch).await.unwrap_or_else(|exit| exit) }
}

/// Dex ends with this status when it cannot run.
fn failure(log: &Log, message: String) -> Exit {
    log.plain(&message);
    Exit { code: 2, message }
}

async fn run(mut launch: Launch) -> Result<Exit, Exit> {
    let version = format!("{}+stand-in", super::tag(&launch.image));
    let log = Log::new(launch.log.clone(), Level::Info);
    log.info("this is a stand-in for Dex, not Dex itself", &[("dex_version", &version)]);
    let path = launch
        .args
        .last()
        .filter(|arg| arg.ends_with(".yaml") || arg.ends_with(".yml") || arg.ends_with(".json"));
    let path = path.map_or(CONFIG_FILE, String::as_str);
    let missing = || format!("failed to read config file {path}: open {path}: no such file or directory");
    let text = launch.files.get(path).ok_or_else(|| failure(&log, missing()))?;
    let config = Config::read(path, text, &launch.env).map_err(|message| failure(&log, message))?;
    let log = Log::new(launch.log.clone(), config.level);
    log.info("config issuer", &[("issuer", &config.issuer)]);
    log.info("config storage", &[("storage_type", "memory")]);
    for client in &config.clients {
        log.info("config static client", &[("client_name", &client.name)]);
    }
    match config.connector.mock {
        None => log.info("config connector: local passwords enabled", &[]),
        Some(_) => log.info("config connector", &[("connector_id", &config.connector.id)]),
    }
    log.info("config skipping approval screen", &[]);
    let mut listen = |port, server| {
        let refused = |error| failure(&log, format!("listening ({server}) on :{port}: {error}"));
        let listener = launch.listener(port).map_err(refused)?;
        let address = listener.local_addr().map_err(|_| refused("the socket has no address"))?.to_string();
        log.info("listening on", &[("server", server), ("address", &address)]);
        Ok(Arc::new(listener))
    };
    let (web, telemetry) = (listen(WEB_PORT, "http")?, listen(TELEMETRY_PORT, "telemetry")?);
    let limits = Limits::default();
    let dex = Dex {
        config,
        requests: Expiring::default(),
        codes: Expiring::default(),
        key: keys::start(),
        log: log.clone(),
        bcrypts: Semaphore::new(std::thread::available_parallelism().map_or(1, Into::into)),
        limits,
    };
    let (stop, dex) = (launch.stop, Arc::new(dex));
    tokio::join!(
        serve(web, None, Web(dex), limits, stop.clone()),
        serve(telemetry, None, Telemetry, limits, stop),
    );
    log.info("shutdown now", &[("err", "received signal terminated")]);
    Ok(Exit::success())
}
