//! List, then watch, and list again where the watch fell behind: what informers do.

use std::sync::Arc;

use serde_json::Value;

use super::history::Event;
use super::memory::{Store, Watch};

/// What a follower sees.
#[derive(Clone, Debug)]
pub enum Seen {
    /// All that there is, at the start and whenever changes were missed. What is not
    /// in it is gone.
    All(Vec<Arc<Value>>),
    /// One change since.
    Changed(Event),
}

/// Follows resources of all namespaces from now on, without ever expiring.
pub struct Follow {
    store: Store,
    resources: Vec<&'static str>,
    watch: Option<Watch>,
}

impl Store {
    /// Follows a resource (`pods`, `deployments.apps`). The first thing seen is
    /// [`Seen::All`].
    pub fn follow(&self, resource: &'static str) -> Follow {
        self.follow_all(&[resource])
    }

    /// Follows several resources, in the order of what happens to them.
    pub fn follow_all(&self, resources: &[&'static str]) -> Follow {
        Follow { store: self.clone(), resources: resources.to_vec(), watch: None }
    }
}

impl Follow {
    /// What comes next. Waits for it; dropping the future loses nothing.
    pub async fn next(&mut self) -> Seen {
        loop {
            let Some(watch) = &mut self.watch else { return self.list() };
            match watch.next().await {
                Ok(event) => return Seen::Changed(event),
                Err(_expired) => self.watch = None,
            }
        }
    }

    /// What has happened already.
    pub fn try_next(&mut self) -> Option<Seen> {
        let Some(watch) = &mut self.watch else { return Some(self.list()) };
        match watch.try_next() {
            Ok(event) => event.map(Seen::Changed),
            Err(_expired) => Some(self.list()),
        }
    }

    fn list(&mut self) -> Seen {
        let lists: Vec<_> = self.resources.iter().map(|it| self.store.list(it, None)).collect();
        // What a later list of them has that an earlier one had not is seen again as a change.
        let version = lists.first().map_or(0, |(_, version)| *version);
        // Expired at once only if a thousand writes came in between; the next call
        // then lists again.
        self.watch = self.store.watch(&self.resources, None, version).ok();
        Seen::All(lists.into_iter().flat_map(|(items, _)| items).collect())
    }
}
