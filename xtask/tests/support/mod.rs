//! Runs the program as a person would, in a lab folder and a HOME of its own, and
//! looks at stdout, stderr and status.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "shared by test programs that each use a part"
)]

mod ended;
pub mod ports;
pub mod programs;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

pub use ended::Ended;

/// A lab of one test. Dropping it takes the lab down.
pub struct Lab {
    folder: TempDir,
}

impl Lab {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// The lab's folder.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("lab")
    }

    /// The HOME that the program sees.
    pub fn home(&self) -> PathBuf {
        let home = self.folder.path().join("home");
        std::fs::create_dir_all(&home).unwrap();
        home
    }

    /// A file in the test's own folder.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(args).env("OIDC_LAB_DIR", self.path()).env("HOME", self.home()).stdin(Stdio::null());
        // Whoever runs the tests may have chosen another.
        // An editor would wait for a person.
        command.env("OIDC_LAB", "local").env("EDITOR", "false").env("KUBE_EDITOR", "false");
        command
            .env_remove("LAB_ARGOCD_BINS")
            .env_remove("KUBECONFIG")
            .env_remove("NO_COLOR")
            .env_remove("GITHUB_ACTIONS")
            .env("LC_ALL", "C.UTF-8")
            .env_remove("RUST_BACKTRACE");
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

    /// The verdict of `test`, run with `args`.
    #[track_caller]
    pub fn verdict(&self, args: &[&str]) -> String {
        let ended = self.run(&[&["--format", "json"], args, &["test"]].concat());
        let document: Value =
            serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended}"));
        let goals = document["goals"].as_array().unwrap();
        goals.last().unwrap()["verdict"].as_str().unwrap_or_else(|| panic!("no verdict: {ended}")).to_owned()
    }

    /// Runs kubectl against the lab; says by name that the test is skipped if there is
    /// none.
    #[track_caller]
    pub fn kubectl(&self, args: &[&str]) -> Ended {
        let ended =
            self.run(&[&["kubectl", "--", "--cache-dir", "/tmp/oidc-lab-test-kubectl"], args].concat());
        assert_eq!(ended.status, 0, "kubectl {}\n{ended}", args.join(" "));
        ended
    }

    /// The value of a key of a Secret, decoded.
    #[track_caller]
    pub fn secret(&self, namespace: &str, name: &str, key: &str) -> String {
        let path = format!("go-template={{{{index .data \"{key}\" | base64decode}}}}");
        self.kubectl(&["-n", namespace, "get", "secret", name, "-o", &path]).stdout.trim_end().to_owned()
    }

    /// The lab's process, from its own description.
    pub fn pid(&self) -> u32 {
        let text = std::fs::read(self.path().join("lab.json")).unwrap();
        let description: Value = serde_json::from_slice(&text).unwrap();
        u32::try_from(description["pid"].as_u64().unwrap()).unwrap()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let ended = self.run(&["down"]);
        if ended.status != 0 && !std::thread::panicking() {
            panic!("down failed: {ended}");
        }
    }
}

/// Whether a program is on PATH. A test that goes without says so by name.
pub fn has(program: &str, test: &str) -> bool {
    let there = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|folder| folder.join(program).is_file());
    if !there {
        eprintln!("skipped: {test}: no {program} on PATH");
    }
    there
}

/// All files below a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files(&path)),
            _ => found.push(path),
        }
    }
    found
}

/// The processes that run a file of this test, by their pids.
pub fn processes_of(path: &Path) -> Vec<u32> {
    let output = Command::new("ps").args(["-eo", "pid=,stat=,args="]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let shown = path.display().to_string();
    let of = |line: &str| {
        let mut words = line.split_whitespace();
        let (pid, state) = (words.next()?.parse().ok()?, words.next()?);
        let runs = words.any(|word| word == shown);
        (runs && !state.starts_with('Z')).then_some(pid)
    };
    text.lines().filter_map(of).collect()
}
