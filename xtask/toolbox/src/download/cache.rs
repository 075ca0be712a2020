//! The folder that keeps what was downloaded, shared by all labs and all checkouts.
//!
//! ```text
//! linux-amd64/kind-v0.33.0             a program
//! linux-amd64/.kind-v0.33.0.receipt    what it was held against
//! linux-amd64/.kind-v0.33.0.lock       held by the process that makes it
//! linux-amd64/.kind-v0.33.0.part       what has come so far: the next run goes on with it
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

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

/// What stands beside a file in the cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The SHA-256 of what was downloaded, which is what the project publishes and
    /// `tools.lock` holds: for an archive it is the archive's.
    pub downloaded: Sha256,
    /// The SHA-256 of the file itself.
    pub file: Sha256,
    /// The file's size in bytes.
    pub size: u64,
    /// When the file was last changed, in nanoseconds since 1970: with the size it
    /// tells without reading the file that it is the same.
    pub changed: u64,
}

/// The right to make a file: one process has it at a time.
#[derive(Debug)]
pub struct Claim {
    slot: Slot,
    _lock: File,
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

    fn beside(&self, suffix: &str) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        self.path.with_file_name(format!(".{name}.{suffix}"))
    }

    /// The receipt, if the file is there and is what the receipt says. A file whose
    /// size and time are not those of the receipt is read again. Blocks.
    pub fn find(&self) -> Option<Receipt> {
        let receipt: Receipt = serde_json::from_slice(&fs::read(self.beside("receipt")).ok()?).ok()?;
        let (size, changed) = size_and_time(&self.path).ok()?;
        let same = size == receipt.size
            && (changed == receipt.changed || Sha256::of_file(&self.path).ok()? == receipt.file);
        same.then_some(receipt)
    }

    /// Waits for the right to make the file. Another process that has it is waited
    /// for, and `progress` is told.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub async fn claim(&self, what: &str, progress: &dyn Progress) -> Result<Claim, Trouble> {
        let path = self.beside("lock");
        let cannot = |error: io::Error| Trouble::disk(&path, &error);
        make_private_folder(self.path.parent().unwrap_or(Path::new("/"))).map_err(cannot)?;
        let lock = match locks::take(&path, Mode::Exclusive, Duration::ZERO).map_err(cannot)? {
            Some(lock) => lock,
            None => {
                progress.note(&format!("another process is downloading {what}; waiting for it"));
                let held = path.clone();
                let wait = move || locks::take(&held, Mode::Exclusive, Duration::MAX);
                let lock = tokio::task::spawn_blocking(wait).await.map_err(io::Error::other);
                let lock = lock.and_then(|lock| lock).map_err(cannot)?;
                lock.ok_or_else(|| cannot(io::Error::other("its lock does not come")))?
            }
        };
        Ok(Claim { slot: self.clone(), _lock: lock })
    }
}

impl Claim {
    /// A place beside the file for what has come so far.
    pub fn part(&self) -> Part {
        Part(self.slot.beside("part"))
    }

    /// A place beside the file for one of several things that it is made from.
    pub fn part_of(&self, sha256: Sha256) -> Part {
        let name: String = sha256.to_string().chars().take(12).collect();
        Part(self.slot.beside(&format!("{name}.part")))
    }

    /// A place beside the file for what is unpacked and not yet complete.
    pub fn unpacked(&self) -> PathBuf {
        self.slot.beside("unpacked")
    }

    /// Makes a complete program the file of this place: whole or not at all.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn install(&self, made: &Path, downloaded: Sha256, file: Sha256) -> Result<(), Trouble> {
        let put = || {
            fs::set_permissions(made, fs::Permissions::from_mode(0o755))?;
            // The name must not survive a crash that the content does not.
            File::open(made)?.sync_all()?;
            let (size, changed) = size_and_time(made)?;
            let receipt = Receipt { downloaded, file, size, changed };
            // The receipt comes first: beside the old file it is wrong, and is then not believed.
            write_private(&self.slot.beside("receipt"), &serde_json::to_vec_pretty(&receipt)?)?;
            fs::rename(made, &self.slot.path)
        };
        put().map_err(|error: io::Error| Trouble::disk(&self.slot.path, &error))
    }
}

/// What has come so far of a file. Of which one nothing says: what is wrong in it is found out
/// when all has come, and then all of it is asked for anew.
#[derive(Clone, Debug)]
pub struct Part(PathBuf);

impl Part {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// How many bytes are here.
    pub fn here(&self) -> u64 {
        fs::metadata(&self.0).map_or(0, |file| file.len())
    }

    /// Opens it to be written from its start or its end.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn open(&self, from: u64) -> Result<File, Trouble> {
        let mut options = OpenOptions::new();
        options.create(true).mode(0o600).write(true).append(from > 0).truncate(from == 0);
        options.open(&self.0).map_err(|error| Trouble::disk(&self.0, &error))
    }

    /// Removes it.
    ///
    /// # Errors
    /// It is there and cannot be removed.
    pub fn remove(&self) -> Result<(), Trouble> {
        remove(&self.0)
    }
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

fn size_and_time(path: &Path) -> io::Result<(u64, u64)> {
    let file = fs::symlink_metadata(path)?;
    if !file.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let changed = file.modified()?.duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
    Ok((file.len(), u64::try_from(changed.as_nanos()).map_err(io::Error::other)?))
}
