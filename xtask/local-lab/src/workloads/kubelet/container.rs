//! One container: started, watched, ended, started again.

use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::backoff::Backoff;
use super::environment::{environment, words};
use super::health::{self, Patient, Sick};
use super::pod::Pod;
use super::sources::{Sources, Unready};
use super::status::{Ended, State};
use super::volumes;
use crate::logs::LogKey;
use crate::program::{Exit, Launch, Program, START_ERROR};
use crate::store::object::{self, timestamp};
use crate::workloads::events::Subject;

/// What a shell says of a process that SIGKILL ended.
const KILLED: i32 = 137;
/// What a Rust program ends with that panicked.
const PANICKED: i32 = 101;
/// After how long something that the system refused is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(10);

/// Runs a container until it is not to start again. `true` if its last run was a
/// success.
pub(super) async fn run(pod: &Pod, index: usize, spec: &Value, init: bool) -> bool {
    let name = spec["name"].as_str().unwrap_or_default();
    let container = Container { pod, index, spec, init, name };
    let mut backoff = Backoff::default();
    let mut restarts = 0;
    loop {
        let Some(ready) = container.prepare(restarts).await else { return false };
        let exit = container.once(ready, restarts).await;
        let finished = Instant::now();
        if !pod.is_live() || !container.starts_again(exit.code) {
            pod.change(index, |it| it.done = true);
            return exit.code == 0;
        }
        if let Some(wait) = backoff.wait(finished)
            && !container.back_off(wait, finished).await
        {
            return false;
        }
        backoff.restarted(finished, Instant::now());
        restarts += 1;
    }
}

/// A container of a pod.
struct Container<'a> {
    pod: &'a Pod,
    index: usize,
    spec: &'a Value,
    init: bool,
    name: &'a str,
}

/// A container that can start.
struct Ready {
    program: Arc<dyn Program>,
    launch: Launch,
    listening: BTreeMap<u16, SocketAddr>,
}

/// Why a container cannot start.
enum NotReady {
    /// Something that it names is missing; a write to the store may bring it.
    Configuration(Unready),
    /// The lab has no such image.
    Image,
    /// The system refuses something.
    System(io::Error),
}

