//! What all goals of one run share: options, console, lab, cluster, what was done.

mod folders;
mod programs;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Mutex as AsyncMutex, OnceCell};

use crate::cli::{LabChoice, Options};
use crate::cluster::{Cluster, Observer};
use crate::console::{Console, Running};
use crate::lab::kind::{self, Kit};
use crate::lab::{Access, Choosing, Chosen, KindLab, Lab, LocalLab, Place, choose, sweep_beside};
use crate::names::Workload;
use crate::programs::Program;
use crate::render::{Sources, Variables};
use base::{Error, Result};

pub use folders::checkout;
use folders::{lab_folder, usual_folder};

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
    cluster: AsyncMutex<Option<Cluster>>,
    /// The outside programs of a lab on kind.
    kit: OnceCell<Arc<Kit>>,
    /// Since when this run has seen a component ready.
    ready: Mutex<HashMap<Workload, Timestamp>>,
    /// What the named binaries said of themselves: Argo CD's, Dex's.
    binaries: AsyncMutex<[Option<Program>; 2]>,
    /// Held while a lab is being started or stopped, so that an interrupted run can wait
    /// for that to end before it cleans up and leaves.
    changing: Arc<Mutex<()>>,
    /// This run started the lab, and it is not complete yet.
    unfinished: Arc<AtomicBool>,
}

impl Session {
    /// A session in the checkout that this program was built from. `creates`: whether
    /// its goals bring a lab up.
    ///
    /// # Errors
    /// Both labs are up and no option chooses one, or an option is of the other lab.
    pub fn new(options: Options, console: Arc<Console>, creates: bool) -> Result<Self> {
        let folder = lab_folder(&checkout());
        let local = LocalLab::new(&folder);
        let kind = KindLab::beside(&folder, &usual_folder(&checkout()));
        let place = match options.lab {
            LabChoice::Kind => Place::Kind,
            LabChoice::Local => Place::Local,
            LabChoice::Auto => {
                let choosing = Choosing {
                    kind: kind.is_there(),
                    local: local.is_there()?,
                    wants_kind: option_of(Place::Kind, &options).is_some(),
                    wants_local: option_of(Place::Local, &options).is_some(),
                    creates,
                };
                match choose(choosing, kind::answers)? {
                    Chosen::Place(place) => place,
                    Chosen::LocalBecause(reason) => {
                        console.note(&format!("on the local lab: {reason}"));
                        Place::Local
                    }
                }
            }
        };
        let other = if place == Place::Kind { Place::Local } else { Place::Kind };
        if let Some(option) = option_of(other, &options).filter(|_| creates) {
            let (is, has) = (place.name(), other.name());
            return Err(Error::usage(format!("{option} is of the {has} lab, and this is the {is} lab"))
                .hint(format!("leave it out, or choose the other with `--lab {has}`")));
        }
        Ok(match place {
            Place::Local => Self::at(folder, options, console),
            Place::Kind => {
                Self { lab: Lab::Kind(kind.clone()), ..Self::at(kind.folder().to_owned(), options, console) }
            }
        })
    }

    /// A session about the local lab of a folder.
    pub fn at(folder: PathBuf, options: Options, console: Arc<Console>) -> Self {
        Self {
            lab: Lab::Local(LocalLab::new(folder)),
            kit: OnceCell::new(),
            sources: Sources::new(checkout()),
            options,
            console,
            cluster: AsyncMutex::default(),
            ready: Mutex::default(),
            binaries: AsyncMutex::default(),
            changing: Arc::default(),
            unfinished: Arc::default(),
        }
    }

