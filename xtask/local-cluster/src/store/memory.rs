//! The store itself, and the watches that look into it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use base::mutex::lock;
use serde_json::Value;
use tokio::sync::watch;

use super::deletion::{self, Deletion};
use super::history::{Change, Event, Expired, History};
use super::key::Key;
use super::object;

/// Why a write did not happen.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum WriteError {
    /// The name is taken.
    #[error("{} {:?} already exists", .0.resource, .0.name)]
    Exists(Key),
    /// There is no such object.
    #[error("{} {:?} not found", .0.resource, .0.name)]
    NotFound(Key),
    /// `metadata.resourceVersion` names another version than the stored one.
    #[error("operation cannot be fulfilled on {} {:?}: the object has been modified; please apply your changes to the latest version and try again", .0.resource, .0.name)]
    Conflict(Key),
    /// The object holds no room for metadata (it is not a JSON object).
    #[error("an object of {} must be a JSON object", .0.resource)]
    NotAnObject(Key),
}

/// The objects of one cluster. Cheap to clone; all clones are one store.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Mutex<Inner>>,
    version: watch::Sender<u64>,
}

struct Inner {
    objects: BTreeMap<Key, Arc<Value>>,
    version: u64,
    history: History,
}

impl Default for Store {
    fn default() -> Self {
        Self::new()
    }
}

impl Store {
    /// An empty store at version 1.
    pub fn new() -> Self {
        let inner = Inner { objects: BTreeMap::new(), version: 1, history: History::new(1) };
        Self { inner: Arc::new(Mutex::new(inner)), version: watch::Sender::new(1) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while the lock is held leaves whole objects behind: every change
        // is one insert or remove.
        lock(&self.inner)
    }

    /// The version of the newest write.
    pub fn version(&self) -> u64 {
        self.lock().version
    }

    /// Waits until a write has made this version.
    pub async fn reached(&self, version: u64) {
        let mut wake = self.version.subscribe();
        // The sender lives in this store, so the wait ends only with the version.
        let _ = wake.wait_for(|newest| *newest >= version).await;
    }

    /// The object, if it is there.
    pub fn get(&self, key: &Key) -> Option<Arc<Value>> {
        self.lock().objects.get(key).cloned()
    }

    /// All objects of a resource, of one namespace or (`None`) of all, by
    /// namespace and name, and the version at which this was the list.
    pub fn list(&self, resource: &str, namespace: Option<&str>) -> (Vec<Arc<Value>>, u64) {
        let inner = self.lock();
        let first = Key::new(resource, namespace.unwrap_or(""), "");
        let items = inner
            .objects
            .range(first..)
            .take_while(|(key, _)| {
                &*key.resource == resource && namespace.is_none_or(|wanted| &*key.namespace == wanted)
            })
            .map(|(_, object)| object.clone())
            .collect();
        (items, inner.version)
    }

    /// Stores a new object and fills `metadata.uid`, `creationTimestamp`,
    /// `resourceVersion` and, where there is a `spec`, `generation`.
    ///
    /// # Errors
    /// [`WriteError::Exists`] if the name is taken.
    pub fn create(&self, key: &Key, mut object: Value) -> Result<Arc<Value>, WriteError> {
        let mut inner = self.lock();
        if inner.objects.contains_key(key) {
            return Err(WriteError::Exists(key.clone()));
        }
        object::born(&mut object).ok_or_else(|| WriteError::NotAnObject(key.clone()))?;
        let object = inner.put(key, object);
        self.announce(inner);
        Ok(object)
    }

    /// Replaces an object by what `change` makes of it. Nothing is locked meanwhile:
    /// where somebody else has written in between, `change` is made again on what is
    /// there now. Returning the object unchanged writes nothing and keeps its
    /// version. `generation` goes up when `spec` changed; uid and creation time
    /// stay. An object whose `deletionTimestamp` is set and whose last finalizer
    /// goes is removed.
    ///
    /// # Errors
    /// [`WriteError::NotFound`] and [`WriteError::Conflict`] (the new object names a
    /// `resourceVersion` that is not the stored one), or what `change` answers.
    pub fn update<E: From<WriteError>>(
        &self,
        key: &Key,
        mut change: impl FnMut(&Value) -> Result<Value, E>,
    ) -> Result<Arc<Value>, E> {
        let changed = self.delete_if(key, |old| {
            let new = change(old)?;
            if !new.is_object() {
                return Err(WriteError::NotAnObject(key.clone()).into());
            }
            if let Some(version) = object::resource_version(&new)
                && Some(version) != object::resource_version(old)
            {
                return Err(WriteError::Conflict(key.clone()).into());
            }
            Ok::<_, E>(if deletion::is_over(&new) { Deletion::Gone(new) } else { Deletion::Marked(new) })
        });
        Ok(changed?.0)
    }

    /// Locks, if the object is still this very one.
    fn unless_changed(&self, key: &Key, old: &Arc<Value>) -> Option<MutexGuard<'_, Inner>> {
        let inner = self.lock();
        let same = inner.objects.get(key).is_some_and(|now| Arc::ptr_eq(now, old));
        same.then_some(inner)
    }

    /// Deletes an object, as a client does that asks for nothing particular. Returns its last
    /// state.
    ///
    /// # Errors
    /// [`WriteError::NotFound`].
    pub fn delete(&self, key: &Key) -> Result<Arc<Value>, WriteError> {
        Ok(self.delete_if(key, |old| Ok::<_, WriteError>(deletion::deletion(old, None)))?.0)
    }

