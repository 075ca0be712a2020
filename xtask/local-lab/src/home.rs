//! The lab's folder: what is where, and whether the lab that it describes still lives.
//!
//! A pid says little: it may belong to somebody else by now. The lab's process
//! holds a lock on a file for as long as it lives, and the kernel lets go of it
//! however the process ends.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use local_cluster::workloads;

/// Goes up when an older binary could not work with what stands in the folder.
const FORMAT: u32 = 1;

/// The folder of a local lab.
#[derive(Clone, Debug)]
pub struct Home {
    folder: PathBuf,
}

/// What a running lab says of itself (`lab.json`). It holds no secret: the token
/// stands in the kubeconfig only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// The folder's format.
    pub format: u32,
    /// The lab's process.
    pub pid: u32,
    /// Which build of the program it runs; see [`build_id`].
    pub build: String,
    /// The cluster API's address.
    pub api: SocketAddr,
    /// The ingress's address.
    pub ingress: SocketAddr,
    /// It was told to stop, and can no longer be used.
    #[serde(default)]
    pub ending: bool,
}

/// What stands in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing is running.
    Down,
    /// A lab runs and can be used.
    Up(Description),
    /// A lab's process runs, but has not said (or no longer says) where; its pid if known.
    Unclear(Option<u32>),
}

impl Home {
    /// The lab of this folder, which need not exist.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The kubeconfig, readable by its owner only.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    /// Where container logs are.
    pub fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }

    /// Where the lab's real processes have their files, and what is known of them.
    pub fn processes(&self) -> PathBuf {
        self.folder.join("processes")
    }

    /// What the lab's own process printed.
    pub fn log(&self) -> PathBuf {
        self.folder.join("lab.log")
    }

    /// Who asked the cluster API for what.
    pub fn audit(&self) -> PathBuf {
        self.folder.join("audit.log")
    }

    fn description(&self) -> PathBuf {
        self.folder.join("lab.json")
    }

    fn alive(&self) -> PathBuf {
        self.folder.join("alive.lock")
    }

    /// Makes the folder, for its owner only, and what belongs into it.
    ///
    /// # Errors
    /// It cannot be made or written.
    pub fn create(&self) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(self.logs())
    }

    /// Whether a lab runs here.
    pub fn state(&self) -> State {
        match self.try_alive() {
            Ok(_) => return State::Down,
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(_)) => return State::Down,
        }
        let Ok(text) = fs::read(self.description()) else { return State::Unclear(None) };
        match serde_json::from_slice::<Description>(&text) {
            Ok(description) if description.format == FORMAT && !description.ending => State::Up(description),
            Ok(description) => State::Unclear(Some(description.pid)),
            Err(_) => State::Unclear(None),
        }
    }

    /// Opens the file whose lock says that the lab lives, locked.
    fn try_alive(&self) -> Result<File, TryLockError> {
        let file = File::open(self.alive()).map_err(TryLockError::Error)?;
        file.try_lock()?;
        Ok(file)
    }

    /// Takes the lab's place: holds the lock until the file is dropped.
    ///
    /// # Errors
    /// Another lab lives here, or the folder cannot be written.
    pub fn live(&self) -> io::Result<File> {
        let file =
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(self.alive())?;
        file.try_lock().map_err(|error| match error {
            TryLockError::Error(error) => error,
            TryLockError::WouldBlock => io::Error::other("another lab runs in this folder"),
        })?;
        Ok(file)
    }

    /// Waits until the lab that lives here is gone. Blocks.
    ///
    /// # Errors
    /// The lock file cannot be read.
    pub fn wait_until_down(&self) -> io::Result<()> {
        match File::open(self.alive()) {
            Ok(file) => file.lock(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Writes what a running lab says of itself.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn describe(&self, build: &str, api: SocketAddr, ingress: SocketAddr) -> io::Result<Description> {
        let (pid, build) = (std::process::id(), build.to_owned());
        let description = Description { format: FORMAT, pid, build, api, ingress, ending: false };
        self.write(&self.description(), serde_json::to_string_pretty(&description)?.as_bytes())?;
        Ok(description)
    }

    /// Writes that the lab is ending: whoever told it to stop may be gone by now, and who
    /// comes next is not to take it for one that is up.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn withdraw(&self, description: Description) -> io::Result<()> {
        let ending = Description { ending: true, ..description };
        self.write(&self.description(), serde_json::to_string_pretty(&ending)?.as_bytes())
    }

    /// Writes a file that only its owner may read, whole or not at all.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let mut partial = path.to_owned();
        partial.as_mut_os_string().push(".part");
        let mut file =
            OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&partial)?;
        file.write_all(content)?;
        fs::rename(partial, path)
    }

    /// Removes what a lab that is down left behind: processes first, then the folder.
    ///
    /// # Errors
    /// Something in the folder cannot be removed.
    pub fn clear(&self) -> io::Result<()> {
        workloads::sweep(&self.processes());
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// Names the running program's build by its file's size and time, so that a lab
/// started by an older build is told apart from one of this build.
pub fn build_id() -> String {
    let read = || -> io::Result<String> {
        let file = fs::metadata(std::env::current_exe()?)?;
        let changed = file.modified()?.duration_since(std::time::UNIX_EPOCH).map_err(io::Error::other)?;
        Ok(format!("{}-{}", file.len(), changed.as_nanos()))
    };
    read().unwrap_or_else(|_| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lab_is_up_while_its_lock_is_held_and_down_after() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path().join("lab"));
        assert_eq!(home.state(), State::Down);
        home.create().unwrap();
        let alive = home.live().unwrap();
        assert_eq!(home.state(), State::Unclear(None));
        assert!(home.live().is_err());
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let description = home.describe("b", address, address).unwrap();
        assert_eq!(home.state(), State::Up(description.clone()));
        home.withdraw(description).unwrap();
        assert_eq!(home.state(), State::Unclear(Some(std::process::id())));
        drop(alive);
        assert_eq!(home.state(), State::Down);
        home.wait_until_down().unwrap();
        home.clear().unwrap();
        assert!(!home.folder().exists());
    }

    #[test]
    fn a_description_of_another_format_is_not_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        home.create().unwrap();
        let _alive = home.live().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut description = home.describe("b", address, address).unwrap();
        description.format = 99;
        home.write(&home.description(), serde_json::to_string(&description).unwrap().as_bytes()).unwrap();
        assert_eq!(home.state(), State::Unclear(Some(std::process::id())));
    }
}
