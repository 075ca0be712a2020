//! The stand-in for argocd-server: a client of an identity provider whose settings
//! come from the cluster, and that treats their changes as the release does that it
//! stands in for.
//!
//! - Settings: `informer` follows the cluster, `manager` tells who subscribed,
//!   `settings`, `oidc_config` and `references` read them, `first_start` fills
//!   what nobody has filled.
//! - Eras: `run` of a `process`, with `changes` and `listeners`. Everything that a release does
//!   or says differently and that has nothing to do with changes is in `details`.
//! - A login: `client_app` with `app_state` and `go_url`; `provider`,
//!   `oauth2`, `id_token`, `workload_identity`, `outbound` and `proxies` towards the provider;
//!   `session`, `user_info` and `token_cookie` afterwards.
//! - The Dex inside Argo CD: `dex_config`, `dex_proxy` before it, and `rundex`, a program of
//!   its own that runs it.
//! - Requests: `site` routes them to `api`, `logout`, `pages`, which share a
//!   `server`.
//!
//! What it does not have: applications, projects, repositories, policies, accounts
//! and their passwords, gRPC, TLS of its own (without `--insecure` it redirects to
//! https, where nobody answers, and to the Dex inside it speaks none either), refreshed tokens, the
//! implicit flow, metrics, and Redis: a token that was logged out is good again after a
//! restart. Where the real program was seen to answer otherwise stands in
//! [`super::DIFFERENCES`].

mod api;
mod app_state;
mod changes;
mod client_app;
mod details;
mod dex_config;
mod dex_proxy;
mod first_start;
mod flags;
mod go_url;
mod id_token;
mod informer;
mod listeners;
mod log;
mod logout;
mod manager;
mod oauth2;
mod oidc_config;
mod outbound;
mod pages;
mod policy;
mod process;
mod provider;
mod proxies;
mod references;
mod run;
pub mod rundex;
mod server;
mod session;
mod settings;
mod site;
mod token_cookie;
mod user_info;
mod workload_identity;

use std::sync::Arc;

use crate::expiring::Expiring;
use details::Details;
use flags::Flags;
use local_cluster::program::{Exit, Launch, Program};
use log::Log;
use process::{FATAL, Process};
use proxies::Proxies;
use releases::Release;
use workload_identity::WorkloadIdentity;

pub use oidc_config::client_secret;

/// The image name under which it is known, without tag. The tag is the release.
pub const IMAGE: &str = "oidc-lab/stand-in-argocd";
/// The `containerPort` of its web server, unless `--port` names another.
pub const PORT: u16 = 8080;

/// The program.
pub fn program() -> impl Program {
    |launch| async { serve(launch).await.unwrap_or_else(|exit| exit) }
}

fn failure(log: &Log, code: i32, message: String) -> Exit {
    log.fatal(&message);
    Exit { code, message }
}

/// What every program of Argo CD begins with: its release, by the image's tag, and its log.
fn begin(launch: &Launch, log_format: Option<&str>) -> Result<(Release, Details, Log), Exit> {
    let release = Release::parse(super::tag(&launch.image)).map_err(|error| {
        let plain = Log::new(launch.log.clone(), false);
        failure(&plain, 1, format!("the image's tag names no release: {error}"))
    })?;
    let details = Details::of(&release);
    let json = log_format.map_or(details.json_log, |format| format.eq_ignore_ascii_case("json"));
    Ok((release, details, Log::new(launch.log.clone(), json)))
}

async fn serve(mut launch: Launch) -> Result<Exit, Exit> {
    let plain = Log::new(launch.log.clone(), false);
    let flags = Flags::read(&launch.args, &launch.env).map_err(|message| failure(&plain, 1, message))?;
    let (release, details, log) = begin(&launch, flags.log_format.as_deref())?;
    let version = format!("{release}+stand-in");
    log.info("this is a stand-in for argocd-server, not argocd-server itself");
    log.line(
        "info",
        "ArgoCD API Server is starting",
        &[("namespace", &launch.namespace), ("port", &flags.port.to_string()), ("version", &version)],
    );
    let listener = launch
        .listener(flags.port)
        .map_err(|error| failure(&log, FATAL, format!("listen tcp :{}: {error}", flags.port)))?;
    // Nobody answers on the others: metrics, for one.
    launch.ports.clear();
    let client =
        manager::client(&launch.cluster, &launch.namespace).map_err(|error| failure(&log, FATAL, error))?;
    let max_cookies = launch.env.get("ARGOCD_MAX_COOKIE_NUMBER").map(String::as_str);
    let process = Arc::new(Process {
        proxies: Proxies::of(&launch.env),
        max_cookies: details.max_cookies.set(max_cookies),
        states: Expiring::default(),
        access_tokens: Expiring::default(),
        workload_identity: WorkloadIdentity::of(&launch.env, &launch.files),
        flags,
        version,
        namespace: launch.namespace,
        details,
        log,
        client,
        stop: launch.stop,
    });
    Ok(run::run(&process, release.era(), listener).await)
}
