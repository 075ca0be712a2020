//! The `kube` crate against the cluster API: what the rest of this program uses.

use crate::support::Cluster;
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret};
use kube::api::{
    DeleteParams, ListParams, LogParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams,
};
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::wait::{await_condition, conditions};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, ResourceExt as _};
use serde_json::json;

fn map(name: &str, value: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name}, "data": {"k": value}})).unwrap()
}

fn deployment() -> Deployment {
    serde_json::from_value(json!({
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "c", "image": "i:1"}]},
            },
        },
    }))
    .unwrap()
}

#[test]
fn objects_are_written_and_read() {
    let cluster = Cluster::start();
    let client = cluster.client();
    cluster.block_on(async {
        let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
        let created = maps.create(&PostParams::default(), &map("a", "1")).await.unwrap();
        assert!(created.resource_version().is_some() && created.creation_timestamp().is_some());
        let mut changed = created.clone();
        changed.data.as_mut().unwrap().insert("k".into(), "2".into());
        let replaced = maps.replace("a", &PostParams::default(), &changed).await.unwrap();
        assert_ne!(replaced.resource_version(), created.resource_version());
        let stale = maps.replace("a", &PostParams::default(), &changed).await.unwrap_err();
        assert!(matches!(stale, kube::Error::Api(status) if status.code == 409));
        assert!(maps.get_opt("none").await.unwrap().is_none());
        assert_eq!(maps.list(&ListParams::default().fields("metadata.name=a")).await.unwrap().items.len(), 1);

        let secrets: Api<Secret> = Api::default_namespaced(client.clone());
        let secret = json!({"metadata": {"name": "s"}, "stringData": {"k": "v"}});
        let secret =
            secrets.create(&PostParams::default(), &serde_json::from_value(secret).unwrap()).await.unwrap();
        assert_eq!(secret.data.unwrap()["k"].0, b"v");
        maps.delete("a", &DeleteParams::default()).await.unwrap();
        assert!(maps.get_opt("a").await.unwrap().is_none());
    });
}

#[test]
fn every_kind_of_patch_works() {
    let cluster = Cluster::start();
    let client = cluster.client();
    cluster.block_on(async {
        let deployments: Api<Deployment> = Api::default_namespaced(client.clone());
        let mut config = deployment();
        let apply = PatchParams::apply("test").force();
        let applied = deployments.patch("web", &apply, &Patch::Apply(typed(&config))).await.unwrap();
        assert_eq!(applied.spec.as_ref().unwrap().replicas, Some(1));
        config.spec.as_mut().unwrap().paused = Some(true);
        let applied = deployments.patch("web", &apply, &Patch::Apply(typed(&config))).await.unwrap();
        assert_eq!(applied.metadata.generation, Some(2));
        let other = json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"paused": false}});
        let refused = deployments.patch("web", &PatchParams::apply("other"), &Patch::Apply(other)).await;
        assert!(matches!(refused.unwrap_err(), kube::Error::Api(status) if status.code == 409));

        let none = PatchParams::default();
        let strategic =
            json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "i:2"}]}}}});
        let patched = deployments.patch("web", &none, &Patch::Strategic(strategic)).await.unwrap();
        let containers = &patched.spec.as_ref().unwrap().template.spec.as_ref().unwrap().containers;
        assert_eq!((containers.len(), containers[0].image.as_deref()), (1, Some("i:2")));
        let merge = json!({"metadata": {"labels": {"x": "y"}}});
        deployments.patch("web", &none, &Patch::Merge(merge)).await.unwrap();
        let json = json!([{"op": "test", "path": "/metadata/labels/x", "value": "y"},
            {"op": "replace", "path": "/spec/replicas", "value": 3}]);
        let json: json_patch::Patch = serde_json::from_value(json).unwrap();
        let patched = deployments.patch("web", &none, &Patch::Json::<()>(json)).await.unwrap();
        assert_eq!(patched.spec.unwrap().replicas, Some(3));

        let scaled =
            deployments.patch_scale("web", &none, &Patch::Merge(json!({"spec": {"replicas": 5}}))).await;
        assert_eq!(scaled.unwrap().spec.unwrap().replicas, Some(5));
        let status = json!({"status": {"replicas": 5, "readyReplicas": 5}});
        let patched = deployments.patch_status("web", &none, &Patch::Merge(status)).await.unwrap();
        assert_eq!(patched.status.unwrap().ready_replicas, Some(5));
        deployments.restart("web").await.unwrap();
    });
}

