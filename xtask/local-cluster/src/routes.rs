//! The way to the pods, as the ingress and the addresses of Services know it.
//!
//! In a cluster, whoever carries requests learns of new pods and of gone ones later than
//! the API says so. In this lab they know at once, unless a [`Lag`] is asked for: then
//! they know what the API said a while ago, and a pod that is gone meanwhile is to them
//! what its [`Gone`] says.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::store::{Key, Store, object};
use crate::tasks::Tasks;

const ENDPOINTS: &str = "endpoints";

/// What becomes of a request on its way to a pod that is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// Nobody listens there, which is what really happens on this machine.
    Refuses,
    /// Nobody answers, not even to say no.
    Hangs,
    /// Somebody answers for it, with a 502.
    Answers502,
}

/// How late routes are. Written as `2s:refuses`, `2s:hangs`, `2s:502`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lag {
    /// How long after the API.
    pub by: Duration,
    /// What becomes of requests meanwhile.
    pub gone: Gone,
}

impl FromStr for Lag {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "a lag is written as 2s:refuses, 2s:hangs or 2s:502";
        let (seconds, gone) = text.split_once("s:").ok_or(FORM)?;
        let gone = match gone {
            "refuses" => Gone::Refuses,
            "hangs" => Gone::Hangs,
            "502" => Gone::Answers502,
            _ => return Err(FORM),
        };
        let by = seconds.parse::<u16>().map_err(|_| FORM)?;
        Ok(Self { by: Duration::from_secs(by.into()), gone })
    }
}

/// Who listens behind Services. Clones are the same.
#[derive(Clone)]
pub struct Routes {
    store: Store,
    /// Holds the Endpoints as far as they are known.
    known: Store,
    gone: Option<Gone>,
}

impl Routes {
    /// What the API says, at once.
    pub fn new(store: &Store) -> Self {
        Self { store: store.clone(), known: store.clone(), gone: None }
    }

    /// What the API said a while ago.
    pub fn late(store: &Store, lag: Lag, tasks: &Tasks) -> Self {
        let known = Store::new();
        tasks.spawn("what makes routes late", follow(store.clone(), known.clone(), lag.by));
        Self { store: store.clone(), known, gone: Some(lag.gone) }
    }

    /// The store whose Endpoints are to be gone by.
    pub fn known(&self) -> &Store {
        &self.known
    }

    /// The Endpoints of a Service.
    pub fn endpoints(&self, namespace: &str, service: &str) -> Option<Arc<Value>> {
        self.known.get(&Key::new(ENDPOINTS, namespace, service))
    }

    /// What becomes of a request to this address, if its pod is gone already.
    pub fn gone(&self, address: SocketAddr) -> Option<Gone> {
        let gone = self.gone?;
        let (all, _) = self.store.list(ENDPOINTS, None);
        let there = all.iter().any(|it| crate::endpoints::all(it).any(|ready| ready == address));
        (!there).then_some(gone)
    }
}

/// Writes what `store`'s Endpoints are into `known`, each time `lag` later.
async fn follow(store: Store, known: Store, lag: Duration) {
    let mut endpoints = store.follow(ENDPOINTS);
    let mut later: VecDeque<(Instant, Vec<Arc<Value>>)> = VecDeque::new();
    loop {
        let due = later.front().map(|(at, _)| *at);
        tokio::select! {
            _ = endpoints.next() => later.push_back((Instant::now() + lag, store.list(ENDPOINTS, None).0)),
            () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                let all = later.pop_front().map(|(_, all)| all).unwrap_or_default();
                for old in known.list(ENDPOINTS, None).0 {
                    let key = Key::of(ENDPOINTS, &old);
                    if !all.iter().any(|it| Key::of(ENDPOINTS, it) == key) {
                        let _ = known.remove(&key);
                    }
                }
                all.iter().for_each(|it| put(&known, it));
            }
        }
    }
}

/// Makes Endpoints be there as they are.
fn put(known: &Store, endpoints: &Value) {
    let mut copy = endpoints.clone();
    // Versions are each store's own.
    if let Some(metadata) = object::metadata_mut(&mut copy) {
        metadata.remove("resourceVersion");
    }
    let key = Key::of(ENDPOINTS, &copy);
    if known.change(&key, |endpoints| endpoints.clone_from(&copy)).is_none() {
        let _ = known.create(&key, copy);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::Seen;

    #[test]
    fn a_lag_is_read() {
        let lag = |by, gone| Ok(Lag { by: Duration::from_secs(by), gone });
        assert_eq!("2s:refuses".parse(), lag(2, Gone::Refuses));
        assert_eq!("0s:hangs".parse(), lag(0, Gone::Hangs));
        assert_eq!("10s:502".parse(), lag(10, Gone::Answers502));
        for wrong in ["", "2s", "2:hangs", "s:hangs", "2s:sulks"] {
            assert!(wrong.parse::<Lag>().is_err(), "{wrong}");
        }
    }

    fn endpoints(port: u16) -> Value {
        json!({"metadata": {"name": "s", "namespace": "n"},
            "subsets": [{"addresses": [{"ip": "127.0.0.1"}], "ports": [{"port": port}]}]})
    }

    #[tokio::test]
    async fn late_routes_lead_to_pods_that_are_gone_for_as_long_as_they_are_late() {
        let store = Store::new();
        let lag = Lag { by: Duration::from_millis(20), gone: Gone::Hangs };
        let routes = Routes::late(&store, lag, &Tasks::default());
        let mut known = routes.known().follow(ENDPOINTS);
        assert!(matches!(known.next().await, Seen::All(all) if all.is_empty()));
        let key = Key::new(ENDPOINTS, "n", "s");
        let (old, new) = (SocketAddr::from(([127, 0, 0, 1], 1)), SocketAddr::from(([127, 0, 0, 1], 2)));
        let leads_to = || crate::endpoints::all(&routes.endpoints("n", "s").unwrap()).next();
        for (address, port) in [(old, 1), (new, 2)] {
            let (begun, before) = (Instant::now(), routes.endpoints("n", "s"));
            put(&store, &endpoints(port));
            assert_eq!(routes.gone(address), None);
            assert_eq!(routes.endpoints("n", "s"), before);
            known.next().await;
            assert!(begun.elapsed() >= lag.by);
            assert_eq!(leads_to(), Some(address));
        }
        assert_eq!(routes.gone(old), Some(Gone::Hangs));
        store.remove(&key).unwrap();
        assert_eq!((leads_to(), routes.gone(new)), (Some(new), Some(Gone::Hangs)));
        known.next().await;
        assert_eq!(routes.endpoints("n", "s"), None);
    }
}
