//! The profile of a browser in a folder of the program's: it goes with the folder, and so does the
//! browser that has it open, which would write into it while it goes.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::{Error, Result};

/// What the folder calls it.
const FOLDER: &str = "browser";
/// What a browser names its process in, as a link's target: Chromium's, and Firefox's.
const LOCKS: [&str; 2] = ["SingletonLock", "lock"];
/// How long a browser may take to close: it asks nobody, and writes its profile.
const CLOSING: Duration = Duration::from_secs(10);
/// Between two looks at whether it has.
const PAUSE: Duration = Duration::from_millis(20);

/// The profile that browsers on a lab have, in the lab's folder.
#[derive(Clone, Debug)]
pub struct Profile(PathBuf);

impl Profile {
    /// That of a lab's folder.
    pub fn of(folder: &Path) -> Self {
        Self(folder.join(FOLDER))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The process that has it open.
    pub fn holder(&self) -> Option<Pid> {
        LOCKS.iter().find_map(|lock| {
            // `HOST-PID`, and Firefox's `ADDRESS:+PID`.
            let target = fs::read_link(self.0.join(lock)).ok()?;
            let pid = Pid::from_raw(target.to_str()?.rsplit(['-', '+']).next()?.parse().ok()?)?;
            // What a killed browser left behind may name somebody else's process by now.
            let names_it = arguments(pid)?.contains(self.0.to_str()?);
            names_it.then_some(pid)
        })
    }

    /// Closes the browser that has it open, and one that takes it then, and removes it. Blocks.
    ///
    /// # Errors
    /// The browser does not end, or something in it cannot be removed.
    pub fn remove(&self) -> Result<()> {
        let folder = self.0.display();
        while let Some(pid) = self.holder() {
            let gone = [Signal::TERM, Signal::KILL].into_iter().any(|signal| {
                let _told = kill_process(pid, signal);
                ended(pid)
            });
            if !gone {
                return Err(Error::environment(format!("the browser that has {folder} open does not close"))
                    .hint("close it, then run `cargo xtask down` again"));
            }
        }
        let until = Instant::now() + CLOSING;
        loop {
            match fs::remove_dir_all(&self.0) {
                // What the browser started notices a little later that it is gone, and writes until then.
                Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty && Instant::now() < until => {
                    sleep(PAUSE);
                }
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(Error::environment(format!("{folder} cannot be removed: {error}")));
                }
                _ => return Ok(()),
            }
        }
    }
}

/// Whether a process ends in time.
fn ended(pid: Pid) -> bool {
    let until = Instant::now() + CLOSING;
    while arguments(pid).is_some() {
        if Instant::now() > until {
            return false;
        }
        sleep(PAUSE);
    }
    true
}

/// The command line of a process that lives.
#[cfg(target_os = "linux")]
fn arguments(pid: Pid) -> Option<String> {
    let line = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).ok()?;
    // Of one that has ended and is not yet waited for, nothing is left.
    (!line.is_empty()).then(|| String::from_utf8_lossy(&line).replace('\0', " "))
}

/// The command line of a process that lives.
#[cfg(not(target_os = "linux"))]
fn arguments(pid: Pid) -> Option<String> {
    let pid = pid.as_raw_nonzero().to_string();
    let shell = xshell::Shell::new().ok()?;
    let asked = xshell::cmd!(shell, "ps -o args= -p {pid}").quiet().ignore_stderr().read();
    asked.ok().filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_profile_goes_and_the_browser_that_has_it_open_and_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let profile = Profile::of(folder.path());
        profile.remove().unwrap();
        let started = |argument: &Path| {
            let mut command = Command::new("sh");
            command.args(["-c", "read line"]).arg(argument).stdin(Stdio::piped()).spawn().unwrap()
        };
        let lock = profile.path().join("SingletonLock");
        fs::create_dir(profile.path()).unwrap();
        let mut other = started(Path::new("--user-data-dir=/elsewhere"));
        symlink(format!("a-host-{}", other.id()), &lock).unwrap();
        assert_eq!(profile.holder(), None);
        profile.remove().unwrap();
        assert!(other.try_wait().unwrap().is_none() && !profile.path().exists());
        fs::create_dir(profile.path()).unwrap();
        let mut browser = started(profile.path());
        symlink(format!("a-host-{}", browser.id()), &lock).unwrap();
        // A process that has ended stays until it is waited for, which is not this program's to do.
        let waited = std::thread::spawn(move || browser.wait().unwrap());
        profile.remove().unwrap();
        assert!(!waited.join().unwrap().success() && !profile.path().exists());
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
