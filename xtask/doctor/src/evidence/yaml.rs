//! YAML from a cluster: anybody may have written it.

use serde::de::DeserializeOwned;

/// Brackets that a text may have. The parser looks at all that are open at each of them,
/// so that a megabyte of them would keep it busy for minutes.
const MOST_BRACKETS: usize = 1000;

/// Why a text could not be read. What the parser says may quote a secret; where it stopped
/// may be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The line from which on it cannot be read, if that is known.
    pub line: Option<usize>,
}

/// Reads a document.
///
/// # Errors
/// It is no YAML, or not of this shape, or nobody should have to read it.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, Unreadable> {
    if text.bytes().filter(|byte| b"[{".contains(byte)).count() > MOST_BRACKETS {
        return Err(Unreadable { line: None });
    }
    serde_yaml::from_str(text)
        .map_err(|error| Unreadable { line: error.location().map(|location| location.line()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_are_counted_before_they_are_read() {
        assert_eq!(read::<Vec<u8>>("[1, 2]"), Ok(vec![1, 2]));
        assert_eq!(read::<serde_json::Value>("a: b\nc: d: e\n"), Err(Unreadable { line: Some(2) }));
        for bomb in ["[".repeat(1_000_000), "{a: ".repeat(1_000_000)] {
            assert_eq!(read::<Vec<u8>>(&bomb), Err(Unreadable { line: None }));
        }
    }
}
