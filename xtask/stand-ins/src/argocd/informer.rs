//! One list and watch against the cluster API, kept as a store: client-go's shared
//! informer, as far as settings need it.

use std::fmt::Debug;

use futures::StreamExt as _;
use jiff::Timestamp;
use kube::api::Api;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
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

/// A store that follows the cluster as long as the task lives. What happens after the first list
/// goes to `changes`.
pub(super) fn start<K>(
    api: Api<K>,
    labels: Option<&str>,
    log: Log,
    changes: mpsc::UnboundedSender<Change>,
) -> (Store<K>, AbortOnDropHandle<()>)
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let label_selector = labels.map(ToOwned::to_owned);
    let config = watcher::Config { label_selector, ..Default::default() };
    let (store, mut writer) = reflector::store();
    let known: Store<K> = store.clone();
    let following = async move {
        let mut events = std::pin::pin!(watcher(api, config).default_backoff());
        let (mut synced, mut noticed) = (false, vec![]);
        while let Some(event) = events.next().await {
            let event = match event {
                Ok(event) => event,
                Err(error) => {
                    log.warn(format!("Failed to watch *v1.{}: {}", K::kind(&()), watch_words(error)));
                    continue;
                }
            };
            match &event {
                Event::Init => noticed.clear(),
                // A list after the first is what a broken watch has missed.
                Event::Apply(object) | Event::InitApply(object) if synced => {
                    let before = known.get(&ObjectRef::from_obj(object));
                    noticed.extend(change(before.as_deref(), object));
                }
                _ => {}
            }
            writer.apply_watcher_event(&event);
            synced |= matches!(event, Event::InitDone);
            if !matches!(event, Event::InitApply(_)) {
                // An error means that nobody listens any more: the store is about to be dropped.
                noticed.drain(..).for_each(|change| drop(changes.send(change)));
            }
        }
    };
    (store, AbortOnDropHandle::new(tokio::spawn(following)))
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

/// What there is to tell of an object that may have been in the store before.
fn change<K: Resource>(before: Option<&K>, object: &K) -> Option<Change> {
    if before.is_some_and(|before| before.resource_version() == object.resource_version()) {
        return None;
    }
    let added = match before {
        Some(_) => None,
        // An object without a time is older than anything.
        None => Some(object.creation_timestamp().map_or(Timestamp::UNIX_EPOCH, |time| time.0)),
    };
    let part_of_argocd = object.labels().get(PART_OF).is_some_and(|value| value == "argocd");
    Some(Change { added, part_of_argocd })
}
