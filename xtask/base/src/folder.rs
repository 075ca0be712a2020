//! Folders that are the program's: those with its marker, and no others.
//!
//! A folder that holds anything and lacks the marker is somebody's own, and is refused. The
//! marker is written first and goes last, so that a folder is known again wherever a run was
//! killed. What is removed is known by name; anything else keeps the folder.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::files::{make_private_folder, write_new_private};
use crate::{Error, Result};

/// The marker's name.
const MARKER: &str = "oidc-lab.json";

/// A path with something after its name, as beside a folder.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.to_owned();
    path.as_mut_os_string().push(suffix);
    path
}

/// What cannot be read, written or removed where a lab keeps its state.
pub fn failed(path: &Path, what: &str, error: io::Error) -> Error {
    Error::environment(format!("{} cannot be {what}: {error}", path.display()))
        .hint("the lab keeps its state there; make it writable, or name another folder in OIDC_LAB_DIR")
}

/// A lock that can be neither taken nor said to be another's.
pub fn no_lock(path: &Path, error: io::Error) -> Error {
    Error::environment(format!("{} cannot be locked: {error}", path.display())).hint(
        "too many files may be open, or its file system has no locks: then name a folder on another in OIDC_LAB_DIR",
    )
}

/// By what a sort of folder is known.
#[derive(Clone, Copy, Debug)]
pub struct Contents {
    /// Whether the program makes an entry of this name in it.
    pub known: fn(&str) -> bool,
    /// Whether a program that knew no markers made it.
    pub older: fn(&Path) -> bool,
}

/// A folder of the program's, which need not exist.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
    contents: Contents,
}

/// What the marker says.
#[derive(Serialize, Deserialize)]
struct Marker {
    /// For whoever looks here.
    folder_of: String,
    /// The program made the folder, so that it goes with what is in it.
    made: bool,
}

enum Standing {
    Absent,
    Empty,
    Older,
    Marked { made: bool },
}

impl Folder {
    /// The folder at a path.
    pub fn new(path: impl Into<PathBuf>, contents: Contents) -> Self {
        Self { path: path.into(), contents }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is there and the program's; not so where nothing is, or nothing is in it.
    ///
    /// # Errors
    /// It is somebody's own, or cannot be read.
    pub fn is_ours(&self) -> Result<bool> {
        Ok(matches!(self.standing()?, Standing::Older | Standing::Marked { .. }))
    }

    /// Makes it the program's: made or empty, and marked before anything is put there.
    ///
    /// # Errors
    /// It is somebody's own, or cannot be written.
    pub fn claim(&self) -> Result<()> {
        let made = match self.standing()? {
            Standing::Marked { .. } => return Ok(()),
            Standing::Empty => false,
            // Its program would have removed it whole.
            Standing::Older => true,
            Standing::Absent => {
                make_private_folder(self.path.parent().unwrap_or(Path::new("/")))
                    .and_then(|()| DirBuilder::new().mode(0o700).create(&self.path))
                    .map_err(|error| self.failed("written", error))?;
                true
            }
        };
        self.mark(made)
    }

    /// Removes what the program put there, and says whether that was anything. The folder
    /// stays the program's.
    ///
    /// # Errors
    /// It is somebody's own, or something cannot be removed.
    pub fn clear(&self) -> Result<bool> {
        if !self.is_ours()? {
            return Ok(false);
        }
        // One of an older program, half removed, would be known by nobody.
        self.claim()?;
        let failed = |error| self.failed("cleared", error);
        let mut removed = false;
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if !entry.file_name().to_str().is_some_and(self.contents.known) {
                continue;
            }
            let folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let path = entry.path();
            let gone = if folder { fs::remove_dir_all(path) } else { fs::remove_file(path) };
            match gone {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
                _ => removed = true,
            }
        }
        Ok(removed)
    }

    /// Removes what the program put there, and the folder if the program made it; one that
    /// was there before is given back. Says whether there was anything to remove.
    ///
    /// # Errors
    /// It is somebody's own, or something cannot be removed.
    pub fn remove(&self) -> Result<bool> {
        let removed = self.clear()?;
        let Standing::Marked { made } = self.standing()? else { return Ok(removed) };
        let failed = |error| self.failed("removed", error);
        let others = fs::read_dir(&self.path)
            .map_err(failed)?
            .any(|entry| entry.is_ok_and(|entry| entry.file_name() != MARKER));
        if made && others {
            // Whoever put it into the lab's own folder is not to lose the lab's use of it.
            return Ok(removed);
        }
        fs::remove_file(self.path.join(MARKER)).map_err(failed)?;
        if made && let Err(error) = fs::remove_dir(&self.path) {
            self.mark(made)?;
            return Err(failed(error));
        }
        Ok(true)
    }

    fn standing(&self) -> Result<Standing> {
        use io::ErrorKind::{NotADirectory, NotFound};
        let refused = |why: String| {
            Err(Error::environment(format!("{} {why}", self.path.display()))
                .hint("name a folder that is empty or not there yet in OIDC_LAB_DIR, or move what is there"))
        };
        if self.path.file_name().is_none() {
            return refused("is not a name for a folder of the lab's own".into());
        }
        match fs::symlink_metadata(&self.path) {
            Err(error) if matches!(error.kind(), NotFound | NotADirectory) => return Ok(Standing::Absent),
            Err(error) => return Err(self.failed("read", error)),
            Ok(found) if found.is_symlink() => {
                return refused("is a symbolic link, and the lab's folder may not be one".into());
            }
            Ok(found) if !found.is_dir() => return refused("is there and is no folder".into()),
            Ok(_) => {}
        }
        let Some(entry) = self.entry()? else { return Ok(Standing::Empty) };
        match fs::read(self.path.join(MARKER)) {
            // A run was killed while it wrote: whether it made the folder is not known.
            Ok(text) => {
                let made = serde_json::from_slice(&text).is_ok_and(|marker: Marker| marker.made);
                return Ok(Standing::Marked { made });
            }
            Err(error) if error.kind() == NotFound => {}
            Err(error) => return Err(self.failed("read", error)),
        }
        if (self.contents.older)(&self.path) {
            return Ok(Standing::Older);
        }
        // Somebody may be removing it just now: the marker goes after everything else.
        match self.entry()? {
            None => Ok(Standing::Empty),
            Some(_) => refused(format!("holds {entry:?}, lacks the lab's marker and is left as it is")),
        }
    }

