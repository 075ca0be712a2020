//! Real executables of this machine as containers.
//!
//! A container of the image [`HOST_PROCESS_IMAGE`] runs its `command` and `args` as a
//! process. In both, and in its other variables, `$(PORT_8080)` is the port that stands for
//! `containerPort` 8080, and `$(FILES)` the directory of mounted files: what a container
//! has at `/etc/dex/config.yaml` is at `$(FILES)/etc/dex/config.yaml`. The process runs
//! in that directory, so `$(FILES)` is `.` and no path of the lab shows in its argv.
//!
//! Its environment is the pod's, and `PATH`, `HOME` and `TMPDIR` (private folders) and
//! `KUBECONFIG` (the cluster and the pod's namespace) where the pod says nothing else. Its files are its owner's only and go when it ends.
//!
//! Between the lab and the process stands a supervisor ([`supervise`]): however the lab
//! ends, the process does.

mod executable;
mod files;
mod order;
mod record;
mod supervisor;

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::pipe;
use tokio::net::{TcpSocket, UnixStream};

use self::files::Private;
use self::order::{Order, Report};
pub use self::record::sweep;
pub use self::supervisor::supervise;
use crate::logs::LogWriter;
use crate::program::{Exit, Launch, Program, Running, START_ERROR};

/// The image that stands for "an executable of this machine". Its tag says which
/// release that is; the lab does not look at it.
pub const HOST_PROCESS_IMAGE: &str = "oidc-lab/host-process";

/// A line of a log is cut here.
const LINE: u64 = 16 * 1024;
/// How much of a failed program's log goes into its container's status: as much as a
/// kubelet takes.
const LAST_WORDS: usize = 2048;
const LAST_LINES: usize = 10;
/// How long the rest of what a process printed may take after its end.
const LATE_WORDS: Duration = Duration::from_secs(1);

/// The command that runs [`supervise`] in a process of its own: this very program with
/// an argument that says so.
#[derive(Clone, Debug)]
pub struct Supervisor {
    /// The executable.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
}

impl Supervisor {
    /// This program with one argument, by which its `main` knows to call [`supervise`].
    ///
    /// # Errors
    /// The system does not say which program this is.
    pub fn this_program(argument: &str) -> io::Result<Self> {
        // On Linux, this name is the running program even after a build has replaced its
        // file: a lab and its supervisors are of one build.
        let own = Path::new("/proc/self/exe");
        let program = if own.exists() { own.to_owned() } else { std::env::current_exe()? };
        Ok(Self { program, args: vec![argument.into()] })
    }
}

/// The program behind [`HOST_PROCESS_IMAGE`]. What its processes need stands in `folder`
/// (made, for its owner only), and what [`sweep`] needs after a crash as well.
pub fn host_process(supervisor: Supervisor, folder: impl Into<PathBuf>) -> impl Program {
    HostProcess { supervisor: Arc::new(supervisor), folder: folder.into().into() }
}

#[derive(Clone)]
struct HostProcess {
    supervisor: Arc<Supervisor>,
    folder: Arc<Path>,
}

impl Program for HostProcess {
    fn run(&self, mut launch: Launch) -> Running {
        // Before anybody asks whether the process is ready: a listening socket would say
        // yes in its place.
        let reserved = reserve(std::mem::take(&mut launch.ports));
        Box::pin(self.clone().process(launch, reserved))
    }

    fn variables(&self, ports: &BTreeMap<u16, SocketAddr>) -> BTreeMap<String, String> {
        let ports = ports.iter().map(|(port, address)| (format!("PORT_{port}"), address.port().to_string()));
        // The process runs in the directory of its files.
        ports.chain([("FILES".to_owned(), ".".to_owned())]).collect()
    }
}

impl HostProcess {
    async fn process(self, launch: Launch, reserved: Vec<TcpSocket>) -> Exit {
        let log = launch.log.clone();
        let exit = self.try_process(launch, reserved).await.unwrap_or_else(|error| Exit {
            code: START_ERROR,
            message: format!("the container has no place to run: {error}"),
        });
        if exit.code == START_ERROR && !exit.message.is_empty() {
            // There is no log but this line.
            log.line(&exit.message);
        }
        exit
    }

    async fn try_process(self, launch: Launch, reserved: Vec<TcpSocket>) -> io::Result<Exit> {
        let Launch { command, args, mut env, files, log, stop, cluster, namespace, pod, container, .. } =
            launch;
        let mut words = command.into_iter().chain(args);
        let Some(program) = words.next() else {
            let message = "no command specified (hint: the image has none of its own; name the executable in `command`)";
            return Ok(Exit { code: START_ERROR, message: message.to_owned() });
        };

        let private = Private::make(&self.folder, &format!("{namespace}_{pod}_{container}"))?;
        private.write_files(&files)?;
        private.write_kubeconfig(&cluster.kubeconfig("oidc-lab", Some(&namespace), &[]))?;
        for (name, value) in private.variables() {
            env.entry(name).or_insert(value);
        }

        let (control, output) = self.start_supervisor().await?;
        let order =
            Order { program, args: words.collect(), env, folder: private.files(), record: private.record() };
        // The process wants a port's number, and must be able to listen there itself.
        drop(reserved);
        Ok(run(order, control, output, &log, stop.cancelled()).await)
    }

