//! What all goals of one run share: options, console, lab, cluster, what was done.

mod clean_up;
mod exporter;
mod programs;
mod provider;
mod which_lab;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::mutex::lock;
use jiff::Timestamp;
use releases::Release;
use tokio::sync::{Mutex as AsyncMutex, OnceCell};

use crate::cli::{Goal, Options};
use crate::console::{Console, Running};
use crate::lab::browser;
use crate::lab::{Authority, Lab, LocalLab};
use crate::programs::Program;
use crate::render::{Sources, Variables};
use base::browser::Profile;
use base::{Error, Result};
use cluster::names::{Place, Provider, Rollout, Scheme};
use cluster::{Access, Cluster, Observer};
use kind_lab::Ingress;
use kind_lab::{ImageRef, KindLab, Kit};

pub use clean_up::Unfinished;
pub use which_lab::checkout;

/// Longest time to wait for a server that is starting on this machine.
const WAIT: Duration = Duration::from_secs(60);

/// One run of `cargo xtask`.
pub struct Session {
    /// The options of the command line.
    pub options: Options,
    /// The streams.
    pub console: Arc<Console>,
    /// `manifests/` and `values/`.
    pub sources: Sources,
    /// The lab.
    pub lab: Lab,
    /// Who checks the user there.
    pub provider: Provider,
    cluster: AsyncMutex<Option<Cluster>>,
    /// The outside programs of a lab on kind.
    kit: OnceCell<Arc<Kit>>,
    /// Since when this run has seen Argo CD ready.
    ready: Mutex<Option<Timestamp>>,
    /// What the named binaries said of themselves: Argo CD's, Dex's.
    binaries: AsyncMutex<[Option<Program>; 2]>,
    /// What this run would have to clean up.
    pub unfinished: Unfinished,
}

impl Session {
    /// A session in the checkout that this program was built from, for these goals.
    ///
    /// # Errors
    /// Both labs are there and no option chooses one, or an option is of the other lab.
    pub async fn new(options: Options, console: Arc<Console>, goals: &[Goal]) -> Result<Self> {
        let lab = which_lab::which(&options, &console, goals).await?;
        let mut session = Self { lab, ..Self::at(PathBuf::new(), options, console) };
        let scheme = session.which_scheme(goals).await?;
        session.provider = session.which_provider(goals).await?;
        let ca = scheme.is_https().then(|| session.authority().file());
        session.sources = session.sources.with(session.provider, ca);
        Ok(session)
    }

    /// A session about the local lab of a folder.
    pub fn at(folder: PathBuf, options: Options, console: Arc<Console>) -> Self {
        let provider = options.provider.unwrap_or_default();
        let ca = options.tls.unwrap_or_default().then(|| Authority::of(&folder).file());
        Self {
            lab: Lab::Local(LocalLab::new(folder)),
            kit: OnceCell::new(),
            provider,
            sources: Sources::new(checkout()).with(provider, ca),
            options,
            console,
            cluster: AsyncMutex::default(),
            ready: Mutex::default(),
            binaries: AsyncMutex::default(),
            unfinished: Unfinished::default(),
        }
    }

    /// How to reach the lab.
    ///
    /// # Errors
    /// It is not up.
    pub async fn access(&self) -> Result<Access> {
        self.lab.find().await?.ok_or_else(|| match &self.lab {
            Lab::Kind(lab) if lab.stands() => {
                Error::environment("no lab is up: the cluster of the one on kind does not answer")
                    .hint("`cargo xtask working` starts its node again, or makes it anew if it is gone")
            }
            lab => {
                let said = lab.ended().map_or_else(String::new, |said| format!(": {said}"));
                Error::environment(format!("no lab is up{said}"))
                    .hint("`cargo xtask working` or `cargo xtask broken` brings one up")
            }
        })
    }

    /// What the lab is spoken to by.
    pub fn scheme(&self) -> Scheme {
        self.sources.scheme()
    }

    /// The certificate authority of a lab with `--tls`.
    pub fn authority(&self) -> Authority {
        Authority::of(self.lab.folder())
    }

    /// What a browser of Chromium's kin is told, to be on the lab.
    ///
    /// # Errors
    /// The lab's certificate authority is not there.
    pub fn browser_options(&self, access: &Access) -> Result<Vec<String>> {
        let key = self.scheme().is_https().then(|| self.authority().fingerprint()).transpose()?;
        let profile = Profile::of(self.lab.folder());
        Ok(browser::options(self.lab.place(), self.provider, access, &profile, key.as_deref()))
    }

