//! What the fakes know between two calls: a folder.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::Call;

/// The folder of one test's world.
#[derive(Clone, Debug)]
pub struct World {
    folder: PathBuf,
}

impl World {
    /// The one that the environment names.
    pub fn of_environment() -> Self {
        Self { folder: std::env::var_os("FAKE_WORLD").expect("FAKE_WORLD names a folder").into() }
    }

    /// The program whose local lab is behind every cluster.
    pub fn xtask() -> PathBuf {
        std::env::var_os("FAKE_XTASK").expect("FAKE_XTASK names the program").into()
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Whether a file is there.
    pub fn has(&self, name: &str) -> bool {
        self.file(name).exists()
    }

    /// The folder of a cluster, which is there from the moment its container is.
    pub fn cluster(&self, name: &str) -> PathBuf {
        self.folder.join("clusters").join(name)
    }

    /// The folder of the local lab behind a cluster.
    pub fn lab(&self, cluster: &str) -> PathBuf {
        self.cluster(cluster).join("lab")
    }

    /// Writes a call down.
    pub fn record(&self, call: &Call) {
        let line = json!({"program": call.program, "args": call.args, "stdin": call.stdin});
        let mut file = OpenOptions::new().create(true).append(true).open(self.file("calls.jsonl")).unwrap();
        // At once: others write at the same time.
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Does something that nobody else is to do at the same time.
    pub fn alone<T>(&self, act: impl FnOnce() -> T) -> T {
        let lock = fs::File::create(self.file("lock")).unwrap();
        lock.lock().unwrap();
        act()
    }

    /// Reads a document; nothing where there is none.
    pub fn read(&self, name: &str) -> Value {
        let text = fs::read(self.file(name)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or(Value::Null)
    }

    /// Writes a document, whole: another call may read it at that moment.
    pub fn write(&self, name: &str, document: &Value) {
        let path = self.file(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let part = path.with_extension(format!("part{}", std::process::id()));
        fs::write(&part, document.to_string()).unwrap();
        fs::rename(part, path).unwrap();
    }
}
