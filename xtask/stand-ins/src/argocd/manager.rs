//! Follows what settings are made of, and tells those who asked when they may have
//! changed: argo-cd's settings manager.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use base::mutex::lock;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::Api;
use kube::runtime::reflector::Store;
use kube::{Client, Config, ResourceExt as _};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::details::Details;
use super::informer::{self, Change, PART_OF};
use super::log::Log;
use super::settings::Settings;
use local_cluster::program::ClusterAccess;

/// The ConfigMap of settings.
pub(super) const CONFIG_MAP: &str = "argocd-cm";
/// The Secret of settings.
pub(super) const SECRET: &str = "argocd-secret";

/// Reads settings from a store that follows the cluster.
pub(super) struct Manager {
    pub(super) client: Client,
    pub(super) namespace: String,
    pub(super) details: Details,
    pub(super) log: Log,
    /// `None` until the first list is in.
    informers: Mutex<Option<Arc<Informers>>>,
    /// By number.
    subscribers: Mutex<BTreeMap<u64, mpsc::UnboundedSender<Arc<Settings>>>>,
}

struct Informers {
    config_maps: Store<ConfigMap>,
    secrets: Store<Secret>,
    /// What fills both, and what passes on what changes.
    tasks: [AbortOnDropHandle<()>; 3],
}

/// Hears of new settings until it is dropped.
pub(super) struct Subscription {
    manager: Weak<Manager>,
    id: u64,
    updates: mpsc::UnboundedReceiver<Arc<Settings>>,
}

impl Subscription {
    /// The next settings. Only a manager that is gone has none to come.
    pub(super) async fn next(&mut self) -> Option<Arc<Settings>> {
        self.updates.recv().await
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(manager) = self.manager.upgrade() {
            lock(&manager.subscribers).remove(&self.id);
            manager.log.info(format!("{:#x} unsubscribed from settings updates", self.id));
        }
    }
}

/// A client for the cluster API with the service account's token.
///
/// # Errors
/// The address or the CA cannot be used.
pub(super) fn client(access: &ClusterAccess, namespace: &str) -> Result<Client, String> {
    let unusable = |error: String| format!("the cluster API cannot be used: {error}");
    let server: http::Uri = access.server.parse().map_err(|error| unusable(format!("{error}")))?;
    let mut config = Config::new(server);
    config.default_namespace = namespace.to_owned();
    let certificates = CertificateDer::pem_slice_iter(access.ca_pem.as_bytes())
        .map(|certificate| certificate.map(|der| der.to_vec()))
        .collect::<Result<_, _>>();
    config.root_cert = Some(certificates.map_err(|error| unusable(error.to_string()))?);
    config.auth_info.token = Some(access.token.clone().into());
    Client::try_from(config).map_err(|error| unusable(error.to_string()))
}

impl Manager {
    /// Starts to follow and waits until everything is listed.
    pub(super) async fn start(client: Client, namespace: &str, details: Details, log: Log) -> Arc<Self> {
        let manager = Arc::new(Self {
            client,
            namespace: namespace.to_owned(),
            details,
            log,
            informers: Mutex::default(),
            subscribers: Mutex::default(),
        });
        manager.resync().await;
        manager
    }

    /// Lists everything anew, so that what this server wrote itself is in the store.
    pub(super) async fn resync(self: &Arc<Self>) {
        if lock(&self.informers).take().is_some() {
            self.log.info("configmap informer cancelled");
            self.log.info("secrets informer cancelled");
        }
        self.log.info("Starting configmap/secret informers");
        let (changes, receiver) = mpsc::unbounded_channel();
        let ours = format!("{PART_OF}=argocd");
        // From v3.5 cluster Secrets have a store of their own, which settings never see.
        let settings = self.details.only_labelled_notify.then_some("argocd.argoproj.io/secret-type!=cluster");
        let (config_maps, one) = informer::start(self.api(), Some(&ours), self.log.clone(), changes.clone());
        let (secrets, other) = informer::start(self.api(), settings, self.log.clone(), changes);
        // No limit: a server that cannot read its settings has nothing to do but to try again. An
        // error means that the task is gone, and with it whoever waits.
        let _ = (config_maps.wait_until_ready().await, secrets.wait_until_ready().await);
        self.log.info("Configmap/secret informer synced");
        let notifier = tokio::spawn(notify(Arc::downgrade(self), receiver, Timestamp::now()));
        let tasks = [one, other, AbortOnDropHandle::new(notifier)];
        *lock(&self.informers) = Some(Arc::new(Informers { config_maps, secrets, tasks }));
    }