    /// Deletes an object as `decide` says, which is asked again where somebody else has
    /// written in between. Returns its last state and whether it is gone.
    ///
    /// # Errors
    /// [`WriteError::NotFound`], or what `decide` answers.
    pub fn delete_if<E: From<WriteError>>(
        &self,
        key: &Key,
        mut decide: impl FnMut(&Value) -> Result<Deletion, E>,
    ) -> Result<(Arc<Value>, bool), E> {
        loop {
            let old = self.get(key).ok_or_else(|| WriteError::NotFound(key.clone()))?;
            let deletion = decide(&old)?;
            let gone = matches!(deletion, Deletion::Gone(_));
            let (Deletion::Gone(mut new) | Deletion::Marked(mut new)) = deletion;
            object::keep_identity(&old, &mut new);
            if !gone && new == *old {
                return Ok((old, false));
            }
            object::count_generation(&old, &mut new);
            let Some(mut inner) = self.unless_changed(key, &old) else { continue };
            let last = if gone { inner.remove(key, new).unwrap_or(old) } else { inner.put(key, new) };
            self.announce(inner);
            return Ok((last, gone));
        }
    }

    /// Changes an object, as [`Store::update`] does; `None` if it cannot be.
    pub fn change(&self, key: &Key, mut change: impl FnMut(&mut Value)) -> Option<Arc<Value>> {
        let changed = self.update(key, |old| {
            let mut new = old.clone();
            change(&mut new);
            Ok::<_, WriteError>(new)
        });
        changed.ok()
    }

    /// Removes an object at once, finalizers or not.
    ///
    /// # Errors
    /// [`WriteError::NotFound`].
    pub fn remove(&self, key: &Key) -> Result<Arc<Value>, WriteError> {
        Ok(self.delete_if(key, |old| Ok::<_, WriteError>(Deletion::Gone(old.clone())))?.0)
    }

    /// Follows the changes of some resources (of all, if none is named) after `since` (a version
    /// from [`list`] or an object), of one namespace or of all.
    ///
    /// # Errors
    /// [`Expired`] if the history no longer reaches back to `since`.
    ///
    /// [`list`]: Store::list
    pub fn watch(&self, resources: &[&str], namespace: Option<&str>, since: u64) -> Result<Watch, Expired> {
        self.lock().history.check(since)?;
        Ok(Watch {
            store: self.clone(),
            wake: self.version.subscribe(),
            resources: resources.iter().map(|it| (*it).into()).collect(),
            namespace: namespace.map(Into::into),
            cursor: since,
        })
    }

    fn announce(&self, inner: MutexGuard<'_, Inner>) {
        let version = inner.version;
        // Watchers wake up to an unlocked store.
        drop(inner);
        self.version.send_if_modified(|seen| {
            let newer = version > *seen;
            *seen = (*seen).max(version);
            newer
        });
    }
}

impl Inner {
    fn put(&mut self, key: &Key, object: Value) -> Arc<Value> {
        let previous = self.objects.get(key).cloned();
        let change = if previous.is_some() { Change::Modified } else { Change::Added };
        let object = self.note(key, change, object, previous);
        self.objects.insert(key.clone(), object.clone());
        object
    }

    /// Removes an object, of which `last` is the last state.
    fn remove(&mut self, key: &Key, last: Value) -> Option<Arc<Value>> {
        let stored = self.objects.remove(key)?;
        Some(self.note(key, Change::Deleted, last, Some(stored)))
    }

    /// Notes a change in the history, and the version that it made in the object.
    fn note(
        &mut self,
        key: &Key,
        change: Change,
        mut object: Value,
        previous: Option<Arc<Value>>,
    ) -> Arc<Value> {
        self.version += 1;
        object::set_resource_version(&mut object, self.version);
        let object = Arc::new(object);
        let (version, key) = (self.version, key.clone());
        self.history.push(Event { version, change, key, object: object.clone(), previous });
        object
    }
}

/// A cursor over the changes of some resources.
pub struct Watch {
    store: Store,
    wake: watch::Receiver<u64>,
    /// Empty for every resource.
    resources: Vec<Arc<str>>,
    namespace: Option<Arc<str>>,
    cursor: u64,
}

impl Watch {
    /// The next change. Waits for it; dropping the future loses nothing.
    ///
    /// # Errors
    /// [`Expired`] if this watcher slept while more was written than is kept.
    pub async fn next(&mut self) -> Result<Event, Expired> {
        loop {
            self.wake.borrow_and_update();
            if let Some(event) = self.try_next()? {
                return Ok(event);
            }
            // The sender lives in the store that this watch holds.
            if self.wake.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// The next change if it has happened already.
    ///
    /// # Errors
    /// As [`Watch::next`].
    pub fn try_next(&mut self) -> Result<Option<Event>, Expired> {
        let inner = self.store.lock();
        inner.history.check(self.cursor)?;
        let (event, seen) = inner.history.next(self.cursor, |event| {
            (self.resources.is_empty() || self.resources.contains(&event.key.resource))
                && self.namespace.as_ref().is_none_or(|wanted| event.key.namespace == *wanted)
        });
        drop(inner);
        self.cursor = seen;
        Ok(event)
    }
}