impl Container<'_> {
    /// Waits until everything that the container names is there. `None` when the pod
    /// ends before.
    async fn prepare(&self, restarts: u32) -> Option<Ready> {
        let node = &self.pod.node;
        loop {
            let since = node.store.version();
            match self.try_prepare(restarts) {
                Ok(ready) => return Some(ready),
                Err(NotReady::Image) => {
                    self.no_such_image();
                    self.pod.ends().await;
                }
                Err(NotReady::Configuration(problem)) => {
                    self.misconfigured(problem);
                    tokio::select! {
                        () = self.sources_change(since) => {}
                        () = self.pod.ends() => {}
                    }
                }
                Err(NotReady::System(error)) => {
                    self.wait("CreateContainerError", error.to_string());
                    self.warning("Failed", format!("Error: {error}"));
                    tokio::select! {
                        () = tokio::time::sleep(TRY_AGAIN) => {}
                        () = self.pod.ends() => {}
                    }
                }
            }
            if !self.pod.is_live() {
                return None;
            }
        }
    }

    fn try_prepare(&self, restarts: u32) -> Result<Ready, NotReady> {
        let (pod, node) = (&self.pod.object, &self.pod.node);
        let sources = Sources::new(&node.store, pod);
        // In a kubelet's order: volumes are mounted before images are pulled.
        let files = volumes::files(&sources, pod, self.spec).map_err(NotReady::Configuration)?;
        let image = self.spec["image"].as_str().unwrap_or_default();
        let program = node.images.find(image).ok_or(NotReady::Image)?;
        self.normal("Pulled", format!("Container image {image:?} already present on machine"));
        let (ports, listening) = listen(self.spec).map_err(NotReady::System)?;
        let mut defaults = self.defaults();
        defaults.extend(program.variables(&listening));
        let env = environment(&sources, self.spec, defaults).map_err(NotReady::Configuration)?;
        let (namespace, pod) = (object::namespace(pod), object::name(pod));
        let run = |restart| LogKey {
            namespace: namespace.to_owned(),
            pod: pod.to_owned(),
            container: self.name.to_owned(),
            restart,
        };
        let log = node.logs.start(run(restarts)).map_err(NotReady::System)?;
        // The last run is still worth a look, the one before it is not.
        if let Some(past) = restarts.checked_sub(2) {
            node.logs.forget_run(&run(past));
        }
        let launch = Launch {
            namespace: namespace.to_owned(),
            pod: pod.to_owned(),
            container: self.name.to_owned(),
            image: image.to_owned(),
            command: words(&self.spec["command"], &env),
            args: words(&self.spec["args"], &env),
            env,
            files,
            ports,
            log,
            stop: CancellationToken::new(),
            cluster: node.cluster.clone(),
            proxy: node.ingress,
        };
        Ok(Ready { program, launch, listening })
    }

    /// Variables that every container gets unless it sets them itself: those of the
    /// namespace's Services, its host name, and the proxy, which stands in for the
    /// cluster's DNS as it knows the hosts of the lab.
    fn defaults(&self) -> BTreeMap<String, String> {
        let proxy = format!("http://{}", self.pod.node.ingress);
        let none = "127.0.0.1,localhost";
        let proxies =
            ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"].map(|name| (name, proxy.as_str()));
        let rest = [("NO_PROXY", none), ("no_proxy", none), ("HOSTNAME", object::name(&self.pod.object))];
        let own = proxies.into_iter().chain(rest).map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut defaults = match self.pod.object["spec"]["enableServiceLinks"].as_bool() {
            Some(false) => BTreeMap::new(),
            _ => self.pod.node.services.variables(&self.pod.key.namespace),
        };
        defaults.extend(own);
        defaults
    }

    /// Waits for a write to a Secret or ConfigMap of the namespace after `since`.
    async fn sources_change(&self, since: u64) {
        let watch = |resource| self.pod.node.store.watch(resource, Some(&self.pod.key.namespace), since);
        // So much was written meanwhile that it is worth another look at once.
        let (Ok(mut secrets), Ok(mut maps)) = (watch("secrets"), watch("configmaps")) else { return };
        tokio::select! {
            _ = secrets.next() => {}
            _ = maps.next() => {}
        }
    }

    fn misconfigured(&self, problem: Unready) {
        match problem {
            Unready::Configuration(message) => {
                self.warning("Failed", format!("Error: {message}"));
                self.wait("CreateContainerConfigError", message);
            }
            Unready::Mount(message) => {
                self.wait("ContainerCreating", String::new());
                self.pod.node.recorder.warning(&Subject::of(&self.pod.object), "FailedMount", message);
            }
        }
    }

    fn no_such_image(&self) {
        let image = self.spec["image"].as_str().unwrap_or_default();
        let known = self.pod.node.images.names().collect::<Vec<_>>().join(", ");
        let message = format!(
            "Failed to pull image {image:?}: this lab has no registry; the images that it runs are {known}"
        );
        self.normal("Pulling", format!("Pulling image {image:?}"));
        self.warning("Failed", &message);
        self.warning("Failed", "Error: ErrImagePull");
        self.wait("ErrImagePull", message.clone());
        self.normal("BackOff", format!("Back-off pulling image {image:?}"));
        self.warning("Failed", "Error: ImagePullBackOff");
        self.wait("ImagePullBackOff", format!("Back-off pulling image {image:?}: ErrImagePull: {message}"));
    }

    /// One run, from start to end.
    async fn once(&self, ready: Ready, restarts: u32) -> Exit {
        let Ready { program, launch, listening } = ready;
        let (id, started) = (format!("{}{}", object::uid(), object::uid()).replace('-', ""), timestamp());
        let stop = launch.stop.clone();
        self.normal("Created", format!("Created container: {}", self.name));
        // Started in this moment: no probe comes before.
        let running = catch_unwind(AssertUnwindSafe(|| program.run(launch)));
        let running = running.unwrap_or_else(|panic| Box::pin(std::future::ready(panicked(&*panic))));
        let mut running = AbortOnDropHandle::new(tokio::spawn(running));
        self.normal("Started", format!("Started container {}", self.name));
        self.pod.change(self.index, |it| {
            if let State::Terminated(ended) = &it.state {
                it.last = Some(ended.clone());
            }
            it.state = State::Running { since: started.clone() };
            it.ready = self.spec.get("readinessProbe").is_none() && self.spec.get("startupProbe").is_none();
            it.started = self.spec.get("startupProbe").is_none();
            it.restarts = restarts;
            it.id.clone_from(&id);
            it.listening.clone_from(&listening);
        });
        let exit = self.watch_over(&mut running, &stop, &listening).await;
        self.pod.change(self.index, |it| {
            it.ready = false;
            it.started = false;
            it.listening.clear();
            it.state = State::Terminated(Ended {
                code: exit.code,
                reason: match exit.code {
                    0 => "Completed",
                    START_ERROR => "StartError",
                    _ => "Error",
                },
                message: exit.message.clone(),
                started,
                finished: timestamp(),
                id,
            });
        });
        exit
    }

    async fn watch_over(
        &self,
        running: &mut AbortOnDropHandle<Exit>,
        stop: &CancellationToken,
        listening: &BTreeMap<u16, SocketAddr>,
    ) -> Exit {
        tokio::select! {
            exit = &mut *running => exit.unwrap_or_else(ended),
            sick = health::watch(self.spec, listening, self) => {
                let Sick { probe, grace } = sick;
                self.normal("Killing", format!("Container {} failed {probe} probe, will be restarted", self.name));
                stop.cancel();
                let grace = tokio::time::sleep(grace.unwrap_or_else(|| self.pod.grace()));
                let over = async {
                    tokio::select! {
                        () = grace => {}
                        () = async { self.pod.ends().await; self.pod.grace_is_over(Instant::now()).await } => {}
                    }
                };
                end(running, over).await
            }
            () = self.pod.ends() => {
                self.normal("Killing", format!("Stopping container {}", self.name));
                stop.cancel();
                end(running, self.pod.grace_is_over(Instant::now())).await
            }
        }
    }

    fn starts_again(&self, code: i32) -> bool {
        match self.pod.object["spec"]["restartPolicy"].as_str() {
            Some("Never") => false,
            Some("OnFailure") => code != 0,
            _ if self.init => code != 0,
            _ => true,
        }
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

    fn wait(&self, reason: &'static str, message: String) {
        self.pod.change(self.index, |it| {
            if let State::Terminated(ended) = &it.state {
                it.last = Some(ended.clone());
            }
            it.state = State::Waiting { reason, message };
        });
    }

    fn normal(&self, reason: &'static str, message: impl Into<String>) {
        self.pod.node.recorder.normal(&Subject::container(&self.pod.object, self.name), reason, message);
    }

    fn warning(&self, reason: &'static str, message: impl Into<String>) {
        self.pod.node.recorder.warning(&Subject::container(&self.pod.object, self.name), reason, message);
    }
}

