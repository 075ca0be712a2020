//! Real processes as containers: started, told to stop, killed, left by nobody.
//!
//! This executable plays three parts: the tests, the supervisor of the processes that
//! they start, and a lab that can be killed.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use local_cluster::logs::{LogKey, Logs};
use local_cluster::program::{ClusterAccess, Exit, Images, Launch, Program, START_ERROR};
use local_cluster::routes::Routes;
use local_cluster::store::{Key, Store};
use local_cluster::tasks::Tasks;
use local_cluster::workloads::{
    self, HOST_PROCESS_IMAGE, Machine, Supervisor, host_process, supervise, sweep,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio_util::sync::CancellationToken;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("--supervise") => return supervise().unwrap(),
        Some("--lab") => return runtime().block_on(a_lab_that_is_killed(Path::new(&args[1]))),
        Some("--listen") => return listen(&args[1]),
        _ => {}
    }
    let filter = args.iter().find(|arg| !arg.starts_with('-'));
    let tests: [(&str, fn()); 11] = [
        ("the_environment_is_the_pods_and_little_else", || runtime().block_on(environment())),
        ("no_secret_and_no_path_is_in_an_argv", || runtime().block_on(argv())),
        ("an_end_is_told_with_its_status_and_last_words", || runtime().block_on(ends())),
        ("sigterm_comes_first", || runtime().block_on(sigterm())),
        ("a_dropped_container_leaves_no_process", || runtime().block_on(dropped())),
        ("what_cannot_be_started_is_named", || runtime().block_on(not_startable())),
        ("output_of_any_kind_is_lines", || runtime().block_on(output())),
        ("a_killed_lab_leaves_no_process", killed_lab),
        ("a_killed_supervisor_leaves_no_process", || runtime().block_on(killed_supervisor())),
        ("a_sweep_ends_what_everybody_else_left", swept),
        ("a_pod_of_a_host_process_gets_ready_on_its_port", || runtime().block_on(pod())),
    ];
    if args.iter().any(|arg| arg == "--list") {
        return tests.iter().for_each(|(name, _)| println!("{name}: test"));
    }
    for (name, test) in tests.iter().filter(|(name, _)| filter.is_none_or(|filter| name.contains(filter))) {
        let started = Instant::now();
        test();
        println!("test {name} ... ok ({} ms)", started.elapsed().as_millis());
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Far more than anything here takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);
const TOKEN: &str = "t0ken-of-the-lab";

fn program(folder: &Path) -> impl Program {
    let supervisor = Supervisor::this_program("--supervise").unwrap();
    host_process(supervisor, folder.join("processes"))
}

fn cluster() -> ClusterAccess {
    ClusterAccess { server: "https://127.0.0.1:1".into(), ca_pem: "CA".into(), token: TOKEN.into() }
}

/// One container.
struct Run {
    folder: tempfile::TempDir,
    logs: Logs,
    stop: CancellationToken,
}

impl Run {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("logs")).unwrap();
        let logs = Logs::new(folder.path().join("logs"));
        Self { folder, logs, stop: CancellationToken::new() }
    }

    fn key() -> LogKey {
        LogKey { namespace: "n".into(), pod: "p".into(), container: "c".into(), restart: 0 }
    }

    fn launch(&self, command: &[&str]) -> Launch {
        let ports = [8080, 9090].map(|port| (port, TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()));
        let addresses =
            ports.iter().map(|(port, listener)| (*port, listener.local_addr().unwrap())).collect();
        let mut env = program(self.folder.path()).variables(&addresses);
        env.insert("SECRET".into(), "s3cret".into());
        Launch {
            namespace: "n".into(),
            pod: "p".into(),
            container: "c".into(),
            image: format!("{HOST_PROCESS_IMAGE}:test"),
            command: command.iter().map(|&it| it.into()).collect(),
            args: vec![],
            env,
            files: BTreeMap::from([("/etc/app/config".into(), b"configured\n".to_vec())]),
            ports: ports.into(),
            log: self.logs.start(Self::key()).unwrap(),
            stop: self.stop.clone(),
            cluster: cluster(),
        }
    }

    async fn sh(&self, script: &str) -> Exit {
        self.run(&["/bin/sh", "-c", script]).await
    }

    async fn run(&self, command: &[&str]) -> Exit {
        let running = program(self.folder.path()).run(self.launch(command));
        tokio::time::timeout(LIMIT, running).await.unwrap()
    }

    /// The lines of the log so far, without their times.
    fn lines(&self) -> Vec<String> {
        let Some(mut reader) = self.logs.open(&Self::key()) else { return vec![] };
        std::iter::from_fn(|| reader.line()).map(|line| line.split_once(' ').unwrap().1.to_owned()).collect()
    }

    /// Waits for a line that begins so, and gives its rest.
    async fn line(&self, start: &str) -> String {
        let mut reader = self.logs.open(&Self::key()).unwrap();
        let waiting = async {
            loop {
                while let Some(line) = reader.line() {
                    if let Some(rest) = line.split_once(' ').unwrap().1.strip_prefix(start) {
                        return rest.to_owned();
                    }
                }
                assert!(reader.more().await, "the log ended without {start:?}");
            }
        };
        tokio::time::timeout(LIMIT, waiting).await.unwrap()
    }

    /// What is left in the folder of processes.
    fn left(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder.path().join("processes")).unwrap();
        entries.map(|it| it.unwrap().path()).collect()
    }
}

