//! Which pods will not come up any more: an image that is not to be had, a container that
//! ends by itself again and again. Only what happened while somebody waited counts: what
//! is older may have been mended meanwhile.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ContainerStatus, Event, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use base::Error;

/// A container that ended by itself as often as that will not do better the next time.
const ENDS: i32 = 3;
/// A pull that failed as often as that will not do better the next time.
const PULLS: i32 = 3;

/// What had happened to a rollout's pods when the wait for them began.
#[derive(Debug, Default)]
pub struct Before {
    /// By pod and container: when it last ended.
    ends: BTreeMap<(String, String), Option<Time>>,
    /// By event: how often it had come.
    events: BTreeMap<String, i32>,
}

impl Before {
    /// What pods and events tell of.
    pub fn of(pods: &[Pod], events: &[Event]) -> Self {
        let ends = pods.iter().flat_map(|pod| {
            let ends = statuses(pod).into_iter().map(|one| (last_end(&one), one.name));
            ends.map(|(end, name)| ((uid(pod), name), end)).collect::<Vec<_>>()
        });
        let name = |event: &Event| event.metadata.name.clone().unwrap_or_default();
        let events = events.iter().map(|event| (name(event), times(event)));
        Self { ends: ends.collect(), events: events.collect() }
    }
}

/// What is heard of pulls that fail while somebody waits.
#[derive(Debug)]
pub struct Pulls {
    before: Before,
    /// By event: its pod, its words, and how often it has come since.
    failed: BTreeMap<String, (String, String, i32)>,
}

impl Pulls {
    /// Nothing yet.
    pub fn since(before: Before) -> Self {
        Self { before, failed: BTreeMap::new() }
    }

    /// Takes an event in.
    pub fn hear(&mut self, event: &Event) {
        let words = event.message.clone().unwrap_or_default();
        if event.reason.as_deref() != Some("Failed") || !words.starts_with("Failed to pull image") {
            return;
        }
        let name = event.metadata.name.clone().unwrap_or_default();
        let since = times(event) - self.before.events.get(&name).copied().unwrap_or(0);
        let pod = event.involved_object.uid.clone().unwrap_or_default();
        self.failed.insert(name, (pod, words, since));
    }

    /// How often an image could not be pulled for a pod.
    fn failed(&self, pod: &Pod, image: &str) -> i32 {
        let (uid, image) = (uid(pod), format!("{image:?}"));
        let of = |(pod, words, _): &&(String, String, i32)| *pod == uid && words.contains(&image);
        self.failed.values().filter(of).map(|(_, _, times)| times).sum()
    }

    /// An image that a pod waits for and that will not come: said once in words that no
    /// further try changes, or three times in any.
    pub fn no_image(&self, pod: &Pod) -> Option<Error> {
        statuses(pod).iter().find_map(|one| {
            let waiting = one.state.as_ref()?.waiting.as_ref()?;
            let (reason, words) =
                (waiting.reason.as_deref()?, waiting.message.as_deref().unwrap_or_default());
            let image = image_of(pod, &one.name);
            let failed = self.failed(pod, &image);
            let will_not_come = match reason {
                "InvalidImageName" => true,
                "ErrImagePull" | "ImagePullBackOff" => match is_final(words) {
                    // What is older than the wait was another network, or another registry.
                    Some(_) => failed > 0 || !self.before.ends.contains_key(&(uid(pod), one.name.clone())),
                    None => failed >= PULLS,
                },
                _ => false,
            };
            will_not_come.then(|| cannot_pull(&one.name, &image, reason, words))
        })
    }

