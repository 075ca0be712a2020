//! Containers that end, and containers that are ended.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use local_cluster::logs::LogKey;
use local_cluster::program::{Exit, Images, Launch, Program, Running};
use local_cluster::store::object;
use serde_json::{Value, json};

use crate::support::{LIMIT, Lab, Web, condition, container, deployment};

/// A Deployment whose containers have no port and no probe.
fn plain(name: &str) -> Value {
    let mut wanted = deployment(name, 1);
    let it = container(&mut wanted).as_object_mut().unwrap();
    it.remove("ports");
    it.remove("readinessProbe");
    wanted
}

#[tokio::test]
async fn a_container_that_keeps_ending_is_started_again_and_then_backed_off() {
    let images = Images::default().with("test/web", |launch: Launch| async move {
        launch.log.line("I end");
        Exit { code: 3, message: "on purpose".into() }
    });
    let lab = Lab::new(images);
    lab.deploy(plain("web"));
    let message = lab.waiting("CrashLoopBackOff").await;
    let pod = lab.pods().remove(0);
    let (name, uid) = (object::name(&pod), object::uid_of(&pod));
    assert_eq!(message, format!("back-off 10s restarting failed container=c pod={name}_n({uid})"));
    let status = &pod["status"]["containerStatuses"][0];
    // The first restart comes at once, the second has to wait.
    assert_eq!(status["restartCount"], 1);
    let last = &status["lastState"]["terminated"];
    assert_eq!(
        (&last["exitCode"], &last["reason"], &last["message"]),
        (&json!(3), &json!("Error"), &json!("on purpose"))
    );
    assert_eq!(pod["status"]["phase"], "Running");
    assert_eq!(condition(&pod, "Ready")["reason"], "ContainersNotReady");
    lab.event("BackOff", &format!("Back-off restarting failed container c in pod {name}_n({uid})")).await;
    for restart in 0..2 {
        let key = LogKey { namespace: "n".into(), pod: name.into(), container: "c".into(), restart };
        assert!(lab.logs.open(&key).unwrap().line().unwrap().ends_with("I end"));
    }
    lab.end().await;
}

#[tokio::test]
async fn a_panic_is_a_failed_container_and_nothing_more() {
    let images = Images::default()
        .with("test/web", |_: Launch| async move { if true { panic!("oh no") } else { Exit::success() } });
    let lab = Lab::new(images);
    lab.deploy(plain("web"));
    lab.waiting("CrashLoopBackOff").await;
    let last = lab.pods()[0]["status"]["containerStatuses"][0]["lastState"]["terminated"].clone();
    assert_eq!((&last["exitCode"], &last["message"]), (&json!(101), &json!("the program panicked: oh no")));
    lab.end().await;
}

#[tokio::test]
async fn a_deleted_pod_ends_in_its_own_time_and_is_replaced() {
    let web = Web::default();
    let lab = Lab::new(web.images());
    lab.deploy(deployment("web", 1));
    lab.rolled_out("web").await;
    let old = object::name(&lab.pods()[0]).to_owned();
    let key = LogKey { namespace: "n".into(), pod: old.clone(), container: "c".into(), restart: 0 };
    assert!(lab.logs.open(&key).is_some());
    lab.delete_pod(&old, 30);
    lab.until("pods", |pods| pods.iter().all(|it| object::name(it) != old).then_some(())).await;
    lab.event("Killing", "Stopping container c").await;
    lab.rolled_out("web").await;
    assert_ne!(object::name(&lab.pods()[0]), old);
    lab.until("pods", |_| lab.logs.open(&key).is_none().then_some(())).await;
    lab.end().await;
}

/// A program that does not stop when it is asked to, and notes when it is gone.
fn stubborn(gone: &Arc<AtomicBool>) -> Images {
    struct Note(Arc<AtomicBool>);
    impl Drop for Note {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let gone = gone.clone();
    Images::default().with("test/web", move |_launch: Launch| {
        let note = Note(gone.clone());
        async move {
            let _note = note;
            std::future::pending().await
        }
    })
}

#[tokio::test]
async fn a_program_that_ignores_sigterm_is_killed_after_its_grace() {
    let gone = Arc::new(AtomicBool::new(false));
    let lab = Lab::new(stubborn(&gone));
    lab.create(
        "pods",
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n"},
        "spec": {"containers": [{"name": "c", "image": "test/web"}]}}),
    );
    lab.first("pods", |it| it["status"]["phase"] == "Running").await;
    lab.delete_pod("p", 1);
    // The object stays until the container has ended.
    assert!(lab.get("pods", "p").is_some() && !gone.load(Ordering::SeqCst));
    let ended = lab
        .until("pods", |pods| {
            let Some(pod) = pods.first() else { return Some(json!(null)) };
            let ended = pod["status"]["containerStatuses"][0]["state"]["terminated"].clone();
            ended.is_object().then_some(ended)
        })
        .await;
    assert!(ended.is_null() || ended["exitCode"] == 137, "{ended}");
    lab.until("pods", |pods| pods.is_empty().then_some(())).await;
    assert!(gone.load(Ordering::SeqCst));
    lab.end().await;
}

