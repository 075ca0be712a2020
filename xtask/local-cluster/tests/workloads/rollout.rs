//! Deployments: ReplicaSets, updates, scale, rollback.

use local_cluster::store::{Change, Key, Seen, object};
use serde_json::{Value, json};

use crate::support::{Lab, Web, condition, container, deployment, restarted};

#[tokio::test]
async fn a_deployment_becomes_a_replicaset_and_ready_pods_with_a_full_status() {
    let web = Web::default();
    let lab = Lab::new(web.images());
    let created = lab.deploy(deployment("web", 2));
    lab.rolled_out("web").await;

    let sets = lab.list("replicasets.apps");
    assert_eq!(sets.len(), 1);
    let hash = object::label(&sets[0], "pod-template-hash").unwrap();
    assert_eq!(object::name(&sets[0]), format!("web-{hash}"));
    assert_eq!(object::controller(&sets[0]), Some(("Deployment", object::uid_of(&created))));
    assert_eq!(sets[0]["spec"]["selector"]["matchLabels"]["pod-template-hash"], hash);
    assert_eq!(object::annotation(&sets[0], "deployment.kubernetes.io/revision"), Some("1"));

    let deployment = lab.get("deployments.apps", "web").unwrap();
    assert_eq!(object::annotation(&deployment, "deployment.kubernetes.io/revision"), Some("1"));
    let status = &deployment["status"];
    for field in ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"] {
        assert_eq!(status[field], 2, "{field}");
    }
    assert_eq!(status.get("unavailableReplicas"), None);
    assert_eq!(condition(&deployment, "Available")["reason"], "MinimumReplicasAvailable");
    assert_eq!(condition(&deployment, "Progressing")["reason"], "NewReplicaSetAvailable");
    let message = condition(&deployment, "Progressing")["message"].as_str().unwrap();
    assert_eq!(message, format!("ReplicaSet \"web-{hash}\" has successfully progressed."));

    let pods = lab.pods();
    assert_eq!(pods.len(), 2);
    for pod in &pods {
        assert!(object::name(pod).starts_with(&format!("web-{hash}-")));
        assert_eq!(object::controller(pod), Some(("ReplicaSet", object::uid_of(&sets[0]))));
        assert_eq!(
            (&pod["spec"]["nodeName"], &pod["status"]["podIP"]),
            (&json!("local"), &json!("127.0.0.1"))
        );
        assert_eq!(pod["status"]["phase"], "Running");
        for kind in ["Initialized", "Ready", "ContainersReady", "PodScheduled"] {
            assert_eq!(condition(pod, kind)["status"], "True", "{kind}");
        }
        let status = &pod["status"]["containerStatuses"][0];
        assert_eq!(
            (&status["ready"], &status["started"], &status["restartCount"]),
            (&json!(true), &json!(true), &json!(0))
        );
        assert!(status["state"]["running"]["startedAt"].is_string());
        let listening: Value =
            serde_json::from_str(object::annotation(pod, "oidc-lab/listening").unwrap()).unwrap();
        assert!(listening["8080"].as_str().unwrap().starts_with("127.0.0.1:"));
    }
    for (reason, part) in [
        ("ScalingReplicaSet", "from 0 to 2"),
        ("SuccessfulCreate", "Created pod: web-"),
        ("Scheduled", "Successfully assigned n/web-"),
        ("Pulled", "already present on machine"),
        ("Created", "Created container: c"),
        ("Started", "Started container c"),
    ] {
        lab.event(reason, part).await;
    }
    lab.end().await;
}

/// The changes of all pods: name, and what became of it.
async fn history(
    lab: &Lab,
    mut follow: local_cluster::store::Follow,
    until: impl Fn(&[String]) -> bool,
) -> Vec<String> {
    let mut seen: Vec<String> = vec![];
    let _ = lab;
    while !until(&seen) {
        let Seen::Changed(event) = follow.next().await else { continue };
        let ready = condition_is(&event.object, "Ready");
        let what = match event.change {
            Change::Deleted => "gone",
            _ if object::is_terminating(&event.object) => "ends",
            _ if ready => "ready",
            _ => "there",
        };
        let line = format!("{} {what}", event.key.name);
        if !seen.contains(&line) {
            seen.push(line);
        }
    }
    seen
}

fn condition_is(object: &Value, kind: &str) -> bool {
    let all = object["status"]["conditions"].as_array();
    all.into_iter().flatten().any(|it| it["type"] == kind && it["status"] == "True")
}

#[tokio::test]
async fn a_rolling_update_has_the_new_pod_ready_before_the_old_one_goes() {
    let lab = Lab::with_web(1).await;
    let old = object::name(&lab.pods()[0]).to_owned();
    let mut follow = lab.store.follow("pods");
    let _ = follow.next().await;
    lab.change("deployments.apps", "web", |it| restarted(it, "2026-01-01T00:00:00Z"));
    let seen = history(&lab, follow, |seen| seen.iter().any(|line| line == &format!("{old} gone"))).await;
    lab.rolled_out("web").await;
    let new = object::name(&lab.pods()[0]).to_owned();
    assert_eq!(
        seen,
        [format!("{new} there"), format!("{new} ready"), format!("{old} ends"), format!("{old} gone"),]
    );
    let revisions: Vec<_> = lab
        .list("replicasets.apps")
        .iter()
        .map(|it| {
            (
                object::annotation(it, "deployment.kubernetes.io/revision").unwrap().to_owned(),
                it["spec"]["replicas"].clone(),
            )
        })
        .collect();
    assert!(
        revisions.contains(&("1".into(), json!(0))) && revisions.contains(&("2".into(), json!(1))),
        "{revisions:?}"
    );
    lab.end().await;
}

