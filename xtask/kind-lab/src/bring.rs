//! The cluster itself: made, found again, started again, removed.

use std::net::{Ipv4Addr, TcpListener};

use k8s_openapi::api::core::v1::Node;
use kube::ResourceExt as _;
use kube::api::{Api, ListParams};

use super::kit::Tools;
use super::messages::{self, Trouble};
use super::mirrors::{IMAGES, Mirrors};
use super::state::{self, Stage, State};
use super::{Choice, KindLab};
use base::files::write_private;
use base::folder;
use base::{Error, Result};
use cluster::names::{OWNED, Provider};
use cluster::{Cluster, failed};

/// The label of the node that says which folder's lab it is.
const FOLDER: &str = "oidc-lab/folder";
/// The label of the node that says where the ingress is reached.
const PORT: &str = "oidc-lab/port";
/// The label of the node that says where the ingress ends TLS.
const TLS_PORT: &str = "oidc-lab/tls-port";

/// What is wished for of a cluster, and how kind is told.
pub struct Bringing<'a> {
    /// The port of the ingress that somebody wishes for.
    pub port: Option<u16>,
    /// The node's image that somebody wishes for.
    pub image: Option<&'a str>,
    /// Who is to check the user, and what it is to be spoken to by.
    pub choice: &'a Choice,
    /// Kind's config for a lab with these ports on loopback: of the ingress, and where it ends TLS.
    pub config: &'a (dyn Fn(u16, Option<u16>) -> Result<String> + Sync),
}