#[tokio::test]
async fn no_grace_means_at_once_and_so_does_the_end_of_the_lab() {
    let gone = Arc::new(AtomicBool::new(false));
    let lab = Lab::new(stubborn(&gone));
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n"},
        "spec": {"containers": [{"name": "c", "image": "test/web"}]}});
    lab.create("pods", pod.clone());
    lab.first("pods", |it| it["status"]["phase"] == "Running").await;
    lab.delete_pod("p", 0);
    // A pod of the same name waits for the old one's containers to be gone.
    lab.create("pods", pod);
    lab.first("pods", |it| it["status"]["phase"] == "Running").await;
    assert!(gone.swap(false, Ordering::SeqCst));
    lab.end().await;
    assert!(gone.load(Ordering::SeqCst), "the lab's end leaves no program behind");
}

#[tokio::test]
async fn readiness_follows_the_probe_and_liveness_starts_the_container_again() {
    let web = Web::default();
    web.healthy.send_replace(false);
    let lab = Lab::new(web.images());
    let mut wanted = deployment("web", 1);
    container(&mut wanted)["readinessProbe"]["periodSeconds"] = 1.into();
    container(&mut wanted)["readinessProbe"]["failureThreshold"] = 1.into();
    lab.deploy(wanted);
    lab.event("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 500").await;
    assert_eq!(condition(&lab.pods()[0], "Ready")["status"], "False");
    web.healthy.send_replace(true);
    lab.rolled_out("web").await;
    web.healthy.send_replace(false);
    lab.first("pods", |it| condition(it, "Ready")["status"] == "False").await;
    lab.until("deployments.apps", |all| {
        (condition(&all[0], "Available")["reason"] == "MinimumReplicasUnavailable").then_some(())
    })
    .await;
    lab.end().await;

    let lab = Lab::new(web.images());
    let mut wanted = deployment("web", 1);
    let it = container(&mut wanted);
    it["livenessProbe"] =
        json!({"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1, "failureThreshold": 1});
    lab.deploy(wanted);
    lab.event("Killing", "Container c failed liveness probe, will be restarted").await;
    lab.until("pods", |pods| {
        (pods[0]["status"]["containerStatuses"][0]["restartCount"].as_u64() >= Some(1)).then_some(())
    })
    .await;
    lab.end().await;
}

#[tokio::test]
async fn what_a_probe_cannot_ask_is_said() {
    for (probe, words) in [
        (json!({"exec": {"command": ["true"]}}), "cannot run commands inside containers"),
        (json!({"httpGet": {"port": 9999}}), "connection refused"),
        (json!({"httpGet": {"port": "none"}}), "couldn't find port: none"),
        (json!({"tcpSocket": {"port": 9999}}), "connection refused"),
    ] {
        let web = Web::default();
        let lab = Lab::new(web.images());
        let mut wanted = deployment("web", 1);
        container(&mut wanted)["readinessProbe"] = probe;
        container(&mut wanted)["readinessProbe"]["periodSeconds"] = 1.into();
        lab.deploy(wanted);
        lab.event("Unhealthy", words).await;
        lab.end().await;
    }
}

#[tokio::test]
async fn a_grace_beyond_all_clocks_is_a_long_one() {
    let web = Web::default();
    let lab = Lab::new(web.images());
    let mut wanted = deployment("web", 1);
    wanted["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = i64::MAX.into();
    lab.deploy(wanted);
    lab.rolled_out("web").await;
    let old = object::name(&lab.pods()[0]).to_owned();
    lab.change("pods", &old, |pod| {
        pod["metadata"]["deletionTimestamp"] = object::timestamp().into();
        pod["metadata"]["deletionGracePeriodSeconds"] = u64::MAX.into();
    });
    lab.until("pods", |pods| pods.iter().all(|it| object::name(it) != old).then_some(())).await;
    lab.end().await;
}

/// A program whose variables cannot be told.
struct Speechless;

impl Program for Speechless {
    fn run(&self, _: Launch) -> Running {
        Box::pin(std::future::ready(Exit::success()))
    }

    fn variables(&self, _: &BTreeMap<u16, SocketAddr>) -> BTreeMap<String, String> {
        panic!("no words")
    }
}

#[tokio::test]
async fn a_panic_of_what_runs_pods_is_said_to_whoever_runs_the_lab() {
    let lab = Lab::new(Images::default().with("test/web", Speechless));
    lab.deploy(plain("web"));
    let said = tokio::time::timeout(LIMIT, lab.tasks.failed()).await.unwrap();
    assert!(said.starts_with("pod n/web-") && said.ends_with(" panicked: no words"), "{said}");
}
