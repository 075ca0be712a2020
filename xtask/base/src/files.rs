//! Files and folders that only their owner may read.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Makes a folder, and those above it that are not there, for its owner only.
///
/// # Errors
/// It cannot be made.
pub fn make_private_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Writes a file that only its owner may read, whole or not at all.
///
/// # Errors
/// It cannot be written.
pub fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut partial = path.to_owned();
    partial.as_mut_os_string().push(".part");
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&partial)?;
    file.write_all(content)?;
    fs::rename(partial, path)
}

/// Writes a file that only its owner may read, and that is not there yet.
///
/// # Errors
/// It is there ([`io::ErrorKind::AlreadyExists`]), or cannot be written.
pub fn write_new_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?;
    file.write_all(content).inspect_err(|_| {
        // Half of it would be taken for all.
        let _ = fs::remove_file(path);
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_written_is_whole_and_nobody_elses_to_read() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        make_private_folder(&inner).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&inner), 0o700);
        let path = inner.join("file");
        write_private(&path, b"old").unwrap();
        write_private(&path, b"new").unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"new".to_vec(), 0o600));
        assert_eq!(fs::read_dir(&inner).unwrap().count(), 1, "nothing partial is left");
        let again = write_new_private(&path, b"newer").unwrap_err();
        assert_eq!((again.kind(), fs::read(&path).unwrap()), (io::ErrorKind::AlreadyExists, b"new".to_vec()));
        let other = inner.join("other");
        write_new_private(&other, b"new").unwrap();
        assert_eq!((fs::read(&other).unwrap(), mode(&other)), (b"new".to_vec(), 0o600));
    }
}
