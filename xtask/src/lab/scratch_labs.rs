//! The labs that commands have for themselves, beside the one lab: where they are, and how
//! those that were left up are taken down.

use std::fs;
use std::path::{Path, PathBuf};

use base::folder::{Contents, Folder, with_suffix};
use local_lab::home;

use super::{Lab, LocalLab, Lock};
use base::Result;

/// The commands that have labs of their own.
const COMMANDS: [&str; 3] = ["faults", "matrix", "compare"];

/// Each lab in it has a folder, and a marker, of its own, and is removed with that.
const LABS: Contents = Contents { known: |_| false, older: holds_older };

/// The folder of a command's own labs, which is that command's alone while this is held.
/// It goes, with the labs that are left in it, when this is dropped.
#[derive(Debug)]
pub struct OwnLabs {
    folder: Folder,
    _lock: Lock,
}

impl OwnLabs {
    /// Takes the folder of a command beside that of the one lab, without what a killed run
    /// left in it. Blocks.
    ///
    /// # Errors
    /// One of both folders is somebody's own, or the command is at work already.
    pub fn of(lab: &Lab, command: &str) -> Result<Self> {
        lab.own_folder().is_ours()?;
        let own = Self::take(lab.folder(), command)?;
        own.folder.claim()?;
        Ok(own)
    }

    fn take(lab: &Path, command: &str) -> Result<Self> {
        let folder = Folder::new(with_suffix(lab, &format!("-{command}")), LABS);
        let own = Self { _lock: Lock::take(&folder)?, folder };
        own.sweep();
        Ok(own)
    }

    /// Where a lab of this name is.
    pub fn lab(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn sweep(&self) {
        if !matches!(self.folder.is_ours(), Ok(true)) || self.folder.claim().is_err() {
            return;
        }
        for entry in fs::read_dir(self.folder.path()).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                // One that cannot be stopped is found, and said, by whoever wants its place.
                let _ = LocalLab::new(entry.path()).stop();
            }
        }
        let _ = self.folder.remove();
    }
}

impl Drop for OwnLabs {
    fn drop(&mut self) {
        self.sweep();
    }
}

/// Takes down what commands that were killed left up beside the lab of a folder, whose lock
/// is held. Those that are still at work keep theirs. Blocks.
pub fn sweep_beside(lab: &Path) {
    for command in COMMANDS {
        if with_suffix(lab, &format!("-{command}")).exists() {
            drop(OwnLabs::take(lab, command));
        }
    }
    if lab.extension().is_none() {
        // Where older programs had the lab of `faults`, under the lock of this one.
        let _ = LocalLab::new(lab.with_extension("faults")).stop();
    }
}

/// Whether a folder is one of labs that a program made which knew no markers.
fn holds_older(folder: &Path) -> bool {
    fs::read_dir(folder)
        .is_ok_and(|mut entries| entries.all(|entry| entry.is_ok_and(|entry| home::is_older(&entry.path()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_labs_are_taken_out_of_a_folder_of_labs() {
        let root = tempfile::tempdir().unwrap();
        let lab = Lab::Local(LocalLab::new(root.path().join("l.1")));
        let own = OwnLabs::of(&lab, "matrix").unwrap();
        assert_eq!(own.lab("a"), root.path().join("l.1-matrix/a"));
        assert!(OwnLabs::of(&lab, "matrix").unwrap_err().to_string().contains("another `cargo xtask`"));
        LocalLab::new(own.lab("a")).own_folder().claim().unwrap();
        fs::create_dir(own.lab("mine")).unwrap();
        fs::write(own.lab("mine").join("notes"), "").unwrap();
        let mine = own.lab("mine/notes");
        drop(own);
        assert!(mine.exists() && !root.path().join("l.1-matrix/a").exists());
        fs::remove_dir_all(root.path().join("l.1-matrix/mine")).unwrap();
        sweep_beside(lab.folder());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }
}
