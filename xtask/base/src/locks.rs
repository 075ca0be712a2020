//! Locks on files, which the kernel lets go of however their holder ends.
//!
//! Whoever got one looks whether its file is still the one of that name: it may have been
//! removed, and made anew for somebody else, while it was waited for.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Who else may have the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Others that ask. The file has to be there.
    Shared,
    /// Nobody. The file is made if it is not there.
    Exclusive,
}

/// Takes the lock, waiting no longer than `limit`; `None` if another has it until then.
/// It is let go of when the file is dropped. Blocks.
///
/// # Errors
/// The file cannot be opened, or not be locked at all.
pub fn take(path: &Path, mode: Mode, limit: Duration) -> io::Result<Option<File>> {
    let at_once = lock(path, mode, false)?;
    if at_once.is_some() || limit.is_zero() {
        return Ok(at_once);
    }
    let (got, wait) = mpsc::channel();
    let path = path.to_owned();
    // Who waited too long is gone when it gets it, and it is let go of at once.
    thread::spawn(move || got.send(lock(&path, mode, true)));
    wait.recv_timeout(limit).unwrap_or(Ok(None))
}

/// Takes the lock, if need be after others; `None` if it does not wait and another has it.
fn lock(path: &Path, mode: Mode, waits: bool) -> io::Result<Option<File>> {
    loop {
        let file = open(path, mode)?;
        let locked = match (mode, waits) {
            (Mode::Shared, false) => file.try_lock_shared(),
            (Mode::Shared, true) => file.lock_shared().map_err(TryLockError::Error),
            (Mode::Exclusive, false) => file.try_lock(),
            (Mode::Exclusive, true) => file.lock().map_err(TryLockError::Error),
        };
        match locked {
            Ok(()) if is_still(&file, path)? => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) if error.kind() != io::ErrorKind::Interrupted => {
                return Err(error);
            }
            _ => {}
        }
    }
}

fn open(path: &Path, mode: Mode) -> io::Result<File> {
    match mode {
        Mode::Shared => File::open(path),
        Mode::Exclusive => {
            OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).open(path)
        }
    }
}

/// Whether a path still names the file.
fn is_still(file: &File, path: &Path) -> io::Result<bool> {
    let named = match path.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        named => named?,
    };
    let file = file.metadata()?;
    Ok((file.dev(), file.ino()) == (named.dev(), named.ino()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(50);

    fn path() -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        (folder, path)
    }

    #[test]
    fn those_that_ask_are_in_nobodys_way_but_a_holders() {
        let (_folder, path) = path();
        assert_eq!(take(&path, Mode::Shared, LONG).unwrap_err().kind(), io::ErrorKind::NotFound);
        let held = take(&path, Mode::Exclusive, Duration::ZERO).unwrap().unwrap();
        assert!(take(&path, Mode::Shared, Duration::ZERO).unwrap().is_none());
        assert!(take(&path, Mode::Exclusive, SHORT).unwrap().is_none());
        drop(held);
        // A program that another test begins just now holds what was open here until it runs.
        let asking = [LONG, Duration::ZERO].map(|limit| take(&path, Mode::Shared, limit).unwrap().unwrap());
        assert!(take(&path, Mode::Exclusive, SHORT).unwrap().is_none());
        // Who waits gets it when the last of them has gone.
        let (begun, waiting) = mpsc::channel();
        let holder = thread::spawn(move || {
            begun.send(()).unwrap();
            take(&path, Mode::Exclusive, LONG).unwrap().is_some()
        });
        waiting.recv().unwrap();
        drop(asking);
        assert!(holder.join().unwrap());
    }

    #[test]
    fn the_lock_of_a_file_that_was_removed_meanwhile_is_none() {
        let (_folder, path) = path();
        let first = take(&path, Mode::Exclusive, LONG).unwrap().unwrap();
        let (asker, holder) = (path.clone(), path.clone());
        // It lets go of what it gets, or it could be before the holder at the new file, and in its way.
        let asking = thread::spawn(move || take(&asker, Mode::Shared, LONG).map(|it| it.is_some()));
        let holding = thread::spawn(move || take(&holder, Mode::Exclusive, LONG).unwrap().unwrap());
        // Removed by who holds it; what they waited for is no longer the lock.
        fs::remove_file(&path).unwrap();
        drop(first);
        let second = holding.join().unwrap();
        assert!(is_still(&second, &path).unwrap());
        assert!(take(&path, Mode::Exclusive, Duration::ZERO).unwrap().is_none());
        // Whoever asks learns of the new holder's end, or that there was nothing.
        drop(second);
        let asked = asking.join().unwrap();
        assert!(asked.unwrap_or_else(|error| error.kind() == io::ErrorKind::NotFound));
    }

    #[test]
    fn an_error_is_not_taken_for_a_lock_of_somebody_else() {
        let (_folder, path) = path();
        std::os::unix::fs::symlink(&path, &path).unwrap();
        for mode in [Mode::Shared, Mode::Exclusive] {
            assert_ne!(take(&path, mode, LONG).unwrap_err().kind(), io::ErrorKind::NotFound);
        }
    }
}