#[tokio::test]
async fn recreate_lets_the_last_old_pod_go_before_the_first_new_one_comes() {
    let web = Web::default();
    let lab = Lab::new(web.images());
    let mut wanted = deployment("web", 2);
    wanted["spec"]["strategy"] = json!({"type": "Recreate"});
    lab.deploy(wanted);
    lab.rolled_out("web").await;
    let old: Vec<_> = lab.pods().iter().map(|it| object::name(it).to_owned()).collect();
    let mut follow = lab.store.follow("pods");
    let _ = follow.next().await;
    lab.change("deployments.apps", "web", |it| restarted(it, "2026-01-01T00:00:00Z"));
    let is_new = |line: &str| !old.iter().any(|old| line.starts_with(old.as_str()));
    let seen = history(&lab, follow, |seen| {
        seen.iter().filter(|it| is_new(it) && it.ends_with("ready")).count() == 2
    })
    .await;
    let first_new = seen.iter().position(|it| is_new(it)).unwrap();
    let last_gone = seen.iter().rposition(|it| it.ends_with("gone")).unwrap();
    assert!(last_gone < first_new, "{seen:?}");
    lab.rolled_out("web").await;
    lab.end().await;
}

#[tokio::test]
async fn a_broken_update_leaves_the_old_pods_and_a_rollback_ends_it() {
    let lab = Lab::with_web(3).await;
    let good = lab.get("deployments.apps", "web").unwrap()["spec"]["template"].clone();
    lab.change("deployments.apps", "web", |it| container(it)["image"] = "nobody/knows:v2".into());
    let message = lab.waiting("ImagePullBackOff").await;
    assert!(message.contains("the images that it runs are test/web"), "{message}");
    let status = lab.get("deployments.apps", "web").unwrap()["status"].clone();
    assert_eq!((&status["availableReplicas"], &status["updatedReplicas"]), (&json!(3), &json!(1)));
    lab.change("deployments.apps", "web", |it| it["spec"]["template"] = good.clone());
    lab.rolled_out("web").await;
    let sets = lab.list("replicasets.apps");
    let back = sets.iter().find(|it| it["spec"]["replicas"] == 3).unwrap();
    assert_eq!(object::annotation(back, "deployment.kubernetes.io/revision"), Some("3"));
    lab.end().await;
}

#[tokio::test]
async fn scaling_changes_the_number_and_not_the_template() {
    let lab = Lab::with_web(1).await;
    for replicas in [3, 0, 2] {
        lab.change("deployments.apps", "web", |it| it["spec"]["replicas"] = replicas.into());
        lab.rolled_out("web").await;
        assert_eq!(lab.pods().len(), replicas);
    }
    assert_eq!(lab.list("replicasets.apps").len(), 1);
    lab.event("ScalingReplicaSet", "from 3 to 0").await;
    lab.event("SuccessfulDelete", "Deleted pod: web-").await;
    lab.end().await;
}

/// `spec.replicas` of all ReplicaSets, the smallest first.
fn sizes(sets: &[std::sync::Arc<Value>]) -> Vec<i64> {
    let mut sizes: Vec<_> = sets.iter().map(|it| it["spec"]["replicas"].as_i64().unwrap()).collect();
    sizes.sort_unstable();
    sizes
}

#[tokio::test]
async fn a_scale_in_the_middle_of_an_update_is_reached() {
    let lab = Lab::with_web(3).await;
    let good = lab.get("deployments.apps", "web").unwrap()["spec"]["template"].clone();
    lab.change("deployments.apps", "web", |it| container(it)["image"] = "nobody/knows:v2".into());
    for (replicas, expected) in [(3, [1, 3]), (0, [0, 0]), (2, [0, 2])] {
        lab.change("deployments.apps", "web", |it| it["spec"]["replicas"] = replicas.into());
        lab.until("replicasets.apps", |sets| (sizes(sets) == expected).then_some(())).await;
    }
    lab.change("deployments.apps", "web", |it| it["spec"]["template"] = good.clone());
    lab.rolled_out("web").await;
    lab.end().await;
}

#[tokio::test]
async fn a_name_that_another_deployments_replicaset_has_is_said_and_waited_for() {
    let lab = Lab::with_web(1).await;
    let set = object::name(&lab.list("replicasets.apps")[0]).to_owned();
    lab.store.remove(&Key::new("deployments.apps", "n", "web")).unwrap();
    lab.deploy(deployment("web", 1));
    lab.event("ReplicaSetCreateError", &format!("Failed to create new replica set {set:?}")).await;
    lab.store.remove(&Key::new("replicasets.apps", "n", &set)).unwrap();
    lab.rolled_out("web").await;
    lab.end().await;
}

#[tokio::test]
async fn old_replicasets_are_kept_as_far_as_the_history_goes() {
    let web = Web::default();
    let lab = Lab::new(web.images());
    let mut wanted = deployment("web", 1);
    wanted["spec"]["revisionHistoryLimit"] = 1.into();
    lab.deploy(wanted);
    for at in ["2026-01-01T00:00:01Z", "2026-01-01T00:00:02Z", "2026-01-01T00:00:03Z"] {
        lab.rolled_out("web").await;
        lab.change("deployments.apps", "web", |it| restarted(it, at));
    }
    lab.rolled_out("web").await;
    let revisions = lab
        .until("replicasets.apps", |sets| {
            let revision =
                |it: &Value| object::annotation(it, "deployment.kubernetes.io/revision").unwrap().to_owned();
            (sets.len() == 2)
                .then(|| sets.iter().map(|it| revision(it)).collect::<std::collections::BTreeSet<_>>())
        })
        .await;
    assert_eq!(revisions, ["3".to_owned(), "4".to_owned()].into());
    lab.end().await;
}
