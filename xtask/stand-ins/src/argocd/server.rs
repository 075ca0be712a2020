//! One argocd-server: what outlives a change of its settings, and all handlers share.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use base::mutex::lock;
use tokio_util::sync::CancellationToken;

use super::client_app::ClientApp;
use super::details::Details;
use super::dex_config;
use super::flags::Flags;
use super::log::Log;
use super::manager::Manager;
use super::outbound::Outbound;
use super::process::Process;
use super::session::Sessions;
use super::settings::Settings;

/// What outlives a change of settings.
pub(super) struct Server {
    pub(super) flags: Flags,
    pub(super) version: String,
    pub(super) details: Details,
    pub(super) log: Log,
    pub(super) manager: Arc<Manager>,
    pub(super) sessions: Sessions,
    /// The way to the Dex inside Argo CD.
    pub(super) dex: Outbound,
    /// The settings that this server runs with: as they were at its start, then as
    /// they were told to it last.
    pub(super) settings: Mutex<Arc<Settings>>,
    /// The client app of the run that began last, if a login was configured then.
    pub(super) client_app: Mutex<Option<Arc<ClientApp>>>,
    /// Set when the way from HTTP to its own gRPC is closed.
    pub(super) gateway: CancellationToken,
    /// Whether it serves.
    pub(super) available: AtomicBool,
    /// Whether it was told to end.
    pub(super) ending: AtomicBool,
}

impl Server {
    /// A server that does not serve yet.
    ///
    /// # Errors
    /// The line that argocd-server prints before it exits.
    pub(super) fn new(
        process: &Process,
        manager: Arc<Manager>,
        settings: Settings,
    ) -> Result<Arc<Self>, String> {
        let Process { flags, version, details, log, proxies, .. } = process;
        Ok(Arc::new(Self {
            version: version.clone(),
            details: *details,
            log: log.clone(),
            dex: Outbound::new(proxies, None, false, Some(&flags.dex_server), log)?,
            sessions: Sessions::new(manager.clone(), proxies, &flags.dex_server)?,
            flags: flags.clone(),
            manager,
            settings: Mutex::new(Arc::new(settings)),
            client_app: Mutex::default(),
            gateway: CancellationToken::new(),
            available: AtomicBool::new(false),
            ending: AtomicBool::new(false),
        }))
    }

    /// The settings that it runs with.
    pub(super) fn settings(&self) -> Arc<Settings> {
        lock(&self.settings).clone()
    }

    /// Whether a login is configured.
    pub(super) fn sso_configured(&self) -> bool {
        let settings = self.settings();
        dex_config::is_configured(&settings, &self.log)
            || settings.oidc_config(&self.details, &self.log).is_some()
    }

    /// argocd-rbac-cm.
    pub(super) fn policies(&self) -> BTreeMap<String, String> {
        let config_map = self.manager.config_map("argocd-rbac-cm");
        config_map.ok().and_then(|map| map.data.clone()).unwrap_or_default()
    }

    /// The claims that policies look at.
    pub(super) fn policy_scopes(&self) -> Vec<String> {
        let scopes = self.policies().remove("scopes");
        scopes
            .and_then(|scopes| serde_yaml::from_str(&scopes).ok())
            .unwrap_or_else(|| vec!["groups".to_owned()])
    }
}
