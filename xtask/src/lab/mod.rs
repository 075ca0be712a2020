//! Where the stack runs. A lab brings a cluster up, takes it down, and says how to
//! reach it: a kubeconfig and an address. All else goes through [`crate::cluster`].

mod local;
mod lock;

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::error::Result;

pub use local::{LocalLab, Started, serve};
pub use lock::Lock;

/// The two places that a lab can be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On this machine, without containers.
    Local,
}

impl Place {
    /// The word in JSON, on the command line and in sentences (`the local lab`).
    pub fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
        }
    }
}

/// A lab of either place, up or not.
#[derive(Clone, Debug)]
pub enum Lab {
    /// On this machine, without containers.
    Local(LocalLab),
}

impl Lab {
    /// Where it is.
    pub fn place(&self) -> Place {
        match self {
            Self::Local(_) => Place::Local,
        }
    }

    /// How to reach it, if it is up.
    pub fn find(&self) -> Option<Access> {
        match self {
            Self::Local(lab) => lab.find(),
        }
    }

    /// Brings it up, or finds it up. Blocks.
    ///
    /// # Errors
    /// It does not come up.
    pub fn start(&self, port: Option<u16>) -> Result<Started> {
        match self {
            Self::Local(lab) => lab.start(port),
        }
    }

    /// Takes it down and removes what it left. `true` if there was one. Blocks.
    ///
    /// # Errors
    /// It cannot be stopped, or what is left cannot be removed.
    pub fn stop(&self) -> Result<bool> {
        match self {
            Self::Local(lab) => lab.stop(),
        }
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
