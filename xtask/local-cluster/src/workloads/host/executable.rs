//! Why an executable could not be started, in words.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Finds out what the system would only say by running it as a shell script: macOS
/// gives everything that it cannot execute to `/bin/sh`.
pub(super) fn check(program: &str) -> io::Result<()> {
    let shell_would_try = matches!(format(Path::new(program)), Some(Format::Elf(_) | Format::Other));
    if cfg!(not(target_os = "linux")) && shell_would_try && may_run(Path::new(program)) {
        return Err(io::Error::from_raw_os_error(ENOEXEC));
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
        io::ErrorKind::NotFound if path.exists() => not_loadable(path),
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        io::ErrorKind::PermissionDenied if path.is_dir() => "is a directory".to_owned(),
        io::ErrorKind::PermissionDenied if !may_run(path) => {
            format!("permission denied (hint: it is not executable; chmod +x {program})")
        }
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => match format(path) {
            Some(format) if error.raw_os_error() == Some(ENOEXEC) => {
                format!("exec format error: {}", format.describe())
            }
            _ => error.to_string(),
        },
    };
    format!("exec: {program:?}: {why}")
}

fn may_run(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|it| it.permissions().mode() & 0o111 != 0)
}

/// The file is there, and yet something was not found.
fn not_loadable(path: &Path) -> String {
    match format(path) {
        Some(Format::Script(interpreter)) => format!("no such file or directory (its interpreter {interpreter} is missing)"),
        _ => "no such file or directory (the loader that it asks for is missing: it may be built for another libc)".to_owned(),
    }
}

/// What a file is by its first bytes.
#[derive(Debug, PartialEq, Eq)]
enum Format {
    Elf(&'static str),
    MachO,
    Script(String),
    Other,
}

impl Format {
    fn describe(&self) -> String {
        let here = format!("this machine is {} {}", std::env::consts::OS, std::env::consts::ARCH);
        match self {
            Self::Elf(architecture) => format!("it is built for Linux on {architecture}, and {here}"),
            Self::MachO => format!("it is built for macOS, and {here}"),
            Self::Script(interpreter) => format!("its interpreter {interpreter} cannot be started"),
            Self::Other => format!(
                "it is neither a program for {here} nor a script with a #! line",
                here = std::env::consts::OS
            ),
        }
    }
}

fn format(path: &Path) -> Option<Format> {
    let mut head = vec![];
    File::open(path).ok()?.take(256).read_to_end(&mut head).ok()?;
    Some(format_of(&head))
}

fn format_of(head: &[u8]) -> Format {
    if let Some(line) = head.strip_prefix(b"#!") {
        let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        return Format::Script(line.split_whitespace().next().unwrap_or_default().to_owned());
    }
    match head {
        [0x7f, b'E', b'L', b'F', _, order, ..] => {
            let machine = head.get(18..20).map(|it| [it[0], it[1]]).unwrap_or_default();
            let machine = if *order == 2 { u16::from_be_bytes(machine) } else { u16::from_le_bytes(machine) };
            Format::Elf(match machine {
                3 => "x86",
                40 => "arm",
                62 => "x86_64",
                183 => "aarch64",
                243 => "riscv64",
                21 => "powerpc64",
                22 => "s390x",
                _ => "another architecture",
            })
        }
        [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..] | [0xca, 0xfe, 0xba, 0xbe, ..] => Format::MachO,
        _ => Format::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_first_bytes() {
        let elf = |order: u8, machine: [u8; 2]| {
            let mut head = vec![0x7f, b'E', b'L', b'F', 2, order];
            head.resize(18, 0);
            head.extend(machine);
            head
        };
        for (head, expected) in [
            (elf(1, [183, 0]), Format::Elf("aarch64")),
            (elf(2, [0, 22]), Format::Elf("s390x")),
            (elf(1, [62, 0]), Format::Elf("x86_64")),
            (elf(1, [0, 0]), Format::Elf("another architecture")),
            (elf(1, [0, 0])[..7].to_vec(), Format::Elf("another architecture")),
            (b"\xcf\xfa\xed\xfe".to_vec(), Format::MachO),
            (b"#!/usr/bin/env python\n".to_vec(), Format::Script("/usr/bin/env".into())),
            (b"#!".to_vec(), Format::Script(String::new())),
            (b"hello".to_vec(), Format::Other),
            (vec![], Format::Other),
        ] {
            assert_eq!(format_of(&head), expected, "{head:?}");
        }
    }
}
