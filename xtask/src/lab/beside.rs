//! The labs that commands have for themselves, beside the one lab: where they are, and how
//! those that were left up are taken down.

use std::fs;
use std::path::{Path, PathBuf};

use super::{LocalLab, Lock};

/// The folder of a command's own labs, beside that of the one lab.
pub fn beside(lab: &Path, what: &str) -> PathBuf {
    let mut folder = lab.to_owned();
    folder.as_mut_os_string().push(format!("-{what}"));
    folder
}

/// Takes down the labs below a folder that a command which was killed left up there. Who
/// calls holds the folder's lock. Blocks.
pub fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            // One that cannot be stopped is found, and said, by whoever wants its place.
            let _ = LocalLab::new(entry.path()).stop();
        }
    }
    let _ = fs::remove_dir(folder);
}

/// Takes down what commands that were killed left up beside the lab of a folder, whose lock
/// is held. Those that are still at work keep theirs. Blocks.
pub fn sweep_beside(lab: &Path) {
    let _ = LocalLab::new(faults_folder(lab)).stop();
    for folder in ["matrix", "compare"].map(|command| beside(lab, command)) {
        if folder.exists()
            && let Ok(_lock) = Lock::take(&folder)
        {
            sweep(&folder);
        }
    }
}

/// Where `faults` has its lab, under the lock of the lab of `folder`.
pub fn faults_folder(lab: &Path) -> PathBuf {
    lab.with_extension("faults")
}