    /// Starts the supervisor, with one socket to talk to it and one pipe for whatever
    /// the process prints.
    async fn start_supervisor(&self) -> io::Result<(UnixStream, pipe::Receiver)> {
        let (ours, its) = StdUnixStream::pair()?;
        let (reader, writer) = io::pipe()?;
        let both = writer.try_clone()?;
        let supervisor = duct::cmd(&self.supervisor.program, &self.supervisor.args)
            .stdin_file(its)
            .stdout_file(writer)
            .stderr_file(both)
            .full_env(std::iter::empty::<(OsString, OsString)>())
            // A signal to the lab's group is for the lab.
            .before_spawn(|command| {
                command.process_group(0).arg0("oidc-lab-supervisor");
                Ok(())
            })
            .unchecked();
        let handle =
            tokio::task::spawn_blocking(move || supervisor.start()).await.map_err(io::Error::other)??;
        // It ends when the process does, or when our end of the socket closes.
        std::thread::Builder::new().name("supervisor".into()).spawn(move || handle.wait().map(|_| ()))?;
        ours.set_nonblocking(true)?;
        Ok((UnixStream::from_std(ours)?, pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?))
    }
}

/// Keeps ports taken without listening on them: nobody else gets one, and who connects
/// is refused, until the process listens there itself.
fn reserve(ports: BTreeMap<u16, TcpListener>) -> Vec<TcpSocket> {
    let reserve = |listener: TcpListener| {
        let address = listener.local_addr().ok()?;
        let socket = TcpSocket::new_v4().ok()?;
        drop(listener);
        socket.bind(address).ok()?;
        Some(socket)
    };
    // A port that is lost in this moment is the process's to complain about.
    ports.into_values().filter_map(reserve).collect()
}

/// Has the supervisor run a process, and says how that ended. Dropping this future
/// closes the socket, and with it ends the process.
async fn run(
    order: Order,
    control: UnixStream,
    output: pipe::Receiver,
    log: &LogWriter,
    stop: impl Future<Output = ()>,
) -> Exit {
    let (reports, mut orders) = control.into_split();
    let mut reports = BufReader::new(reports).lines();
    let mut last = LastWords::default();
    let ordering = async {
        orders.write_all(order::line(&order).as_bytes()).await?;
        let mut stop = std::pin::pin!(stop);
        let mut asked = false;
        loop {
            let line = tokio::select! {
                line = reports.next_line() => line?,
                () = &mut stop, if !asked => {
                    asked = true;
                    orders.write_all(order::TERMINATE.as_bytes()).await?;
                    continue;
                }
            };
            let Some(line) = line else { return Err(io::ErrorKind::UnexpectedEof.into()) };
            match serde_json::from_str(&line)? {
                Report::Started => {}
                report => return Ok::<_, io::Error>(report),
            }
        }
    };
    let (over, is_over) = tokio::sync::oneshot::channel::<()>();
    let ordering = async {
        let report = ordering.await;
        if report.is_err() {
            // Somebody killed the supervisor. What it watched over must not stay.
            record::end(&order.record);
        }
        drop(over);
        report
    };
    let printing = async {
        // The pipe's last writer goes with the process, or is somebody who got away.
        let late = async {
            let _ = is_over.await;
            tokio::time::sleep(LATE_WORDS).await;
        };
        tokio::select! {
            () = print(BufReader::new(output), log, &mut last) => {}
            () = late => {}
        }
    };
    let (report, ()) = tokio::join!(ordering, printing);
    match report {
        Ok(Report::Exited { code: 0 } | Report::Started) => Exit::success(),
        Ok(Report::Exited { code }) => Exit { code, message: last.text() },
        Ok(Report::Failed { message }) => Exit { code: START_ERROR, message },
        Err(_) => Exit { code: 137, message: "the supervisor of the process was killed".to_owned() },
    }
}

/// Passes lines on to the log until the last writer is gone.
async fn print(mut output: impl AsyncBufRead + Unpin, log: &LogWriter, last: &mut LastWords) {
    let mut line = Vec::new();
    while (&mut output).take(LINE).read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\r', '\n']);
        log.line(text);
        last.add(text);
        line.clear();
    }
}

/// The end of a log.
#[derive(Default)]
struct LastWords(VecDeque<String>);

impl LastWords {
    fn add(&mut self, line: &str) {
        if line.trim().is_empty() {
            return;
        }
        if self.0.len() == LAST_LINES {
            self.0.pop_front();
        }
        self.0.push_back(line.chars().take(LAST_WORDS).collect());
    }

    fn text(mut self) -> String {
        let length = |lines: &VecDeque<String>| lines.iter().map(|line| line.len() + 1).sum::<usize>();
        while self.0.len() > 1 && length(&self.0) > LAST_WORDS {
            self.0.pop_front();
        }
        Vec::from(self.0).join("\n")
    }
}