/// Whether a process runs. One that waits to be buried does not.
fn lives(pid: &str) -> bool {
    let state = Command::new("ps").args(["-o", "stat=", "-p", pid]).output().unwrap().stdout;
    let state = String::from_utf8(state).unwrap();
    !state.trim().is_empty() && !state.trim_start().starts_with('Z')
}

fn gone(pid: &str) {
    let started = Instant::now();
    while lives(pid) {
        assert!(started.elapsed() < LIMIT, "process {pid} lives");
        // Nobody tells who is not its parent of a process's end.
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether every thread of a process stands still. A signal to do so takes its time.
fn is_stopped(pid: &str) -> bool {
    let mut ps = Command::new("ps");
    if cfg!(target_os = "linux") {
        ps.arg("-L");
    }
    let states = ps.args(["-o", "stat=", "-p", pid]).output().unwrap().stdout;
    String::from_utf8(states).unwrap().split_whitespace().all(|state| state.starts_with('T'))
}

fn signal(pid: &str, signal: Signal) {
    kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap(), signal).unwrap();
}

async fn environment() {
    let run = Run::new();
    let script = "env | sort; read config < $FILES/etc/app/config; echo files: $config $(pwd); \
                  cat \"$KUBECONFIG\"; echo port: $PORT_8080";
    let exit = run.sh(script).await;
    assert_eq!(exit, Exit::success());
    let lines = run.lines();
    let names: Vec<_> = lines
        .iter()
        .take_while(|line| !line.starts_with("files:"))
        .filter_map(|line| Some(line.split_once('=')?.0))
        // The shell's own.
        .filter(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name))
        .collect();
    assert_eq!(names, ["FILES", "HOME", "KUBECONFIG", "PATH", "PORT_8080", "PORT_9090", "SECRET", "TMPDIR"]);
    let files = lines.iter().find(|line| line.starts_with("files: ")).unwrap();
    assert!(files.starts_with("files: configured ") && files.ends_with("/files"), "{files}");
    assert!(lines.contains(&"    namespace: n".to_owned()) && lines.contains(&format!("    token: {TOKEN}")));
    let port = lines.iter().find_map(|line| line.strip_prefix("port: ")).unwrap();
    assert_ne!(port.parse::<u16>().unwrap(), 8080);
    assert!(run.left().is_empty(), "{:?}", run.left());
}

async fn argv() {
    let run = Run::new();
    let exit =
        run.run(&["/bin/sh", "-c", "ps -o args= -p $$ -p $PPID; true", "--config=./etc/app/config"]).await;
    assert_eq!(exit, Exit::success());
    let lines = run.lines().join("\n");
    assert!(lines.contains("--config=./etc/app/config") && lines.contains("--supervise"), "{lines}");
    for secret in ["s3cret", TOKEN, run.folder.path().to_str().unwrap()] {
        assert!(!lines.contains(secret), "{secret} in {lines}");
    }
}

async fn ends() {
    for (script, code, message) in [
        ("exit 0", 0, ""),
        ("echo one; echo two >&2; exit 3", 3, "one\ntwo"),
        ("echo fine; exit 0", 0, ""),
        ("echo dying; kill -9 $$", 137, "dying"),
        ("kill -TERM $$", 143, ""),
    ] {
        let run = Run::new();
        let exit = run.sh(script).await;
        assert_eq!(exit, Exit { code, message: message.into() }, "{script}");
    }
    let run = Run::new();
    let exit = run.sh("for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo line $i; done; exit 1").await;
    assert!(exit.message.starts_with("line 3\n") && exit.message.ends_with("\nline 12"), "{}", exit.message);
}

