//! Where the stack runs. A lab brings a cluster up, takes it down, and says how to
//! reach it: a kubeconfig and an address. All else goes through [`crate::cluster`].

mod beside;
pub mod kind;
mod local;
mod lock;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use base::folder::Folder;
use base::{Error, Result};

pub use beside::{OwnLabs, sweep_beside};
pub use kind::{ImageRef, KindLab};
pub use local::{LocalLab, serve};
pub use lock::Lock;

/// The two places that a lab can be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a cluster of containers.
    Kind,
    /// On this machine, without containers.
    Local,
}

impl Place {
    /// The word in JSON, on the command line and in sentences (`the local lab`).
    pub fn name(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::Local => "local",
        }
    }
}

/// A lab of either place, up or not.
#[derive(Clone, Debug)]
pub enum Lab {
    /// In a cluster of containers.
    Kind(KindLab),
    /// On this machine, without containers.
    Local(LocalLab),
}

impl Lab {
    /// Where it is.
    pub fn place(&self) -> Place {
        match self {
            Self::Kind(_) => Place::Kind,
            Self::Local(_) => Place::Local,
        }
    }

    /// Why it has ended by itself, if it did and said so.
    pub fn ended(&self) -> Option<String> {
        match self {
            Self::Kind(_) => None,
            Self::Local(lab) => lab.ended(),
        }
    }

    /// Where its state is.
    pub fn folder(&self) -> &Path {
        self.own_folder().path()
    }

    /// The same, with what tells whether it is the lab's.
    pub fn own_folder(&self) -> &Folder {
        match self {
            Self::Kind(lab) => lab.own_folder(),
            Self::Local(lab) => lab.own_folder(),
        }
    }

    /// How to reach it, if it is up.
    ///
    /// # Errors
    /// Its folder is somebody's own, or its lock cannot be asked.
    pub fn find(&self) -> Result<Option<Access>> {
        match self {
            Self::Kind(lab) => lab.find(),
            Self::Local(lab) => lab.find(),
        }
    }
}

/// What the two labs of a folder are like, to choose between them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Choosing {
    /// The lab on kind is there.
    pub kind: bool,
    /// The local lab is there.
    pub local: bool,
    /// Options ask for what only kind has.
    pub wants_kind: bool,
    /// Options ask for what only the local lab has.
    pub wants_local: bool,
    /// The goals bring a lab up.
    pub creates: bool,
}

/// What `--lab auto` comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Chosen {
    /// That place.
    Place(Place),
    /// The local lab, because the other cannot come up here, for this reason.
    LocalBecause(String),
}

/// Chooses a place for `--lab auto`; `answers` says whether a container engine does, and
/// is asked only where that matters.
///
/// # Errors
/// Both labs are up.
pub fn choose(choosing: Choosing, answers: impl FnOnce() -> Result<()>) -> Result<Chosen> {
    let Choosing { kind, local, wants_kind, wants_local, creates } = choosing;
    match (kind, local) {
        (true, true) => Err(Error::usage("a local lab and a lab on kind are both up")
            .hint("say which one is meant: `--lab local` or `--lab kind`")),
        (true, false) => Ok(Chosen::Place(Place::Kind)),
        (false, true) => Ok(Chosen::Place(Place::Local)),
        (false, false) if wants_kind => Ok(Chosen::Place(Place::Kind)),
        (false, false) if wants_local || !creates => Ok(Chosen::Place(Place::Local)),
        (false, false) => Ok(match answers() {
            Ok(()) => Chosen::Place(Place::Kind),
            Err(error) => Chosen::LocalBecause(error.message().to_owned()),
        }),
    }
}

/// How to reach a lab that is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// A kubeconfig of the lab's own.
    pub kubeconfig: PathBuf,
    /// The context in it.
    pub context: String,
    /// The ingress.
    pub ingress: SocketAddr,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_takes_the_lab_that_is_up_then_kind_if_an_engine_answers_then_local() {
        let none = Choosing { creates: true, ..Choosing::default() };
        let dead = || Err(Error::environment("docker is dead"));
        let asked = || -> Result<()> { panic!("the engine is not to be asked") };
        for (choosing, place) in [
            (Choosing { kind: true, ..none }, Place::Kind),
            (Choosing { local: true, ..none }, Place::Local),
            (Choosing { creates: false, ..none }, Place::Local),
            (Choosing { wants_kind: true, ..none }, Place::Kind),
            (Choosing { wants_local: true, ..none }, Place::Local),
        ] {
            assert_eq!(choose(choosing, asked).unwrap(), Chosen::Place(place), "{choosing:?}");
        }
        assert_eq!(choose(none, || Ok(())).unwrap(), Chosen::Place(Place::Kind));
        assert_eq!(choose(none, dead).unwrap(), Chosen::LocalBecause("docker is dead".into()));
        let error = choose(Choosing { kind: true, local: true, ..none }, asked).unwrap_err();
        assert_eq!(error.exit.code(), 2);
    }
}
