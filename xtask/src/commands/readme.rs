//! Tables in the README that commands write: each stands between two lines of its own.

use std::fs;
use std::path::Path;

use crate::error::{Error, Result};

const README: &str = "README.md";

/// The lines around a table.
#[derive(Clone, Copy, Debug)]
pub struct Markers {
    /// Before it, with its newline.
    pub begin: &'static str,
    /// After it, with its newline.
    pub end: &'static str,
}

impl Markers {
    /// Puts a table into the README of a checkout.
    ///
    /// # Errors
    /// It cannot be read or written, or has lost its markers.
    pub fn put(self, root: &Path, table: &str) -> Result<()> {
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

    #[test]
    fn the_readme_keeps_all_but_the_table() {
        let folder = tempfile::tempdir().unwrap();
        let markers = Markers { begin: "<!-- a -->\n", end: "<!-- b -->\n" };
        let path = folder.path().join(README);
        fs::write(&path, "before\n<!-- a -->\nold\n<!-- b -->\nafter\n").unwrap();
        markers.put(folder.path(), "new\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "before\n<!-- a -->\nnew\n<!-- b -->\nafter\n");
        fs::write(&path, "no markers").unwrap();
        assert!(markers.put(folder.path(), "").unwrap_err().to_string().contains("no place for the table"));
    }
}
