//! One list and watch against the cluster API, kept as a store: client-go's shared
//! informer, as far as settings need it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt as _;
use jiff::Timestamp;
use kube::api::Api;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use super::log::Log;

/// What those who watch the store are told: an object came or changed. Objects
/// that go are not worth a word to anybody here.
pub(super) struct Change {
    /// When the object was created, if it is new to the store; an update otherwise.
    pub(super) added: Option<Timestamp>,
    /// It carries the label of Argo CD's own objects.
    pub(super) part_of_argocd: bool,
}

/// The label that makes an object one of Argo CD's settings.
pub(super) const PART_OF: &str = "app.kubernetes.io/part-of";

/// A store that follows the cluster until it is dropped.
pub(super) struct Informer<K> {
    objects: Arc<Mutex<BTreeMap<String, Arc<K>>>>,
    synced: watch::Receiver<bool>,
    task: AbortOnDropHandle<()>,
}

impl<K> Informer<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    /// Starts one. What happens after the first list goes to `changes`.
    pub(super) fn start(
        api: Api<K>,
        labels: Option<&str>,
        log: Log,
        changes: mpsc::UnboundedSender<Change>,
    ) -> Self {
        let label_selector = labels.map(ToOwned::to_owned);
        let config = watcher::Config { label_selector, ..Default::default() };
        let objects = Arc::new(Mutex::new(BTreeMap::new()));
        let (synced, receiver) = watch::channel(false);
        let follow = Follower { objects: objects.clone(), listing: BTreeMap::new(), synced, changes };
        let task = tokio::spawn(follow.run(api, config, log));
        Self { objects, synced: receiver, task: AbortOnDropHandle::new(task) }
    }

    /// Waits until the first list is in the store. No limit: a server that cannot
    /// read its settings has nothing to do but to try again.
    pub(super) async fn synced(&self) {
        // An error means that the task is gone, and with it whoever waits.
        let _ = self.synced.clone().wait_for(|synced| *synced).await;
    }

    /// Follows no longer. What it has, it keeps.
    pub(super) fn stop(&self) {
        self.task.abort();
    }

    /// The object of this name.
    pub(super) fn get(&self, name: &str) -> Option<Arc<K>> {
        self.lock().get(name).cloned()
    }

    /// All objects, by name.
    pub(super) fn list(&self) -> Vec<Arc<K>> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<K>>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An error in the words of the API.
pub(super) fn words(error: kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message,
        other => other.to_string(),
    }
}

fn watch_words(error: watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => words(error),
        watcher::Error::WatchError(status) => status.message,
        other => other.to_string(),
    }
}

struct Follower<K> {
    objects: Arc<Mutex<BTreeMap<String, Arc<K>>>>,
    /// A list that is still coming in.
    listing: BTreeMap<String, Arc<K>>,
    synced: watch::Sender<bool>,
    changes: mpsc::UnboundedSender<Change>,
}

impl<K> Follower<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    async fn run(mut self, api: Api<K>, config: watcher::Config, log: Log) {
        let kind = K::kind(&()).into_owned();
        let mut events = std::pin::pin!(watcher(api, config).default_backoff());
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => self.take(event),
                Err(error) => log.warn(format!("Failed to watch *v1.{kind}: {}", watch_words(error))),
            }
        }
    }

    fn take(&mut self, event: Event<K>) {
        match event {
            Event::Init => self.listing.clear(),
            Event::InitApply(object) => {
                self.listing.insert(object.name_any(), Arc::new(object));
            }
            Event::InitDone => {
                let list = std::mem::take(&mut self.listing);
                let before = std::mem::replace(
                    &mut *self.objects.lock().unwrap_or_else(PoisonError::into_inner),
                    list.clone(),
                );
                if *self.synced.borrow() {
                    // A list after the first is what a broken watch has missed.
                    for (name, object) in &list {
                        self.tell(before.get(name).map(AsRef::as_ref), object);
                    }
                }
                self.synced.send_replace(true);
            }
            Event::Apply(object) => {
                let object = Arc::new(object);
                let before = self
                    .objects
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(object.name_any(), object.clone());
                self.tell(before.as_deref(), &object);
            }
            Event::Delete(object) => {
                self.objects.lock().unwrap_or_else(PoisonError::into_inner).remove(&object.name_any());
            }
        }
    }

    fn tell(&self, before: Option<&K>, object: &K) {
        if before.is_some_and(|before| before.resource_version() == object.resource_version()) {
            return;
        }
        let added = match before {
            Some(_) => None,
            // An object without a time is older than anything.
            None => Some(object.creation_timestamp().map_or(Timestamp::UNIX_EPOCH, |time| time.0)),
        };
        let part_of_argocd = object.labels().get(PART_OF).is_some_and(|value| value == "argocd");
        // Nobody listens any more: the store is about to be dropped.
        let _ = self.changes.send(Change { added, part_of_argocd });
    }
}
