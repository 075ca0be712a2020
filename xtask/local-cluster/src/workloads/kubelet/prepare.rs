//! What a container needs before it can start, and what it waits for until then.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::configuration::{Unready, environment, files, words};
use super::pod::Container;
use super::unsupported;
use crate::logs::LogKey;
use crate::program::{Launch, Program};
use crate::store::object::{self, items, port, text};

/// After how long something that the system refused is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(10);

/// A container that can start.
pub(super) struct Ready {
    pub(super) program: Arc<dyn Program>,
    pub(super) launch: Launch,
    pub(super) listening: BTreeMap<u16, SocketAddr>,
}

/// Waits until everything that the container names is there. `None` when the pod ends
/// before.
pub(super) async fn prepare(container: &Container<'_>, restarts: u32) -> Option<Ready> {
    let (pod, node) = (container.pod, &container.pod.node);
    loop {
        let since = node.store.version();
        let problem = match container.try_prepare(restarts) {
            Ok(ready) => return Some(ready),
            Err(problem) => problem,
        };
        container.cannot_start(&problem);
        let changed = async {
            match problem {
                Unready::Image => std::future::pending().await,
                Unready::System(_) => tokio::time::sleep(TRY_AGAIN).await,
                Unready::Configuration(_) | Unready::Mount(_) => container.sources_change(since).await,
            }
        };
        tokio::select! {
            () = changed => {}
            () = pod.ends() => {}
        }
        if !pod.is_live() {
            return None;
        }
    }
}

impl Container<'_> {
    fn try_prepare(&self, restarts: u32) -> Result<Ready, Unready> {
        let (pod, node) = (&self.pod.object, &self.pod.node);
        if let Some(why) = unsupported::reason(pod, self.spec) {
            return Err(Unready::Configuration(why));
        }
        // In a kubelet's order: volumes are mounted before images are pulled.
        let files = files(&node.store, pod, self.spec)?;
        let image = text(&self.spec["image"]);
        let program = node.machine.images.find(image).ok_or(Unready::Image)?;
        self.normal("Pulled", format!("Container image {image:?} already present on machine"));
        let ports = listen(self.spec).map_err(Unready::System)?;
        let address = |(port, socket): (&u16, &TcpListener)| Ok((*port, socket.local_addr()?));
        let listening = ports.iter().map(address).collect::<io::Result<_>>().map_err(Unready::System)?;
        let mut defaults = self.defaults();
        defaults.extend(program.variables(&listening));
        let env = environment(&node.store, pod, self.spec, defaults)?;
        let (namespace, pod) = (object::namespace(pod), object::name(pod));
        let run = |restart| LogKey {
            namespace: namespace.to_owned(),
            pod: pod.to_owned(),
            container: self.name.to_owned(),
            restart,
        };
        let log = node.logs.start(run(restarts)).map_err(Unready::System)?;
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
            cluster: node.machine.cluster.clone(),
        };
        Ok(Ready { program, launch, listening })
    }

    /// Variables that every container gets unless it sets them itself: those of the
    /// namespace's Services, its host name, and the proxy, which stands in for the
    /// cluster's DNS as it knows the hosts of the lab.
    fn defaults(&self) -> BTreeMap<String, String> {
        let proxy = format!("http://{}", self.pod.node.machine.ingress);
        let none = "127.0.0.1,localhost";
        let proxies =
            ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"].map(|name| (name, proxy.as_str()));
        let rest = [("NO_PROXY", none), ("no_proxy", none), ("HOSTNAME", object::name(&self.pod.object))];
        let own = proxies.into_iter().chain(rest).map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut defaults = self.pod.node.services.variables(&self.pod.key.namespace);
        defaults.extend(own);
        defaults
    }

    /// Waits for a write to a Secret or ConfigMap of the namespace after `since`.
    async fn sources_change(&self, since: u64) {
        let namespace = Some(&*self.pod.key.namespace);
        // So much was written meanwhile that it is worth another look at once.
        let Ok(mut watch) = self.pod.node.store.watch(&["secrets", "configmaps"], namespace, since) else {
            return;
        };
        let _ = watch.next().await;
    }

    /// Says why the container does not start.
    fn cannot_start(&self, problem: &Unready) {
        match problem {
            Unready::Configuration(message) => {
                self.warning("Failed", format!("Error: {message}"));
                self.wait("CreateContainerConfigError", message.clone());
            }
            Unready::Mount(message) => {
                self.wait("ContainerCreating", String::new());
                self.pod.node.recorder.warning(&self.pod.object, "FailedMount", message);
            }
            Unready::System(error) => {
                self.wait("CreateContainerError", error.to_string());
                self.warning("Failed", format!("Error: {error}"));
            }
            Unready::Image => self.no_such_image(),
        }
    }

    fn no_such_image(&self) {
        let image = text(&self.spec["image"]);
        let known = self.pod.node.machine.images.names().collect::<Vec<_>>().join(", ");
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
}

/// A listening socket for each `containerPort`.
fn listen(container: &Value) -> io::Result<BTreeMap<u16, TcpListener>> {
    let tcp = items(&container["ports"]).filter(|it| it["protocol"].as_str().is_none_or(|it| it == "TCP"));
    let numbers = tcp.filter_map(|it| port(&it["containerPort"]));
    numbers.map(|number| Ok((number, TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?))).collect()
}