    /// The name of something in it.
    fn entry(&self) -> Result<Option<String>> {
        let failed = |error| self.failed("read", error);
        let entries = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            entries => entries.map_err(failed)?,
        };
        let entry = entries.into_iter().next().transpose().map_err(failed)?;
        Ok(entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
    }

    fn mark(&self, made: bool) -> Result<()> {
        let folder_of = "argocd-oidc-lab: `cargo xtask down` removes what it put here".to_owned();
        let text = serde_json::to_vec_pretty(&Marker { folder_of, made }).unwrap_or_default();
        match write_new_private(&self.path.join(MARKER), &text) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(self.failed("written", error)),
            _ => Ok(()),
        }
    }

    fn failed(&self, what: &str, error: io::Error) -> Error {
        failed(&self.path, what, error)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const CONTENTS: Contents = Contents {
        known: |name| ["logs", "state", "link"].contains(&name),
        older: |folder| folder.join("old").exists(),
    };

    fn names(folder: &Folder) -> Vec<String> {
        let entries = fs::read_dir(folder.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn used(folder: &Folder) {
        fs::create_dir(folder.path().join("logs")).unwrap();
        fs::write(folder.path().join("logs/a"), "").unwrap();
        fs::write(folder.path().join("state"), "").unwrap();
    }

    #[test]
    fn one_that_was_made_goes_and_one_that_was_there_is_given_back() {
        let root = tempfile::tempdir().unwrap();
        for there in [false, true] {
            let folder = Folder::new(root.path().join("a/b"), CONTENTS);
            if there {
                fs::create_dir_all(folder.path()).unwrap();
            }
            assert!(!folder.is_ours().unwrap());
            assert!(!folder.remove().unwrap());
            folder.claim().unwrap();
            folder.claim().unwrap();
            used(&folder);
            assert!(folder.is_ours().unwrap());
            assert!(folder.clear().unwrap());
            assert_eq!(names(&folder), [MARKER]);
            used(&folder);
            assert!(folder.remove().unwrap());
            assert!(!folder.remove().unwrap());
            assert_eq!(folder.path().exists(), there);
        }
    }

    #[test]
    fn what_is_not_known_by_name_keeps_it() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::new(root.path().join("lab"), CONTENTS);
        folder.claim().unwrap();
        used(&folder);
        fs::write(folder.path().join("notes"), "").unwrap();
        let elsewhere = root.path().join("elsewhere");
        fs::create_dir_all(elsewhere.join("kept")).unwrap();
        symlink(&elsewhere, folder.path().join("link")).unwrap();
        assert!(folder.remove().unwrap());
        assert_eq!(names(&folder), ["notes", MARKER]);
        assert!(elsewhere.join("kept").exists(), "a link goes, and nothing behind it");
        assert!(!folder.remove().unwrap());
        fs::remove_file(folder.path().join("notes")).unwrap();
        assert!(folder.remove().unwrap());
        assert!(!folder.path().exists());
    }

    #[test]
    fn somebodys_own_is_refused_and_not_touched() {
        let root = tempfile::tempdir().unwrap();
        let (full, file, link) =
            (root.path().join("full"), root.path().join("file"), root.path().join("link"));
        fs::create_dir(&full).unwrap();
        fs::write(full.join("state"), "").unwrap();
        fs::write(&file, "").unwrap();
        symlink(root.path(), &link).unwrap();
        for (path, words) in [
            (&full, "holds \"state\", lacks the lab's marker"),
            (&file, "is no folder"),
            (&link, "is a symbolic link"),
            (&PathBuf::from("/"), "is not a name"),
            (&root.path().join(".."), "is not a name"),
        ] {
            let folder = Folder::new(path, CONTENTS);
            let errors = [
                folder.is_ours().map(drop),
                folder.claim(),
                folder.clear().map(drop),
                folder.remove().map(drop),
            ];
            for error in errors {
                let error = error.unwrap_err().to_string();
                assert!(error.starts_with(&path.display().to_string()) && error.contains(words), "{error}");
            }
        }
        assert!(full.join("state").exists());
        assert_eq!(names(&Folder::new(root.path(), CONTENTS)), ["file", "full", "link"]);
    }

    #[test]
    fn wherever_a_run_was_killed_the_next_one_knows_it_again() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::new(root.path().join("lab"), CONTENTS);
        // Before the marker, in the middle of it, after it.
        fs::create_dir(folder.path()).unwrap();
        folder.claim().unwrap();
        fs::write(folder.path().join(MARKER), "{\"fol").unwrap();
        used(&folder);
        assert!(folder.remove().unwrap());
        assert!(names(&folder).is_empty(), "nobody knows any more who made it, so it stays");
        // While an older one is taken over: some of it is gone, and what told it too.
        fs::write(folder.path().join("old"), "").unwrap();
        used(&folder);
        assert!(folder.is_ours().unwrap());
        folder.claim().unwrap();
        fs::remove_file(folder.path().join("old")).unwrap();
        assert!(folder.remove().unwrap());
        assert!(!folder.path().exists());
    }
}
