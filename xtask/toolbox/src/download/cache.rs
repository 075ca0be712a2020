//! The folder that keeps what was downloaded, shared by all labs and all checkouts.
//!
//! ```text
//! linux-amd64/kind-v0.33.0             a program
//! linux-amd64/.kind-v0.33.0.receipt    what it was held against
//! linux-amd64/.kind-v0.33.0.lock       held by the process that makes it
//! linux-amd64/.kind-v0.33.0.part       what has come so far: the next run goes on with it
//! ```

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::progress::Progress;
use super::sha256::Sha256;
use super::trouble::Trouble;
use base::files::{make_private_folder, write_private};
use base::locks::{self, Mode};

/// The place of one file in the cache, whether it is there or not.
#[derive(Clone, Debug)]
pub struct Slot {
    path: PathBuf,
}

impl Slot {
    /// The place of a file in a folder of the cache.
    pub fn new(cache: &Path, folder: &str, name: &str) -> Self {
        Self { path: cache.join(folder).join(name) }
    }

    /// Where the file is or will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A place beside the file: `part` for what has come so far, `unpacked` for what is not yet complete.
    pub fn beside(&self, suffix: &str) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        self.path.with_file_name(format!(".{name}.{suffix}"))
    }

    /// Of the file, if it is there: the SHA-256 of what was downloaded, which is what the
    /// project publishes and `tools.lock` holds. Of a program in an archive it is the archive's.
    pub fn find(&self) -> Option<Sha256> {
        let receipt: Value = serde_json::from_slice(&fs::read(self.beside("receipt")).ok()?).ok()?;
        let downloaded = Sha256::parse(receipt["downloaded"].as_str()?)?;
        self.path.is_file().then_some(downloaded)
    }

    /// Waits for the right to make the file: one process has it at a time. Another that has it
    /// is waited for, and `progress` is told.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub async fn claim(&self, what: &str, progress: &dyn Progress) -> Result<File, Trouble> {
        let path = self.beside("lock");
        let cannot = |error: io::Error| Trouble::disk(&path, &error);
        make_private_folder(self.path.parent().unwrap_or(Path::new("/"))).map_err(cannot)?;
        if let Some(lock) = locks::take(&path, Mode::Exclusive, Duration::ZERO).map_err(cannot)? {
            return Ok(lock);
        }
        progress.note(&format!("another process is downloading {what}; waiting for it"));
        let held = path.clone();
        let wait = move || locks::take(&held, Mode::Exclusive, Duration::MAX);
        let lock = tokio::task::spawn_blocking(wait).await.map_err(io::Error::other);
        let lock = lock.and_then(|lock| lock).map_err(cannot)?;
        lock.ok_or_else(|| cannot(io::Error::other("its lock does not come")))
    }

    /// A place beside the file for one of several things that it is made from.
    pub fn part_of(&self, sha256: Sha256) -> PathBuf {
        let name: String = sha256.to_string().chars().take(12).collect();
        self.beside(&format!("{name}.part"))
    }

    /// Makes a complete program the file of this place: whole or not at all.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn install(&self, made: &Path, downloaded: Sha256) -> Result<(), Trouble> {
        let put = || {
            fs::set_permissions(made, fs::Permissions::from_mode(0o755))?;
            // The name must not survive a crash that the content does not.
            File::open(made)?.sync_all()?;
            fs::rename(made, &self.path)?;
            // Last: a run that ends before leaves a file that is not believed, and made anew.
            let receipt = json!({"downloaded": downloaded.to_string()});
            write_private(&self.beside("receipt"), receipt.to_string().as_bytes())
        };
        put().map_err(|error: io::Error| Trouble::disk(&self.path, &error))
    }
}

/// How many bytes of a file are here.
pub fn bytes_of(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |file| file.len())
}

/// Removes a file that may not be there.
///
/// # Errors
/// It is there and cannot be removed.
pub fn remove(path: &Path) -> Result<(), Trouble> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Trouble::disk(path, &error)),
        _ => Ok(()),
    }
}
