//! Runs outside programs so that nothing of them is left behind.
//!
//! Each runs in a process group of its own: Ctrl-C in the terminal is for the lab,
//! which then ends its children in order. A killed lab cannot do that. So every child
//! holds, as its stdin or stdout, a file whose lock the kernel lets go of when the child
//! has ended: the next run sees which ones still work, and ends them first. Which process
//! that is, a child has written down itself before it becomes the program.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::files::make_private_folder;
use crate::interrupt::Group;
use crate::locks::{self, Mode};
use crate::process::{self, Said};
use crate::{Error, Result};

/// How long a child has to end after it was asked to; Helm writes down that it failed,
/// an engine cancels what it pulls.
const PATIENCE: Duration = Duration::from_secs(15);

/// What a program reads.
#[derive(Clone, PartialEq, Eq)]
pub enum Stdin {
    /// Nothing.
    Nothing,
    /// What is no secret.
    Values(String),
    /// Documents, which may hold secrets: they pass through a pipe and no file. With a
    /// name for people.
    Documents(String, String),
}

/// The children of a lab.
#[derive(Clone, Debug)]
pub struct Children {
    folder: PathBuf,
    count: Arc<AtomicUsize>,
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
        program: Command,
        label: &str,
        stdin: &Stdin,
        limit: Duration,
        mut line: impl FnMut(&str),
    ) -> Result<Said> {
        let shown = Path::new(program.get_program()).display().to_string();
        let cannot = |error: io::Error| Error::environment(format!("{shown} cannot be run: {error}"));
        // Two of one label may run at once.
        let name = format!("{label}.{}", self.count.fetch_add(1, Ordering::Relaxed));
        let mut command = writes_its_pid(&program, &self.pid_file(&name));
        let lock = self.claim(&name, stdin).map_err(|error| Error::unwritable(&self.folder, error))?;
        let held = Stdio::from(lock.try_clone().map_err(cannot)?);
        let text = match stdin {
            // What may be secret passes through a pipe; the file takes what is said.
            Stdin::Documents(_, text) => {
                command.stdin(Stdio::piped()).stdout(held);
                Some(text.clone())
            }
            Stdin::Nothing | Stdin::Values(_) => {
                command.stdin(held).stdout(Stdio::piped());
                None
            }
        };
        let mut last = String::new();
        let keep = |text: &str| {
            line(text);
            text.clone_into(&mut last);
        };
        let from_file = text.is_some();
        let mut said = process::hear(command, text, limit, keep).await.map_err(cannot)?;
        if said.status.is_none() {
            let last = if last.is_empty() { last } else { format!("; it said last: {last}") };
            let seconds = limit.as_secs();
            return Err(Error::environment(format!("{label} did not end within {seconds} s{last}")));
        }
        if from_file {
            said.stdout = fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        }
        Ok(said)
    }

    /// Where a child writes its process down.
    fn pid_file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.pid"))
    }

    /// The file that a child holds as its stdin, locked. An earlier one's process is
    /// forgotten: its number may be somebody else's by now.
    fn claim(&self, name: &str, stdin: &Stdin) -> io::Result<File> {
        make_private_folder(&self.folder)?;
        let path = self.folder.join(name);
        let mut file =
            OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).open(path)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::Error(error) => error,
            TryLockError::WouldBlock => io::Error::other(format!("an earlier {name} is still at work")),
        })?;
        if let Err(error) = fs::remove_file(self.pid_file(name))
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
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
            let path = entry.path();
            let works = !name.ends_with(".pid") && !self.has_ended(&name, &path, Duration::ZERO)?;
            if works && self.end(&name, &path)? {
                ended.push(name);
            }
        }
        Ok(ended)
    }

    /// Whether nobody holds a child's file within `limit`. Blocks.
    fn has_ended(&self, name: &str, path: &Path, limit: Duration) -> Result<bool> {
        match locks::take(path, Mode::Shared, limit) {
            Ok(lock) => Ok(lock.is_some()),
            // Somebody else takes the lab down, and removed it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(Error::environment(format!(
                "whether {name} of an earlier run still works cannot be told: {}: {error}",
                path.display()
            ))
            .hint("`cargo xtask down` as the user who started it")),
        }
    }

    /// Whether there was one to end. A child's file outlives it for a moment where this
    /// process starts another just then, which holds what it inherited until it runs.
    fn end(&self, name: &str, path: &Path) -> Result<bool> {
        let mut was_there = false;
        for signal in [Signal::INT, Signal::KILL] {
            let pid = fs::read_to_string(self.pid_file(name)).ok();
            let pid = pid.and_then(|text| Pid::from_raw(text.trim().parse().ok()?));
            let _group = pid.map(Group::of);
            was_there |= pid.is_some_and(|pid| kill_process_group(pid, signal).is_ok());
            if self.has_ended(name, path, PATIENCE)? {
                return Ok(was_there);
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

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};

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
        let code = said.status.unwrap().code();
        assert_eq!((code, said.stdout.as_str(), said.stderr.as_str()), (Some(3), "out\n", "err\n"));
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
        assert!(children.has_ended("test.0", &folder.path().join("test.0"), Duration::ZERO).unwrap());
    }

    #[test]
    fn one_that_a_killed_run_left_behind_is_found_and_ended() {
        let folder = tempfile::tempdir().unwrap();
        let children = Children::new(folder.path());
        let path = folder.path().join("kind.0");
        // As if its run had been killed: nobody waits for the child, and only it holds the lock.
        let lock = children.claim("kind.0", &Stdin::Nothing).unwrap();
        let mut command = writes_its_pid(&sh("echo up; exec sleep 600"), &folder.path().join("kind.0.pid"));
        command.stdin(lock).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn().unwrap();
        drop(command);
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
        assert!(!children.has_ended("kind.0", &path, Duration::ZERO).unwrap());
        assert_eq!(children.end_all().unwrap(), ["kind.0"]);
        assert!(children.has_ended("kind.0", &path, Duration::ZERO).unwrap());
        assert_eq!(child.wait().unwrap().signal(), Some(2));
    }

    #[test]
    fn one_that_has_ended_is_not_taken_for_another_that_still_holds_what_it_inherited() {
        let folder = tempfile::tempdir().unwrap();
        let children = Children::new(folder.path());
        run(&children, "true", &Stdin::Nothing, MINUTE).0.unwrap();
        let file = File::open(folder.path().join("test.0")).unwrap();
        file.lock().unwrap();
        let mut other = sh("sleep 0.3").stdin(file).spawn().unwrap();
        assert!(children.end_all().unwrap().is_empty());
        assert!(other.wait().unwrap().success());
    }

    #[test]
    fn what_is_known_of_an_earlier_one_of_that_name_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let children = Children::new(folder.path());
        fs::write(folder.path().join("test.0.pid"), "1").unwrap();
        let _lock = children.claim("test.0", &Stdin::Nothing).unwrap();
        assert!(!folder.path().join("test.0.pid").exists());
    }

    #[test]
    fn two_who_ask_do_not_take_each_other_for_a_child() {
        let folder = tempfile::tempdir().unwrap();
        let children = Children::new(folder.path());
        drop(children.claim("kind.0", &Stdin::Nothing).unwrap());
        let _asking = locks::take(&folder.path().join("kind.0"), Mode::Shared, Duration::ZERO).unwrap();
        assert!(children.end_all().unwrap().is_empty());
    }

    #[test]
    fn a_lock_that_cannot_be_asked_is_an_error_and_never_a_child_that_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kind.0");
        std::os::unix::fs::symlink(&path, &path).unwrap();
        let error = Children::new(folder.path()).end_all().unwrap_err().to_string();
        assert!(error.starts_with("whether kind.0 of an earlier run still works cannot be told"), "{error}");
    }
}
