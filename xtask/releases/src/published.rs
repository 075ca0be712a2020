//! Which releases there are, as of the day this was written.

use super::{DEFAULT, Release};

/// The last patch of each minor release, oldest first, as published by November 2026:
/// `(major, minor, patch)`. Every patch below it was published too.
const PUBLISHED: &[(u64, u64, u64)] = &[
    (2, 0, 5),
    (2, 1, 16),
    (2, 2, 16),
    (2, 3, 17),
    (2, 4, 28),
    (2, 5, 22),
    (2, 6, 15),
    (2, 7, 18),
    (2, 8, 21),
    (2, 9, 22),
    (2, 10, 20),
    (2, 11, 14),
    (2, 12, 13),
    (2, 13, 9),
    (2, 14, 21),
    (3, 0, 23),
    (3, 1, 16),
    (3, 2, 12),
    (3, 3, 14),
    (3, 4, 7),
    (3, 5, 1),
];

impl Release {
    /// The releases that were published when this program was written, oldest first.
    pub fn published() -> impl DoubleEndedIterator<Item = Self> {
        PUBLISHED
            .iter()
            .flat_map(|&(major, minor, last)| (0..=last).map(move |patch| Self::new(major, minor, patch)))
    }

    /// Whether it was published when this program was written. Of any other release the
    /// era is what the nearest older one suggests.
    pub fn is_published(&self) -> bool {
        self.last_patch().is_some_and(|last| self.0.patch <= last)
    }

    /// The last patch of its minor release that was published then, if one was.
    fn last_patch(&self) -> Option<u64> {
        let line =
            PUBLISHED.iter().find(|(major, minor, _)| (*major, *minor) == (self.0.major, self.0.minor));
        line.map(|(.., last)| *last)
    }

    /// Whether it may have been published since this program was written: a few patches after the last, or one of the
    /// next minor or major releases.
    pub fn may_be_newer(&self) -> bool {
        let (own, line, patch) = self.numbers();
        match (self.last_patch(), PUBLISHED.last()) {
            (Some(last), _) => patch > last && patch <= last + 10,
            (None, Some(&(major, minor, _))) => {
                (own == major && line > minor && line <= minor + 4) || (own == major + 1 && line <= 4)
            }
            (None, None) => true,
        }
    }
}

/// The known release that a text most likely meant.
pub(super) fn suggestion(text: &str) -> String {
    let wanted: Vec<u64> = text
        .split(|c: char| !c.is_ascii_digit())
        .filter(|part| !part.is_empty())
        .map(|part| part.parse().unwrap_or(u64::MAX))
        .take(3)
        .collect();
    if wanted.is_empty() {
        return DEFAULT.to_owned();
    }
    let distance = |release: &Release| {
        let (major, minor, patch) = release.numbers();
        let far = |have: u64, index: usize| wanted.get(index).map_or(0, |want| have.abs_diff(*want));
        (far(major, 0), far(minor, 1), far(patch, 2))
    };
    // Of equally near ones the newest, which is the last.
    Release::published()
        .rev()
        .min_by_key(|release| distance(release))
        .map_or_else(|| DEFAULT.to_owned(), |release| release.to_string())
}
