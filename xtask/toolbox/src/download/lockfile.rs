//! `tools.lock`: the SHA-256 of each outside file, as far as somebody has looked.
//!
//! A project's published checksum says that a file came whole; it says nothing once
//! whoever can change the file can change the checksum beside it. What stands in
//! this file was reviewed in a commit, and nothing else is accepted for its name.
//! Lines are as `sha256sum` writes them:
//!
//! ```text
//! <SHA-256>  kind/v0.33.0/kind-linux-amd64
//! ```
//!
//! Only `cargo xtask tools --lock` writes here. It adds what is missing and changes
//! nothing that is there.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use super::sha256::Sha256;
use base::{Error, Result};

/// The file's name, in the root of the checkout.
pub const NAME: &str = "tools.lock";

/// The known checksums.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lockfile {
    path: PathBuf,
    entries: BTreeMap<String, Sha256>,
}

impl Lockfile {
    /// Reads the file of a checkout. None is an empty one.
    ///
    /// # Errors
    /// It cannot be read, or a line is wrong: an unreadable lock protects nothing.
    pub fn read(root: &Path) -> Result<Self> {
        let path = root.join(NAME);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => {
                return Err(Error::environment(format!("{} cannot be read: {error}", path.display())));
            }
        };
        let entries = parse(&text).map_err(|(line, why)| {
            Error::environment(format!("{}, line {line}: {why}", path.display()))
                .hint("a line is a SHA-256, two spaces and a name; `git checkout tools.lock` takes it back")
        })?;
        Ok(Self { path, entries })
    }

    /// What is known of a file.
    pub fn get(&self, key: &str) -> Option<Sha256> {
        self.entries.get(key).copied()
    }

    /// How many files are known.
    pub fn known(&self) -> usize {
        self.entries.len()
    }

    /// Knows a file from now on.
    #[cfg(test)]
    pub fn learn(&mut self, key: &str, sha256: Sha256) {
        self.entries.insert(key.to_owned(), sha256);
    }

    /// Adds what is published to the end of the file; says which names are new. Nothing is
    /// written if anything differs from what is known.
    ///
    /// # Errors
    /// Something differs, or the file cannot be written.
    pub fn add(&mut self, published: &[(String, Sha256)]) -> Result<Vec<String>> {
        let (mut entries, mut new, mut lines) = (self.entries.clone(), vec![], String::new());
        for (key, sha256) in published {
            match entries.insert(key.clone(), *sha256) {
                Some(known) if known != *sha256 => return Err(mismatch(key, known, *sha256)),
                Some(_) => {}
                None => {
                    lines.push_str(&format!("{sha256}  {key}\n"));
                    new.push(key.clone());
                }
            }
        }
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).open(&self.path);
        file.and_then(|mut file| file.write_all(lines.as_bytes())).map_err(|error| {
            Error::environment(format!("{} cannot be written: {error}", self.path.display()))
        })?;
        self.entries = entries;
        Ok(new)
    }
}

/// What is published, or what came, is not what is locked.
pub fn mismatch(key: &str, locked: Sha256, found: Sha256) -> Error {
    Error::environment(format!("the SHA-256 of {key} is {found}, and {NAME} says {locked}: refused")).hint(
        format!(
            "somebody changed the file after it was reviewed, or a mirror serves another; if it was rightly \
         made anew, remove its line from {NAME} and run `cargo xtask tools --lock`"
        ),
    )
}

fn parse(text: &str) -> Result<BTreeMap<String, Sha256>, (usize, &'static str)> {
    let mut entries = BTreeMap::new();
    for (line, number) in text.lines().zip(1..) {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let (sha256, key) = line.split_once("  ").ok_or((number, "it is no checksum and name"))?;
        let sha256 = Sha256::parse(sha256).ok_or((number, "it starts with no SHA-256"))?;
        let key = key.trim();
        if key.is_empty() || key.contains(char::is_whitespace) {
            return Err((number, "its name is not one word"));
        }
        if entries.insert(key.to_owned(), sha256).is_some() {
            return Err((number, "its name was there before"));
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "kind/v0.33.0/kind-linux-amd64";

    #[test]
    fn what_is_learned_is_there_the_next_time() {
        let folder = tempfile::tempdir().unwrap();
        let mut lock = Lockfile::read(folder.path()).unwrap();
        assert_eq!(lock.known(), 0);
        let published = [(KEY.to_owned(), Sha256::of(b"a"))];
        std::fs::write(folder.path().join(NAME), "# what it is\n").unwrap();
        assert_eq!(lock.add(&published).unwrap(), [KEY]);
        assert!(lock.add(&published).unwrap().is_empty());
        let again = Lockfile::read(folder.path()).unwrap();
        assert_eq!(again, lock);
        let text = std::fs::read_to_string(folder.path().join(NAME)).unwrap();
        assert_eq!(text, format!("# what it is\n{}  {KEY}\n", Sha256::of(b"a")));
        assert_eq!(again.get(KEY), Some(Sha256::of(b"a")));
    }

    #[test]
    fn a_known_file_is_never_learned_anew() {
        let folder = tempfile::tempdir().unwrap();
        let mut lock = Lockfile::read(folder.path()).unwrap();
        let published = |bytes: &[u8]| [(KEY.to_owned(), Sha256::of(bytes))];
        lock.add(&published(b"a")).unwrap();
        let error = lock.add(&published(b"b")).unwrap_err().to_string();
        assert!(error.contains(KEY) && error.contains("refused (hint: "), "{error}");
        assert_eq!(lock.get(KEY), Some(Sha256::of(b"a")));
    }

    #[test]
    fn a_wrong_line_is_named() {
        let sha256 = Sha256::of(b"a");
        for (text, line, why) in [
            ("# c\n\nx  y\n".to_owned(), 3, "it starts with no SHA-256"),
            ("x\n".to_owned(), 1, "it is no checksum and name"),
            (format!("{sha256}  \n"), 1, "its name is not one word"),
            (format!("{sha256}  a b\n"), 1, "its name is not one word"),
            (format!("{sha256}  a\n{sha256}  a\n"), 2, "its name was there before"),
        ] {
            assert_eq!(parse(&text).unwrap_err(), (line, why), "{text}");
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(NAME), "x\n").unwrap();
        let error = Lockfile::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("tools.lock, line 1: it is no checksum"), "{error}");
    }

    #[test]
    fn the_lock_of_this_checkout_can_be_read() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        assert!(root.join(NAME).is_file());
        Lockfile::read(root).unwrap();
    }
}
