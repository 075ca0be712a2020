//! Why an executable could not be started, in words.

use std::env::consts::{ARCH, OS};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Finds out what the system would only say by running it as a shell script: macOS
/// gives everything that it cannot execute to `/bin/sh`.
pub(super) fn check(program: &str) -> io::Result<()> {
    if cfg!(not(target_os = "linux")) && may_run(Path::new(program)) {
        let mut head = [0; 4];
        let read = File::open(program).and_then(|mut file| file.read(&mut head));
        // A script that says so, or a program of macOS (for one architecture or for several).
        let known =
            matches!(head, [b'#', b'!', ..] | [0xcf | 0xce, 0xfa, 0xed, 0xfe] | [0xca, 0xfe, 0xba, 0xbe]);
        if read.is_ok() && !known {
            return Err(io::Error::from_raw_os_error(ENOEXEC));
        }
    }
    Ok(())
}

/// "Exec format error", which has no [`io::ErrorKind`] of its own.
const ENOEXEC: i32 = 8;

/// The message for a program that the system would not start, as a container runtime
/// begins it.
pub(super) fn explain(program: &str, error: &io::Error) -> String {
    let path = Path::new(program);
    let why = match error.kind() {
        io::ErrorKind::NotFound if !program.contains('/') => "executable file not found in $PATH".to_owned(),
        io::ErrorKind::NotFound if path.exists() => {
            "no such file or directory (it asks for an interpreter or a loader that is missing)".to_owned()
        }
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        io::ErrorKind::PermissionDenied if path.is_dir() => "is a directory".to_owned(),
        io::ErrorKind::PermissionDenied if !may_run(path) => {
            format!("permission denied (hint: it is not executable; chmod +x {program})")
        }
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ if error.raw_os_error() == Some(ENOEXEC) => {
            format!(
                "exec format error: it is neither a program for {OS} on {ARCH} nor a script with a #! line"
            )
        }
        _ => error.to_string(),
    };
    format!("exec: {program:?}: {why}")
}

fn may_run(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|it| it.permissions().mode() & 0o111 != 0)
}
