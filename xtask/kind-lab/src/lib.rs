//! The lab in a cluster of containers, as the post has it: kind, an ingress, Dex and Argo CD by
//! their charts. Outside programs bring it up and take it down, each command as a person would
//! type it ([`Commands`]); what is done to its cluster after that goes through [`cluster`], as on any
//! lab. Which steps there are, in which order, and what manifests say is not decided here. It
//! knows `cluster`, `toolbox` (which finds the programs), `releases` and `base`.

mod bring;
mod commands;
mod coredns;
mod diagnose;
mod dry_run;
mod helm;
mod image_ref;
mod images;
mod kit;
mod messages;
mod mirrors;
mod node;
mod parts;
mod resolves;
mod state;
mod step;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::children::Children;
use base::folder::{Folder, with_suffix};
use ring::digest::{SHA256, digest};
use tokio::net::TcpStream;
use tokio::time::timeout;

use base::{Error, Result};
use cluster::{Access, Cluster, names};
use state::Stage;
use toolbox::tools;

pub use bring::{Bringing, owned};
pub use commands::Commands;
pub use coredns::rewrite as rewrite_corefile;
pub use diagnose::diagnosis;
pub use dry_run::DryRun;
pub use helm::Choice;
pub use image_ref::ImageRef;
pub use kit::{Kit, Tools, WAIT};
pub use mirrors::Mirrors;
pub use parts::{Ingress, Part};
pub use resolves::resolves;
pub use state::{State, clear};
pub use step::KindStep;

/// How long a cluster that may have been paused has to accept a connection.
const REACHABLE: Duration = Duration::from_secs(1);

/// A lab on kind, with its state in one folder.
#[derive(Clone, Debug)]
pub struct KindLab {
    folder: Folder,
    name: String,
    id: String,
    /// The engine that was found to have its node, where nothing else is known of it.
    engine: Option<&'static str>,
}

impl KindLab {
    /// The lab whose state is beside that of a local lab: `target/lab` → `target/lab-kind`.
    ///
    /// `usual` is the folder of a local lab that nobody named. Its cluster has the plain
    /// name; every other folder's has a suffix, so that two labs never meet.
    pub fn beside(local: &Path, usual: &Path) -> Self {
        let folder = with_suffix(local, "-kind");
        let id = hash(folder.as_os_str().as_encoded_bytes(), 4);
        let name = match local == usual {
            true => names::CLUSTER.to_owned(),
            false => format!("{}-{id}", names::CLUSTER),
        };
        Self { folder: Folder::new(folder, state::CONTENTS), name, id, engine: None }
    }

    /// Where its state is.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The same, with what tells whether it is the lab's.
    pub fn own_folder(&self) -> &Folder {
        &self.folder
    }

    /// kind's name for the cluster.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the node's label says of the folder, to tell two labs of one name apart.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The container of the cluster's one node.
    fn node(&self) -> String {
        format!("{}-control-plane", self.name)
    }

    /// The kubeconfig, readable by its owner only.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder().join("kubeconfig")
    }

    /// The context that kind writes into it.
    pub fn context(&self) -> String {
        format!("kind-{}", self.name)
    }

    /// Its cluster, by the kubeconfig of its own.
    ///
    /// # Errors
    /// There is none.
    pub async fn connect(&self) -> Result<Cluster> {
        Cluster::connect(&self.kubeconfig(), &self.context(), None).await
    }

    /// The lab, if an engine on PATH has a node of its name though its folder is gone, as
    /// after `cargo clean`. Nothing is downloaded to see that, and no engine waited for.
    pub async fn lost(&self) -> Option<Self> {
        let label = format!("io.x-k8s.kind.cluster={}", self.name);
        let engine = tools::engine_with(label).await?;
        Some(Self { engine: Some(engine), ..self.clone() })
    }

    /// Whether a run has begun to make it, and none has removed it. In a folder of
    /// somebody's own there is none.
    pub fn is_there(&self) -> bool {
        matches!(self.folder.is_ours(), Ok(true)) && State::read(self).is_some()
    }

    /// How to reach it, if its cluster stands and accepts connections.
    ///
    /// # Errors
    /// Its folder is somebody's own.
    pub async fn find(&self) -> Result<Option<Access>> {
        let state = if self.folder.is_ours()? { State::read(self) } else { None };
        let Some(state) = state.filter(|state| state.stage == Stage::Up) else { return Ok(None) };
        Ok(self.accepts().await.then(|| self.access(&state)))
    }

    /// Whether its cluster stands, by what was written down of it.
    pub fn stands(&self) -> bool {
        State::read(self).is_some_and(|state| state.stage == Stage::Up)
    }

    /// Ends the programs that still work for it. Says which there were.
    ///
    /// # Errors
    /// One of them does not end.
    pub async fn end_children(&self) -> Result<Vec<String>> {
        let children = Children::new(self.children());
        let ended = tokio::task::spawn_blocking(move || children.end_all()).await;
        ended.map_err(|error| Error::environment(format!("ending what runs for the lab: {error}")))?
    }

    fn children(&self) -> PathBuf {
        self.folder().join("children")
    }

    fn access(&self, state: &State) -> Access {
        let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Access {
            kubeconfig: self.kubeconfig(),
            context: self.context(),
            ingress: loopback(state.port),
            tls: state.tls_port.map(loopback),
        }
    }

    /// Whether the cluster's API accepts a connection.
    async fn accepts(&self) -> bool {
        let kubeconfig = std::fs::read_to_string(self.kubeconfig()).unwrap_or_default();
        let Some(address) = api_address(&kubeconfig) else { return false };
        matches!(timeout(REACHABLE, TcpStream::connect(address)).await, Ok(Ok(_)))
    }
}

/// The first bytes of a SHA-256, in hexadecimal.
fn hash(text: &[u8], bytes: usize) -> String {
    digest(&SHA256, text).as_ref().iter().take(bytes).map(|byte| format!("{byte:02x}")).collect()
}

/// The address of the cluster in a kubeconfig.
fn api_address(kubeconfig: &str) -> Option<SocketAddr> {
    let line = kubeconfig.lines().find_map(|line| line.trim().strip_prefix("server:"))?;
    line.trim().trim_matches(['"', '\'']).strip_prefix("https://")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_folders_have_two_clusters() {
        let usual = Path::new("/src/target/lab");
        let lab = KindLab::beside(usual, usual);
        assert_eq!(lab.name(), "oidc-lab");
        assert_eq!(lab.folder(), Path::new("/src/target/lab-kind"));
        assert_eq!(lab.context(), "kind-oidc-lab");
        let (one, other) = (Path::new("/x"), Path::new("/y"));
        let (one, other) = (KindLab::beside(one, usual), KindLab::beside(other, usual));
        assert_eq!(one.folder(), Path::new("/x-kind"));
        assert_ne!(one.name(), other.name());
        // What kind takes for a name.
        assert!(one.name().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
    }

    #[test]
    fn the_address_of_the_cluster_is_read_from_its_kubeconfig() {
        let text = "clusters:\n- cluster:\n    server: https://127.0.0.1:43219\n  name: kind-x\n";
        assert_eq!(api_address(text), Some(SocketAddr::from(([127, 0, 0, 1], 43219))));
        assert_eq!(api_address("server: https://example.com:1"), None);
    }
}
