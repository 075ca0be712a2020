//! For which machine a program is built, in the words of the projects that publish
//! them: all are written in Go and use its names.

use std::fmt;

use base::{Error, Result};

/// An operating system and an architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Platform {
    /// `linux` or `darwin`.
    pub os: &'static str,
    /// `amd64` or `arm64`.
    pub arch: &'static str,
}

impl Platform {
    /// Those that kind, Helm, kubectl and Argo CD all publish programs for and this
    /// lab runs on.
    pub const ALL: [Self; 4] = [
        Self { os: "linux", arch: "amd64" },
        Self { os: "linux", arch: "arm64" },
        Self { os: "darwin", arch: "amd64" },
        Self { os: "darwin", arch: "arm64" },
    ];

    /// This machine's.
    ///
    /// # Errors
    /// It is none of [`Platform::ALL`].
    pub fn here() -> Result<Self> {
        Self::named(std::env::consts::OS, std::env::consts::ARCH)
    }

    /// The platform that Rust calls by these names.
    fn named(os: &str, arch: &str) -> Result<Self> {
        let go_os = if os == "macos" { "darwin" } else { os };
        let go_arch = match arch {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        Self::ALL.into_iter().find(|platform| platform.os == go_os && platform.arch == go_arch).ok_or_else(
            || {
                Error::environment(format!("nothing is published for this machine ({go_os}/{go_arch})"))
                    .hint("build the programs from their sources and put them on PATH")
            },
        )
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.arch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rusts_names_become_gos() {
        for (os, arch, name) in [
            ("linux", "x86_64", "linux/amd64"),
            ("linux", "aarch64", "linux/arm64"),
            ("macos", "aarch64", "darwin/arm64"),
            ("macos", "x86_64", "darwin/amd64"),
        ] {
            assert_eq!(Platform::named(os, arch).unwrap().to_string(), name);
        }
        let error = Platform::named("linux", "riscv64").unwrap_err().to_string();
        assert!(error.starts_with("nothing is published for this machine (linux/riscv64)"), "{error}");
    }
}