async fn sigterm() {
    let run = Run::new();
    let running = tokio::spawn(program(run.folder.path()).run(run.launch(&[
        "/bin/sh",
        "-c",
        "trap 'echo bye; exit 7' TERM; echo pid $$; while :; do sleep 0.05; done",
    ])));
    let pid = run.line("pid ").await;
    run.stop.cancel();
    let exit = tokio::time::timeout(LIMIT, running).await.unwrap().unwrap();
    assert_eq!((exit.code, exit.message.ends_with("bye")), (7, true));
    assert!(!lives(&pid));
}

async fn dropped() {
    let run = Run::new();
    // One child in the same group, and on Linux one that has left it.
    let daemon = if cfg!(target_os = "linux") {
        "setsid sh -c 'echo daemon $$; exec sleep 600' &"
    } else {
        "echo daemon 999999"
    };
    let script =
        format!("trap '' TERM; sleep 600 & echo child $!; {daemon} echo pid $$; while :; do sleep 600; done");
    let running = tokio::spawn(program(run.folder.path()).run(run.launch(&["/bin/sh", "-c", &script])));
    let (child, daemon, pid) = (run.line("child ").await, run.line("daemon ").await, run.line("pid ").await);
    run.stop.cancel();
    // It does not care.
    assert!(
        tokio::time::timeout(
            Duration::from_millis(200),
            &mut Box::pin(async {
                while lives(&pid) {
                    tokio::time::sleep(Duration::from_millis(20)).await
                }
            })
        )
        .await
        .is_err()
    );
    running.abort();
    let _ = running.await;
    for pid in [child, daemon, pid] {
        gone(&pid);
    }
    // A container whose main process ends takes the rest along, too.
    let run = Run::new();
    let exit = run.sh("sleep 600 & echo child $!; exit 0").await;
    assert_eq!(exit, Exit::success());
    gone(&run.line("child ").await);
}

async fn not_startable() {
    let run = Run::new();
    let file = |name: &str, content: &[u8], mode: u32| {
        let path = run.folder.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1, 1];
    elf.resize(16, 0);
    let machine: u16 = if cfg!(target_arch = "aarch64") { 62 } else { 183 };
    elf.extend([2, 0]);
    elf.extend(machine.to_le_bytes());
    elf.resize(64, 0);
    let cases = [
        ("/nobody/is/here".to_owned(), "no such file or directory".to_owned()),
        ("nobody-has-this-in-path".to_owned(), "executable file not found in $PATH".to_owned()),
        (file("plain", b"x", 0o600), "not executable; chmod +x".to_owned()),
        (run.folder.path().to_str().unwrap().to_owned(), "is a directory".to_owned()),
        (file("foreign", &elf, 0o700), "exec format error: it is neither a program for".to_owned()),
        (file("text", b"hello", 0o700), "exec format error: it is neither a program for".to_owned()),
        (
            file("script", b"#!/nobody/is/here\n", 0o700),
            "an interpreter or a loader that is missing".to_owned(),
        ),
    ];
    for (program, words) in cases {
        let exit = run.run(&[&program]).await;
        assert_eq!(exit.code, START_ERROR, "{exit:?}");
        assert!(
            exit.message.starts_with(&format!("exec: {program:?}: ")) && exit.message.contains(&words),
            "{exit:?}"
        );
        assert_eq!(run.lines(), [exit.message]);
    }
    let exit = run.run(&[]).await;
    assert!(exit.code == START_ERROR && exit.message.starts_with("no command specified"), "{exit:?}");
}

async fn output() {
    let run = Run::new();
    let exit =
        run.sh("printf 'a\\r\\nb\\n\\377\\n'; head -c 40000 /dev/zero | tr '\\0' x; echo; printf end").await;
    assert_eq!(exit, Exit::success());
    let lines = run.lines();
    assert_eq!(lines[..3], ["a", "b", "\u{fffd}"]);
    let long: Vec<_> = lines[3..].iter().map(String::len).collect();
    assert_eq!((long.iter().sum::<usize>(), long.len()), (40_000 + 3, 4));
    assert_eq!(lines.last().unwrap(), "end");
}

/// The part of a lab: runs a process that ignores SIGTERM, and says which.
async fn a_lab_that_is_killed(folder: &Path) {
    let run = Run::new();
    let launch =
        run.launch(&["/bin/sh", "-c", "trap '' TERM; sleep 600 & echo pids $$ $! $PPID; wait; sleep 600"]);
    let running = tokio::spawn(program(folder).run(launch));
    println!("{}", run.line("pids ").await);
    std::io::stdout().flush().unwrap();
    running.await.unwrap();
}

