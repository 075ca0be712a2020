//! The folder that keeps what was downloaded, shared by all labs and all checkouts.
//!
//! ```text
//! linux-amd64/kind-v0.33.0             a program
//! linux-amd64/.kind-v0.33.0.receipt    where it came from and what it was held against
//! linux-amd64/.kind-v0.33.0.lock       held by the process that makes it
//! linux-amd64/.kind-v0.33.0.part       what has come so far
//! linux-amd64/.kind-v0.33.0.part.of    of what: the next run goes on with it
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::progress::Progress;
use super::sha256::Sha256;
use super::trouble::Trouble;

/// The place of one file in the cache, whether it is there or not.
#[derive(Clone, Debug)]
pub struct Slot {
    path: PathBuf,
}

/// What stands beside a file in the cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Where it came from, for people.
    pub url: String,
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
        if let Some(folder) = self.path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(cannot)?;
        }
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(cannot)?;
        let lock = match lock.try_lock() {
            Ok(()) => lock,
            Err(TryLockError::Error(error)) => return Err(cannot(error)),
            Err(TryLockError::WouldBlock) => {
                progress.note(&format!("another process is downloading {what}; waiting for it"));
                let wait = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock));
                wait.await.map_err(io::Error::other).and_then(|locked| locked).map_err(cannot)?
            }
        };
        Ok(Claim { slot: self.clone(), _lock: lock })
    }
}

impl Claim {
    /// A place beside the file for what has come so far.
    pub fn part(&self) -> Part {
        Part::new(self.slot.beside("part"))
    }

    /// A place beside the file for one of several things that it is made from.
    pub fn part_of(&self, sha256: Sha256) -> Part {
        let name: String = sha256.to_string().chars().take(12).collect();
        Part::new(self.slot.beside(&format!("{name}.part")))
    }

    /// A place beside the file for what is unpacked and not yet complete.
    pub fn unpacked(&self) -> PathBuf {
        self.slot.beside("unpacked")
    }

    /// Makes a complete file the one of this place: whole or not at all.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn install(
        &self,
        made: &Path,
        mode: u32,
        url: String,
        downloaded: Sha256,
        file: Sha256,
    ) -> Result<(), Trouble> {
        self.put(made, mode, url, downloaded, file).map_err(|error| Trouble::disk(&self.slot.path, &error))
    }

    fn put(&self, made: &Path, mode: u32, url: String, downloaded: Sha256, file: Sha256) -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(made, fs::Permissions::from_mode(mode))?;
        // The name must not survive a crash that the content does not.
        File::open(made)?.sync_all()?;
        let (size, changed) = size_and_time(made)?;
        let receipt = Receipt { url, downloaded, file, size, changed };
        // The receipt comes first: beside the old file it is wrong, and is then not believed.
        write(&self.slot.beside("receipt"), &serde_json::to_vec_pretty(&receipt)?)?;
        fs::rename(made, &self.slot.path)
    }
}

/// What has come so far of a file.
#[derive(Clone, Debug)]
pub struct Part {
    path: PathBuf,
    of: PathBuf,
}

/// Of which file a [`Part`] is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Of {
    /// What the whole file has to be.
    pub sha256: Sha256,
    /// The server's name for this state of the file, if it gave a strong one.
    pub etag: Option<String>,
}

impl Part {
    /// A part at this path, described beside it.
    fn new(path: PathBuf) -> Self {
        let mut of = path.clone();
        of.as_mut_os_string().push(".of");
        Self { path, of }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many bytes of the file with this SHA-256 are here, and the server's name
    /// for it. What is here of another file counts for nothing.
    pub fn here(&self, sha256: Sha256) -> (u64, Option<String>) {
        let of = fs::read(&self.of).ok().and_then(|text| serde_json::from_slice::<Of>(&text).ok());
        match of {
            Some(of) if of.sha256 == sha256 => {
                (fs::metadata(&self.path).map_or(0, |file| file.len()), of.etag)
            }
            _ => (0, None),
        }
    }

    /// Opens it to be written from its start (and says of what it is) or its end.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn open(&self, from: u64, of: &Of) -> Result<File, Trouble> {
        let open = || {
            let mut options = OpenOptions::new();
            options.create(true).mode(0o600);
            if from == 0 {
                // The old bytes must be gone before anything says that they are of this file.
                let file = options.write(true).truncate(true).open(&self.path)?;
                write(&self.of, &serde_json::to_vec(of)?)?;
                return Ok(file);
            }
            options.append(true).open(&self.path)
        };
        open().map_err(|error: io::Error| Trouble::disk(&self.path, &error))
    }

    /// Removes it.
    ///
    /// # Errors
    /// It is there and cannot be removed.
    pub fn remove(&self) -> Result<(), Trouble> {
        for path in [&self.path, &self.of] {
            remove(path)?;
        }
        Ok(())
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

/// Writes a small file, whole or not at all.
///
/// # Errors
/// The folder cannot be written.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut partial = path.to_owned();
    partial.as_mut_os_string().push(".new");
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&partial)?;
    file.write_all(content)?;
    fs::rename(partial, path)
}

fn size_and_time(path: &Path) -> io::Result<(u64, u64)> {
    let file = fs::symlink_metadata(path)?;
    if !file.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let changed = file.modified()?.duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
    Ok((file.len(), u64::try_from(changed.as_nanos()).map_err(io::Error::other)?))
}
