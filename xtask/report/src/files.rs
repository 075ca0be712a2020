//! The files of a report: whole or not at all, and never over what is not a report's.

use std::fs;
use std::path::{Path, PathBuf};

use base::{Error, Result};
use serde_json::Value;

use crate::read::Run;

/// What a report consists of.
pub const NAMES: [&str; 4] = ["run.json", crate::PAGE, "junit.xml", "trace.har"];

/// Says before a run whether a report may be written into a folder.
///
/// # Errors
/// It is not a folder, cannot be written, or holds files of these names that are not a report's.
pub fn check(dir: &Path) -> Result<()> {
    let shown = dir.display();
    if !dir.is_dir() {
        if dir.symlink_metadata().is_ok() {
            return Err(Error::environment(format!(
                "{shown} is not a folder, so no report can be written into it"
            ))
            .hint("name a folder that is empty or not there yet"));
        }
        let above = dir.ancestors().skip(1).find(|above| above.as_os_str().is_empty() || above.exists());
        let above = above.filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        return writable(above, dir);
    }
    writable(dir, dir)?;
    let there: Vec<&str> =
        NAMES.into_iter().filter(|name| dir.join(name).symlink_metadata().is_ok()).collect();
    let file = |name: &&str| dir.join(name).symlink_metadata().is_ok_and(|it| it.is_file());
    let ours = || read(&dir.join(NAMES[0])).is_ok_and(|run| Run::of(&run).is_some());
    if there.is_empty() || there.iter().all(file) && ours() {
        return Ok(());
    }
    let there = there.join(", ");
    Err(Error::environment(format!(
        "{shown} holds {there}, and not from a report: nothing is written over it"
    ))
    .hint("name a folder that is empty or not there yet, or that of an older report"))
}

fn writable(folder: &Path, dir: &Path) -> Result<()> {
    let can = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    let refused = |why: String| {
        Error::environment(format!("no report can be written into {}: {why}", dir.display()))
            .hint("name a folder that you may write")
    };
    if !folder.is_dir() {
        return Err(refused(format!("{} is not a folder", folder.display())));
    }
    rustix::fs::access(folder, can)
        .map_err(|error| refused(format!("{}: {}", folder.display(), std::io::Error::from(error))))
}

/// Writes files into a folder, which it makes where it is not there.
pub fn write(dir: &Path, files: impl IntoIterator<Item = (impl AsRef<Path>, String)>) -> Result<()> {
    fs::create_dir_all(dir).map_err(|error| failed(dir, &error))?;
    for (name, content) in files {
        let path = dir.join(name);
        base::files::write_private(&path, content.as_bytes()).map_err(|error| failed(&path, &error))?;
    }
    Ok(())
}

fn failed(path: &Path, error: &std::io::Error) -> Error {
    Error::unwritable(path, error).hint("name a folder for the report that you may write and that has room")
}

/// What to name where something else was named.
const MADE_FROM: &str =
    "a run.json that `--report` wrote, or what `--format json` printed, is what a report is made from";

/// Reads a run's document.
pub fn read(path: &Path) -> Result<Value> {
    let shown = path.display();
    let bytes =
        fs::read(path).map_err(|error| Error::environment(format!("{shown} cannot be read: {error}")))?;
    let text = base::utf16::text(&bytes).map_or_else(|| String::from_utf8(bytes), Ok);
    let text = text.map_err(|_| Error::environment(format!("{shown} is no text")).hint(MADE_FROM))?;
    serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|error| Error::environment(format!("{shown} is no JSON: {error}")).hint(MADE_FROM))
}

/// The run of a document that was read from a file.
pub fn run<'a>(path: &Path, document: &'a Value) -> Result<Run<'a>> {
    Run::of(document).ok_or_else(|| {
        Error::environment(format!("{} is JSON, but not the document of a run", path.display()))
            .hint(MADE_FROM)
    })
}

/// The folder of a file.
pub fn folder_of(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new(".")).to_owned()
}
