//! Runs outside programs so that nothing of them is left behind.
//!
//! Each runs in a process group of its own: Ctrl-C in the terminal is for the lab,
//! which then ends its children in order. A killed lab cannot do that. So every child
//! holds, as its stdin or stdout, a file whose lock the kernel lets go of when the child
//! has ended: the next run sees which ones still work, and ends them first. Which process
//! that is, a child has written down itself before it becomes the program.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead as _, BufReader, Read, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process_group, test_kill_process_group, waitid,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use super::commands::Stdin;
use base::files::make_private_folder;
use base::interrupt::Group;
use base::{Error, Result};

/// How long a child has to end after it was asked to; Helm writes down that it failed,
/// an engine cancels what it pulls.
const PATIENCE: Duration = Duration::from_secs(15);

/// What a program said, and how it ended.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// Its status; none if a signal ended it.
    pub code: Option<i32>,
    /// On stdout.
    pub stdout: String,
    /// On stderr.
    pub stderr: String,
}

impl Said {
    /// Whether it ended well.
    pub fn is_ok(&self) -> bool {
        self.code == Some(0)
    }
}

/// The children of a lab.
#[derive(Clone, Debug)]
pub struct Children {
    folder: PathBuf,
    count: Arc<AtomicUsize>,
}

enum Event {
    Line(String),
    Stdout(String),
    Stderr(String),
    Ended(Option<i32>),
}

/// A child that runs. Dropped before it has ended, it is told to end.
struct Running {
    pid: Pid,
    events: UnboundedReceiver<Event>,
    said: Said,
    open: u8,
    _lock: File,
}

impl Children {
    /// Those whose files are in `folder`.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), count: Arc::default() }
    }

    /// Runs a program to its end. `line` hears each line as it comes.
    ///
    /// # Errors
    /// It cannot be started, or does not end within `limit`.
    pub async fn run(
        &self,
        command: Command,
        label: &str,
        stdin: &Stdin,
        limit: Duration,
        mut line: impl FnMut(&str),
    ) -> Result<Said> {
        let mut running = self.spawn(command, label, stdin)?;
        let until = Instant::now() + limit;
        let mut last = String::new();
        while running.open > 0 {
            match tokio::time::timeout_at(until, running.events.recv()).await {
                Ok(Some(event)) => {
                    if let Some(text) = running.hear(event) {
                        line(&text);
                        last = text;
                    }
                }
                Ok(None) => break,
                Err(_) => {
                    let last =
                        if last.is_empty() { String::new() } else { format!("; it said last: {last}") };
                    let seconds = limit.as_secs();
                    return Err(Error::environment(format!("{label} did not end within {seconds} s{last}")));
                }
            }
        }
        Ok(std::mem::take(&mut running.said))
    }

    fn spawn(&self, program: Command, label: &str, stdin: &Stdin) -> Result<Running> {
        let shown = Path::new(program.get_program()).display().to_string();
        let cannot = |error: io::Error| Error::environment(format!("{shown} cannot be run: {error}"));
        // Two of one label may run at once.
        let name = format!("{label}.{}", self.count.fetch_add(1, Ordering::Relaxed));
        let lock = self.claim(&name, stdin).map_err(|error| {
            Error::environment(format!("{} cannot be written: {error}", self.folder.display()))
        })?;
        let held = Stdio::from(lock.try_clone().map_err(cannot)?);
        let (input, output) = match stdin {
            // What may be secret passes through a pipe; the file takes what is said.
            Stdin::Documents(..) => (Stdio::piped(), held),
            Stdin::Nothing | Stdin::Values(_) => (held, Stdio::piped()),
        };
        let mut command = writes_its_pid(&program, &self.folder.join(format!("{name}.pid")));
        command.stdin(input).stdout(output).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().map_err(cannot)?;
        if let (Stdin::Documents(_, text), Some(mut input)) = (stdin, child.stdin.take()) {
            let text = text.clone();
            // A program that ends without having read everything says why itself.
            thread::spawn(move || input.write_all(text.as_bytes()));
        }
        let pid = Pid::from_child(&child);
        let (sender, events) = unbounded_channel();
        let file = child.stdout.is_none().then(|| self.folder.join(name));
        listen(child, file, sender);
        Ok(Running { pid, events, said: Said::default(), open: 3, _lock: lock })
    }

    /// The file that a child holds as its stdin, locked.
    fn claim(&self, name: &str, stdin: &Stdin) -> io::Result<File> {
        make_private_folder(&self.folder)?;
        let path = self.folder.join(name);
        let mut file =
            OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).open(path)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::Error(error) => error,
            TryLockError::WouldBlock => io::Error::other(format!("an earlier {name} is still at work")),
        })?;
        file.set_len(0)?;
        if let Stdin::Values(text) = stdin {
            file.write_all(text.as_bytes())?;
            file.rewind()?;
        }
        Ok(file)
    }

    /// Ends the children that still run, of this run or of one that was killed: asks
    /// them to, then does not ask. Says which there were. Blocks.
    ///
    /// # Errors
    /// One of them does not end.
    pub fn end_all(&self) -> Result<Vec<String>> {
        let mut ended = vec![];
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".pid") || !is_held(&entry.path()) {
                continue;
            }
            self.end(&name, &entry.path())?;
            ended.push(name);
        }
        Ok(ended)
    }

    fn end(&self, name: &str, path: &Path) -> Result<()> {
        for signal in [Signal::INT, Signal::KILL] {
            let pid = fs::read_to_string(self.folder.join(format!("{name}.pid"))).ok();
            let pid = pid.and_then(|text| Pid::from_raw(text.trim().parse().ok()?));
            // The lock is held, so the process that was written down still lives.
            let _group = pid.map(Group::of);
            if let Some(pid) = pid {
                let _ = kill_process_group(pid, signal);
            }
            if released(path, PATIENCE) {
                return Ok(());
            }
        }
        Err(Error::environment(format!("a program of an earlier run ({name}) does not end"))
            .hint(format!("find out what holds {}, and end it", path.display())))
    }
}

