//! A local lab of a command's own, which is gone when the command is done with it.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::Options;
use crate::console::Console;
use crate::lab::{LocalLab, Lock};
use crate::session::{Session, beside};

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

/// A lab that is taken down when it is let go of, however that comes about.
pub struct OwnLab(Session);

impl OwnLab {
    /// The lab of a folder, which says nothing by itself.
    pub fn new(folder: PathBuf, options: Options) -> Self {
        Self(Session::at(folder, options, Arc::new(Console::silent())))
    }

    /// Takes it down, without keeping anybody else waiting.
    pub async fn done(self) {
        // It is taken down either way; only a runtime that ends does not wait for it.
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }
}

impl Deref for OwnLab {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.0
    }
}

impl Drop for OwnLab {
    fn drop(&mut self) {
        // A lab that could not be stopped is found, and said, by whoever comes next.
        let _ = self.0.abandon();
    }
}