/// An apply says what it is of.
fn typed(deployment: &Deployment) -> serde_json::Value {
    let mut value = serde_json::to_value(deployment).unwrap();
    value["apiVersion"] = "apps/v1".into();
    value["kind"] = "Deployment".into();
    value
}

#[test]
fn watches_and_watchers_see_what_changes() {
    let cluster = Cluster::start();
    let client = cluster.client();
    cluster.block_on(async {
        let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
        let mut raw = maps.watch(&WatchParams::default(), "0").await.unwrap().boxed();
        // Both ways of listing first: pages, and streaming lists.
        let paged = watcher(maps.clone(), watcher::Config::default().page_size(2));
        let streamed = watcher(maps.clone(), watcher::Config::default().streaming_lists());
        let mut paged = paged.default_backoff().applied_objects().boxed();
        let mut streamed = streamed.default_backoff().applied_objects().boxed();
        for n in 0..5 {
            let name = format!("m{n}");
            maps.create(&PostParams::default(), &map(&name, "1")).await.unwrap();
            let Some(WatchEvent::Added(seen)) = raw.try_next().await.unwrap() else { panic!("not added") };
            assert_eq!(seen.name_any(), name);
            assert_eq!(paged.try_next().await.unwrap().unwrap().name_any(), name);
            assert_eq!(streamed.try_next().await.unwrap().unwrap().name_any(), name);
        }
        let mut late =
            watcher(maps.clone(), watcher::Config::default().page_size(2)).applied_objects().boxed();
        for n in 0..5 {
            assert_eq!(late.try_next().await.unwrap().unwrap().name_any(), format!("m{n}"));
        }
    });
}

#[test]
fn a_reflector_follows_and_conditions_are_awaited() {
    let cluster = Cluster::start();
    let client = cluster.client();
    cluster.block_on(async {
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let (reader, writer) = reflector::store();
        let stream = watcher(namespaces.clone(), watcher::Config::default());
        let mut stream = reflector::reflector(writer, stream).applied_objects().boxed();
        let follow = tokio::spawn(async move { while stream.next().await.is_some() {} });
        reader.wait_until_ready().await.unwrap();
        assert!(reader.get(&ObjectRef::new("kube-system")).is_some());
        let namespace = json!({"metadata": {"name": "n"}});
        namespaces.create(&PostParams::default(), &serde_json::from_value(namespace).unwrap()).await.unwrap();
        namespaces.delete("n", &DeleteParams::default()).await.unwrap();
        // Without its uid: deleted is gone, whichever it was.
        let gone = await_condition(namespaces.clone(), "n", |it: Option<&Namespace>| it.is_none());
        gone.await.unwrap();
        follow.abort();

        let pods: Api<Pod> = Api::default_namespaced(client.clone());
        let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
        pods.create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap();
        let running = tokio::spawn(await_condition(pods.clone(), "p", conditions::is_pod_running()));
        let status = json!({"status": {"phase": "Running"}});
        pods.patch_status("p", &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
        assert!(running.await.unwrap().is_ok());
        let logs = pods.logs("p", &LogParams::default()).await.unwrap_err();
        assert!(logs.to_string().contains("is waiting to start"), "{logs}");
    });
}

#[test]
fn discovery_finds_every_kind() {
    let cluster = Cluster::start();
    let client = cluster.client();
    cluster.block_on(async {
        let discovery = kube::discovery::Discovery::new(client.clone()).run().await.unwrap();
        for (group, kind) in [("", "Secret"), ("apps", "Deployment"), ("networking.k8s.io", "Ingress")] {
            let (resource, _) = discovery
                .groups()
                .find(|it| it.name() == group)
                .and_then(|it| it.recommended_kind(kind))
                .unwrap_or_else(|| panic!("no {kind}"));
            assert_eq!(resource.kind, kind);
        }
        let version = client.apiserver_version().await.unwrap();
        assert_eq!((version.major.as_str(), version.minor.as_str()), ("1", "34"));
    });
}