    /// Follows no longer, and tells nobody any more. The settings stay as they are.
    pub(super) fn stop(&self) {
        if let Ok(informers) = self.informers() {
            informers.tasks.iter().for_each(|task| task.abort());
            self.log.info("secrets informer cancelled");
            self.log.info("configmap informer cancelled");
        }
    }

    /// The objects of a kind in this namespace.
    pub(super) fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    fn informers(&self) -> Result<Arc<Informers>, String> {
        lock(&self.informers).clone().ok_or_else(|| "settings cache is not synced".into())
    }

    /// A ConfigMap that carries the label.
    ///
    /// # Errors
    /// There is none, in the words of the API.
    pub(super) fn config_map(&self, name: &str) -> Result<Arc<ConfigMap>, String> {
        let found = self.informers()?.config_maps.find(|it| it.name_any() == name);
        found.ok_or_else(|| format!("configmap {name:?} not found"))
    }

    /// A Secret.
    ///
    /// # Errors
    /// There is none, in the words of the API.
    pub(super) fn secret(&self, name: &str) -> Result<Arc<Secret>, String> {
        let found = self.informers()?.secrets.find(|it| it.name_any() == name);
        found.ok_or_else(|| format!("secret {name:?} not found"))
    }

    /// The settings as they are in the store now, complete or not.
    ///
    /// # Errors
    /// argocd-cm or argocd-secret is not there.
    pub(super) fn settings(&self) -> Result<Settings, String> {
        let wrap = |name: &'static str| move |error: String| format!("error retrieving {name}: {error}");
        let config_map = self.config_map(CONFIG_MAP).map_err(wrap(CONFIG_MAP))?;
        let secret = self.secret(SECRET).map_err(wrap(SECRET))?;
        let mut labelled = self.informers()?.secrets.state();
        labelled.retain(|secret| secret.labels().get(PART_OF).is_some_and(|value| value == "argocd"));
        Ok(Settings::read(&config_map, &secret, &labelled, &self.details, &self.log))
    }

    /// The settings, if they are complete.
    ///
    /// # Errors
    /// Something is missing.
    pub(super) fn complete_settings(&self) -> Result<Settings, String> {
        let settings = self.settings()?;
        if settings.server_signature.is_some() {
            Ok(settings)
        } else {
            Err("server.secretkey is missing".into())
        }
    }

    /// Hears of settings from now on. What changed before is not told.
    pub(super) fn subscribe(self: &Arc<Self>) -> Subscription {
        let (sender, updates) = mpsc::unbounded_channel();
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        lock(&self.subscribers).insert(id, sender);
        self.log.info(format!("{id:#x} subscribed to settings updates"));
        Subscription { manager: Arc::downgrade(self), id, updates }
    }

    /// Reads the settings and tells everybody who subscribed. Who subscribes once the settings
    /// are being read is not told of them.
    fn try_notify(&self) {
        let subscribers = lock(&self.subscribers);
        let settings = match self.complete_settings() {
            Ok(settings) => Arc::new(settings),
            Err(error) => {
                self.log.warn(format!("Unable to parse updated settings: {error}"));
                return;
            }
        };
        if subscribers.is_empty() {
            return;
        }
        let names: Vec<_> = subscribers.keys().map(|id| format!("{id:#x}")).collect();
        self.log.info(format!("Notifying {} settings subscribers: [{}]", names.len(), names.join(" ")));
        for subscriber in subscribers.values() {
            // One that has just gone needs no settings.
            let _ = subscriber.send(settings.clone());
        }
    }
}

/// Passes on what is worth a look: objects that changed, and those that were made
/// after `synced`. Creation times are whole seconds, so one that is made within the
/// second in which the store was synced is never noticed.
async fn notify(manager: Weak<Manager>, mut changes: mpsc::UnboundedReceiver<Change>, synced: Timestamp) {
    while let Some(change) = changes.recv().await {
        let Some(manager) = manager.upgrade() else { return };
        if manager.details.only_labelled_notify && !change.part_of_argocd {
            continue;
        }
        if change.added.is_none_or(|created| created > synced) {
            manager.try_notify();
        }
    }
}
