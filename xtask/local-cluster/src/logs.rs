//! Container logs: one file for each run of a container, with a time before each line.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use base::mutex::lock;
use jiff::Timestamp;
use tokio::sync::watch;

/// A log stops growing here; what comes later is counted, not kept, so that a
/// program gone wild fills no disk.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// One run of one container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogKey {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The container's name.
    pub container: String,
    /// 0 for the first run, 1 after the first restart.
    pub restart: u32,
}

/// All logs of a lab, kept in one folder (files are 0600). Cheap to clone.
#[derive(Clone)]
pub struct Logs {
    folder: Arc<PathBuf>,
    live: Arc<Mutex<std::collections::BTreeMap<LogKey, watch::Receiver<bool>>>>,
}

impl Logs {
    /// Logs in `folder`, which must exist.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: Arc::new(folder.into()), live: Arc::default() }
    }

    fn path(&self, key: &LogKey) -> PathBuf {
        // Names are DNS labels, so an underscore separates without doubt.
        self.folder.join(format!("{}_{}_{}_{}.log", key.namespace, key.pod, key.container, key.restart))
    }

    /// Starts the log of a container's run.
    ///
    /// # Errors
    /// The file could not be made.
    pub fn start(&self, key: LogKey) -> io::Result<LogWriter> {
        let file =
            OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(self.path(&key))?;
        let (changed, receiver) = watch::channel(false);
        lock(&self.live).insert(key, receiver);
        Ok(LogWriter { file: Arc::new(Mutex::new((file, 0))), changed })
    }

    /// Opens a log for reading from its start; `None` if there is none.
    pub fn open(&self, key: &LogKey) -> Option<LogReader> {
        let changed = lock(&self.live).get(key)?.clone();
        let file = File::open(self.path(key)).ok()?;
        Some(LogReader { file: BufReader::new(file), partial: String::new(), changed })
    }

    /// Removes the log of one run.
    pub fn forget_run(&self, key: &LogKey) {
        if lock(&self.live).remove(key).is_some() {
            let _ = fs::remove_file(self.path(key));
        }
    }

    /// Removes the logs of a pod that is gone.
    pub fn forget(&self, namespace: &str, pod: &str) {
        let mut live = lock(&self.live);
        live.retain(|key, _| {
            let gone = key.namespace == namespace && key.pod == pod;
            if gone {
                let _ = fs::remove_file(self.path(key));
            }
            !gone
        });
    }
}

/// Writes lines to a container's log. The log ends when the last clone is dropped.
#[derive(Clone)]
pub struct LogWriter {
    /// With how many bytes are in it.
    file: Arc<Mutex<(File, u64)>>,
    changed: watch::Sender<bool>,
}

impl LogWriter {
    /// Adds a line (without its newline), with the time before it.
    pub fn line(&self, text: impl AsRef<str>) {
        let text = text.as_ref();
        let mut file = lock(&self.file);
        if file.1 >= MAX_BYTES {
            return;
        }
        for line in text.lines() {
            let line = format!("{} {line}\n", Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%9fZ"));
            file.1 += line.len() as u64;
            // A full disk must not stop a login; the log is what is lost.
            let _ = file.0.write_all(line.as_bytes());
        }
        drop(file);
        self.changed.send_replace(true);
    }
}

/// Reads a log from its start and, if asked to, waits for more.
pub struct LogReader {
    file: BufReader<File>,
    partial: String,
    changed: watch::Receiver<bool>,
}

impl LogReader {
    /// The next line with its time, without its newline; `None` at the end of what
    /// is written so far.
    pub fn line(&mut self) -> Option<String> {
        match self.file.read_line(&mut self.partial) {
            Ok(read) if read > 0 && self.partial.ends_with('\n') => {
                let mut line = std::mem::take(&mut self.partial);
                line.pop();
                Some(line)
            }
            _ => None,
        }
    }

    /// Waits until more is written: `true`; `false` when the log has ended. Call
    /// [`LogReader::line`] until `None` after either.
    pub async fn more(&mut self) -> bool {
        self.changed.changed().await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reader_follows_until_the_writer_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let logs = Logs::new(folder.path());
        let key = LogKey { namespace: "n".into(), pod: "p".into(), container: "c".into(), restart: 0 };
        let writer = logs.start(key.clone()).unwrap();
        writer.line("one\ntwo");
        let mut reader = logs.open(&key).unwrap();
        let follower = tokio::spawn(async move {
            let mut lines = vec![];
            loop {
                while let Some(line) = reader.line() {
                    lines.push(line.split_once(' ').unwrap().1.to_owned());
                }
                if !reader.more().await {
                    while let Some(line) = reader.line() {
                        lines.push(line.split_once(' ').unwrap().1.to_owned());
                    }
                    return lines;
                }
            }
        });
        tokio::task::yield_now().await;
        writer.line("three");
        drop(writer);
        assert_eq!(follower.await.unwrap(), ["one", "two", "three"]);
        logs.forget("n", "p");
        assert!(logs.open(&key).is_none());
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }
}