/// A command that writes its process down before it becomes `program`: written by this
/// process instead, a kill at the wrong moment would leave a child that nobody knows.
fn writes_its_pid(program: &Command, file: &Path) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", r#"echo $$ > "$0" && exec "$@""#]).arg(file);
    command.arg(program.get_program()).args(program.get_args());
    for (variable, value) in program.get_envs() {
        match value {
            Some(value) => command.env(variable, value),
            None => command.env_remove(variable),
        };
    }
    if let Some(folder) = program.get_current_dir() {
        command.current_dir(folder);
    }
    command
}

fn is_held(path: &Path) -> bool {
    let file = File::open(path);
    file.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

/// Waits until nobody holds a file's lock.
fn released(path: &Path, limit: Duration) -> bool {
    let (free, wait) = std::sync::mpsc::channel();
    let path = path.to_owned();
    thread::spawn(move || {
        let _ = free.send(File::open(path).and_then(|file| file.lock()));
    });
    wait.recv_timeout(limit).is_ok()
}

impl Running {
    /// Takes an event in; gives the line, if it is one.
    fn hear(&mut self, event: Event) -> Option<String> {
        match event {
            Event::Line(line) => return Some(line),
            Event::Stdout(text) => self.said.stdout = text,
            Event::Stderr(text) => self.said.stderr = text,
            Event::Ended(code) => self.said.code = code,
        }
        self.open -= 1;
        None
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.open > 0 && test_kill_process_group(self.pid).is_ok() {
            // Whoever takes the lab down waits until it has ended.
            let _ = kill_process_group(self.pid, Signal::INT);
        }
    }
}

/// Hears everything that a child says, and its end. What it says on stdout may be in a
/// file instead.
fn listen(mut child: Child, file: Option<PathBuf>, events: UnboundedSender<Event>) {
    let pid = Pid::from_child(&child);
    let group = Group::of(pid);
    let read = |pipe: Option<Box<dyn Read + Send>>, whole: fn(String) -> Event| {
        let events = events.clone();
        thread::spawn(move || {
            let mut all = String::new();
            if let Some(pipe) = pipe {
                let mut pipe = BufReader::new(pipe);
                let mut bytes = vec![];
                while pipe.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
                    let line = String::from_utf8_lossy(&bytes).into_owned();
                    let plain: String = line.trim().chars().filter(|c| !c.is_control()).take(200).collect();
                    if !plain.is_empty() {
                        let _ = events.send(Event::Line(plain));
                    }
                    all.push_str(&line);
                    bytes.clear();
                }
            }
            let _ = events.send(whole(all));
        })
    };
    let mut readers = vec![read(child.stderr.take().map(|pipe| Box::new(pipe) as _), Event::Stderr)];
    if file.is_none() {
        readers.push(read(child.stdout.take().map(|pipe| Box::new(pipe) as _), Event::Stdout));
    }
    thread::spawn(move || {
        // It is not waited for before all that it started has ended too: until then its
        // number is that of its group and of nobody else.
        let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
        for reader in readers {
            let _ = reader.join();
        }
        drop(group);
        let code = child.wait().ok().and_then(|status| status.code());
        if let Some(file) = file {
            let _ = events.send(Event::Stdout(fs::read_to_string(file).unwrap_or_default()));
        }
        let _ = events.send(Event::Ended(code));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    fn run(children: &Children, script: &str, stdin: &Stdin, limit: Duration) -> (Result<Said>, Vec<String>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut lines = vec![];
        let said = runtime.block_on(async {
            children.run(sh(script), "test", stdin, limit, |line| lines.push(line.to_owned())).await
        });
        (said, lines)
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn what_a_program_says_and_its_status_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let children = Children::new(folder.path());
        let (said, lines) = run(&children, "echo out; echo err >&2; exit 3", &Stdin::Nothing, MINUTE);
        let said = said.unwrap();
        assert_eq!((said.code, said.stdout.as_str(), said.stderr.as_str()), (Some(3), "out\n", "err\n"));
        assert_eq!(lines.len(), 2);
        assert!(children.end_all().unwrap().is_empty());
    }

    #[test]
    fn values_and_documents_reach_a_program() {
        let folder = tempfile::tempdir().unwrap();
        let children = Children::new(folder.path());
        for (name, (stdin, kept)) in ["test.0", "test.1"].into_iter().zip([
            (Stdin::Values("a: 1\n".into()), "a: 1\n"),
            // Here the file holds what the program said, and it said what it read.
            (Stdin::Documents("x".into(), "secret: s\n".into()), "secret: s\n"),
        ]) {
            let (said, _) = run(&children, "cat", &stdin, MINUTE);
            let text = match &stdin {
                Stdin::Values(text) | Stdin::Documents(_, text) => text.clone(),
                Stdin::Nothing => String::new(),
            };
            assert_eq!(said.unwrap().stdout, text);
            assert_eq!(fs::read_to_string(folder.path().join(name)).unwrap(), kept);
        }
    }

    #[test]
    fn one_that_takes_too_long_is_named_with_its_last_words_and_ended() {
        let folder = tempfile::tempdir().unwrap();
        let children = Children::new(folder.path());
        let limit = Duration::from_millis(300);
        let (said, _) = run(&children, "echo pulling layer 3; sleep 600", &Stdin::Nothing, limit);
        let error = said.unwrap_err().to_string();
        assert_eq!(error, "test did not end within 0 s; it said last: pulling layer 3");
        children.end_all().unwrap();
        assert!(!is_held(&folder.path().join("test.0")));
    }

    #[test]
    fn one_that_a_killed_run_left_behind_is_found_and_ended() {
        let folder = tempfile::tempdir().unwrap();
        let children = Children::new(folder.path());
        let mut running = children.spawn(sh("echo up; sleep 600"), "kind", &Stdin::Nothing).unwrap();
        // As if this process had been killed: nobody ends the child, and only the child
        // holds the lock.
        running.open = 0;
        drop(running);
        assert!(is_held(&folder.path().join("kind.0")));
        assert_eq!(children.end_all().unwrap(), ["kind.0"]);
        assert!(!is_held(&folder.path().join("kind.0")));
    }
}