    /// The container of a pod that ends each time it is started, by itself: what a signal
    /// ended may only have been slow.
    pub fn keeps_ending(&self, pod: &Pod) -> Option<Ends> {
        statuses(pod).iter().find_map(|one| {
            let waiting = one.state.as_ref()?.waiting.as_ref()?;
            let ended = one.last_state.as_ref()?.terminated.as_ref()?;
            let again =
                waiting.reason.as_deref() == Some("CrashLoopBackOff") && one.restart_count + 1 >= ENDS;
            let before = self.before.ends.get(&(uid(pod), one.name.clone()));
            let meanwhile = before.is_none_or(|before| *before != ended.finished_at);
            (again && meanwhile && ended.exit_code < 128).then(|| Ends {
                container: one.name.clone(),
                times: one.restart_count + 1,
                status: ended.exit_code,
            })
        })
    }
}

/// A container that keeps ending.
#[derive(Debug, PartialEq, Eq)]
pub struct Ends {
    /// Its name.
    pub container: String,
    times: i32,
    status: i32,
}

impl Ends {
    /// For a person.
    pub fn text(&self) -> String {
        let Self { container, times, status } = self;
        format!("container {container} ended {times} times, the last time with status {status}")
    }

    /// Whether the kubelet ended it, because a probe failed: with whatever status it then
    /// ended, it was not by itself.
    pub fn was_killed(&self, pod: &Pod, events: &[Event]) -> bool {
        let uid = uid(pod);
        let words = format!("Container {} failed ", self.container);
        events.iter().any(|event| {
            event.involved_object.uid.as_deref() == Some(&uid)
                && event.reason.as_deref() == Some("Killing")
                && event.message.as_deref().is_some_and(|message| {
                    message.starts_with(&words) && message.contains("probe, will be restarted")
                })
        })
    }
}

/// What to do where an engine does not reach a registry.
const UNREACHED: &str = "does the container engine reach {registry}? It has settings of its own for a proxy; OIDC_LAB_IMAGES names a registry that it does reach";

/// Words after which a pull will not do better the next time, and what to do. A registry that
/// wants a login may say of any image that it is not there.
const FINAL: [(&[&str], &str); 4] = [
    (&["no such host"], UNREACHED),
    (
        &["denied", "unauthorized"],
        "may it be pulled without a login? `docker login {registry}`, and this machine pulls it for the node",
    ),
    (
        &["too many requests", "toomanyrequests"],
        "`docker login {registry}` raises its limit, and OIDC_LAB_IMAGES names another registry",
    ),
    (&["not found", "manifest unknown"], "is the image's name right?"),
];

/// What to do about a pull that will not do better the next time, if it is one.
fn is_final(words: &str) -> Option<&'static str> {
    let low = words.to_lowercase();
    FINAL.iter().find(|(any, _)| any.iter().any(|words| low.contains(words))).map(|(_, hint)| *hint)
}

fn cannot_pull(container: &str, image: &str, reason: &str, words: &str) -> Error {
    if reason == "InvalidImageName" {
        return Error::environment(format!("container {container}: {image:?} is no name of an image"))
            .hint("write it as registry/repository:tag");
    }
    let registry = registry(image);
    let words: String = words.chars().filter(|c| !c.is_control()).take(400).collect();
    let hint = is_final(&words).unwrap_or(UNREACHED).replace("{registry}", registry);
    Error::environment(format!(
        "container {container}: the image {image} does not come from {registry}: {reason} ({words})"
    ))
    .hint(hint)
}

/// The registry that an image's name stands for.
pub fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => first,
        _ => "docker.io",
    }
}

fn image_of(pod: &Pod, container: &str) -> String {
    let containers =
        pod.spec.iter().flat_map(|spec| spec.containers.iter().chain(spec.init_containers.iter().flatten()));
    let named = |name: &str| name == container;
    let mut image = containers.filter(|one| named(&one.name)).filter_map(|one| one.image.clone());
    image.next().unwrap_or_default()
}

/// All containers of a pod, those that run first included.
fn statuses(pod: &Pod) -> Vec<ContainerStatus> {
    let status = pod.status.as_ref();
    let all = status.map(|status| [&status.init_container_statuses, &status.container_statuses]);
    all.into_iter().flatten().flatten().flatten().cloned().collect()
}