impl Tools<'_> {
    /// Makes the cluster, or finds it up, and says which. `begun` is called before anything is made.
    ///
    /// # Errors
    /// It cannot be made, or one of this name is there that is not this lab's.
    pub async fn bring(&self, wished: &Bringing<'_>, begun: impl Fn()) -> Result<&'static str> {
        let choice = wished.choice;
        match State::read(self.lab()) {
            None => {
                if self.exists().await? {
                    self.adopt(choice.provider).await?;
                    return Ok("already up");
                }
            }
            Some(state) if state.stage == Stage::Creating => {
                self.heard.doing("removing what an interrupted run left");
                self.remove_nodes().await?;
                state::forget(self.lab())?;
            }
            Some(state) if (state.provider, state.scheme()) != (choice.provider, choice.scheme) => {
                self.heard.doing("removing the cluster with another provider, or of another scheme");
                self.is_still_ours().await?;
                self.remove_nodes().await?;
                state::forget(self.lab())?;
            }
            Some(state) => {
                if let Some(brought) = self.find(&state, wished.port).await? {
                    return Ok(brought);
                }
            }
        }
        begun();
        self.create(wished).await?;
        Ok("created")
    }

    async fn exists(&self) -> Result<bool> {
        let said = self.must(&self.commands().clusters(), "list kind's clusters").await?;
        Ok(said.stdout.lines().any(|line| line.trim() == self.lab().name()))
    }

    /// Takes a cluster for this lab's whose state was lost, as by `cargo clean`, if its
    /// node says that it is.
    async fn adopt(&self, provider: Provider) -> Result<()> {
        let lab = self.lab();
        self.heard.doing("a cluster of this name is there: asking whose it is");
        let said = self.run(&self.commands().kubeconfig()).await?;
        let node = match said.is_ok() {
            true => self.node().await.ok().flatten(),
            false => None,
        };
        let node = node.filter(|node| node.labels().get(FOLDER).map(String::as_str) == Some(lab.id()));
        let port = |key| node.as_ref().and_then(|node| node.labels().get(key)?.parse().ok());
        if let Some(own) = port(PORT) {
            let mut state = State::creating(lab, own, port(TLS_PORT), provider);
            state.stage = Stage::Up;
            return state.write(lab);
        }
        state::forget(lab)?;
        let name = lab.name();
        Err(Error::environment(format!("a cluster named {name} is there and is not this lab's")).hint(format!(
            "`kind delete cluster --name {name}` removes it if it is yours; another folder in OIDC_LAB_DIR gives the lab another name"
        )))
    }

    /// The node that says it is a lab's, if there is one.
    async fn node(&self) -> Result<Option<Node>> {
        let cluster = self.lab().connect().await?;
        Ok(nodes(&cluster).await?.into_iter().find(is_owned))
    }

    /// A cluster that stood when the last run ended: up, started again, or gone.
    async fn find(&self, state: &State, wished: Option<u16>) -> Result<Option<&'static str>> {
        let (lab, commands) = (self.lab(), self.commands());
        if let Some(port) = wished.filter(|port| *port != state.port) {
            return Err(Error::usage(format!(
                "the lab listens on port {} and cannot move to {port}: a container keeps its ports",
                state.port
            ))
            .hint(format!("`cargo xtask down`, then `cargo xtask --port {port} working`")));
        }
        if lab.accepts().await {
            return Ok(Some("already up"));
        }
        if !self.exists().await? {
            state::forget(lab)?;
            return Ok(None);
        }
        self.heard.doing("starting its node again");
        let said = self.run(&commands.start_node()).await?;
        if !said.is_ok() {
            let port = (state.port, wished.is_some());
            return Err(messages::error("start the lab's node again", lab.name(), port, &said));
        }
        // An engine that gave the API another port has to be asked which.
        self.must(&commands.kubeconfig(), "write the kubeconfig anew").await?;
        lab.wait_ready(commands.wait, self.heard).await.map_err(|error| {
            error.context("the cluster was started again").hint("`cargo xtask down working` begins anew")
        })?;
        Ok(Some("started again"))
    }

    /// The image to make the node from, if kind is not to take its own by itself.
    async fn node_image(&self, wished: Option<&str>) -> Result<Option<String>> {
        let commands = self.commands();
        let Mirrors { images, offline, .. } = &commands.mirrors;
        if !offline && (wished.is_some() || images.is_none()) {
            return Ok(wished.map(str::to_owned));
        }
        let why = if *offline { "--offline" } else { IMAGES };
        let Some(image) = commands.image_of_node(wished) else {
            return Err(Error::environment(format!(
                "{why}, and this kind does not say which image its node has"
            ))
            .hint("name one with `--node-image`"));
        };
        if *offline && !self.run(&commands.image_id(&image)).await?.is_ok() {
            let engine = commands.engine;
            return Err(Error::environment(format!(
                "--offline, and the node's image {image} is not on this machine"
            ))
            .hint(format!("`{engine} pull {image}` brings it here; `--node-image` names another")));
        }
        Ok(Some(image))
    }

    async fn create(&self, wished: &Bringing<'_>) -> Result<()> {
        let (lab, commands) = (self.lab(), self.commands());
        let image = self.node_image(wished.image).await?;
        // A free port can be taken by somebody else before the node has it: that is worth
        // a second try, and no third.
        let mut tries = if wished.port.is_some() { 1 } else { 2 };
        loop {
            tries -= 1;
            let port = wished.port.map_or_else(free_port, Ok)?;
            let tls_port = wished.choice.scheme.is_https().then(free_port).transpose()?;
            State::creating(lab, port, tls_port, wished.choice.provider).write(lab)?;
            write_private(&commands.config(), (wished.config)(port, tls_port)?.as_bytes())
                .map_err(|error| folder::failed(lab.folder(), "written", error))?;
            let said = self.run(&commands.create_cluster(image.as_deref())).await?;
            if said.is_ok() {
                return State::update(lab, |state| state.stage = Stage::Up);
            }
            match messages::trouble(&said) {
                Some(Trouble::PortTaken) if tries > 0 => {
                    self.heard.doing("the port was taken at that moment: trying another");
                    self.remove_nodes().await?;
                    continue;
                }
                // It came up since this run looked, so it is somebody else's: it must not be
                // taken down with this lab.
                Some(Trouble::NameTaken) => state::forget(lab)?,
                _ => {}
            }
            self.show_node().await;
            let what = format!("create the cluster {}", lab.name());
            return Err(messages::error(&what, lab.name(), (port, wished.port.is_some()), &said));
        }
    }

    /// Shows what the node printed last, if there is one: it is about to be removed.
    async fn show_node(&self) {
        if let Ok(said) = self.run(&self.commands().node_log()).await
            && said.is_ok()
        {
            for line in said.stdout.lines().chain(said.stderr.lines()) {
                self.note(&format!("    {}: {line}", self.lab().node()));
            }
        }
    }

    async fn remove_nodes(&self) -> Result<()> {
        let what = format!("remove the cluster {}", self.lab().name());
        self.must(&self.commands().delete_cluster(), &what).await.map(drop)
    }

    /// Removes the cluster and all that is in the lab's folder; this provider checks the user
    /// where nothing is known of it. Says whether there was one.
    ///
    /// # Errors
    /// It cannot be removed, or the cluster of this name is somebody else's.
    pub async fn remove(&self, provider: Provider) -> Result<bool> {
        let known = State::read(self.lab());
        if !self.exists().await? {
            state::clear(self.lab())?;
            return Ok(known.is_some());
        }
        match known {
            None => self.adopt(provider).await?,
            Some(state) if state.stage == Stage::Up => self.is_still_ours().await?,
            Some(_) => {}
        }
        self.remove_nodes().await?;
        state::clear(self.lab())?;
        Ok(true)
    }

    /// Whether the cluster of this name is the one that was made, if it can be asked.
    async fn is_still_ours(&self) -> Result<()> {
        let said = self.run(&self.commands().kubeconfig()).await?;
        if !said.is_ok() || !self.lab().accepts().await {
            return Ok(());
        }
        owned(&self.lab().connect().await?, self.lab()).await
    }

    /// The same as [`Tools::remove`] for a lab that this run made, when nothing else is
    /// to be done any more. A cluster that is not written down as this lab's stays.
    ///
    /// # Errors
    /// It cannot be removed, or not in time.
    pub async fn abandon(&self) -> Result<()> {
        let lab = self.lab();
        if State::read(lab).is_none() {
            return state::clear(lab);
        }
        let said = match self.run(&self.commands().delete_cluster()).await {
            Ok(said) => said,
            Err(error) => {
                // It was asked to end when its time was up; it may have to be told.
                lab.end_children().await?;
                return Err(error);
            }
        };
        if !said.is_ok() {
            return Err(self.error("remove the half-made cluster", &said));
        }
        state::clear(lab)
    }
}

/// Whether a cluster is this lab's, by the labels of its node.
///
/// # Errors
/// It is not, or does not answer.
pub async fn owned(cluster: &Cluster, lab: &KindLab) -> Result<()> {
    let ours =
        |node: &Node| is_owned(node) && node.labels().get(FOLDER).is_none_or(|folder| folder == lab.id());
    if nodes(cluster).await?.iter().any(ours) {
        return Ok(());
    }
    Err(Error::environment(format!(
        "the cluster of context {} is not this lab's: no node of it has the label {OWNED}",
        lab.context()
    ))
    .hint("only what carries the label is touched"))
}

fn is_owned(node: &Node) -> bool {
    node.labels().get(OWNED).is_some_and(|owned| owned == "true")
}

async fn nodes(cluster: &Cluster) -> Result<Vec<Node>> {
    let nodes: Api<Node> = Api::all(cluster.client());
    Ok(nodes.list(&ListParams::default()).await.map_err(failed)?.items)
}

/// A port of loopback that nothing listens on.
fn free_port() -> Result<u16> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| Error::environment(format!("this machine gives no free port: {error}")))
}
