//! The process between the lab and a real program.
//!
//! Its standard input is a socket to the lab. When that closes, because the lab let go
//! or because it was killed, the program is killed with its whole process group, and on
//! Linux with whatever has left that group as well. So a lab can be killed at any moment
//! without leaving a process behind; nothing of this needs a parent-death signal, which
//! macOS does not have.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use base::mutex::lock;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::order::{Order, Report, TERMINATE, line};
use super::{executable, record};

/// Runs one process for a lab, which has started this program with a socket as its
/// standard input, and returns when that process has ended. What to run comes over the
/// socket, so that no secret stands in an argv. What the process prints goes to this
/// program's standard output and error.
///
/// # Errors
/// Standard input is no such socket.
pub fn supervise() -> io::Result<()> {
    let control = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut orders = BufReader::new(control.try_clone()?);
    let mut line = String::new();
    orders.read_line(&mut line)?;
    let order: Order = serde_json::from_str(&line)?;
    drop(line);
    adopt_orphans();
    let mut command = Command::new(&order.program);
    command
        .args(&order.args)
        .env_clear()
        .envs(&order.env)
        .current_dir(&order.folder)
        .stdin(Stdio::null())
        .process_group(0);
    let mut child = match executable::check(&order.program).and_then(|()| command.spawn()) {
        Ok(child) => child,
        Err(error) => {
            report(&control, &Report::Failed { message: executable::explain(&order.program, &error) });
            return Ok(());
        }
    };
    let pid =
        i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or_else(|| io::Error::other("no pid"))?;
    let group = Group(Arc::new(Mutex::new(Some(pid))));
    if let Err(error) = record::write(&order.record, pid.as_raw_nonzero().get()) {
        // What a later lab could not find must not run.
        group.signal(Signal::KILL);
        child.wait()?;
        report(&control, &Report::Failed { message: format!("the process cannot be recorded: {error}") });
        return Ok(());
    }
    report(&control, &Report::Started);
    let told = group.clone();
    std::thread::spawn(move || obey(orders, &told));

    // The leader is looked at before it is buried: until then, its number is nobody
    // else's, and the group that it names is its own.
    while let Err(rustix::io::Errno::INTR) =
        waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
    {}
    group.end();
    let status = child.wait()?;
    end_orphans();
    let _ = std::fs::remove_file(&order.record);
    report(&control, &Report::Exited { code: code(status) });
    Ok(())
}

/// Does what the lab says, until it says nothing any more.
fn obey(orders: BufReader<UnixStream>, group: &Group) {
    for line in orders.lines() {
        match line {
            Ok(line) if line == TERMINATE.trim_end() => group.signal(Signal::TERM),
            Ok(_) => {}
            Err(_) => break,
        }
    }
    group.signal(Signal::KILL);
}

/// A process group, while it is ours to signal.
#[derive(Clone)]
struct Group(Arc<Mutex<Option<Pid>>>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(pid) = *lock(&self.0) {
            let _ = kill_process_group(pid, signal);
        }
    }

    /// The leader has ended: so does the rest, and nobody signals this group again.
    fn end(&self) {
        if let Some(pid) = lock(&self.0).take() {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

fn report(mut control: &UnixStream, report: &Report) {
    // A lab that is gone needs no report.
    let _ = control.write_all(line(report).as_bytes());
}

/// Makes this process the parent of whatever its descendants abandon.
#[cfg(target_os = "linux")]
fn adopt_orphans() {
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
}

#[cfg(not(target_os = "linux"))]
fn adopt_orphans() {}

/// Ends descendants that have left the process group, as a daemon does.
#[cfg(target_os = "linux")]
fn end_orphans() {
    use rustix::process::{WaitOptions, kill_process, wait};
    loop {
        let id = std::process::id();
        let Ok(text) = std::fs::read_to_string(format!("/proc/self/task/{id}/children")) else { return };
        let children = text.split_ascii_whitespace().filter_map(|it| Pid::from_raw(it.parse().ok()?));
        let mut any = false;
        for child in children {
            any = true;
            let _ = kill_process(child, Signal::KILL);
        }
        // The children of a killed one come to us, and are found in the next round.
        if !any || wait(WaitOptions::empty()).is_err() {
            return;
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn end_orphans() {}
