//! What a container runs: the seam between workloads and stand-ins.
//!
//! An image is a name. The lab has no registry, so it runs only the images that
//! [`Images`] knows, and a pod that asks for another one says so, as a kubelet
//! would whose registry does not answer.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio_util::sync::CancellationToken;

use crate::logs::LogWriter;

/// How a container reaches the cluster API: what a service account's files hold. It cannot be
/// printed, as the token is in it.
#[derive(Clone)]
pub struct ClusterAccess {
    /// `https://127.0.0.1:PORT`.
    pub server: String,
    /// The lab's CA in PEM.
    pub ca_pem: String,
    /// The bearer token.
    pub token: String,
}

impl ClusterAccess {
    /// A kubeconfig with one cluster, one user and one context, all called `name`. The
    /// context names `namespace` as the one that is meant where a client says none. `others`
    /// are users with their tokens, each with a context that is called as they are.
    pub fn kubeconfig(&self, name: &str, namespace: Option<&str>, others: &[(&str, &str)]) -> String {
        let authority = BASE64_STANDARD.encode(&self.ca_pem);
        let namespace = namespace.map_or_else(String::new, |it| format!("\n    namespace: {it}"));
        let all: Vec<(&str, &str)> =
            [(name, self.token.as_str())].into_iter().chain(others.iter().copied()).collect();
        let user = |(user, token): &(&str, &str)| format!("- name: {user}\n  user:\n    token: {token}\n");
        let context = |(user, _): &(&str, &str)| {
            format!("- name: {user}\n  context:\n    cluster: {name}\n    user: {user}{namespace}\n")
        };
        let (users, contexts): (String, String) =
            (all.iter().map(user).collect(), all.iter().map(context).collect());
        format!(
            "apiVersion: v1
kind: Config
current-context: {name}
clusters:
- name: {name}
  cluster:
    server: {}
    certificate-authority-data: {authority}
users:
{users}contexts:
{contexts}",
            self.server
        )
    }
}

/// All that a program gets when its container starts. Everything in it was read
/// at that moment and does not change later: an environment variable that came
/// from a Secret keeps the value that the Secret had.
pub struct Launch {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The container's name.
    pub container: String,
    /// The image as the pod names it, tag included.
    pub image: String,
    /// `command` of the container, with `$(VAR)` expanded.
    pub command: Vec<String>,
    /// `args` of the container, with `$(VAR)` expanded.
    pub args: Vec<String>,
    /// The environment.
    pub env: BTreeMap<String, String>,
    /// Files of mounted ConfigMaps and Secrets, by absolute path. A path that ends in a
    /// slash is a directory without files.
    pub files: BTreeMap<String, Vec<u8>>,
    /// For each `containerPort` a socket that already listens on loopback, on a
    /// port of its own: pods of one machine share its address.
    pub ports: BTreeMap<u16, TcpListener>,
    /// Where lines go that a program would print.
    pub log: LogWriter,
    /// Set when the container has to stop: a SIGTERM. What still runs after the
    /// pod's grace period is dropped: a SIGKILL.
    pub stop: CancellationToken,
    /// The cluster API.
    pub cluster: ClusterAccess,
}

impl Launch {
    /// Takes the socket of a `containerPort`.
    ///
    /// # Errors
    /// Why nothing can listen there, in words.
    pub fn listener(&mut self, port: u16) -> Result<tokio::net::TcpListener, &'static str> {
        let socket = self.ports.remove(&port).ok_or("the container has no such port")?;
        let listener = socket.set_nonblocking(true).and_then(|()| tokio::net::TcpListener::from_std(socket));
        listener.map_err(|_| "the socket cannot be used")
    }
}

/// The status of a program that could not be started at all. No process ends with it;
/// in a container's status it becomes what container runtimes say, 128 and `StartError`.
pub const START_ERROR: i32 = -1;

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// The exit status; 0 is success, 128 + n a signal.
    pub code: i32,
    /// A line or a few for `containerStatuses[].state.terminated.message`, or empty.
    pub message: String,
}

impl Exit {
    /// It ended well.
    pub fn success() -> Self {
        Self { code: 0, message: String::new() }
    }

    /// It failed with status 1.
    pub fn failure(message: impl Into<String>) -> Self {
        Self { code: 1, message: message.into() }
    }
}

/// A running container; dropping it kills it.
pub type Running = Pin<Box<dyn Future<Output = Exit> + Send>>;

/// Something that a container can run.
pub trait Program: Send + Sync + 'static {
    /// Starts it. The future ends when the program does.
    fn run(&self, launch: Launch) -> Running;

    /// Variables that its containers have unless they set them themselves, and that
    /// `$(VAR)` in a container may name. `ports` is where each `containerPort` is.
    fn variables(&self, _ports: &BTreeMap<u16, SocketAddr>) -> BTreeMap<String, String> {
        BTreeMap::new()
    }
}

impl<F, R> Program for F
where
    F: Fn(Launch) -> R + Send + Sync + 'static,
    R: Future<Output = Exit> + Send + 'static,
{
    fn run(&self, launch: Launch) -> Running {
        Box::pin(self(launch))
    }
}

/// The images that this lab can run, by name without tag.
#[derive(Clone, Default)]
pub struct Images {
    programs: BTreeMap<String, Arc<dyn Program>>,
}

impl Images {
    /// Adds an image.
    #[must_use]
    pub fn with(mut self, name: &str, program: impl Program) -> Self {
        self.programs.insert(name.to_owned(), Arc::new(program));
        self
    }

    /// The program behind an image reference (`name`, `name:tag`).
    pub fn find(&self, image: &str) -> Option<Arc<dyn Program>> {
        let name = match image.rsplit_once(':') {
            // A colon before a slash belongs to a registry's port.
            Some((name, tag)) if !tag.contains('/') => name,
            _ => image,
        };
        self.programs.get(name).cloned()
    }

    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.programs.keys().map(String::as_str)
    }
}
