//! One goal at a time: two that change the same lab would each undo the other.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, test_kill_process};

use base::{Error, Result};

/// Held while goals run; let go of when it is dropped, however the process ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock beside the lab's folder.
    ///
    /// # Errors
    /// Another `cargo xtask` holds it (the message names its process), or the folder
    /// cannot be written.
    pub fn take(folder: &Path) -> Result<Self> {
        let path = folder.with_extension("lock");
        let cannot = |error: std::io::Error| {
            Error::environment(format!("{} cannot be written: {error}", path.display())).hint(
                "the lab keeps its state there; make it writable, or name another folder in OIDC_LAB_DIR",
            )
        };
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(cannot)?;
        }
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(cannot)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(cannot(error)),
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                if is_gone(holder.trim()) && freed(&file) {
                    return Ok(Self::held(file));
                }
                let holder = match holder.trim() {
                    "" => String::new(),
                    pid => format!(" (process {pid})"),
                };
                return Err(Error::environment(format!(
                    "another `cargo xtask` is working on this lab{holder}"
                ))
                .hint("wait until it is done, or stop it with Ctrl-C"));
            }
        }
        Ok(Self::held(file))
    }

    fn held(mut file: File) -> Self {
        // Who holds it is only for the other's message; the lock itself is the kernel's.
        let _ = file.set_len(0);
        let _ = file.rewind();
        let _ = write!(file, "{}", std::process::id());
        Self { _file: file }
    }
}

/// Whether the process that took the lock is no more.
fn is_gone(holder: &str) -> bool {
    let pid = holder.parse().ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid).is_err())
}

/// How long a child of a process that was killed has to become its program: until then
/// it holds what its parent held.
const BECOMING: Duration = Duration::from_secs(5);

/// Waits until the lock is free, and takes it.
fn freed(file: &File) -> bool {
    let Ok(same) = file.try_clone() else { return false };
    let (free, wait) = std::sync::mpsc::channel();
    std::thread::spawn(move || free.send(same.lock().is_ok()));
    wait.recv_timeout(BECOMING).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let lab = folder.path().join("lab");
        let held = Lock::take(&lab).unwrap();
        let error = Lock::take(&lab).unwrap_err().to_string();
        assert!(error.contains(&format!("(process {})", std::process::id())), "{error}");
        drop(held);
        Lock::take(&lab).unwrap();
    }
}
