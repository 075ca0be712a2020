//! The local lab's process: started, found again, stopped.

use std::fs::OpenOptions;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::folder::Folder;
use local_cluster::routes::Lag;
use local_cluster::tasks::Tasks;
use local_lab::home::{self, Description, Home, State};
use local_lab::lab;
use rustix::process::{Pid, Signal, kill_process};

use base::browser::Profile;
use base::{Error, Result};
use cluster::Access;

/// What the lab's process prints when it can be used.
const READY: &str = "ready";
/// How long a lab may take to say so. It takes some ten milliseconds.
const START_LIMIT: Duration = Duration::from_secs(20);
/// How long a lab may take to stop its workloads before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// The lab without containers, with its state in one folder.
#[derive(Clone, Debug)]
pub struct LocalLab {
    home: Home,
}

/// A lab that was brought up or found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// How to reach it.
    pub access: Access,
    /// Whether this call started it.
    pub fresh: bool,
}

impl LocalLab {
    /// The lab of this folder, which need not exist.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { home: Home::new(folder) }
    }

    /// The lab's folder.
    pub fn own_folder(&self) -> &Folder {
        self.home.folder()
    }

    /// Whether a process of the lab runs, useful or not.
    ///
    /// # Errors
    /// The folder is somebody's own, or the lab's lock cannot be asked.
    pub fn is_there(&self) -> Result<bool> {
        Ok(self.home.state()? != State::Down)
    }

    /// How to reach the lab, if it is up.
    ///
    /// # Errors
    /// The folder is somebody's own, or the lab's lock cannot be asked.
    pub fn find(&self) -> Result<Option<Access>> {
        Ok(match self.home.state()? {
            State::Up(description) => Some(self.access(&description)),
            State::Down | State::Unclear(_) => None,
        })
    }

    /// Why the lab that was here has ended by itself, if one did and said so.
    pub fn ended(&self) -> Option<String> {
        if self.is_there().unwrap_or(true) {
            return None;
        }
        let log = std::fs::read_to_string(self.home.log()).ok()?;
        let last = log.lines().rev().find(|line| !line.trim().is_empty())?;
        last.strip_prefix("error: ").filter(|said| said.starts_with(lab::ENDED)).map(str::to_owned)
    }

    /// Brings the lab up, or finds it up. A lab of another build of this program, or
    /// one on another port than the wished one, or that speaks another scheme, is replaced.
    /// Blocks.
    ///
    /// # Errors
    /// The folder is somebody's own, or the lab does not come up, with the last words of
    /// its process.
    pub fn start(&self, port: Option<u16>, tls: bool) -> Result<Started> {
        let state = self.home.state()?;
        if let State::Up(found) = &state {
            let as_wished =
                port.is_none_or(|port| port == found.ingress.port()) && found.tls.is_some() == tls;
            if found.build == home::build_id() && as_wished {
                return Ok(Started { access: self.access(found), fresh: false });
            }
        }
        self.end(&state)?;
        self.remove_browser()?;
        self.home.clear()?;
        self.home.create()?;
        self.spawn(port, tls)?;
        match self.home.state()? {
            State::Up(description) => Ok(Started { access: self.access(&description), fresh: true }),
            _ => Err(self.did_not_start()),
        }
    }

    fn spawn(&self, port: Option<u16>, tls: bool) -> Result<()> {
        let cannot =
            |error: io::Error| Error::environment(format!("the local lab could not be started: {error}"));
        let program = std::env::current_exe().map_err(cannot)?;
        let (reader, writer) = io::pipe().map_err(cannot)?;
        let log =
            OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(self.home.log());
        let log = log.map_err(cannot)?;
        let folder = self.own_folder().path().as_os_str().to_owned();
        let mut arguments = vec!["serve-local-lab".into(), folder];
        arguments.extend(port.map(|port| format!("--port={port}").into()));
        arguments.extend(tls.then(|| "--tls".into()));
        let handle = duct::cmd(program, arguments)
            .stdin_null()
            .stdout_file(writer)
            .stderr_file(log)
            // Ctrl-C in the terminal is for the goal, not for the lab that outlives it.
            .before_spawn(|command| {
                command.process_group(0);
                Ok(())
            })
            .unchecked()
            .start()
            .map_err(cannot)?;
        // The line comes, or the pipe ends because the process did. A process that does
        // neither is ended, which ends the pipe.
        let (said, line) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut text = String::new();
            let _ = BufReader::new(reader).read_line(&mut text);
            let _ = said.send(text);
        });
        match line.recv_timeout(START_LIMIT) {
            Ok(text) if text.trim_end() == READY => Ok(()),
            Ok(_) => Err(self.did_not_start()),
            Err(_) => {
                let _ = handle.kill();
                Err(Error::environment(format!("the local lab said nothing for {} s", START_LIMIT.as_secs()))
                    .hint(format!("its log is {}", self.home.log().display())))
            }
        }
    }

    /// Stops the lab and removes all that is its own. `true` if there was anything. Blocks.
    ///
    /// # Errors
    /// The folder is somebody's own, the lab cannot be stopped, or something cannot be removed.
    pub fn stop(&self) -> Result<bool> {
        let was = self.home.state()?;
        self.end(&was)?;
        self.remove_browser()?;
        let removed = self.home.remove()?;
        Ok(removed || was != State::Down)
    }

    /// A browser on the lab would write into its folder while that is being removed.
    fn remove_browser(&self) -> Result<()> {
        let folder = self.own_folder();
        if folder.is_ours()? { Profile::of(folder.path()).remove() } else { Ok(()) }
    }

    /// Ends the process that holds the folder: asks it to, then does not ask.
    fn end(&self, state: &State) -> Result<()> {
        let pid = match state {
            State::Down => return Ok(()),
            State::Up(description) => Some(description.pid),
            State::Unclear(pid) => *pid,
        };
        let folder = self.own_folder().path().display().to_string();
        let pid = pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        let Some(pid) = pid else {
            return Err(Error::environment(format!("a process holds {folder} and does not say which it is"))
                .hint("find and end the process `xtask serve-local-lab`, then run `cargo xtask down`"));
        };
        for signal in [Signal::TERM, Signal::KILL] {
            // The lock is still held by the process that wrote this pid, so the pid is its.
            if kill_process(pid, signal).is_err() || self.home.wait_until_down(STOP_LIMIT)? {
                return Ok(());
            }
        }
        Err(Error::environment(format!("the local lab (process {}) does not end", pid.as_raw_nonzero())))
    }

    fn access(&self, description: &Description) -> Access {
        Access {
            kubeconfig: self.home.kubeconfig(),
            context: local_lab::lab::CONTEXT.to_owned(),
            ingress: description.ingress,
            tls: description.tls,
        }
    }

    fn did_not_start(&self) -> Error {
        let log = std::fs::read_to_string(self.home.log()).unwrap_or_default();
        match log.lines().rev().find(|line| !line.trim().is_empty()) {
            Some(line) => Error::environment(format!(
                "the local lab did not start: {}",
                line.trim_start_matches("error: ")
            )),
            None => {
                Error::environment("the local lab ended before it was ready, without a word").hint(format!(
                    "free space and memory are worth a look; its folder is {}",
                    self.own_folder().path().display()
                ))
            }
        }
    }
}

/// The lab's own process: serves until it is told to stop.
///
/// # Errors
/// A port is taken, the folder cannot be written, or a part of it has panicked.
pub fn serve(folder: &Path, port: u16, tls: bool, lag: Option<Lag>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Error::environment(error.to_string()))?;
    let ingress = SocketAddr::from(([127, 0, 0, 1], port));
    let ready = || {
        let mut stdout = io::stdout();
        // A parent that is gone no longer needs to know.
        let _ = writeln!(stdout, "{READY}");
        let _ = stdout.flush();
    };
    let options = lab::Options { ingress, tls, lag };
    runtime.block_on(lab::serve(Home::new(folder), options, Tasks::default(), ready))
}
