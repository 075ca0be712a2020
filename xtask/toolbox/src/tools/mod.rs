//! The outside programs of the kind lab: kind, Helm, kubectl and a container engine.
//!
//! What is on PATH is used if its version will do. kind, Helm and kubectl are else
//! taken from the cache, into which they are downloaded once, at pinned versions.

mod engine;
mod pins;
mod version;

#[cfg(test)]
mod tests;

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use xshell::{Shell, cmd};

use crate::download::{Downloads, Platform, Progress};
use base::Result;
use base::process::{self, Said};

pub use engine::{Engine, EngineState, Engines, PROVIDER, engine_with};
pub use pins::artifacts;
pub use version::Version;

/// The longest time in which a tool has to say its version. The first start of a
/// program on a slow disk takes a while.
const VERSION: Duration = Duration::from_secs(10);

/// A tool that can be downloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// Makes clusters in containers.
    Kind,
    /// Installs charts.
    Helm,
    /// Talks to clusters.
    Kubectl,
}

impl Tool {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Kind, Self::Helm, Self::Kubectl];

    /// Its name on PATH.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::Helm => "helm",
            Self::Kubectl => "kubectl",
        }
    }

    /// How it is asked for its version; none of these talks to a cluster.
    fn question(self, shell: &Shell, path: &Path) -> Command {
        let command = match self {
            Self::Kind => cmd!(shell, "{path} version"),
            Self::Helm => cmd!(shell, "{path} version --short"),
            Self::Kubectl => cmd!(shell, "{path} version --client --output json"),
        };
        command.into()
    }
}

/// Where a tool is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The user's own.
    Path,
    /// Downloaded before.
    Cache,
    /// Nowhere yet; it can be downloaded.
    Download,
}

/// A tool, found or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which.
    pub tool: Tool,
    /// Where it is from.
    pub source: Source,
    /// Where it is, or will be.
    pub path: PathBuf,
    /// Its version; in the cache and for a download the pinned one.
    pub version: Version,
    /// Why the one on PATH is not used, if there is one.
    pub passed_over: Option<String>,
}

impl Found {
    /// Whether it is there.
    pub fn is_there(&self) -> bool {
        self.source != Source::Download
    }
}

/// Finds tools, and downloads what is missing.
pub struct Toolbox<'a> {
    shell: &'a Shell,
    downloads: &'a Downloads,
    platform: Platform,
}

impl<'a> Toolbox<'a> {
    /// Looks on the PATH that `shell` sees, then in the cache.
    pub fn new(shell: &'a Shell, downloads: &'a Downloads, platform: Platform) -> Self {
        Self { shell, downloads, platform }
    }

    /// Finds all tools at once. Asks nothing of the network.
    pub async fn find_all(&self) -> [Found; 3] {
        let [kind, helm, kubectl] = Tool::ALL;
        tokio::join!(self.find(kind), self.find(helm), self.find(kubectl)).into()
    }

    /// Finds a tool. Asks nothing of the network.
    pub async fn find(&self, tool: Tool) -> Found {
        let mut passed_over = None;
        if let Some(path) = on_path(self.shell, tool.name()) {
            let answer = process::run(tool.question(self.shell, &path), VERSION).await;
            let unfit = match read(tool, answer) {
                Ok(version) => match tool.unfit(&version) {
                    None => return Found { tool, source: Source::Path, path, version, passed_over: None },
                    Some(why) => why,
                },
                Err(why) => why,
            };
            passed_over = Some(format!("{} is not used: {unfit}", path.display()));
        }
        let artifact = tool.artifact(self.platform);
        let (source, path) = match self.downloads.find(&artifact) {
            Some(path) => (Source::Cache, path),
            None => (Source::Download, self.downloads.slot(self.platform, &artifact.file).path().to_owned()),
        };
        Found { tool, source, path, version: tool.pinned(), passed_over }
    }

    /// A tool that is there: found, or downloaded now.
    ///
    /// # Errors
    /// It cannot be downloaded.
    pub async fn get(&self, tool: Tool, progress: &dyn Progress) -> Result<Found> {
        let found = self.find(tool).await;
        self.make_there(found, progress).await
    }

    /// What was found, downloaded now if it is not there yet.
    ///
    /// # Errors
    /// It cannot be downloaded.
    pub async fn make_there(&self, found: Found, progress: &dyn Progress) -> Result<Found> {
        if found.is_there() {
            return Ok(found);
        }
        if let Some(why) = &found.passed_over {
            progress.note(why);
        }
        let path = self.downloads.get(&found.tool.artifact(self.platform), progress).await?;
        Ok(Found { source: Source::Cache, path, ..found })
    }
}

/// The version in a tool's answer, or why there is none.
fn read(tool: Tool, answer: io::Result<Said>) -> Result<Version, String> {
    let ended = answer.map_err(|error| format!("it cannot be run ({error})"))?;
    if let Some(version) = Version::of(tool, &ended.stdout) {
        return Ok(version);
    }
    let said = first_line(&ended.stderr).or_else(|| first_line(&ended.stdout));
    let said = said.map_or_else(String::new, |line| format!(": {line}"));
    Err(match ended.status {
        None => format!("it did not say its version within {} s", VERSION.as_secs()),
        Some(status) => format!("it does not say its version ({status}){said}"),
    })
}

/// The first line that says something, of a bearable length.
fn first_line(text: &str) -> Option<String> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    let plain: String = line.chars().filter(|c| !c.is_control()).take(300).collect();
    Some(plain)
}

/// A program on the PATH that a shell sees.
pub fn on_path(shell: &Shell, name: &str) -> Option<PathBuf> {
    let path = shell.var_os("PATH")?;
    // A relative folder is relative to where the shell is.
    std::env::split_paths(&path).map(|folder| shell.current_dir().join(folder).join(name)).find(|path| {
        path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    })
}
