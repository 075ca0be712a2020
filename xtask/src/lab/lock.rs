//! One goal at a time: two that change the same lab would each undo the other.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use base::folder::{Folder, failed, no_lock, with_suffix};
use base::locks::{self, Mode};
use rustix::process::{Pid, test_kill_process};

use base::{Error, Result};

/// How long a child of a process that was killed has to become its program: until then
/// it holds what its parent held.
const BECOMING: Duration = Duration::from_secs(5);

/// Held while goals run; let go of when it is dropped, however the process ends. Its file
/// goes with it: whoever waits for it sees that it is another's, or nobody's, by then.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Takes the lock beside a lab's folder.
    ///
    /// # Errors
    /// The folder is somebody's own, as may be a file of the lock's name; another
    /// `cargo xtask` holds it (the message names its process), or it cannot be written.
    pub fn take(folder: &Folder) -> Result<Self> {
        folder.is_ours()?;
        let path = with_suffix(folder.path(), ".lock");
        let failed = |error| failed(&path, "written", error);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        let take = |limit| {
            let error = |error: io::Error| match error.kind() {
                io::ErrorKind::Unsupported => no_lock(&path, error),
                _ => failed(error),
            };
            locks::take(&path, Mode::Exclusive, limit).map_err(error)
        };
        if let Some(file) = take(Duration::ZERO)? {
            return Self::held(path, file);
        }
        let holder = fs::read_to_string(&path).unwrap_or_default();
        if is_gone(&holder)
            && let Some(file) = take(BECOMING)?
        {
            return Self::held(path, file);
        }
        let holder = if holder.is_empty() { holder } else { format!(" (process {holder})") };
        Err(Error::environment(format!("another `cargo xtask` is working on this lab{holder}"))
            .hint("wait until it is done, or stop it with Ctrl-C"))
    }

    fn held(path: PathBuf, mut file: File) -> Result<Self> {
        let failed = |error| failed(&path, "written", error);
        let mut text = vec![];
        (&file).take(64).read_to_end(&mut text).map_err(failed)?;
        if !text.iter().all(u8::is_ascii_digit) {
            return Err(Error::environment(format!("{} is there and is not the lab's", path.display()))
                .hint("a lab in a folder of this name has its lock there; name another in OIDC_LAB_DIR"));
        }
        // Who holds it is only for the other's message; the lock itself is the kernel's.
        let _ = file.set_len(0);
        let _ = file.rewind();
        let _ = write!(file, "{}", std::process::id());
        Ok(Self { path, _file: file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While it is still held, so that it is nobody else's file.
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether the process that took the lock is no more.
fn is_gone(holder: &str) -> bool {
    let pid = holder.parse().ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid).is_err())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::LocalLab;

    #[test]
    fn the_second_is_told_who_holds_it() {
        let root = tempfile::tempdir().unwrap();
        let lab = LocalLab::new(root.path().join("lab"));
        let held = Lock::take(lab.own_folder()).unwrap();
        let error = Lock::take(lab.own_folder()).unwrap_err().to_string();
        assert!(error.contains(&format!("(process {})", std::process::id())), "{error}");
        drop(held);
        assert!(!root.path().join("lab.lock").exists());
        Lock::take(lab.own_folder()).unwrap();
    }

    #[test]
    fn each_folder_has_its_own() {
        let root = tempfile::tempdir().unwrap();
        let locks = ["l", "l.1", "l.2", ".l"].map(|name| {
            let lab = LocalLab::new(root.path().join(name));
            Lock::take(lab.own_folder()).unwrap()
        });
        assert!(locks.iter().all(|lock| lock.path.exists()));
        drop(locks);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_of_somebody_elses_is_not_written_to_and_stays() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("uv.lock");
        fs::write(&path, "version = 1").unwrap();
        let lab = LocalLab::new(root.path().join("uv"));
        assert!(Lock::take(lab.own_folder()).unwrap_err().to_string().contains("is not the lab's"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "version = 1");
        // One that a killed run left is no obstacle.
        fs::write(&path, "4000000").unwrap();
        Lock::take(lab.own_folder()).unwrap();
    }

    #[test]
    fn beside_a_folder_of_somebodys_own_there_is_none() {
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("own");
        fs::create_dir(&own).unwrap();
        fs::write(own.join("thesis"), "").unwrap();
        assert!(Lock::take(LocalLab::new(&own).own_folder()).is_err());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }
}