/// A lab, and the pids of its process, of that one's child, and of its supervisor.
fn lab(folder: &Path) -> (std::process::Child, [String; 3]) {
    let mut lab = Command::new(std::env::current_exe().unwrap())
        .arg("--lab")
        .arg(folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(lab.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let pids: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
    (lab, pids.try_into().unwrap())
}

fn killed_lab() {
    let folder = tempfile::tempdir().unwrap();
    let (mut lab, pids) = lab(folder.path());
    assert!(pids.iter().all(|pid| lives(pid)));
    lab.kill().unwrap();
    lab.wait().unwrap();
    pids.iter().for_each(|pid| gone(pid));
}

async fn killed_supervisor() {
    let run = Run::new();
    let launch = run.launch(&[
        "/bin/sh",
        "-c",
        "trap '' TERM; sleep 600 & echo child $!; echo parent $PPID; echo pid $$; wait",
    ]);
    let running = tokio::spawn(program(run.folder.path()).run(launch));
    let (child, parent, pid) = (run.line("child ").await, run.line("parent ").await, run.line("pid ").await);
    // A process speaks before it is noted down, and until then nobody could find it.
    let started = Instant::now();
    while !run.left().iter().any(|path| path.extension().is_some_and(|it| it == "process")) {
        assert!(started.elapsed() < LIMIT, "the process is not noted down");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    signal(&parent, Signal::KILL);
    let exit = tokio::time::timeout(LIMIT, running).await.unwrap().unwrap();
    assert_eq!(exit, Exit { code: 137, message: "the supervisor of the process was killed".into() });
    gone(&pid);
    gone(&child);
    assert!(run.left().is_empty(), "{:?}", run.left());
}

fn swept() {
    let folder = tempfile::tempdir().unwrap();
    let (mut lab, [pid, child, supervisor]) = lab(folder.path());
    // Stopped, the lab cannot clean up after a supervisor that was killed. The other way
    // round would be a race: who is stopped is continued when its parent ends.
    let stopped = lab.id().to_string();
    signal(&stopped, Signal::STOP);
    let started = Instant::now();
    while !is_stopped(&stopped) {
        assert!(started.elapsed() < LIMIT, "the lab does not stop");
        std::thread::sleep(Duration::from_millis(1));
    }
    signal(&supervisor, Signal::KILL);
    lab.kill().unwrap();
    lab.wait().unwrap();
    gone(&supervisor);
    assert!(lives(&pid) && lives(&child));
    sweep(&folder.path().join("processes"));
    gone(&pid);
    gone(&child);
}

/// A server that takes connections on a port.
fn listen(port: &str) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.parse().unwrap())).unwrap();
    for stream in listener.incoming() {
        drop(stream);
    }
}

async fn pod() {
    let run = Run::new();
    let (store, stop) = (Store::new(), CancellationToken::new());
    let images = Images::default().with(HOST_PROCESS_IMAGE, program(run.folder.path()));
    let proxy = SocketAddr::from(([127, 0, 0, 1], 9));
    let (routes, tasks) = (Routes::new(&store), Tasks::default());
    let machine = Machine { images, cluster: cluster(), ingress: proxy, routes, tasks };
    let task = workloads::start(store.clone(), run.logs.clone(), machine, stop.clone());
    let exe = std::env::current_exe().unwrap();
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n"}, "spec": {
        "containers": [{
            "name": "c", "image": format!("{HOST_PROCESS_IMAGE}:v1"), "command": [exe, "--listen"], "args": ["$(PORT_8080)"],
            "ports": [{"containerPort": 8080}], "readinessProbe": {"tcpSocket": {"port": 8080}},
        }],
    }});
    let started = Instant::now();
    let mut pods = store.follow("pods");
    store.create(&Key::new("pods", "n", "p"), pod).unwrap();
    let waiting = async {
        loop {
            let ready = store
                .get(&Key::new("pods", "n", "p"))
                .is_some_and(|pod| pod["status"]["containerStatuses"][0]["ready"] == true);
            if ready {
                return;
            }
            pods.next().await;
        }
    };
    tokio::time::timeout(LIMIT, waiting).await.unwrap();
    println!("     ready after {} ms", started.elapsed().as_millis());
    stop.cancel();
    tokio::time::timeout(LIMIT, task).await.unwrap().unwrap();
    assert!(run.left().is_empty(), "{:?}", run.left());
}
