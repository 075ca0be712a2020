//! The lab's folder: what is where, and whether the lab that it describes still lives.
//!
//! A pid says little: it may belong to somebody else by now. The lab's process
//! holds a lock on a file for as long as it lives, and the kernel lets go of it
//! however the process ends. Who asks takes that lock too, for a moment and with
//! others who ask; what cannot be asked is an error, and never a lab that is down.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use base::files::{make_private_folder, write_private};
use base::folder::{Contents, Folder, failed, no_lock};
use base::locks::{self, Mode};
use base::{Error, Result};
use local_cluster::workloads;

/// Goes up when an older binary could not work with what stands in the folder.
const FORMAT: u32 = 1;

/// How long a lab waits for its lock: who asks has it for a moment only.
const ASKED: Duration = Duration::from_secs(1);

/// What a lab, or what brings it up, puts into its folder.
const ENTRIES: [&str; 12] = [
    "alive.lock",
    "audit.log",
    "audit.log.1",
    "browser",
    "ca.crt",
    "ca.key",
    "kubeconfig",
    "lab.json",
    "lab.log",
    "logs",
    "processes",
    "timings.json",
];

const CONTENTS: Contents =
    Contents { known: |name| ENTRIES.contains(&name.strip_suffix(".part").unwrap_or(name)), older: is_older };

/// Whether a program that knew no markers has, or had, a lab in a folder.
pub fn is_older(folder: &Path) -> bool {
    ["lab.json", "alive.lock"].iter().all(|name| folder.join(name).is_file())
}