    /// The lab's cluster. The connection is made once and shared.
    ///
    /// # Errors
    /// The lab is not up.
    pub async fn cluster(&self) -> Result<Cluster> {
        let mut cluster = self.cluster.lock().await;
        if let Some(cluster) = &*cluster {
            return Ok(cluster.clone());
        }
        let access = self.access().await?;
        let console = self.console.clone();
        let observer: Option<Observer> =
            console.shows(2).then(|| Arc::new(move |line: &str| console.detail(2, line)) as Observer);
        let connected = Cluster::connect(&access.kubeconfig, &access.context, observer).await?;
        if let Lab::Kind(lab) = &self.lab {
            kind_lab::owned(&connected, lab).await?;
        }
        *cluster = Some(connected.clone());
        Ok(connected)
    }

    /// Forgets the connection to the cluster: the lab is another now.
    pub async fn connect_anew(&self) {
        *self.cluster.lock().await = None;
    }

    /// The lab, if it is one on kind.
    ///
    /// # Errors
    /// It is not.
    pub fn kind_lab(&self) -> Result<&KindLab> {
        match &self.lab {
            Lab::Kind(lab) => Ok(lab),
            Lab::Local(_) => Err(Error::usage("this step is of a lab on kind")),
        }
    }

    /// The outside programs of a lab on kind, found once, and where they are run.
    ///
    /// # Errors
    /// It is no lab on kind, no container engine answers, or a tool cannot be downloaded.
    pub async fn tools<'a>(&self, running: &'a Running<'a>) -> Result<kind_lab::Tools<'a>> {
        let (lab, root) = (self.kind_lab()?, self.sources.root());
        let find = async {
            let kit = Kit::find(lab, root, self.options.offline, self.wait(), running).await?;
            // What a killed run left at work would get in the way of this one.
            for name in lab.end_children().await? {
                self.console.note(&format!("  ended {name}, which a run that was killed had left at work"));
            }
            Ok::<_, Error>(Arc::new(kit))
        };
        let kit = self.kit.get_or_try_init(|| find).await?.clone();
        Ok(kind_lab::Tools { kit, heard: running })
    }

    /// What is to be installed on a lab on kind: what options name, else what is there,
    /// else the defaults.
    pub fn choice(&self, lab: &KindLab) -> kind_lab::Choice {
        let options = &self.options;
        let (ingress, argocd, own) = kind_lab::State::read(lab)
            .map_or((None, None, None), |state| (state.ingress, state.argocd, state.argocd_image));
        let installed = argocd.and_then(|text| Release::parse(&text).ok());
        let image = match (&options.argocd_image, &options.argocd) {
            (Some(image), _) => Some(image.clone()),
            // Another release is asked for, and no image: the release's own.
            (None, Some(_)) => None,
            (None, None) => own.and_then(|text| ImageRef::parse(&text).ok()),
        };
        let of_tag = image.as_ref().and_then(|image| Release::parse(&image.tag).ok());
        kind_lab::Choice {
            ingress: options.ingress.or(ingress).unwrap_or(Ingress::Nginx),
            argocd: options.argocd.clone().or(of_tag).or(installed).unwrap_or_default(),
            image,
            provider: self.provider,
            scheme: self.scheme(),
        }
    }

    /// Longest time to wait for a server that is starting.
    pub fn wait(&self) -> Duration {
        self.options.wait.unwrap_or(match self.lab.place() {
            Place::Kind => kind_lab::WAIT,
            Place::Local => WAIT,
        })
    }

    /// What templates may use, of this lab.
    ///
    /// # Errors
    /// It is not up.
    pub async fn variables(&self) -> Result<Variables> {
        let access = self.access().await?;
        let mut variables = Variables::new(access.ingress.port());
        variables.tls_port = access.tls.map(|address| address.port());
        if let Lab::Kind(lab) = &self.lab {
            lab.name().clone_into(&mut variables.cluster_name);
            lab.id().clone_into(&mut variables.lab_id);
            let ingress = self.choice(lab).ingress;
            variables.ingress_class = ingress.class();
            if self.scheme().is_https() {
                // TLS is ended there, for Argo CD as for browsers.
                let Rollout { namespace, name, .. } = ingress.rollout();
                variables.dex_service = format!("{name}.{namespace}");
            }
        }
        Ok(variables)
    }

    /// Remembers that Argo CD has become ready just now.
    pub fn saw_ready(&self) {
        *lock(&self.ready) = Some(Timestamp::now());
    }

    /// Since when Argo CD is ready, if this run has waited for it.
    pub fn ready_since(&self) -> Option<Timestamp> {
        *lock(&self.ready)
    }
}
