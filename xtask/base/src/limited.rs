//! Runs a program for at most so long: a container engine that hangs must not hang us.

use std::io::{self, Read};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::interrupt::Group;

/// The most that is kept of what a program says, in bytes.
const OUTPUT: u64 = 1 << 20;

/// How long the output of a program that was ended is waited for.
const GRACE: Duration = Duration::from_millis(50);

/// How a program ended.
#[derive(Clone, Debug, Default)]
pub struct Ended {
    /// What it said on stdout.
    pub stdout: String,
    /// What it said on stderr.
    pub stderr: String,
    /// Its status; none if it was ended because its time was up.
    pub status: Option<ExitStatus>,
}

enum Event {
    Stdout(Vec<u8>),
    Stderr(Vec<u8>),
    Exit,
}

/// Runs a program without input, and ends it and all that it started if it takes
/// longer than `limit`. Blocks.
///
/// # Errors
/// It cannot be started.
pub fn run(mut command: Command, limit: Duration) -> io::Result<Ended> {
    let deadline = Instant::now() + limit;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group of its own: docker over ssh leaves an ssh that holds the pipes open.
    let mut child = command.process_group(0).spawn()?;
    let pid = Pid::from_child(&child);
    let group = Group::of(pid);
    let (sender, events) = mpsc::channel();
    listen(&mut child, &sender);
    thread::spawn(move || {
        // It is not reaped here, so that its number stays its own until it is killed below.
        let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
        let _ = sender.send(Event::Exit);
    });
    let mut heard = Heard::default();
    while !heard.all() {
        match events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(event) => heard.take(event),
            Err(_) => break,
        }
    }
    let exited = heard.exited;
    if !heard.all() {
        let _ = kill_process_group(pid, Signal::KILL);
    }
    drop(group);
    let status = child.wait()?;
    // What it said before its time was up may say why. One that left the group may
    // still hold the output open: it is not waited for.
    while !heard.all() {
        match events.recv_timeout(GRACE) {
            Ok(event) => heard.take(event),
            Err(_) => break,
        }
    }
    Ok(Ended { status: exited.then_some(status), stdout: heard.stdout.0, stderr: heard.stderr.0 })
}

/// What is known of a program that runs: each of its outputs, and whether that is all.
#[derive(Default)]
struct Heard {
    stdout: (String, bool),
    stderr: (String, bool),
    exited: bool,
}

impl Heard {
    fn take(&mut self, event: Event) {
        let text = |bytes: Vec<u8>| (String::from_utf8_lossy(&bytes).into_owned(), true);
        match event {
            Event::Stdout(bytes) => self.stdout = text(bytes),
            Event::Stderr(bytes) => self.stderr = text(bytes),
            Event::Exit => self.exited = true,
        }
    }

    fn all(&self) -> bool {
        self.exited && self.stdout.1 && self.stderr.1
    }
}

fn listen(child: &mut Child, sender: &Sender<Event>) {
    let spawn = |pipe: Option<Box<dyn Read + Send>>, event: fn(Vec<u8>) -> Event| {
        let sender = sender.clone();
        thread::spawn(move || {
            let mut bytes = vec![];
            if let Some(mut pipe) = pipe {
                let _ = (&mut pipe).take(OUTPUT).read_to_end(&mut bytes);
                // It must not wait for somebody to read the rest.
                let _ = io::copy(&mut pipe, &mut io::sink());
            }
            let _ = sender.send(event(bytes));
        });
    };
    spawn(child.stdout.take().map(|pipe| Box::new(pipe) as _), Event::Stdout);
    spawn(child.stderr.take().map(|pipe| Box::new(pipe) as _), Event::Stderr);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, limit: Duration) -> Ended {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        run(command, limit).unwrap()
    }

    #[test]
    fn what_a_program_says_and_its_status_are_kept() {
        let ended = sh("echo out; echo err >&2; exit 3", Duration::from_secs(60));
        assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("out\n", "err\n"));
        assert_eq!(ended.status.unwrap().code(), Some(3));
    }

    #[test]
    fn a_program_that_hangs_is_ended_with_all_that_it_started() {
        let ended = sh("echo before; sleep 600 & sleep 600", Duration::from_millis(300));
        assert!(ended.status.is_none());
        assert_eq!(ended.stdout, "before\n");
    }

    #[test]
    fn a_program_that_ends_but_leaves_one_that_holds_its_output_is_not_waited_for() {
        let ended = sh("sleep 600 & echo said", Duration::from_millis(300));
        assert_eq!(ended.stdout, "said\n");
        assert_eq!(ended.status.unwrap().code(), Some(0));
    }

    #[test]
    fn endless_output_is_read_past_and_cut() {
        let ended = sh("yes | head -c 3000000; echo end >&2", Duration::from_secs(60));
        assert_eq!(ended.stdout.len() as u64, OUTPUT);
        assert_eq!(ended.stderr, "end\n");
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        let error = run(Command::new("/nowhere/program"), Duration::from_secs(1)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