impl Patient for Container<'_> {
    fn started(&self) {
        let ready = self.spec.get("readinessProbe").is_none();
        self.pod.change(self.index, |it| (it.started, it.ready) = (true, ready));
    }

    fn ready(&self, ready: bool) {
        self.pod.change(self.index, |it| it.ready = ready);
    }

    fn unhealthy(&self, message: String) {
        self.warning("Unhealthy", message);
    }
}

/// Waits for the end of a program that was told to stop, and kills it when its grace
/// is over.
async fn end(running: &mut AbortOnDropHandle<Exit>, grace_is_over: impl Future<Output = ()>) -> Exit {
    tokio::select! {
        biased;
        exit = &mut *running => return exit.unwrap_or_else(ended),
        () = grace_is_over => {}
    }
    running.abort();
    // The program may have ended in this very moment.
    running.await.unwrap_or_else(ended)
}

/// How a program ended that did not say so itself.
fn ended(error: tokio::task::JoinError) -> Exit {
    match error.try_into_panic() {
        Ok(panic) => panicked(&*panic),
        Err(_aborted) => Exit { code: KILLED, message: String::new() },
    }
}

fn panicked(panic: &(dyn Any + Send)) -> Exit {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    Exit { code: PANICKED, message: format!("the program panicked: {text}") }
}

type Sockets = (BTreeMap<u16, TcpListener>, BTreeMap<u16, SocketAddr>);

/// A listening socket for each `containerPort`.
fn listen(container: &Value) -> io::Result<Sockets> {
    let (mut ports, mut listening) = (BTreeMap::new(), BTreeMap::new());
    for port in container["ports"].as_array().into_iter().flatten() {
        let tcp = port["protocol"].as_str().is_none_or(|protocol| protocol == "TCP");
        let Some(number) = port["containerPort"].as_u64().and_then(|it| u16::try_from(it).ok()) else {
            continue;
        };
        if tcp {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            listening.insert(number, listener.local_addr()?);
            ports.insert(number, listener);
        }
    }
    Ok((ports, listening))
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
