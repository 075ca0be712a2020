//! Events: what `kubectl describe` and `kubectl get events` tell a person.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use base::mutex::lock;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::machine::NODE;
use crate::store::object::{self, timestamp};
use crate::store::{Key, Store};

/// A cluster forgets events after an hour; the lab forgets the oldest of these.
const KEPT: usize = 400;

/// Writes events. The same thing said again of the same object counts up instead of
/// adding another one. Clones count together.
#[derive(Clone)]
pub struct Recorder {
    store: Store,
    component: &'static str,
    recent: Arc<Mutex<VecDeque<(Said, Key)>>>,
}

/// What makes two events one.
#[derive(PartialEq, Eq)]
struct Said {
    component: &'static str,
    uid: String,
    field: String,
    warning: bool,
    reason: &'static str,
    message: String,
}

impl Recorder {
    /// Events of one component, as `describe` shows it in its column "From".
    pub fn new(store: Store, component: &'static str) -> Self {
        Self { store, component, recent: Arc::default() }
    }

    /// The same recorder, speaking for another component.
    pub fn speaking_as(&self, component: &'static str) -> Self {
        Self { component, ..self.clone() }
    }

    /// Something that is meant to happen to an object.
    pub fn normal(&self, about: &Value, reason: &'static str, message: impl Into<String>) {
        self.say(about, String::new(), false, reason, message.into());
    }

    /// Something that is not.
    pub fn warning(&self, about: &Value, reason: &'static str, message: impl Into<String>) {
        self.say(about, String::new(), true, reason, message.into());
    }

    /// Something that happens to a part of an object, of which `field` is the path.
    pub(super) fn say(
        &self,
        about: &Value,
        field: String,
        warning: bool,
        reason: &'static str,
        message: String,
    ) {
        let uid = object::uid_of(about).to_owned();
        let said = Said { component: self.component, uid, field, warning, reason, message };
        let mut recent = lock(&self.recent);
        if let Some(at) = recent.iter().position(|(before, _)| *before == said) {
            if self.store.change(&recent[at].1, count).is_some() {
                return;
            }
            // Somebody deleted it.
            recent.remove(at);
        }
        let event = self.event(about, &said);
        let key = Key::of("events", &event);
        // The namespace may be gone by now, and its events with it; nothing hangs on one.
        if self.store.create(&key, event).is_err() {
            return;
        }
        recent.push_back((said, key));
        if recent.len() > KEPT
            && let Some((_, key)) = recent.pop_front()
        {
            let _ = self.store.remove(&key);
        }
    }

    fn event(&self, about: &Value, said: &Said) -> Value {
        let (now, name) = (timestamp(), object::name(about));
        let namespace = match object::namespace(about) {
            "" => "default",
            namespace => namespace,
        };
        let mut involved = json!({
            "kind": about["kind"],
            "namespace": object::namespace(about),
            "name": name,
            "uid": said.uid,
            "apiVersion": about["apiVersion"],
            "resourceVersion": about["metadata"]["resourceVersion"],
        });
        if !said.field.is_empty() {
            involved["fieldPath"] = said.field.clone().into();
        }
        let mut source = json!({"component": self.component});
        if self.component == "kubelet" {
            source["host"] = NODE.into();
        }
        json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": format!("{name}.{:x}", Timestamp::now().as_nanosecond()),
                "namespace": namespace,
            },
            "involvedObject": involved,
            "reason": said.reason,
            "message": said.message,
            "source": source,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "type": if said.warning { "Warning" } else { "Normal" },
            "eventTime": null,
            "reportingComponent": self.component,
            "reportingInstance": if self.component == "kubelet" { NODE } else { "" },
        })
    }
}

fn count(event: &mut Value) {
    event["count"] = (event["count"].as_u64().unwrap_or(1) + 1).into();
    event["lastTimestamp"] = timestamp().into();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "n", "uid": name}})
    }

    #[test]
    fn the_same_thing_said_again_counts_up() {
        let store = Store::new();
        let recorder = Recorder::new(store.clone(), "kubelet");
        let pod = pod("p");
        for _ in 0..3 {
            recorder.say(&pod, "spec.containers{c}".into(), true, "BackOff", "again".into());
        }
        recorder.normal(&pod, "Started", "once");
        recorder.speaking_as("other").normal(&pod, "Started", "once");
        let (events, _) = store.list("events", Some("n"));
        let mut counts: Vec<_> = events.iter().map(|it| it["count"].as_u64().unwrap()).collect();
        counts.sort_unstable();
        assert_eq!(counts, [1, 1, 3]);
    }

    #[test]
    fn old_events_make_room() {
        let store = Store::new();
        let recorder = Recorder::new(store.clone(), "kubelet");
        for n in 0..KEPT + 50 {
            recorder.normal(&pod("p"), "Started", n.to_string());
        }
        let (events, _) = store.list("events", None);
        assert_eq!(events.len(), KEPT);
        assert!(events.iter().all(|event| event["message"] != "0"));
    }

    #[test]
    fn an_event_that_somebody_deleted_is_written_anew() {
        let store = Store::new();
        let recorder = Recorder::new(store.clone(), "kubelet");
        recorder.normal(&pod("p"), "Started", "x");
        let event = store.list("events", None).0.remove(0);
        store.remove(&Key::new("events", "n", object::name(&event))).unwrap();
        recorder.normal(&pod("p"), "Started", "x");
        assert_eq!(store.list("events", None).0.len(), 1);
    }
}
