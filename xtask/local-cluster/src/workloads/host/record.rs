//! Which processes a lab has started, for the one that comes after a crash.
//!
//! A pid alone says little: by the time somebody reads it, it may be another's. So a
//! record holds the process's start time too, and only a process that has both is ended.

use std::fs;
use std::io;
use std::path::Path;

use base::files::write_new_private;
use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};

/// How records' names end.
pub(super) const EXTENSION: &str = "process";

#[derive(Serialize, Deserialize)]
struct Record {
    pid: i32,
    born: String,
}

/// Notes the leader of a process group.
pub(super) fn write(path: &Path, pid: i32) -> io::Result<()> {
    let born = born(pid).ok_or_else(|| io::Error::other("the process has no start time"))?;
    write_new_private(path, serde_json::to_string(&Record { pid, born })?.as_bytes())
}

/// Kills the process group of a record, if its leader is still the one that was noted,
/// and forgets it.
pub(super) fn end(path: &Path) {
    let record = fs::read(path).ok().and_then(|text| serde_json::from_slice::<Record>(&text).ok());
    if let Some(Record { pid, born }) = record
        && self::born(pid).is_some_and(|now| now == born)
        && let Some(pid) = Pid::from_raw(pid)
    {
        let _ = kill_process_group(pid, Signal::KILL);
    }
    let _ = fs::remove_file(path);
}

/// Ends what a lab that was killed left running. `folder` is the one that it gave to
/// [`host_process`](super::host_process); it need not exist. Call it only when no lab
/// uses that folder.
pub fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().extension().is_some_and(|it| it == EXTENSION) {
            end(&entry.path());
        }
    }
}

/// When a process was born, in words that no other process of the same pid has.
#[cfg(target_os = "linux")]
fn born(pid: i32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything; after it, the start is the 20th field, in
    // clock ticks since the boot that this id names.
    let ticks = stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?;
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    Some(format!("{}/{ticks}", boot.trim()))
}

/// When a process was born, to the second: another one of the same pid in the same
/// second would need all pids used up within it.
#[cfg(not(target_os = "linux"))]
fn born(pid: i32) -> Option<String> {
    let ps = std::process::Command::new("ps")
        .args(["-o", "lstart=", "-p", &pid.to_string()])
        .env("LC_ALL", "C")
        .output()
        .ok()?;
    let text = String::from_utf8(ps.stdout).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
    use std::process::Command;

    use super::*;

    #[test]
    fn a_recorded_process_is_ended_and_one_of_another_birth_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let sleeper = || Command::new("sleep").arg("600").process_group(0).spawn().unwrap();
        let (mut recorded, mut reused) = (sleeper(), sleeper());
        let pid = |child: &std::process::Child| i32::try_from(child.id()).unwrap();
        write(&folder.path().join("a.process"), pid(&recorded)).unwrap();
        let other = Record { pid: pid(&reused), born: "another time".into() };
        fs::write(folder.path().join("b.process"), serde_json::to_string(&other).unwrap()).unwrap();
        fs::write(folder.path().join("c.process"), "garbage").unwrap();
        fs::write(folder.path().join("d.txt"), "not ours").unwrap();
        sweep(folder.path());
        assert_eq!(recorded.wait().unwrap().signal(), Some(9));
        assert!(reused.try_wait().unwrap().is_none());
        reused.kill().unwrap();
        reused.wait().unwrap();
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert_eq!(left, ["d.txt"]);
        sweep(&folder.path().join("nowhere"));
    }
}
