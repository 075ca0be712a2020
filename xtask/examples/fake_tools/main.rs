//! Stands in for `kind`, `helm`, `kubectl` and `docker` in tests: one program, which
//! does as the name says that it is called by.
//!
//! Every call is written down, with its arguments and what it read. Messages are those
//! of the real programs (kind v0.33, Helm 3.22 and 4.3, docker 29). Behind a "cluster"
//! is a real local lab, so what a kubeconfig reaches is a real API with real workloads.
//!
//! What it does **not** simulate: containers, images and registries (an image is a line
//! in a file), charts (what the local lab derives from the same values is applied
//! instead, so a server is a stand-in), Helm's history and hooks, kubeadm, the network
//! inside a cluster (names are answered from the live Corefile by one small program that
//! plays the node's kubelet for the one pod that asks), and time: everything is at once.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "it is a program of tests"
)]

mod api;
mod engine;
mod faults;
mod helm;
mod kind;
mod kubectl;
mod node;
mod world;

use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::ExitCode;

use world::World;

/// One call.
pub struct Call {
    /// `kind`, `helm`, `kubectl`, `docker`.
    pub program: String,
    /// The arguments.
    pub args: Vec<String>,
    /// What was read, if the arguments say that stdin is read.
    pub stdin: String,
}

impl Call {
    /// The value of an option.
    pub fn option(&self, name: &str) -> Option<&str> {
        let place = self.args.iter().position(|arg| arg == name)?;
        self.args.get(place + 1).map(String::as_str)
    }

    /// The values of an option that may be given more than once.
    pub fn options(&self, name: &str) -> Vec<&str> {
        let pairs = self.args.windows(2).filter(|pair| pair[0] == name);
        pairs.map(|pair| pair[1].as_str()).collect()
    }

    /// Whether the arguments begin with these.
    pub fn is(&self, words: &[&str]) -> bool {
        self.args.len() >= words.len() && self.args.iter().zip(words).all(|(arg, word)| arg == word)
    }
}

/// How a call ends that failed: its message on stderr, status 1.
pub type Outcome = Result<(), String>;

fn main() -> ExitCode {
    let mut args = std::env::args();
    let name = args.next().unwrap_or_default();
    let program = Path::new(&name).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let args: Vec<String> = args.collect();
    if program == "fake_tools" {
        return play(&args);
    }
    let world = World::of_environment();
    let mut stdin = String::new();
    if args.windows(2).any(|pair| pair[1] == "-") {
        std::io::stdin().read_to_string(&mut stdin).unwrap();
    }
    let call = Call { program, args, stdin };
    world.record(&call);
    if let Some(fault) = faults::take(&world, &call, "before") {
        return fault.strike(&world);
    }
    let talks = matches!(call.program.as_str(), "helm" | "kubectl") && !call.is(&["version"]);
    if talks && !call.is(&["pull"]) {
        keep_discovery();
    }
    let outcome = match call.program.as_str() {
        "kind" => kind::run(&world, &call),
        "helm" => helm::run(&world, &call),
        "kubectl" => kubectl::run(&world, &call),
        _ => engine::run(&world, &call),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// Keeps what an API answered, where the real kubectl and Helm do.
fn keep_discovery() {
    let home = || Path::new(&std::env::var_os("HOME").unwrap()).join(".kube/cache");
    let folder = std::env::var_os("KUBECACHEDIR").map_or_else(home, Into::into);
    std::fs::create_dir_all(&folder).unwrap();
    let mut file = std::fs::OpenOptions::new();
    file.create(true).truncate(true).write(true).mode(0o600).open(folder.join("discovery")).unwrap();
}

/// Parts that this program plays by its own name.
fn play(args: &[String]) -> ExitCode {
    match args {
        [part, cluster] if part == "node" => node::run(&World::of_environment(), cluster),
        // What a container of the cluster itself does: it is there.
        [part] if part == "idle" => loop {
            std::thread::park();
        },
        _ => {
            eprintln!("call it by the name of a tool");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
