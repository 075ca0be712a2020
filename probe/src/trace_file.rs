//! The file of `--trace`: one line of JSON for each login, readable by its owner only.

use std::fs::{File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use probe::Login;

pub(crate) struct TraceFile {
    file: File,
    path: String,
}

impl TraceFile {
    /// Makes the file anew. Although secrets are masked in it, it still says who logs in where.
    pub(crate) fn create(path: &Path) -> Result<Self, String> {
        let shown = path.display().to_string();
        let cannot = |error| format!("--trace {shown} cannot be written: {error}");
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(path).map_err(cannot)?;
        // A file that was there already keeps its mode otherwise; a pipe or device has none to change.
        if file.metadata().is_ok_and(|data| data.is_file()) {
            file.set_permissions(Permissions::from_mode(0o600)).map_err(cannot)?;
        }
        Ok(Self { file, path: shown })
    }

    pub(crate) fn write(&mut self, login: &Login) -> Result<(), String> {
        let mut line =
            serde_json::to_vec(login).map_err(|error| format!("--trace {}: {error}", self.path))?;
        line.push(b'\n');
        self.file
            .write_all(&line)
            .map_err(|error| format!("--trace {} cannot be written: {error}", self.path))
    }
}
