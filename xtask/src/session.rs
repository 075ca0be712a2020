//! What all goals of one run share: options, console, lab, cluster, what was done.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use local_lab::release::Release;
use tokio::sync::Mutex as AsyncMutex;

use crate::cli::{LabChoice, Options};
use crate::cluster::Cluster;
use crate::console::Console;
use crate::error::{Error, Result};
use crate::lab::{Access, Lab, LocalLab};
use crate::names::Workload;
use crate::programs::Program;
use crate::render::Sources;

/// The environment variable that names another folder for the lab's state.
const FOLDER: &str = "OIDC_LAB_DIR";

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
    /// The lab's folder.
    pub folder: PathBuf,
    cluster: AsyncMutex<Option<Cluster>>,
    /// Since when this run has seen a component ready.
    ready: Mutex<HashMap<Workload, Timestamp>>,
    /// What the named binaries said of themselves: Argo CD's, Dex's.
    binaries: AsyncMutex<[Option<Program>; 2]>,
    /// Held while a lab is being started, so that an interrupted run can wait for the
    /// start to end before it takes the lab down.
    starting: Arc<Mutex<()>>,
    /// This run started the lab, and it is not complete yet.
    unfinished: Arc<AtomicBool>,
}

impl Session {
    /// A session in the checkout that this program was built from.
    ///
    /// # Errors
    /// `--lab kind`, which this version does not have.
    pub fn new(options: Options, console: Arc<Console>) -> Result<Self> {
        if options.lab == LabChoice::Kind {
            return Err(Error::environment("this version has no kind lab yet")
                .hint("`--lab local` runs on this machine, without containers"));
        }
        let folder = lab_folder(&checkout());
        Ok(Self::at(folder, options, console))
    }

    /// A session about the local lab of a folder.
    pub fn at(folder: PathBuf, options: Options, console: Arc<Console>) -> Self {
        Self {
            lab: Lab::Local(LocalLab::new(&folder)),
            folder,
            sources: Sources::new(checkout()),
            options,
            console,
            cluster: AsyncMutex::default(),
            ready: Mutex::default(),
            binaries: AsyncMutex::default(),
            starting: Arc::default(),
            unfinished: Arc::default(),
        }
    }

    /// How to reach the lab.
    ///
    /// # Errors
    /// It is not up.
    pub fn access(&self) -> Result<Access> {
        self.lab.find().ok_or_else(|| {
            Error::environment("no lab is up")
                .hint("`cargo xtask working` or `cargo xtask broken` brings one up")
        })
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
        let access = self.access()?;
        let connected = Cluster::connect(&access.kubeconfig, &access.context).await?;
        *cluster = Some(connected.clone());
        Ok(connected)
    }

    /// Brings the lab up, or finds it up. Says which.
    ///
    /// # Errors
    /// It does not come up.
    pub async fn start_lab(&self) -> Result<&'static str> {
        let (lab, port) = (self.lab.clone(), self.options.port);
        let (starting, unfinished) = (self.starting.clone(), self.unfinished.clone());
        let started = tokio::task::spawn_blocking(move || {
            let _starting = starting.lock().unwrap_or_else(PoisonError::into_inner);
            let started = lab.start(port)?;
            if started.fresh {
                unfinished.store(true, Ordering::Release);
            }
            Ok::<_, Error>(started)
        });
        let started =
            started.await.map_err(|error| Error::environment(format!("starting the lab: {error}")))??;
        *self.cluster.lock().await = None;
        Ok(if started.fresh { "started" } else { "already up" })
    }

    /// Takes the lab down. Says whether there was one.
    ///
    /// # Errors
    /// It cannot be stopped or its folder cannot be removed.
    pub async fn stop_lab(&self) -> Result<bool> {
        let lab = self.lab.clone();
        *self.cluster.lock().await = None;
        let stopped = tokio::task::spawn_blocking(move || lab.stop()).await;
        self.complete();
        stopped.map_err(|error| Error::environment(format!("stopping the lab: {error}")))?
    }

    /// The lab that this run started has all its parts: from now on an interrupt
    /// leaves it up.
    pub fn complete(&self) {
        self.unfinished.store(false, Ordering::Release);
    }

    /// Takes down a lab that this run started and did not complete.
    pub fn clean_up(&self) {
        let _starting = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
        if self.unfinished.load(Ordering::Acquire) && self.lab.stop().is_ok() {
            self.console.note("the half-made lab was taken down");
        }
    }

    /// The program to install as a component: the one that an option names, else the
    /// one that is there, else the stand-in for the default release.
    ///
    /// # Errors
    /// The cluster does not answer, or a named binary cannot be run.
    pub async fn chosen(&self, workload: Workload) -> Result<Program> {
        if let Some(program) = self.named(workload).await? {
            return Ok(program);
        }
        let installed = match self.lab.find() {
            Some(_) => self.program(workload).await?,
            None => None,
        };
        Ok(installed.unwrap_or_else(|| match workload {
            Workload::Argocd => Program::stand_in_argocd(&Release::default()),
            Workload::Dex => Program::stand_in_dex(),
        }))
    }

    /// The program that the options name, if they do. A binary is asked for its version once.
    async fn named(&self, workload: Workload) -> Result<Option<Program>> {
        let (binary, place) = match workload {
            Workload::Argocd => (&self.options.argocd_bin, 0),
            Workload::Dex => (&self.options.dex_bin, 1),
        };
        let release = self.options.argocd.as_ref().filter(|_| workload == Workload::Argocd);
        let Some(binary) = binary else { return Ok(release.map(Program::stand_in_argocd)) };
        let mut asked = self.binaries.lock().await;
        if let Some(program) = &asked[place] {
            return Ok(Some(program.clone()));
        }
        let path = binary.clone();
        let program = tokio::task::spawn_blocking(move || Program::of_binary(workload, &path)).await;
        let mut program = program.map_err(|error| Error::environment(error.to_string()))??;
        if let Some(release) = release {
            program = program.judged_as(release)?;
        }
        asked[place] = Some(program.clone());
        Ok(Some(program))
    }

    /// Remembers that a component has become ready just now.
    pub fn saw_ready(&self, workload: Workload) {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).insert(workload, Timestamp::now());
    }

    /// Since when a component is ready, if this run has waited for it.
    pub fn ready_since(&self, workload: Workload) -> Option<Timestamp> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).get(&workload).copied()
    }

    /// What runs as a component of the lab, if it is installed.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub async fn program(&self, workload: Workload) -> Result<Option<Program>> {
        let cluster = self.cluster().await?;
        let deployment = cluster.find_deployment(workload).await?;
        Ok(deployment.as_ref().and_then(Program::of_deployment))
    }
}

/// The checkout: cargo names it to what it runs, and a program run by hand knows
/// where it was built.
pub fn checkout() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    // This package is the folder `xtask` of the checkout.
    package.parent().map_or_else(|| PathBuf::from("."), Path::to_owned)
}

fn lab_folder(root: &Path) -> PathBuf {
    match std::env::var_os(FOLDER).filter(|folder| !folder.is_empty()) {
        Some(folder) => std::path::absolute(&folder).unwrap_or_else(|_| folder.into()),
        None => {
            let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
            // A relative target folder is relative to the checkout.
            root.join(target.unwrap_or_else(|| "target".into())).join("lab")
        }
    }
}
