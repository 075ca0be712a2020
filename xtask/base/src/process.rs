//! The one place that starts outside programs. Each has a process group of its own, is heard line
//! by line, has so long and no longer, and is ended with all that it started: Ctrl-C in the
//! terminal is for this process, which hands it on ([`crate::interrupt`]). What lives on after a
//! run, the lab and what it runs as pods, is started elsewhere.

use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus, kill_process, waitid};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, timeout, timeout_at};

use crate::interrupt::{self, Group};

/// The most that is kept of what a program says, in bytes: a rendered chart has two million.
const OUTPUT: u64 = 8 << 20;

/// The most of a line that somebody reads, in characters.
const LINE: usize = 200;

/// How long the output of a program that was ended is waited for.
const GRACE: Duration = Duration::from_millis(50);

/// What a program said, and how it ended.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// Its status; none if it had not ended when its time was up.
    pub status: Option<ExitStatus>,
    /// On stdout.
    pub stdout: String,
    /// On stderr.
    pub stderr: String,
}

impl Said {
    /// Whether it ended well.
    pub fn is_ok(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }
}

enum Event {
    Line(String),
    Stdout(String),
    Stderr(String),
    Exited(ExitStatus),
}

/// Runs a program without input. One that takes longer than `limit` is killed.
///
/// # Errors
/// It cannot be started.
pub async fn run(mut command: Command, limit: Duration) -> io::Result<Said> {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    Running::start(command, None, Signal::KILL)?.wait(limit, |_| {}).await
}

/// Runs a program with its input and output as the command says, and `text` on its stdin if that
/// is a pipe. `line` hears each line as it comes. One that takes longer than `limit`, or is not
/// waited for any more, is asked to end.
///
/// # Errors
/// It cannot be started.
pub async fn hear(
    command: Command,
    text: Option<String>,
    limit: Duration,
    line: impl FnMut(&str),
) -> io::Result<Said> {
    Running::start(command, text, Signal::INT)?.wait(limit, line).await
}

/// Runs a program in the place of this one: with its terminal, in its group. It hears Ctrl-C
/// itself, but no signal that is sent to this process alone: that it is told of.
///
/// # Errors
/// It cannot be started.
pub async fn in_front(mut command: Command, interrupted: impl Future<Output = ()>) -> io::Result<ExitStatus> {
    let mut child = command.spawn()?;
    let pid = Pid::from_child(&child);
    let mut ended = tokio::task::spawn_blocking(move || child.wait());
    let ended = tokio::select! {
        ended = &mut ended => ended,
        () = interrupted => {
            let _ = kill_process(pid, Signal::INT);
            ended.await
        }
    };
    ended.map_err(io::Error::other)?
}

/// A program that runs. Dropped before it has ended, it is sent its signal.
struct Running {
    pid: Pid,
    signal: Signal,
    events: UnboundedReceiver<Event>,
    said: Said,
    closed: bool,
}

impl Running {
    fn start(mut command: Command, text: Option<String>, signal: Signal) -> io::Result<Self> {
        // A group of its own: docker over ssh leaves an ssh that holds the pipes open.
        let mut child = command.stderr(Stdio::piped()).process_group(0).spawn()?;
        let pid = Pid::from_child(&child);
        let group = Group::of(pid);
        if let (Some(mut pipe), Some(text)) = (child.stdin.take(), text) {
            // A program that ends without having read everything says why itself.
            thread::spawn(move || pipe.write_all(text.as_bytes()));
        }
        let (sender, events) = unbounded_channel();
        let stdout = child.stdout.take().map(|pipe| listen(pipe, Event::Stdout, &sender));
        let stderr = child.stderr.take().map(|pipe| listen(pipe, Event::Stderr, &sender));
        thread::spawn(move || {
            // It is not waited for before all that it started has ended too: until then its
            // number is that of its group and of nobody else.
            if let Ok(Some(status)) = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
            {
                let _ = sender.send(Event::Exited(exit_status(&status)));
            }
            for reader in stdout.into_iter().chain(stderr) {
                let _ = reader.join();
            }
            drop(group);
            let _ = child.wait();
        });
        Ok(Self { pid, signal, events, said: Said::default(), closed: false })
    }

    async fn wait(mut self, limit: Duration, mut line: impl FnMut(&str)) -> io::Result<Said> {
        let until = Instant::now() + limit;
        while !self.closed
            && let Ok(event) = timeout_at(until, self.events.recv()).await
        {
            if let Some(text) = self.take(event) {
                line(&text);
            }
        }
        let status = self.said.status;
        self.end();
        // What it said before its time was up may say why. One that left the group may still
        // hold the output open: it is not waited for.
        while !self.closed
            && let Ok(event) = timeout(GRACE, self.events.recv()).await
        {
            self.take(event);
        }
        Ok(Said { status, ..std::mem::take(&mut self.said) })
    }