fn last_end(container: &ContainerStatus) -> Option<Time> {
    let end = container.last_state.as_ref()?.terminated.as_ref()?;
    end.finished_at.clone()
}

fn times(event: &Event) -> i32 {
    let series = event.series.as_ref().and_then(|series| series.count);
    event.count.or(series).unwrap_or(1)
}

/// What tells a pod from one of the same name.
pub fn uid(pod: &Pod) -> String {
    pod.metadata.uid.clone().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const IMAGE: &str = "ghcr.io/dexidp/dex:v2.45.1";

    fn pod(status: Value) -> Pod {
        let mut container =
            json!({"name": "dex", "ready": false, "image": "", "imageID": "", "restartCount": 0});
        container.as_object_mut().unwrap().extend(status.as_object().unwrap().clone());
        serde_json::from_value(json!({
            "metadata": {"name": "dex-1", "uid": "u1"},
            "spec": {"containers": [{"name": "dex", "image": IMAGE}]},
            "status": {"containerStatuses": [container]},
        }))
        .unwrap()
    }

    fn waits(reason: &str, message: &str) -> Pod {
        pod(json!({"state": {"waiting": {"reason": reason, "message": message}}}))
    }

    fn event(name: &str, pod: &str, reason: &str, message: &str, count: i32) -> Event {
        serde_json::from_value(json!({"metadata": {"name": name}, "reason": reason, "message": message,
            "count": count, "involvedObject": {"name": "dex-1", "uid": pod}}))
        .unwrap()
    }

    /// kubelet's and containerd's own words.
    const NO_HOST: &str = r#"failed to pull and unpack image "ghcr.io/dexidp/dex:v2.45.1": failed to resolve reference "ghcr.io/dexidp/dex:v2.45.1": failed to do request: Head "https://ghcr.io/v2/dexidp/dex/manifests/v2.45.1": dial tcp: lookup ghcr.io on 172.18.0.1:53: no such host"#;
    const NOT_FOUND: &str = r#"rpc error: code = NotFound desc = failed to pull and unpack image "ghcr.io/dexidp/dex:v2.45.1": failed to resolve reference "ghcr.io/dexidp/dex:v2.45.1": ghcr.io/dexidp/dex:v2.45.1: not found"#;
    const DENIED: &str = r#"failed to pull and unpack image "ghcr.io/dexidp/dex:v2.45.1": failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://ghcr.io/token: 403 Forbidden: denied"#;
    const TIMEOUT: &str = r#"failed to pull and unpack image "ghcr.io/dexidp/dex:v2.45.1": failed to do request: Head "https://ghcr.io/v2/": dial tcp 140.82.121.34:443: i/o timeout"#;

    #[test]
    fn final_words_end_the_wait_at_once_and_say_what_to_do() {
        let none = Pulls::since(Before::default());
        for (words, hint) in [
            (NO_HOST, "does the container engine reach ghcr.io?"),
            (NOT_FOUND, "is the image's name right?"),
            (DENIED, "`docker login ghcr.io`"),
            ("toomanyrequests: You have reached your pull rate limit", "OIDC_LAB_IMAGES"),
        ] {
            for reason in ["ErrImagePull", "ImagePullBackOff"] {
                let error = none.no_image(&waits(reason, words)).unwrap().to_string();
                assert!(
                    error.contains(&format!("image {IMAGE} does not come from ghcr.io: {reason}")),
                    "{error}"
                );
                assert!(error.contains(hint), "{error}");
            }
        }
        assert!(none.no_image(&waits("InvalidImageName", "")).is_some());
        assert!(none.no_image(&waits("ContainerCreating", "")).is_none());
    }

    #[test]
    fn other_words_count_when_they_were_said_three_times_meanwhile() {
        let failed = format!("Failed to pull image {IMAGE:?}: {TIMEOUT}");
        let old = event("e1", "u1", "Failed", &failed, 2);
        let mut pulls = Pulls::since(Before::of(&[], &[old]));
        for (count, ends) in [(2, false), (3, false), (4, false), (5, true)] {
            pulls.hear(&event("e1", "u1", "Failed", &failed, count));
            assert_eq!(pulls.no_image(&waits("ErrImagePull", TIMEOUT)).is_some(), ends, "{count}");
        }
        // Another pod's, and other failures, are no pulls of this one.
        let mut pulls = Pulls::since(Before::default());
        pulls.hear(&event("e1", "u2", "Failed", &failed, 9));
        pulls.hear(&event("e2", "u1", "Failed", "Error: ErrImagePull", 9));
        assert!(pulls.no_image(&waits("ErrImagePull", TIMEOUT)).is_none());
    }

    #[test]
    fn what_was_said_before_the_wait_may_have_been_mended() {
        let stuck = waits("ImagePullBackOff", NO_HOST);
        let failed = format!("Failed to pull image {IMAGE:?}: {NO_HOST}");
        let old = event("e1", "u1", "Failed", &failed, 7);
        let mut pulls = Pulls::since(Before::of(std::slice::from_ref(&stuck), &[old]));
        assert!(pulls.no_image(&stuck).is_none());
        pulls.hear(&event("e1", "u1", "Failed", &failed, 8));
        assert!(pulls.no_image(&stuck).is_some());
    }

    fn crashing(restarts: i32, status: i32, finished: &str) -> Pod {
        pod(json!({"restartCount": restarts, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                   "lastState": {"terminated": {"exitCode": status, "finishedAt": finished}}}))
    }

    #[test]
    fn a_container_that_keeps_ending_by_itself_is_not_waited_for() {
        let (old, new) = ("2026-01-01T00:00:00Z", "2026-01-01T00:00:40Z");
        let none = Pulls::since(Before::default());
        assert_eq!(
            none.keeps_ending(&crashing(2, 20, new)).unwrap().text(),
            "container dex ended 3 times, the last time with status 20"
        );
        assert_eq!(none.keeps_ending(&crashing(1, 20, new)), None);
        // Killed, as by the kernel.
        assert_eq!(none.keeps_ending(&crashing(5, 137, new)), None);
        assert_eq!(none.keeps_ending(&waits("ContainerCreating", "")), None);
        // It ended before the wait, and what it ended of may have been mended.
        let pulls = Pulls::since(Before::of(&[crashing(5, 20, old)], &[]));
        assert_eq!(pulls.keeps_ending(&crashing(5, 20, old)), None);
        assert!(pulls.keeps_ending(&crashing(6, 20, new)).is_some());
    }

    #[test]
    fn a_container_that_its_probe_killed_did_not_end_by_itself() {
        let pod = crashing(4, 0, "2026-01-01T00:00:00Z");
        let ends = Pulls::since(Before::default()).keeps_ending(&pod).unwrap();
        let killing = |uid, message: &str| [event("e", uid, "Killing", message, 1)];
        for (uid, message, killed) in [
            ("u1", "Container dex failed liveness probe, will be restarted", true),
            ("u1", "Container dex failed startup probe, will be restarted", true),
            ("u1", "Container other failed liveness probe, will be restarted", false),
            ("u2", "Container dex failed liveness probe, will be restarted", false),
            ("u1", "Stopping container dex", false),
        ] {
            assert_eq!(ends.was_killed(&pod, &killing(uid, message)), killed, "{message}");
        }
    }

    #[test]
    fn a_name_without_a_registry_is_docker_hubs() {
        for (image, name) in [
            ("redis:8", "docker.io"),
            ("kindest/node:v1", "docker.io"),
            ("quay.io/a/b:v1", "quay.io"),
            ("localhost/a", "localhost"),
            ("mirror:5000/a", "mirror:5000"),
        ] {
            assert_eq!(registry(image), name);
        }
    }
}
