//! A pod and its containers, run to their end: started, watched, ended, started again.

use std::any::Any;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::backoff::Backoff;
use super::health;
use super::pod::{Container, Pod};
use super::prepare::{Ready, prepare};
use crate::program::{Exit, START_ERROR};
use crate::store::object::{self, timestamp};
use crate::tasks::words;
use crate::workloads::machine::NODE;

/// What a shell says of a process that SIGKILL ended.
const KILLED: i32 = 137;
/// What a Rust program ends with that panicked.
const PANICKED: i32 = 101;
/// What container runtimes report of a program that could not be started.
const NOT_STARTED: i32 = 128;

/// Runs a pod to its end, and removes its object if that is what it ends for.
pub(super) async fn pod(pod: Pod) {
    if pod.is_live() {
        pod.publish();
        let scheduled = format!("Successfully assigned {}/{} to {NODE}", pod.key.namespace, pod.key.name);
        let scheduler = pod.node.recorder.speaking_as("default-scheduler");
        scheduler.normal(&pod.object, "Scheduled", scheduled);
        let specs = object::items(&pod.object["spec"]["containers"]).enumerate();
        join_all(specs.map(|(index, spec)| container(&pod, index, spec))).await;
    }
    pod.end().await;
}

/// Runs a container, again and again, until its pod is to end.
async fn container(pod: &Pod, index: usize, spec: &Value) {
    let name = spec["name"].as_str().unwrap_or_default();
    let container = Container { pod, index, spec, name };
    let mut backoff = Backoff::default();
    let mut restarts = 0;
    loop {
        let Some(ready) = prepare(&container, restarts).await else { return };
        container.once(ready, restarts).await;
        let finished = Instant::now();
        if !pod.is_live() {
            return;
        }
        if let Some(wait) = backoff.wait(finished)
            && !container.back_off(wait, finished).await
        {
            return;
        }
        backoff.restarted(finished, Instant::now());
        restarts += 1;
    }
}

impl Container<'_> {
    /// One run, from start to end.
    async fn once(&self, ready: Ready, restarts: u32) {
        let Ready { program, launch, listening } = ready;
        let (id, started) = (format!("{}{}", object::uid(), object::uid()).replace('-', ""), timestamp());
        let stop = launch.stop.clone();
        self.normal("Created", format!("Created container: {}", self.name));
        // Started in this moment: no probe comes before.
        let running = catch_unwind(AssertUnwindSafe(|| program.run(launch)));
        let running = running.unwrap_or_else(|panic| Box::pin(std::future::ready(panicked(&*panic))));
        let mut running = AbortOnDropHandle::new(tokio::spawn(running));
        self.normal("Started", format!("Started container {}", self.name));
        let id = format!("oidc-lab://{id}");
        self.change(|it| {
            it.go_on("running", json!({"startedAt": started}));
            it.said["ready"] = (!self.spec["readinessProbe"].is_object()).into();
            it.said["restartCount"] = restarts.into();
            it.said["containerID"] = id.clone().into();
            it.said["imageID"] = format!("oidc-lab://{}", object::text(&self.spec["image"])).into();
            it.listening.clone_from(&listening);
        });
        let exit = self.watch_over(&mut running, &stop, &listening).await;
        let (code, reason) = match exit.code {
            0 => (0, "Completed"),
            START_ERROR => (NOT_STARTED, "StartError"),
            code => (code, "Error"),
        };
        self.change(|it| {
            it.listening.clear();
            let ended = json!({
                "exitCode": code, "reason": reason, "message": exit.message,
                "startedAt": started, "finishedAt": timestamp(), "containerID": id,
            });
            it.go_on("terminated", ended);
        });
    }

    async fn watch_over(
        &self,
        running: &mut AbortOnDropHandle<Exit>,
        stop: &CancellationToken,
        listening: &BTreeMap<u16, SocketAddr>,
    ) -> Exit {
        let why = tokio::select! {
            exit = &mut *running => return exit.unwrap_or_else(ended),
            () = health::given_up(self, listening) => {
                format!("Container {} failed liveness probe, will be restarted", self.name)
            }
            () = self.pod.ends() => format!("Stopping container {}", self.name),
        };
        self.normal("Killing", why);
        stop.cancel();
        // It has its grace, or less of it if the pod is to end meanwhile. Then it is killed.
        tokio::select! {
            biased;
            exit = &mut *running => return exit.unwrap_or_else(ended),
            () = self.pod.grace_is_over(Instant::now()) => {}
        }
        running.abort();
        // The program may have ended in this very moment.
        running.await.unwrap_or_else(ended)
    }

    /// Waits out a back-off of `wait` since `finished`. `false` when the pod ends before.
    async fn back_off(&self, wait: Duration, finished: Instant) -> bool {
        let pod = format!("{}_{}({})", self.pod.key.name, self.pod.key.namespace, self.pod.uid());
        self.warning("BackOff", format!("Back-off restarting failed container {} in pod {pod}", self.name));
        let message =
            format!("back-off {} restarting failed container={} pod={pod}", seconds(wait), self.name);
        self.wait("CrashLoopBackOff", message);
        tokio::select! {
            () = tokio::time::sleep_until(finished + wait) => true,
            () = self.pod.ends() => false,
        }
    }
}

/// How a program ended that did not say so itself.
fn ended(error: tokio::task::JoinError) -> Exit {
    match error.try_into_panic() {
        Ok(panic) => panicked(&*panic),
        Err(_aborted) => Exit { code: KILLED, message: String::new() },
    }
}

fn panicked(panic: &(dyn Any + Send)) -> Exit {
    Exit { code: PANICKED, message: format!("the program panicked: {}", words(panic)) }
}

/// A duration of whole seconds as Go prints it: `40s`, `1m20s`, `5m0s`.
fn seconds(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds => format!("{}m{}s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_printed_as_go_does() {
        let printed = [10, 40, 80, 160, 300].map(|it| seconds(Duration::from_secs(it)));
        assert_eq!(printed, ["10s", "40s", "1m20s", "2m40s", "5m0s"]);
    }
}