    /// Takes an event in, after the last of which nothing comes; gives the line, if it is one.
    fn take(&mut self, event: Option<Event>) -> Option<String> {
        match event {
            Some(Event::Line(line)) => return Some(line),
            Some(Event::Stdout(text)) => self.said.stdout = text,
            Some(Event::Stderr(text)) => self.said.stderr = text,
            Some(Event::Exited(status)) => self.said.status = Some(status),
            None => self.closed = true,
        }
        None
    }

    fn end(&self) {
        if !self.closed {
            interrupt::tell(self.pid, self.signal);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// Hears what comes through a pipe, line by line, and then all of it.
fn listen(
    pipe: impl Read + Send + 'static,
    whole: fn(String) -> Event,
    events: &UnboundedSender<Event>,
) -> JoinHandle<()> {
    let events = events.clone();
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe.take(OUTPUT));
        let (mut all, mut bytes) = (String::new(), vec![]);
        while pipe.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
            let line = String::from_utf8_lossy(&bytes);
            let plain: String = line.trim().chars().filter(|c| !c.is_control()).take(LINE).collect();
            if !plain.is_empty() {
                let _ = events.send(Event::Line(plain));
            }
            all.push_str(&line);
            bytes.clear();
        }
        let _ = events.send(whole(all));
        // It must not wait for somebody to read the rest.
        let _ = io::copy(&mut pipe.into_inner().into_inner(), &mut io::sink());
    })
}

fn exit_status(status: &WaitIdStatus) -> ExitStatus {
    let code = status.exit_status().map(|code| code << 8);
    ExitStatus::from_raw(code.or_else(|| status.terminating_signal()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    async fn sh(script: &str, limit: Duration) -> Said {
        run(command(script), limit).await.unwrap()
    }

    #[tokio::test]
    async fn what_a_program_says_and_its_status_are_kept() {
        let said = sh("echo out; echo err >&2; exit 3", Duration::from_secs(60)).await;
        assert_eq!((said.stdout.as_str(), said.stderr.as_str()), ("out\n", "err\n"));
        assert_eq!(said.status.unwrap().code(), Some(3));
        let said = sh("kill -9 $$", Duration::from_secs(60)).await;
        assert_eq!((said.status.unwrap().code(), said.status.unwrap().signal()), (None, Some(9)));
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_ended_with_all_that_it_started() {
        let said = sh("echo before; sleep 600 & sleep 600", Duration::from_millis(300)).await;
        assert!(said.status.is_none());
        assert_eq!(said.stdout, "before\n");
    }

    #[tokio::test]
    async fn a_program_that_ends_but_leaves_one_that_holds_its_output_is_not_waited_for() {
        let said = sh("sleep 600 & echo said", Duration::from_millis(300)).await;
        assert_eq!(said.stdout, "said\n");
        assert_eq!(said.status.unwrap().code(), Some(0));
    }

    #[tokio::test]
    async fn endless_output_is_read_past_and_cut() {
        let said = sh("head -c 20000000 /dev/zero | tr '\\0' x; echo end >&2", Duration::from_secs(60)).await;
        assert_eq!(said.stdout.len() as u64, OUTPUT);
        assert_eq!(said.stderr, "end\n");
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_an_error() {
        let error = run(Command::new("/nowhere/program"), Duration::from_secs(1)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn lines_are_heard_as_they_come_and_text_reaches_it() {
        let mut heard = vec![];
        let mut program = command("cat; echo ' \t'; printf 'no end\\033[31m'");
        program.stdin(Stdio::piped()).stdout(Stdio::piped());
        let text = Some("a\nb\n".to_owned());
        let line = |line: &str| heard.push(line.to_owned());
        let said = hear(program, text, Duration::from_secs(60), line).await.unwrap();
        assert_eq!(heard, ["a", "b", "no end[31m"]);
        assert!(said.is_ok() && said.stdout.starts_with("a\nb\n"));
    }

    #[tokio::test]
    async fn one_that_nobody_waits_for_any_more_is_asked_to_end() {
        let folder = tempfile::tempdir().unwrap();
        let asked = folder.path().join("asked");
        let script = format!("trap 'echo > {}; exit' INT; echo up; sleep 600 & wait", asked.display());
        let mut program = command(&script);
        program.stdin(Stdio::null()).stdout(Stdio::piped());
        let (up, is_up) = tokio::sync::oneshot::channel();
        let mut up = Some(up);
        let hearing = hear(program, None, Duration::from_secs(60), |_| {
            let _ = up.take().map(|up| up.send(()));
        });
        tokio::select! {
            _ = hearing => panic!("it ended by itself"),
            _ = is_up => {}
        }
        let limit = Instant::now() + Duration::from_secs(60);
        while !asked.exists() && Instant::now() < limit {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(asked.exists());
    }
}
