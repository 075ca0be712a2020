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

use crate::cli::{Goal, LabChoice, Options};
use crate::cluster::{Cluster, Observer};
use crate::console::{Console, Running};
use crate::lab::kind::{self, Kit};
use crate::lab::{Access, Choosing, KindLab, Lab, LocalLab, choose, sweep_beside};
use crate::names::{Place, Workload};
use crate::programs::Program;
use crate::render::{Sources, Variables};
use base::interrupt;
use base::{Error, Result};

pub use folders::checkout;
use folders::{lab_folder, usual_folder};

/// Longest time to wait for a server that is starting on this machine.
const WAIT: Duration = Duration::from_secs(60);

/// What is said where nobody chose a lab and none was there.
const OTHERS: &str = "a local lab of stand-ins; others: `--real` (the released programs), `--lab kind` (the real cluster in containers)";

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
    /// A session in the checkout that this program was built from, for these goals.
    ///
    /// # Errors
    /// Both labs are there and no option chooses one, or an option is of the other lab.
    pub async fn new(options: Options, console: Arc<Console>, goals: &[Goal]) -> Result<Self> {
        let creates = goals.iter().any(|goal| matches!(goal, Goal::Working | Goal::Broken | Goal::Reproduce));
        let folder = lab_folder(&checkout());
        let local = LocalLab::new(&folder);
        let mut kind = KindLab::beside(&folder, &usual_folder(&checkout()));
        let place = match options.lab {
            LabChoice::Kind => Place::Kind,
            LabChoice::Local => Place::Local,
            LabChoice::Auto => choose(Choosing {
                kind: kind.is_there(),
                local: local.is_there()?,
                wants_kind: option_of(Place::Kind, &options).is_some(),
            })?,
        };
        let nothing = options.lab == LabChoice::Auto && place == Place::Local && !local.is_there()?;
        let lost = match nothing && goals.contains(&Goal::Down) {
            true => kind.lost().await,
            false => None,
        };
        let place = if lost.is_some() { Place::Kind } else { place };
        kind = lost.unwrap_or(kind);
        let other = if place == Place::Kind { Place::Local } else { Place::Kind };
        if let Some(option) = option_of(other, &options).filter(|_| creates) {
            let (is, has) = (place.name(), other.name());
            return Err(Error::usage(format!("{option} is of the {has} lab, and this is the {is} lab"))
                .hint(format!("leave it out, or choose the other with `--lab {has}`")));
        }
        let chosen = option_of(Place::Local, &options).is_some();
        if nothing && place == Place::Local && creates && !chosen && !options.dry_run {
            console.note(OTHERS);
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
            for name in lab.end_children().await? {
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
    pub async fn variables(&self) -> Result<Variables> {
        let mut variables = Variables::new(self.access().await?.ingress.port());
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

    /// Ends what still works for this run, and takes down a lab that it started and did
    /// not complete. Says whether it took one down.
    pub async fn clean_up(&self) -> bool {
        let console = &self.console;
        if interrupt::heard() && matches!(self.lab, Lab::Kind(_)) {
            console
                .note("interrupted: cleaning up; Ctrl-C again kills what runs, a third time leaves at once");
        }
        if let Lab::Kind(lab) = &self.lab
            && let Err(error) = lab.end_children().await
        {
            // Without the lab's folder nobody would know of it any more.
            console.note(&format!("nothing was cleaned up: {error}"));
            return false;
        }
        // A local lab that is being started or stopped is so by then.
        drop(self.changing.lock().unwrap_or_else(PoisonError::into_inner));
        if !self.unfinished.load(Ordering::Acquire) {
            if let Lab::Kind(lab) = &self.lab
                && !lab.is_there()
            {
                // Charts for a lab that did not come about.
                let _ = kind::clear(lab);
            }
            return false;
        }
        if self.options.keep {
            console.note("the half-made lab was kept; `cargo xtask down` removes it");
            return false;
        }
        let outcome = match &self.lab {
            Lab::Local(_) => self.abandon(),
            Lab::Kind(lab) => self.abandon_kind(lab).await,
        };
        match &outcome {
            Ok(()) => console.note("the half-made lab was taken down"),
            Err(error) => console.note(&format!(
                "the half-made lab was not taken down: {}; `cargo xtask down` removes what is left",
                error.message()
            )),
        }
        outcome.is_ok()
    }

    async fn abandon_kind(&self, lab: &KindLab) -> Result<()> {
        // Where nothing was run there is nothing to take down.
        let Some(kit) = self.kit.get() else { return Ok(()) };
        self.console.note("taking the half-made lab down");
        let running = self.console.step("down", "taking the half-made lab down");
        let place = kind::typed(lab, self.sources.root(), kit, self.wait());
        kind::abandon(lab, kit, &place, &running).await
    }

    /// Takes a local lab down, whatever there is of it, without a plan. Blocks.
    ///
    /// # Errors
    /// It cannot be stopped, or what is left cannot be removed.
    pub fn abandon(&self) -> Result<()> {
        match &self.lab {
            Lab::Local(lab) => lab.stop().map(drop),
            Lab::Kind(_) => Ok(()),
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
