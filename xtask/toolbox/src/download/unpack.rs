//! Takes one program out of an archive: a release's `.tar.gz`, or a layer of an image.
//!
//! Nothing is ever written where an archive says. The content of the one wanted entry
//! goes to a path that the caller chose; all other entries are only read past. What
//! looks like an attempt to lead elsewhere is refused all the same.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use tar::{Archive, Entry, EntryType};

use super::cache::remove;
use super::sha256::{Hasher, Sha256};
use super::trouble::Trouble;

/// The largest program that is taken out, in bytes: Argo CD's has about 200 MB.
const PROGRAM: u64 = 1 << 30;
/// The most bytes that an archive may unpack to.
const ARCHIVE: u64 = 4 << 30;

/// What an archive says of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The file was there and has been taken out.
    File(Unpacked),
    /// This layer removes what layers below it have at this path.
    Removed,
    /// Nothing.
    Nothing,
}

impl Found {
    /// The file, which has to be there.
    ///
    /// # Errors
    /// It is not.
    pub fn file(self, wanted: &str) -> Result<Unpacked, Trouble> {
        match self {
            Self::File(file) => Ok(file),
            Self::Removed | Self::Nothing => Err(Trouble::Archive(format!("there is no /{wanted} in it"))),
        }
    }
}

/// A file that was taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unpacked {
    /// Its SHA-256.
    pub sha256: Sha256,
    /// Its size in bytes.
    pub size: u64,
}

/// Takes the file at `wanted` (no leading slash) out of an archive, and writes it to
/// `to`. Blocks.
///
/// # Errors
/// The archive is damaged or refused, or `to` cannot be written.
pub fn unpack(archive: &Path, wanted: &str, to: &Path) -> Result<Found, Trouble> {
    let source = open(archive)?;
    let mut search = Search { wanted, to, file: None, removed: false };
    let mut archive = Archive::new(source.take(ARCHIVE));
    let damaged = |error: io::Error| Trouble::Archive(format!("it is damaged ({error})"));
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let name = entry.path_bytes().into_owned();
        search.look_at(&name, &mut entry)?;
    }
    let mut rest = archive.into_inner();
    // What follows the end mark is only padding; reading it checks the sum of the whole.
    io::copy(&mut rest, &mut io::sink()).map_err(damaged)?;
    if rest.limit() == 0 {
        return Err(Trouble::Archive("it unpacks to more than any program needs".into()));
    }
    Ok(match (search.file, search.removed) {
        (Some(file), _) => Found::File(file),
        (None, true) => Found::Removed,
        (None, false) => Found::Nothing,
    })
}

/// Opens an archive, compressed or not.
fn open(path: &Path) -> Result<Box<dyn Read>, Trouble> {
    let cannot = |error: io::Error| Trouble::disk(path, &error);
    let mut file = File::open(path).map_err(cannot)?;
    let mut magic = vec![];
    (&mut file).take(4).read_to_end(&mut magic).map_err(cannot)?;
    file.rewind().map_err(cannot)?;
    let file = BufReader::with_capacity(128 * 1024, file);
    match magic[..] {
        [0x1f, 0x8b, ..] => Ok(Box::new(MultiGzDecoder::new(file))),
        [0x28, 0xb5, 0x2f, 0xfd] => {
            Err(Trouble::Archive("it is compressed with zstd, which this program cannot read".into()))
        }
        _ => Ok(Box::new(file)),
    }
}

struct Search<'a> {
    wanted: &'a str,
    to: &'a Path,
    file: Option<Unpacked>,
    removed: bool,
}

impl Search<'_> {
    fn look_at(&mut self, name: &[u8], entry: &mut Entry<'_, impl Read>) -> Result<(), Trouble> {
        let Some(path) = plain(name)? else { return Ok(()) };
        let kind = entry.header().entry_type();
        if path == self.wanted {
            return self.take(kind, entry);
        }
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", &path));
        let above = |path: &str| {
            path.is_empty() || self.wanted.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'))
        };
        if let Some(gone) = file.strip_prefix(".wh.") {
            let gone = if folder.is_empty() { gone.to_owned() } else { format!("{folder}/{gone}") };
            let opaque = file == ".wh..wh..opq" && above(folder);
            self.removed |= opaque || gone == self.wanted || above(&gone);
        } else if above(&path) && !kind.is_dir() {
            return Err(Trouble::Archive(format!(
                "/{path}, a folder above /{}, is {} in it",
                self.wanted,
                word(kind)
            )));
        }
        Ok(())
    }

    fn take(&mut self, kind: EntryType, entry: &mut Entry<'_, impl Read>) -> Result<(), Trouble> {
        if !kind.is_file() {
            return Err(Trouble::Archive(format!("/{} is {} in it, not a file", self.wanted, word(kind))));
        }
        if self.file.is_some() {
            return Err(Trouble::Archive(format!("/{} is in it twice", self.wanted)));
        }
        let size = entry.size();
        if size > PROGRAM {
            return Err(Trouble::Archive(format!("/{} claims to have {size} bytes", self.wanted)));
        }
        remove(self.to)?;
        let disk = |error: io::Error| Trouble::disk(self.to, &error);
        let mut file =
            OpenOptions::new().create_new(true).write(true).mode(0o600).open(self.to).map_err(disk)?;
        let mut hasher = Hasher::default();
        let mut buffer = vec![0; 128 * 1024];
        let mut left = size;
        while left > 0 {
            let read = entry.read(&mut buffer);
            match read.map_err(|error| Trouble::Archive(format!("it is damaged ({error})")))? {
                0 => return Err(Trouble::Archive("it is cut off".into())),
                read => {
                    hasher.update(&buffer[..read]);
                    file.write_all(&buffer[..read]).map_err(disk)?;
                    left = left.saturating_sub(read as u64);
                }
            }
        }
        self.file = Some(Unpacked { sha256: hasher.finish(), size });
        Ok(())
    }
}

/// A path without `./` and a slash at its end; nothing for the archive's root.
fn plain(name: &[u8]) -> Result<Option<String>, Trouble> {
    let name = String::from_utf8_lossy(name);
    if name.starts_with('/') {
        return Err(Trouble::Archive("it has an absolute path in it".into()));
    }
    let mut parts = vec![];
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => return Err(Trouble::Archive("it has a path with .. in it".into())),
            part => parts.push(part),
        }
    }
    Ok((!parts.is_empty()).then(|| parts.join("/")))
}

fn word(kind: EntryType) -> &'static str {
    match kind {
        EntryType::Symlink => "a symbolic link",
        EntryType::Link => "a hard link",
        EntryType::Directory => "a folder",
        kind if kind.is_file() => "a file",
        _ => "something special",
    }
}

#[cfg(test)]
#[path = "unpack_tests.rs"]
mod tests;
