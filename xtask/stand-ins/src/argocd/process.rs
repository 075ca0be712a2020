//! What an argocd-server has from the start of its process to its end.

use kube::Client;
use tokio_util::sync::CancellationToken;

use super::details::Details;
use super::flags::Flags;
use super::log::Log;
use super::proxies::Proxies;
use super::token_cookie::MaxCookies;
use super::workload_identity::WorkloadIdentity;
use crate::expiring::Expiring;
use local_cluster::program::Exit;

/// Argo CD exits with this after any error that it cannot go on with.
pub(super) const FATAL: i32 = 20;

/// All servers and client apps of a process are made with it.
pub(super) struct Process {
    pub(super) flags: Flags,
    pub(super) version: String,
    pub(super) namespace: String,
    pub(super) details: Details,
    pub(super) log: Log,
    pub(super) proxies: Proxies,
    /// To the cluster's API.
    pub(super) client: Client,
    /// How many cookies a token may need.
    pub(super) max_cookies: MaxCookies,
    /// Where logins that are under way want to go, in releases that keep them themselves.
    pub(super) states: Expiring<String>,
    /// The access token of each user's last login, by `sub`. Argo CD keeps them in Redis.
    pub(super) access_tokens: Expiring<String>,
    pub(super) workload_identity: WorkloadIdentity,
    /// Set by SIGTERM.
    pub(super) stop: CancellationToken,
}

/// The end of a process that does not handle SIGTERM, with what a shell makes of that.
pub(super) fn terminated() -> Exit {
    Exit { code: 143, message: String::new() }
}
