//! What commands keep in the repository of what they saw: a JSON file, and a table made
//! of it on a page of docs/, between two lines of its own.

use std::fs;
use std::path::Path;

use serde::{Serialize, de::DeserializeOwned};

use crate::console::Console;
use crate::session::checkout;
use base::{Error, Result};

/// Where one command keeps what it saw. Paths are from the root of the checkout.
#[derive(Clone, Copy, Debug)]
pub struct DocsTable {
    /// The JSON file.
    pub file: &'static str,
    /// The page that shows the table.
    pub page: &'static str,
    /// The line before the table, with its newline.
    pub begin: &'static str,
    /// The line after it, with its newline.
    pub end: &'static str,
}

impl DocsTable {
    /// Takes over what was seen, and says in `console` of how many rows that was; `take` says how many it took.
    ///
    /// # Errors
    /// The file is there and cannot be read, one of both cannot be written, or the page has lost its markers.
    pub fn update<T: Default + Serialize + DeserializeOwned>(
        self,
        console: &Console,
        seen: usize,
        take: impl FnOnce(&mut T) -> usize,
        markdown: impl FnOnce(&T) -> String,
    ) -> Result<()> {
        let root = checkout();
        let mut kept: T = self.read(&root)?;
        let taken = take(&mut kept);
        self.write(&root, &kept, &markdown(&kept))?;
        console.note(&format!("{taken} of {seen} rows went into the table of {}", self.page));
        Ok(())
    }

    /// What a checkout keeps; nothing, if there is no file yet.
    fn read<T: Default + DeserializeOwned>(self, root: &Path) -> Result<T> {
        let file = self.file;
        match fs::read_to_string(root.join(file)) {
            Ok(text) => serde_json::from_str(&text)
                .map_err(|error| Error::environment(format!("{file} is not what --update writes: {error}"))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(T::default()),
            Err(error) => Err(Error::environment(format!("{file} cannot be read: {error}"))),
        }
    }

    /// Writes the table into the page, then the file.
    fn write<T: Serialize>(self, root: &Path, kept: &T, table: &str) -> Result<()> {
        let file = self.file;
        let json = serde_json::to_string_pretty(kept).map_err(|error| Error::unwritable(file, error))?;
        self.put(root, table)?;
        fs::write(root.join(file), json + "\n").map_err(|error| Error::unwritable(file, error))
    }

    fn put(self, root: &Path, table: &str) -> Result<()> {
        let name = self.page;
        let cannot = |error: std::io::Error| Error::unwritable(name, error);
        let path = root.join(name);
        let page = fs::read_to_string(&path).map_err(cannot)?;
        let page = self.replaced(&page, table).ok_or_else(|| {
            let (begin, end) = (self.begin.trim(), self.end.trim());
            Error::environment(format!("{name} has no place for the table"))
                .hint(format!("put the lines `{begin}` and `{end}` where it belongs"))
        })?;
        fs::write(&path, page).map_err(cannot)
    }

    /// The text with what stands between the markers replaced.
    fn replaced(self, text: &str, table: &str) -> Option<String> {
        let start = text.find(self.begin)? + self.begin.len();
        let end = start + text[start..].find(self.end)?;
        Some(format!("{}{table}{}", &text[..start], &text[end..]))
    }

    /// Fails where this checkout's page shows another table than the one that its file gives.
    #[cfg(test)]
    #[track_caller]
    pub fn assert_shows<T: Default + DeserializeOwned>(self, table: impl Fn(&T) -> String) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let page = fs::read_to_string(root.join(self.page)).unwrap();
        let table = table(&self.read(root).unwrap());
        assert!(table.lines().count() > 2, "{} is empty", self.file);
        assert_eq!(
            Some(&page),
            self.replaced(&page, &table).as_ref(),
            "{} is not what {} gives",
            self.page,
            self.file
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: DocsTable =
        DocsTable { file: "kept.json", page: "page.md", begin: "<!-- a -->\n", end: "<!-- b -->\n" };

    #[test]
    fn what_is_written_is_read_again_and_the_page_keeps_all_but_the_table() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        assert!(TABLE.read::<Vec<u8>>(root).unwrap().is_empty(), "nothing yet");
        fs::write(root.join(TABLE.page), "before\n<!-- a -->\nold\n<!-- b -->\nafter\n").unwrap();
        TABLE.write(root, &[1, 2], "new\n").unwrap();
        let page = fs::read_to_string(root.join(TABLE.page)).unwrap();
        assert_eq!(page, "before\n<!-- a -->\nnew\n<!-- b -->\nafter\n");
        assert_eq!(TABLE.read::<Vec<u8>>(root).unwrap(), [1, 2]);
    }

    #[test]
    fn what_cannot_be_kept_leaves_the_file_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::write(root.join(TABLE.page), "no markers").unwrap();
        let error = TABLE.write(root, &[1], "").unwrap_err();
        assert!(error.to_string().contains("page.md has no place for the table"), "{error}");
        assert!(!root.join(TABLE.file).exists());
        fs::write(root.join(TABLE.file), "no JSON").unwrap();
        let error = TABLE.read::<Vec<u8>>(root).unwrap_err();
        assert!(error.to_string().contains("kept.json is not what --update writes"), "{error}");
    }
}