/// The folder of a local lab.
#[derive(Clone, Debug)]
pub struct Home {
    folder: Folder,
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
    /// Where the ingress ends TLS, if it does.
    #[serde(default)]
    pub tls: Option<SocketAddr>,
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
        Self { folder: Folder::new(folder, CONTENTS) }
    }

    /// The folder.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The kubeconfig, readable by its owner only.
    pub fn kubeconfig(&self) -> PathBuf {
        self.file("kubeconfig")
    }

    /// Where container logs are.
    pub fn logs(&self) -> PathBuf {
        self.file("logs")
    }

    /// Where the lab's real processes have their files, and what is known of them.
    pub fn processes(&self) -> PathBuf {
        self.file("processes")
    }

    /// What the lab's own process printed.
    pub fn log(&self) -> PathBuf {
        self.file("lab.log")
    }

    /// Who asked the cluster API for what.
    pub fn audit(&self) -> PathBuf {
        self.file("audit.log")
    }

    fn description(&self) -> PathBuf {
        self.file("lab.json")
    }

    fn alive(&self) -> PathBuf {
        self.file("alive.lock")
    }

    /// Makes the folder the lab's, for its owner only, and what belongs into it.
    ///
    /// # Errors
    /// It is somebody's own, or cannot be made or written.
    pub fn create(&self) -> Result<()> {
        self.folder.claim()?;
        make_private_folder(&self.logs()).map_err(|error| failed(&self.logs(), "written", error))
    }

    /// Whether a lab runs here.
    ///
    /// # Errors
    /// The folder is somebody's own, or the lab's lock cannot be asked.
    pub fn state(&self) -> Result<State> {
        if !self.folder.is_ours()? || self.wait_until_down(Duration::ZERO)? {
            return Ok(State::Down);
        }
        let description = fs::read(self.description()).unwrap_or_default();
        Ok(match serde_json::from_slice::<Description>(&description) {
            Ok(description) if description.format == FORMAT && !description.ending => State::Up(description),
            Ok(description) => State::Unclear(Some(description.pid)),
            // One that is starting.
            Err(_) => State::Unclear(fs::read_to_string(self.alive()).ok().and_then(|pid| pid.parse().ok())),
        })
    }

    /// Takes the lab's place: holds the lock until the file is dropped. Blocks.
    ///
    /// # Errors
    /// Another lab lives here, or the folder cannot be written.
    pub fn live(&self) -> Result<File> {
        let lock = self.lock(Mode::Exclusive, ASKED).map_err(|error| self.no_lock(error))?;
        let mut file = lock.ok_or_else(|| self.lives())?;
        let mut said = || {
            // What a killed lab said of itself is not true of this one.
            match fs::remove_file(self.description()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            file.set_len(0)?;
            write!(file, "{}", std::process::id())
        };
        said().map_err(|error| failed(&self.alive(), "written", error))?;
        Ok(file)
    }

    /// Waits until no lab lives here, and says whether that is so within the limit. Blocks.
    ///
    /// # Errors
    /// The lab's lock cannot be asked.
    pub fn wait_until_down(&self, limit: Duration) -> Result<bool> {
        match self.lock(Mode::Shared, limit) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            lock => Ok(lock.map_err(|error| self.no_lock(error))?.is_some()),
        }
    }

    fn lock(&self, mode: Mode, limit: Duration) -> io::Result<Option<File>> {
        locks::take(&self.alive(), mode, limit)
    }

    fn no_lock(&self, error: io::Error) -> Error {
        no_lock(&self.alive(), error)
    }

    fn lives(&self) -> Error {
        Error::environment(format!("another lab runs in {}", self.folder.path().display()))
            .hint("`cargo xtask status` says whether it can be used")
    }

    /// Writes what a running lab says of itself.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn describe(
        &self,
        build: &str,
        api: SocketAddr,
        ingress: SocketAddr,
        tls: Option<SocketAddr>,
    ) -> io::Result<Description> {
        let (pid, build) = (std::process::id(), build.to_owned());
        let description = Description { format: FORMAT, pid, build, api, ingress, tls, ending: false };
        self.say(&description)?;
        Ok(description)
    }

    /// Writes that the lab is ending: whoever told it to stop may be gone by now, and who
    /// comes next is not to take it for one that is up.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn withdraw(&self, description: Description) -> io::Result<()> {
        self.say(&Description { ending: true, ..description })
    }

    fn say(&self, description: &Description) -> io::Result<()> {
        write_private(&self.description(), serde_json::to_string_pretty(description)?.as_bytes())
    }

    /// Removes what a lab that is down left behind, processes first: how to find them stands
    /// in the folder, which stays. Says whether there was anything.
    ///
    /// # Errors
    /// A lab lives here, or something in the folder cannot be removed.
    pub fn clear(&self) -> Result<bool> {
        self.vacate(Folder::clear)
    }

    /// The same, and removes the folder too if it was made for the lab.
    ///
    /// # Errors
    /// A lab lives here, or something in the folder cannot be removed.
    pub fn remove(&self) -> Result<bool> {
        self.vacate(Folder::remove)
    }

    fn vacate(&self, act: fn(&Folder) -> Result<bool>) -> Result<bool> {
        if !self.folder.is_ours()? {
            return Ok(false);
        }
        // Held meanwhile, so that no lab begins in a folder that is being cleared.
        let _down = match self.lock(Mode::Shared, Duration::ZERO) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            lock => Some(lock.map_err(|error| self.no_lock(error))?.ok_or_else(|| self.lives())?),
        };
        workloads::sweep(&self.processes());
        act(&self.folder)
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

    fn address() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 1))
    }

    #[test]
    fn a_lab_is_up_while_its_lock_is_held_and_down_after() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path().join("lab"));
        let own = Some(std::process::id());
        assert_eq!(home.state().unwrap(), State::Down);
        home.create().unwrap();
        assert_eq!(home.state().unwrap(), State::Down);
        let alive = home.live().unwrap();
        assert_eq!(home.state().unwrap(), State::Unclear(own));
        let description = home.describe("b", address(), address(), None).unwrap();
        assert_eq!(home.state().unwrap(), State::Up(description.clone()));
        home.withdraw(description).unwrap();
        assert_eq!(home.state().unwrap(), State::Unclear(own));
        for error in [home.live().map(drop), home.clear().map(drop), home.remove().map(drop)] {
            assert!(error.unwrap_err().to_string().starts_with("another lab runs in "));
        }
        assert!(!home.wait_until_down(Duration::from_millis(10)).unwrap());
        drop(alive);
        // Another test may just begin a program, which holds what is open here until it runs.
        assert!(home.wait_until_down(Duration::from_secs(10)).unwrap());
        assert_eq!(home.state().unwrap(), State::Down);
        assert!(home.remove().unwrap());
        assert!(!home.folder().path().exists());
    }

    #[test]
    fn two_who_ask_take_each_other_for_no_lab_and_keep_none_from_starting() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path().join("lab"));
        home.create().unwrap();
        home.live().unwrap();
        let asking = home.lock(Mode::Shared, ASKED).unwrap().unwrap();
        assert_eq!(home.state().unwrap(), State::Down);
        assert!(home.wait_until_down(Duration::ZERO).unwrap());
        let starting = std::thread::spawn({
            let home = home.clone();
            move || home.live()
        });
        drop(asking);
        let _alive = starting.join().unwrap().unwrap();
        assert_ne!(home.state().unwrap(), State::Down);
    }

    #[test]
    fn a_lock_that_cannot_be_asked_is_an_error_and_never_a_lab_that_is_down() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path().join("lab"));
        home.create().unwrap();
        std::os::unix::fs::symlink(home.alive(), home.alive()).unwrap();
        let errors = [
            home.state().map(drop),
            home.wait_until_down(ASKED).map(drop),
            home.live().map(drop),
            home.clear().map(drop),
            home.remove().map(drop),
        ];
        for error in errors {
            assert!(error.unwrap_err().to_string().contains("alive.lock cannot be locked: "));
        }
        assert!(home.logs().exists());
    }

    #[test]
    fn a_folder_as_an_older_program_left_it_is_the_labs() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        fs::create_dir(home.logs()).unwrap();
        fs::write(home.log(), "").unwrap();
        fs::write(home.alive(), "").unwrap();
        assert!(home.state().is_err());
        // As v0.1.0 wrote it.
        let text = r#"{"format":1,"pid":4000000,"build":"1-2","api":"127.0.0.1:1","ingress":"127.0.0.1:2"}"#;
        fs::write(home.description(), text).unwrap();
        assert_eq!(home.state().unwrap(), State::Down);
        let alive = File::open(home.alive()).unwrap();
        alive.lock().unwrap();
        assert!(matches!(home.state().unwrap(), State::Up(found) if found.pid == 4_000_000));
        drop(alive);
        assert!(home.wait_until_down(ASKED).unwrap());
        home.create().unwrap();
        home.clear().unwrap();
        assert_eq!(home.state().unwrap(), State::Down);
        assert!(home.remove().unwrap() && !folder.path().exists());
    }

    #[test]
    fn a_description_of_another_format_is_not_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        home.create().unwrap();
        let _alive = home.live().unwrap();
        let mut description = home.describe("b", address(), address(), None).unwrap();
        description.format = 99;
        write_private(&home.description(), serde_json::to_string(&description).unwrap().as_bytes()).unwrap();
        assert_eq!(home.state().unwrap(), State::Unclear(Some(std::process::id())));
    }
}
