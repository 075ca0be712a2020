//! What commands keep in the repository of what they saw: a JSON file, and a table made
//! of it in the README, between two lines of its own.

use std::fs;
use std::path::Path;

use serde::{Serialize, de::DeserializeOwned};

use base::{Error, Result};

const README: &str = "README.md";

/// Where one command keeps what it saw.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The JSON file, from the root of the checkout.
    pub file: &'static str,
    /// The line before the table, with its newline.
    pub begin: &'static str,
    /// The line after it, with its newline.
    pub end: &'static str,
}

impl Place {
    /// What a checkout keeps; nothing, if there is no file yet.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn read<T: Default + DeserializeOwned>(self, root: &Path) -> Result<T> {
        let file = self.file;
        match fs::read_to_string(root.join(file)) {
            Ok(text) => serde_json::from_str(&text)
                .map_err(|error| Error::environment(format!("{file} is not what --update writes: {error}"))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(T::default()),
            Err(error) => Err(Error::environment(format!("{file} cannot be read: {error}"))),
        }
    }

    /// Writes the table into the README, then the file.
    ///
    /// # Errors
    /// One of them cannot be written, or the README has lost its markers.
    pub fn write<T: Serialize>(self, root: &Path, kept: &T, table: &str) -> Result<()> {
        let file = self.file;
        let json = serde_json::to_string_pretty(kept)
            .map_err(|error| Error::environment(format!("{file} cannot be written: {error}")))?;
        self.put(root, table)?;
        fs::write(root.join(file), json + "\n")
            .map_err(|error| Error::environment(format!("{file} cannot be written: {error}")))
    }

    fn put(self, root: &Path, table: &str) -> Result<()> {
        let cannot =
            |error: std::io::Error| Error::environment(format!("{README} cannot be written: {error}"));
        let path = root.join(README);
        let readme = fs::read_to_string(&path).map_err(cannot)?;
        let readme = self.replaced(&readme, table).ok_or_else(|| {
            let (begin, end) = (self.begin.trim(), self.end.trim());
            Error::environment(format!("{README} has no place for the table"))
                .hint(format!("put the lines `{begin}` and `{end}` where it belongs"))
        })?;
        fs::write(&path, readme).map_err(cannot)
    }

    /// The text with what stands between the markers replaced.
    fn replaced(self, text: &str, table: &str) -> Option<String> {
        let start = text.find(self.begin)? + self.begin.len();
        let end = start + text[start..].find(self.end)?;
        Some(format!("{}{table}{}", &text[..start], &text[end..]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place { file: "kept.json", begin: "<!-- a -->\n", end: "<!-- b -->\n" };

    #[test]
    fn what_is_written_is_read_again_and_the_readme_keeps_all_but_the_table() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        assert!(PLACE.read::<Vec<u8>>(root).unwrap().is_empty(), "nothing yet");
        fs::write(root.join(README), "before\n<!-- a -->\nold\n<!-- b -->\nafter\n").unwrap();
        PLACE.write(root, &[1, 2], "new\n").unwrap();
        let readme = fs::read_to_string(root.join(README)).unwrap();
        assert_eq!(readme, "before\n<!-- a -->\nnew\n<!-- b -->\nafter\n");
        assert_eq!(PLACE.read::<Vec<u8>>(root).unwrap(), [1, 2]);
    }

    #[test]
    fn what_cannot_be_kept_leaves_the_file_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::write(root.join(README), "no markers").unwrap();
        let error = PLACE.write(root, &[1], "").unwrap_err();
        assert!(error.to_string().contains("no place for the table"), "{error}");
        assert!(!root.join(PLACE.file).exists());
        fs::write(root.join(PLACE.file), "no JSON").unwrap();
        let error = PLACE.read::<Vec<u8>>(root).unwrap_err();
        assert!(error.to_string().contains("kept.json is not what --update writes"), "{error}");
    }
}
