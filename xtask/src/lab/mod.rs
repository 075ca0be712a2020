//! Where the stack runs. A lab brings a cluster up, takes it down, and says how to
//! reach it: a kubeconfig and an address. All else goes through [`cluster`].

mod authority;
pub mod browser;
mod local;
mod lock;
mod scratch_labs;

use std::path::Path;

use base::folder::Folder;
use base::{Error, Result};
use cluster::Access;
use cluster::names::Place;
use kind_lab::KindLab;

pub use authority::{Authority, Certificate};
pub use local::{LocalLab, serve};
pub use lock::Lock;
pub use scratch_labs::{OwnLabs, sweep_beside};

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
    pub async fn find(&self) -> Result<Option<Access>> {
        match self {
            Self::Kind(lab) => lab.find().await,
            Self::Local(lab) => lab.find(),
        }
    }
}

/// What the two labs of a folder are like, to choose between them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Choosing {
    /// The lab on kind is there: up, stopped or half-made.
    pub kind: bool,
    /// The local lab is there.
    pub local: bool,
    /// Options ask for what only kind has.
    pub wants_kind: bool,
}

/// Chooses a place for `--lab auto`: what options name, else the lab that is there, else
/// this machine. No container engine is asked, so that the same command does the same
/// everywhere.
///
/// # Errors
/// Both labs are there.
pub fn choose(choosing: Choosing) -> Result<Place> {
    let Choosing { kind, local, wants_kind } = choosing;
    match (kind, local) {
        _ if wants_kind => Ok(Place::Kind),
        (true, true) => Err(Error::usage("a local lab and a lab on kind are both up")
            .hint("say which one is meant: `--lab local` or `--lab kind`")),
        (true, false) => Ok(Place::Kind),
        (false, _) => Ok(Place::Local),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_takes_what_options_name_then_the_lab_that_is_there_then_this_machine() {
        let none = Choosing::default();
        for (choosing, place) in [
            (none, Place::Local),
            (Choosing { kind: true, ..none }, Place::Kind),
            (Choosing { local: true, ..none }, Place::Local),
            (Choosing { wants_kind: true, ..none }, Place::Kind),
            (Choosing { wants_kind: true, local: true, ..none }, Place::Kind),
            (Choosing { wants_kind: true, kind: true, local: true }, Place::Kind),
        ] {
            assert_eq!(choose(choosing).unwrap(), place, "{choosing:?}");
        }
        let error = choose(Choosing { kind: true, local: true, ..none }).unwrap_err();
        assert_eq!(error.exit.code(), 2);
    }
}