    /// How to reach the lab.
    ///
    /// # Errors
    /// It is not up.
    pub fn access(&self) -> Result<Access> {
        self.lab.find()?.ok_or_else(|| {
            let said = self.lab.ended().map_or_else(String::new, |said| format!(": {said}"));
            Error::environment(format!("no lab is up{said}"))
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
        let console = self.console.clone();
        let observer: Option<Observer> =
            console.shows(2).then(|| Arc::new(move |line: &str| console.detail(2, line)) as Observer);
        let connected = Cluster::connect_observed(&access.kubeconfig, &access.context, observer).await?;
        if let Lab::Kind(lab) = &self.lab {
            kind::owned(&connected, lab).await?;
        }
        *cluster = Some(connected.clone());
        Ok(connected)
    }

    /// Brings the lab up, or finds it up. Says which.
    ///
    /// # Errors
    /// It does not come up.
    pub async fn start_lab(&self) -> Result<&'static str> {
        let Lab::Local(lab) = &self.lab else {
            return Err(Error::usage("a lab on kind is not one process that could be started"));
        };
        if let Some(said) = lab.ended() {
            self.console.note(&format!("{said}; it is started anew"));
        }
        let (lab, port) = (lab.clone(), self.options.port);
        let (changing, unfinished) = (self.changing.clone(), self.unfinished.clone());
        let started = tokio::task::spawn_blocking(move || {
            let _changing = changing.lock().unwrap_or_else(PoisonError::into_inner);
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

    /// Takes the lab down, and what commands that were killed left up beside it. Says whether
    /// there was one.
    ///
    /// # Errors
    /// It cannot be stopped or its folder cannot be removed.
    pub async fn stop_lab(&self, running: &Running<'_>) -> Result<bool> {
        self.connect_anew().await;
        let stopped = match &self.lab {
            Lab::Kind(_) => kind::remove(self, running).await,
            Lab::Local(lab) => {
                let (lab, changing) = (lab.clone(), self.changing.clone());
                let stopped = tokio::task::spawn_blocking(move || {
                    let _changing = changing.lock().unwrap_or_else(PoisonError::into_inner);
                    let stopped = lab.stop();
                    sweep_beside(lab.own_folder().path());
                    stopped
                });
                let stopped = stopped.await;
                stopped.map_err(|error| Error::environment(format!("stopping the lab: {error}")))?
            }
        };
        self.complete();
        stopped
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

    /// The outside programs of a lab on kind, found once.
    ///
    /// # Errors
    /// No container engine answers, or a tool cannot be downloaded.
    pub async fn kit(&self, lab: &KindLab, running: &Running<'_>) -> Result<Arc<Kit>> {
        let find = async {
            let kit =
                Kit::find(lab, self.sources.root(), self.options.offline, &self.console, running).await?;
            // What a killed run left at work would get in the way of this one.
            for name in kit.children().end_all()? {
                self.console.note(&format!("  ended {name}, which a run that was killed had left at work"));
            }
            Ok::<_, Error>(Arc::new(kit))
        };
        self.kit.get_or_try_init(|| find).await.cloned()
    }

    /// Longest time to wait for a server that is starting.
    pub fn wait(&self) -> Duration {
        self.options.wait.unwrap_or(match self.lab.place() {
            Place::Kind => kind::WAIT,
            Place::Local => WAIT,
        })
    }

    /// What templates may use, of this lab.
    ///
    /// # Errors
    /// It is not up.
    pub fn variables(&self) -> Result<Variables> {
        let mut variables = Variables::new(self.access()?.ingress.port());
        if let Lab::Kind(lab) = &self.lab {
            lab.name().clone_into(&mut variables.cluster_name);
            lab.id().clone_into(&mut variables.lab_id);
            variables.ingress_class = self.choice(lab).ingress.class();
        }
        Ok(variables)
    }

    /// This run is about to make a lab.
    pub fn begun(&self) {
        self.unfinished.store(true, Ordering::Release);
    }

    /// The lab that this run started has all its parts: from now on an interrupt
    /// leaves it up.
    pub fn complete(&self) {
        self.unfinished.store(false, Ordering::Release);
    }

    /// Whether options ask for what only a lab on kind has.
    pub fn wants_kind(&self) -> bool {
        option_of(Place::Kind, &self.options).is_some()
    }

    /// Whether this run would leave nothing of the lab that was there before: it was not
    /// there, or is this run's own and not complete.
    pub fn is_fresh(&self) -> bool {
        let was_there = match &self.lab {
            Lab::Kind(lab) => lab.is_there(),
            // What cannot be asked may well be there.
            Lab::Local(lab) => lab.is_there().unwrap_or(true),
        };
        !was_there || self.unfinished.load(Ordering::Acquire)
    }

    /// Ends what still works for this run, and takes down a lab that it started and did
    /// not complete. Blocks.
    pub fn clean_up(&self) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kit) = self.kit.get() {
            let _ = kit.children().end_all();
        }
        if !self.unfinished.load(Ordering::Acquire) {
            if let Lab::Kind(lab) = &self.lab
                && !lab.is_there()
            {
                // Charts for a lab that did not come about.
                let _ = kind::clear(lab);
            }
            return;
        }
        if self.options.keep {
            self.console.note("the half-made lab was kept; `cargo xtask down` removes it");
            return;
        }
        if matches!(self.lab, Lab::Kind(_)) {
            self.console.note("taking the half-made lab down");
        }
        match self.abandon() {
            Ok(()) => self.console.note("the half-made lab was taken down"),
            Err(error) => self.console.error(&error),
        }
    }

    /// Takes the lab down, whatever there is of it, without a plan. Blocks.
    ///
    /// # Errors
    /// It cannot be stopped, or what is left cannot be removed.
    pub fn abandon(&self) -> Result<()> {
        match (&self.lab, self.kit.get()) {
            (Lab::Local(lab), _) => lab.stop().map(drop),
            (Lab::Kind(lab), Some(kit)) => {
                kind::abandon(lab, kit, &kind::typed(lab, self.sources.root(), kit, self.wait()))
            }
            // Nothing was run yet, so there is nothing to take down.
            (Lab::Kind(_), None) => Ok(()),
        }
    }

    /// Remembers that a component has become ready just now.
    pub fn saw_ready(&self, workload: Workload) {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).insert(workload, Timestamp::now());
    }

    /// Since when a component is ready, if this run has waited for it.
    pub fn ready_since(&self, workload: Workload) -> Option<Timestamp> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).get(&workload).copied()
    }
}

/// The first option given that only one of the labs has.
fn option_of(place: Place, options: &Options) -> Option<&'static str> {
    let given = match place {
        Place::Kind => [
            ("--argocd-image", options.argocd_image.is_some()),
            ("--ingress", options.ingress.is_some()),
            ("--node-image", options.node_image.is_some()),
        ]
        .to_vec(),
        Place::Local => [
            ("--argocd-bin", options.argocd_bin.is_some()),
            ("--dex-bin", options.dex_bin.is_some()),
            ("--real", options.real),
        ]
        .to_vec(),
    };
    given.into_iter().find_map(|(option, given)| given.then_some(option))
}
