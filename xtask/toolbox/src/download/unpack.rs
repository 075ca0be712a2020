//! Takes one program out of an archive: a release's `.tar.gz`, or a layer of an image.
//!
//! Nothing is ever written where an archive says: the content of the one wanted entry goes to
//! a path that the caller chose, and all other entries are only read past.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, ErrorKind, Read, Seek as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use tar::Archive;

use super::cache::remove;
use super::trouble::Trouble;

/// The largest program that is taken out, in bytes: Argo CD's has about 200 MB.
const PROGRAM: u64 = 1 << 30;
/// The most bytes that an archive may unpack to.
const ARCHIVE: u64 = 4 << 30;

/// Takes the file at `wanted` (no leading slash) out of an archive, and writes it to `to`.
/// Says whether there is one; where not, nothing is left at `to`.
///
/// # Errors
/// The archive is damaged or refused, or `to` cannot be written.
pub async fn unpack(archive: &Path, wanted: &str, to: &Path) -> Result<bool, Trouble> {
    let (archive, wanted, aside) = (archive.to_owned(), wanted.to_owned(), to.to_owned());
    let unpacked = tokio::task::spawn_blocking(move || {
        let found = take_out(&archive, &wanted, &aside);
        if !matches!(found, Ok(true)) {
            remove(&aside)?;
        }
        found
    });
    unpacked.await.map_err(|error| Trouble::disk(to, &io::Error::other(error)))?
}

fn take_out(archive: &Path, wanted: &str, to: &Path) -> Result<bool, Trouble> {
    let damaged = |error: io::Error| Trouble::Archive(format!("it is damaged ({error})"));
    let mut archive = Archive::new(open(archive)?.take(ARCHIVE));
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        if !is(&entry.path_bytes(), wanted) {
            continue;
        }
        let size = entry.size();
        if !entry.header().entry_type().is_file() {
            return Err(Trouble::Archive(format!("/{wanted} is not a file in it")));
        }
        if size > PROGRAM {
            return Err(Trouble::Archive(format!("/{wanted} claims to have {size} bytes")));
        }
        remove(to)?;
        let disk = |error: io::Error| Trouble::disk(to, &error);
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(to).map_err(disk)?;
        return match io::copy(&mut entry, &mut file) {
            Ok(copied) if copied == size => Ok(true),
            Ok(_) => Err(Trouble::Archive("it is cut off".into())),
            Err(error) => Err(match error.kind() {
                ErrorKind::InvalidInput | ErrorKind::InvalidData | ErrorKind::UnexpectedEof => damaged(error),
                _ => disk(error),
            }),
        };
    }
    Ok(false)
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

/// Whether an entry's name is this path. One that is absolute or leads up is no path of a program.
fn is(name: &[u8], wanted: &str) -> bool {
    let name = String::from_utf8_lossy(name);
    let parts = name.split('/').filter(|part| !matches!(*part, "" | "."));
    !name.starts_with('/') && parts.eq(wanted.split('/'))
}

#[cfg(test)]
#[path = "unpack_tests.rs"]
mod tests;
