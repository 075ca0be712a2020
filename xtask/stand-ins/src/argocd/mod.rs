//! The stand-in for argocd-server: a client of an identity provider whose settings
//! come from the cluster, and that treats their changes as the release does that it
//! stands in for.
//!
//! - Settings: `informer` follows the cluster, `manager` tells who subscribed,
//!   `settings`, `oidc_config` and `references` read them, `first_start` fills
//!   what nobody has filled.
//! - Eras: `run` with `changes` and `listeners`. Everything that a release does
//!   or says differently and that has nothing to do with changes is in `details`.
//! - A login: `client_app` with `app_state` and `go_url`; `provider`,
//!   `oauth2`, `id_token`, `workload_identity`, `outbound` and `proxies` towards the provider;
//!   `session`, `user_info` and `token_cookie` afterwards.
//! - The Dex inside Argo CD: `dex_config`, `dex_proxy` before it, and `rundex`, a program of
//!   its own that runs it.
//! - Requests: `site` routes `incoming` ones to `api`, `logout`, `pages`, which share a
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

use client_app::Surroundings;
use details::Details;
use flags::Flags;
use local_cluster::program::{Exit, Launch, Program};
use log::Log;
use proxies::Proxies;
use releases::Release;
use run::Process;
use workload_identity::WorkloadIdentity;

pub use oidc_config::client_secret;

/// The image name under which it is known, without tag. The tag is the release.
pub const IMAGE: &str = "oidc-lab/stand-in-argocd";
/// The `containerPort` of its web server, unless `--port` names another.
pub const PORT: u16 = 8080;

/// The program.
pub fn program() -> impl Program {
    start
}

fn failure(log: &Log, code: i32, message: String) -> Exit {
    log.fatal(&message);
    Exit { code, message }
}

async fn start(mut launch: Launch) -> Exit {
    let plain = Log::new(launch.log.clone(), false);
    let release = match Release::parse(super::tag(&launch.image)) {
        Ok(release) => release,
        Err(error) => return failure(&plain, 1, format!("the image's tag names no release: {error}")),
    };
    let flags = match Flags::read(&launch.args, &launch.env) {
        Ok(flags) => flags,
        Err(message) => return failure(&plain, 1, message),
    };
    let details = Details::of(&release);
    let json = match flags.log_format.as_deref() {
        Some(format) => format.eq_ignore_ascii_case("json"),
        None => details.json_log,
    };
    let log = Log::new(launch.log.clone(), json);
    let version = format!("{release}+stand-in");
    log.info("this is a stand-in for argocd-server, not argocd-server itself");
    log.line(
        "info",
        "ArgoCD API Server is starting",
        &[("namespace", &launch.namespace), ("port", &flags.port.to_string()), ("version", &version)],
    );
    let listener = match launch.listener(flags.port) {
        Ok(listener) => listener,
        Err(error) => return failure(&log, 20, format!("listen tcp :{}: {error}", flags.port)),
    };
    // Nobody answers on the others: metrics, for one.
    launch.ports.clear();
    let client = match manager::client(&launch.cluster, &launch.namespace) {
        Ok(client) => client,
        Err(error) => return failure(&log, 20, error),
    };
    let surroundings = Surroundings {
        proxies: Proxies::of(&launch.env),
        base_href: flags.base_href.clone(),
        dex_server: flags.dex_server.clone(),
        details,
        log,
        max_cookies: {
            let (default, highest) = details.max_cookies;
            default.set(launch.env.get("ARGOCD_MAX_COOKIE_NUMBER").map(String::as_str), highest)
        },
        states: Arc::default(),
        access_tokens: Arc::default(),
        workload_identity: Arc::new(WorkloadIdentity::of(&launch.env, &launch.files)),
    };
    let process = Process {
        flags,
        version,
        namespace: launch.namespace,
        client,
        surroundings,
        stop: launch.stop,
        fatal: tokio::sync::watch::Sender::default(),
    };
    run::run(&process, release.era(), listener).await
}
