//! A running `probe serve`, and how it is asked.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Fake, PASSWORD, USER};

pub struct Exporter {
    pub address: SocketAddr,
    pub folder: tempfile::TempDir,
    child: Child,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

/// What came back.
pub struct Said {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// A file of modules: one, `dex`, for targets at `fake`, whose password is in the file `password`.
pub fn modules(fake: &Fake, targets: &[String], more: &str) -> String {
    let default = if fake.url().starts_with("https") { 443 } else { 80 };
    let port =
        |url: &String| url.rsplit_once(':').and_then(|(_, port)| port.trim_end_matches('/').parse().ok());
    let ports: BTreeSet<u16> = targets.iter().filter_map(port).chain([default]).collect();
    let resolve: Vec<String> = ports.iter().map(|port| format!("*:{port}:{}", fake.address)).collect();
    format!(
        "modules:\n  dex:\n    targets: {targets:?}\n    user: {USER}\n    password_file: PASSWORD_FILE\n    \
         password_hosts: [dex.host]\n    resolve: {resolve:?}\n{more}"
    )
}

impl Exporter {
    pub fn start(config: &str) -> Self {
        Self::start_with(config, &[])
    }

    pub fn start_with(config: &str, args: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("password"), format!("{PASSWORD}\n")).unwrap();
        let file = write(folder.path().join("probe.yaml"), config);
        let mut command = Command::new(env!("CARGO_BIN_EXE_probe"));
        command.env_clear().args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(file).args(args);
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut first = String::new();
        lines.read_line(&mut first).unwrap();
        let (_, rest) = first.split_once("listening on http://").expect(&first);
        let address = rest.split_once(',').unwrap().0.parse().unwrap();
        let log = Arc::new(Mutex::new(first));
        let kept = Arc::clone(&log);
        let reader = std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                *kept.lock().unwrap() += &format!("{line}\n");
            }
        });
        Self { address, folder, child, log, reader: Some(reader) }
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        write(self.folder.path().join(name), text)
    }

    pub fn get(&self, path: &str) -> Said {
        self.ask("GET", path, "")
    }

    /// The metrics of a target.
    pub fn probe(&self, target: &str) -> Said {
        self.get(&format!("/probe?target={target}"))
    }

    pub fn ask(&self, method: &str, path: &str, headers: &str) -> Said {
        let mut stream = TcpStream::connect(self.address).unwrap();
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: exporter\r\nConnection: close\r\n{headers}\r\n")
            .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").expect(&text);
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Said { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// Asks for a target's metrics until they say `line`.
    pub fn probe_until(&self, target: &str, line: &str) -> Said {
        self.wait_for(&format!("/probe?target={target}"), line)
    }

    /// Asks until the answer says `line`.
    pub fn wait_for(&self, path: &str, line: &str) -> Said {
        let begin = Instant::now();
        loop {
            let said = self.get(path);
            if said.has(line) {
                return said;
            }
            assert!(begin.elapsed() < Duration::from_secs(60), "never {line}:\n{}", said.body);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// What the system says of the process: the number behind `name`.
    pub fn status(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().find_map(|word| word.parse().ok()).unwrap()
    }

    /// How many files and sockets it has open.
    pub fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// The processor time it has used.
    pub fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let after_name = stat.rsplit_once(')').unwrap().1;
        let ticks: u64 =
            after_name.split_whitespace().skip(11).take(2).map(|it| it.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 10)
    }

    /// Sends a signal and waits for the end.
    pub fn end(mut self, signal: &str) -> (ExitStatus, String) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        self.reader.take().unwrap().join().unwrap();
        (status, self.log())
    }
}

fn write(path: PathBuf, text: &str) -> PathBuf {
    let password = path.with_file_name("password");
    std::fs::write(&path, text.replace("PASSWORD_FILE", &password.display().to_string())).unwrap();
    path
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Said {
    /// Whether one line is `line`.
    pub fn has(&self, line: &str) -> bool {
        self.body.lines().any(|it| it == line)
    }

    #[track_caller]
    pub fn says(&self, lines: &[&str]) {
        for line in lines {
            assert!(self.has(line), "no line {line} in\n{}", self.body);
        }
    }
}
