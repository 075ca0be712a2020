use serde_json::{Value, json};

use super::*;

fn secret(value: &str) -> Value {
    json!({"kind": "Secret", "metadata": {"name": "a"}, "data": {"k": value}})
}

fn key() -> Key {
    Key::new("secrets", "ns", "a")
}

#[test]
fn every_write_takes_the_next_version_and_an_equal_one_takes_none() {
    let store = Store::new();
    let first = store.create(&key(), secret("1")).unwrap();
    assert_eq!(object::resource_version(&first), Some("2"));
    let same = store.update(&key(), |old| Ok::<_, WriteError>(old.clone())).unwrap();
    assert_eq!(object::resource_version(&same), Some("2"));
    let next = store
        .update(&key(), |old| {
            let mut new = old.clone();
            new["data"]["k"] = "2".into();
            Ok::<_, WriteError>(new)
        })
        .unwrap();
    assert_eq!(object::resource_version(&next), Some("3"));
    assert_eq!(object::uid_of(&next), object::uid_of(&first));
}

#[test]
fn a_stale_version_is_a_conflict() {
    let store = Store::new();
    let first = store.create(&key(), secret("1")).unwrap();
    store.update(&key(), |_| Ok::<_, WriteError>(secret("2"))).unwrap();
    let stale = store.update(&key(), |_| Ok::<_, WriteError>((*first).clone()));
    assert_eq!(stale.unwrap_err(), WriteError::Conflict(key()));
}

#[test]
fn generation_counts_changes_of_spec_only() {
    let store = Store::new();
    let key = Key::new("deployments.apps", "ns", "d");
    store.create(&key, json!({"spec": {"replicas": 1}})).unwrap();
    let with = |spec: i64, status: i64| {
        store
            .update(&key, |_| {
                Ok::<_, WriteError>(json!({"spec": {"replicas": spec}, "status": {"n": status}}))
            })
            .unwrap()["metadata"]["generation"]
            .clone()
    };
    assert_eq!(with(1, 7), 1);
    assert_eq!(with(2, 7), 2);
}

#[test]
fn finalizers_hold_an_object_until_the_last_is_gone() {
    let store = Store::new();
    let mut object = secret("1");
    object["metadata"]["finalizers"] = json!(["x/y"]);
    store.create(&key(), object).unwrap();
    assert!(object::is_terminating(&store.delete(&key()).unwrap()));
    assert!(store.get(&key()).is_some());
    store
        .update(&key(), |old| {
            let mut new = old.clone();
            new["metadata"]["finalizers"] = json!([]);
            Ok::<_, WriteError>(new)
        })
        .unwrap();
    assert!(store.get(&key()).is_none());
}

#[test]
fn lists_keep_to_resource_and_namespace() {
    let store = Store::new();
    for (resource, namespace) in [("secrets", "a"), ("secrets", "b"), ("secretstores.x", "a"), ("pods", "a")]
    {
        store.create(&Key::new(resource, namespace, "n"), json!({})).unwrap();
    }
    assert_eq!(store.list("secrets", None).0.len(), 2);
    assert_eq!(store.list("secrets", Some("b")).0.len(), 1);
    assert_eq!(store.list("secrets", Some("c")).0.len(), 0);
}

#[tokio::test]
async fn a_watch_sees_its_own_changes_in_order_and_wakes_up_for_them() {
    let store = Store::new();
    let mut watch = store.watch(&["secrets"], Some("ns"), store.version()).unwrap();
    let writer = store.clone();
    let task = tokio::spawn(async move {
        let mut seen = vec![];
        for _ in 0..3 {
            seen.push(watch.next().await.unwrap().change);
        }
        seen
    });
    writer.create(&Key::new("configmaps", "ns", "other"), json!({})).unwrap();
    writer.create(&Key::new("secrets", "other", "a"), json!({})).unwrap();
    writer.create(&key(), secret("1")).unwrap();
    writer.update(&key(), |_| Ok::<_, WriteError>(secret("2"))).unwrap();
    writer.delete(&key()).unwrap();
    assert_eq!(task.await.unwrap(), [Change::Added, Change::Modified, Change::Deleted]);
}

#[test]
fn a_watch_from_beyond_the_history_has_expired() {
    let store = Store::new();
    let mut behind = store.watch(&["secrets"], None, store.version()).unwrap();
    store.create(&key(), secret("0")).unwrap();
    for n in 0..2000 {
        store.update(&key(), |_| Ok::<_, WriteError>(secret(&n.to_string()))).unwrap();
    }
    assert!(store.watch(&["secrets"], None, 1).is_err());
    assert!(behind.try_next().is_err());
    assert!(store.watch(&["secrets"], None, store.version()).is_ok());
}

#[test]
fn heavy_changes_are_kept_for_a_shorter_while() {
    let store = Store::new();
    store.create(&key(), secret("0")).unwrap();
    let since = store.version();
    for n in 0..100 {
        let heavy = secret(&format!("{n}{}", "x".repeat(1 << 20)));
        store.update(&key(), |_| Ok::<_, WriteError>(heavy.clone())).unwrap();
    }
    assert!(store.watch(&["secrets"], None, since).is_err());
    assert!(
        store.watch(&["secrets"], None, store.version() - 10).is_ok(),
        "a hiccup is bridged all the same"
    );
}

#[tokio::test]
async fn a_follower_that_fell_behind_sees_everything_again() {
    let store = Store::new();
    let mut follow = store.follow("secrets");
    assert!(matches!(follow.next().await, Seen::All(items) if items.is_empty()));
    assert!(follow.try_next().is_none());
    store.create(&key(), secret("0")).unwrap();
    assert!(matches!(follow.next().await, Seen::Changed(event) if event.change == Change::Added));
    for n in 0..2000 {
        store.update(&key(), |_| Ok::<_, WriteError>(secret(&n.to_string()))).unwrap();
    }
    assert!(matches!(follow.next().await, Seen::All(items) if items.len() == 1));
    store.delete(&key()).unwrap();
    assert!(matches!(follow.next().await, Seen::Changed(event) if event.change == Change::Deleted));
}

#[test]
fn a_change_may_look_into_the_store_and_is_made_again_on_what_came_between() {
    let (sender, done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let store = Store::new();
        store.create(&key(), secret("1")).unwrap();
        let mut tries = 0;
        let stored = store.update(&key(), |old| {
            tries += 1;
            if tries == 1 {
                // Somebody else is quicker.
                store.update(&key(), |_| Ok::<_, WriteError>(secret("2")))?;
            }
            let mut new = old.clone();
            new["data"]["mine"] = "too".into();
            Ok::<_, WriteError>(new)
        });
        let deleted = store.delete_if(&key(), |old| {
            tries += 1;
            if tries == 3 {
                store.update(&key(), |_| Ok::<_, WriteError>(secret("3")))?;
            }
            Ok::<_, WriteError>(deletion::Deletion::Gone(old.clone()))
        });
        let _ = sender.send((stored.unwrap()["data"].clone(), deleted.unwrap().0["data"].clone(), tries));
    });
    let (stored, deleted, tries) = done.recv_timeout(std::time::Duration::from_secs(20)).unwrap();
    assert_eq!((stored, deleted, tries), (json!({"k": "2", "mine": "too"}), json!({"k": "3"}), 4));
}
