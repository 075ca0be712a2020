//! The private folder of a process: its mounted files, its home, its kubeconfig.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use base::files::{make_private_folder, write_new_private};

use super::record;
use crate::store::object;

/// A folder for one run of one container. It goes with this value.
pub(super) struct Private {
    folder: PathBuf,
}

impl Drop for Private {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Private {
    /// Makes a folder below `parent`, which is made too. `name` is for people; a few
    /// random characters tell runs apart.
    pub(super) fn make(parent: &Path, name: &str) -> io::Result<Self> {
        let folder = std::path::absolute(parent)?.join(format!("{name}_{}", object::suffix(6)));
        let private = Self { folder };
        for part in ["files", "home", "tmp"] {
            make_private_folder(&private.folder.join(part))?;
        }
        Ok(private)
    }

    /// The directory of mounted files.
    pub(super) fn files(&self) -> PathBuf {
        self.folder.join("files")
    }

    /// Where the supervisor notes the process. It lies beside the folder, so that it
    /// stays if the folder cannot be removed.
    pub(super) fn record(&self) -> PathBuf {
        self.folder.with_extension(record::EXTENSION)
    }

    fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    /// The variables that name what is in here.
    pub(super) fn variables(&self) -> Vec<(String, String)> {
        let path = std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned());
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        vec![
            ("PATH".into(), path),
            ("HOME".into(), text(self.folder.join("home"))),
            ("TMPDIR".into(), text(self.folder.join("tmp"))),
            ("KUBECONFIG".into(), text(self.kubeconfig())),
        ]
    }

    pub(super) fn write_kubeconfig(&self, text: &str) -> io::Result<()> {
        write_new_private(&self.kubeconfig(), text.as_bytes())
    }

    /// Writes mounted files, each at its absolute path below the directory of files.
    pub(super) fn write_files(&self, files: &BTreeMap<String, Vec<u8>>) -> io::Result<()> {
        let root = self.files();
        for (path, content) in files {
            // Whatever the path says, it stays below.
            let parts = Path::new(path).components().filter(|part| matches!(part, Component::Normal(_)));
            let target = root.join(parts.collect::<PathBuf>());
            if path.ends_with('/') {
                make_private_folder(&target)?;
            } else {
                make_private_folder(target.parent().unwrap_or(&root))?;
                write_new_private(&target, content)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn files_are_their_owners_only_and_go_with_the_folder() {
        let parent = tempfile::tempdir().unwrap();
        let private = Private::make(&parent.path().join("processes"), "n_p_c").unwrap();
        let files = [("/etc/dex/config.yaml", "a"), ("/empty/", ""), ("/../../up", "b")];
        private.write_files(&files.map(|(path, text)| (path.to_owned(), text.into())).into()).unwrap();
        private.write_kubeconfig("k").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let root = private.files();
        assert_eq!(mode(&root), 0o700);
        assert_eq!(mode(&root.join("etc/dex/config.yaml")), 0o600);
        assert_eq!(fs::read_to_string(root.join("up")).unwrap(), "b");
        assert!(root.join("empty").is_dir());
        assert_eq!(mode(&private.kubeconfig()), 0o600);
        drop(private);
        assert_eq!(fs::read_dir(parent.path().join("processes")).unwrap().count(), 0);
    }
}
