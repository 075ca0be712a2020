//! A world of one test: fakes of kind, Helm, kubectl and docker alone on PATH, and what
//! was asked of them.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

pub use crate::ended::Ended;

/// How long a condition that has to come is waited for.
const LIMIT: Duration = Duration::from_secs(60);

/// The world. Dropping it takes its labs down.
pub struct World {
    folder: TempDir,
}

/// A call of a fake.
#[derive(Clone, Debug)]
pub struct Call {
    pub line: String,
    pub stdin: String,
}

/// The fakes, which cargo builds with all tests, but not with this one alone.
fn fakes() -> &'static Path {
    static FAKES: OnceLock<PathBuf> = OnceLock::new();
    FAKES.get_or_init(|| {
        let xtask = Path::new(env!("CARGO_BIN_EXE_xtask"));
        let path = xtask.parent().unwrap().join("examples/fake_tools");
        if !path.is_file() {
            let build = ["build", "--quiet", "--package", "xtask", "--example", "fake_tools"];
            assert!(Command::new(env!("CARGO")).args(build).status().unwrap().success());
        }
        path
    })
}

impl World {
    /// A world with all tools.
    pub fn new() -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        for folder in ["bin", "home", "faults", "clusters", "target"] {
            std::fs::create_dir(world.path(folder)).unwrap();
        }
        for tool in ["kind", "helm", "kubectl", "docker"] {
            symlink(fakes(), world.path("bin").join(tool)).unwrap();
        }
        world
    }

    /// A world whose Helm is version 4.
    pub fn with_helm_4() -> Self {
        let world = Self::new();
        std::fs::write(world.path("helm-4"), "").unwrap();
        world
    }

    /// A file of it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder of the lab on kind.
    pub fn lab(&self) -> PathBuf {
        self.path("target/lab-kind")
    }

    /// The clusters that there are.
    pub fn clusters(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path("clusters")).unwrap().flatten();
        entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(args).stdin(Stdio::null()).env_clear();
        command.env("PATH", self.path("bin")).env("HOME", self.path("home"));
        // The usual folder, so that the cluster has its plain name.
        command.env("CARGO_TARGET_DIR", self.path("target"));
        command.env("OIDC_LAB_CACHE", self.path("cache"));
        command.env("FAKE_WORLD", self.folder.path()).env("FAKE_XTASK", env!("CARGO_BIN_EXE_xtask"));
        command
    }

    pub fn run(&self, args: &[&str]) -> Ended {
        Ended::of(&mut self.command(args))
    }

    /// Runs and expects a status.
    #[track_caller]
    pub fn expect(&self, status: i32, args: &[&str]) -> Ended {
        let ended = self.run(args);
        assert_eq!(ended.status, status, "cargo xtask {}\n{ended}", args.join(" "));
        ended
    }

    /// Runs with `--format json`, expects a status and gives the document.
    #[track_caller]
    pub fn json(&self, status: i32, args: &[&str]) -> Value {
        let ended = self.expect(status, &[&["--format", "json"], args].concat());
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended}"))
    }

    /// Starts a run that goes on.
    pub fn start(&self, args: &[&str]) -> Child {
        let mut command = self.command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Lets calls whose line contains all of these go wrong.
    pub fn fault(&self, parts: &[&str], more: Value) {
        let mut fault = json!({"in": parts});
        fault.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let number = std::fs::read_dir(self.path("faults")).unwrap().count();
        std::fs::write(self.path("faults").join(format!("{number}.json")), fault.to_string()).unwrap();
    }

    /// Lets such calls fail with a message, always.
    pub fn fails(&self, parts: &[&str], message: &str) {
        self.fault(parts, json!({"stderr": format!("{message}\n")}));
    }

    /// Mends everything.
    pub fn mend(&self) {
        std::fs::remove_dir_all(self.path("faults")).unwrap();
        std::fs::create_dir(self.path("faults")).unwrap();
        let _ = std::fs::remove_file(self.path("hanging"));
    }

    /// Waits until a call hangs, and gives its process. The next that hangs is another.
    #[track_caller]
    pub fn hangs(&self) -> u32 {
        let path = self.path("hanging");
        until("a call hangs", || std::fs::read_to_string(&path).is_ok_and(|text| !text.is_empty()));
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        text.trim().parse().unwrap()
    }

    /// What was asked of the fakes, in order.
    pub fn calls(&self) -> Vec<Call> {
        let text = std::fs::read_to_string(self.path("calls.jsonl")).unwrap_or_default();
        let calls = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        calls
            .map(|call| {
                let args: Vec<&str> =
                    call["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()).collect();
                Call {
                    line: format!("{} {}", call["program"].as_str().unwrap(), args.join(" ")),
                    stdin: call["stdin"].as_str().unwrap().to_owned(),
                }
            })
            .collect()
    }

    /// Forgets what was asked so far.
    pub fn forget_calls(&self) {
        let _ = std::fs::remove_file(self.path("calls.jsonl"));
    }

    /// The calls that contain a text.
    pub fn calls_with(&self, part: &str) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.line.contains(part)).collect()
    }

    /// The client secrets that passed through the calls so far.
    pub fn secrets(&self) -> BTreeSet<String> {
        let stdin = self.calls().into_iter().map(|call| call.stdin).collect::<Vec<_>>().join("\n");
        let values = stdin.lines().filter_map(|line| {
            let (key, value) = line.trim().split_once(": ")?;
            let secret =
                ["clientSecret", "argo-cd", "server.secretkey", "admin.password", "auth"].contains(&key);
            secret.then(|| value.trim_matches('"').to_owned())
        });
        values.filter(|value| value.len() > 20).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.mend();
        let _ = std::fs::remove_file(self.path("engine-dead"));
        // By the fake, so that a cluster that is not the lab's goes, too.
        for cluster in self.clusters() {
            let mut delete = Command::new(self.path("bin").join("kind"));
            delete.args(["delete", "cluster", "--name", &cluster]).env("FAKE_WORLD", self.folder.path());
            delete.env("FAKE_XTASK", env!("CARGO_BIN_EXE_xtask")).env("HOME", self.path("home"));
            let _ = delete.stderr(Stdio::null()).status();
        }
        let _ = self.command(&["--lab", "local", "down"]).output();
    }
}

/// Waits until something is so.
#[track_caller]
pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !so() {
        assert!(since.elapsed() < LIMIT, "{what}: not within {} s", LIMIT.as_secs());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Sends a signal.
pub fn kill(signal: &str, pid: u32) {
    let _ = Command::new("kill").args([signal, &pid.to_string()]).stderr(Stdio::null()).status();
}
