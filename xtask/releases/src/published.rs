//! Which releases there are, as of the day this was written.

use super::{DEFAULT, Release};

/// The last patch of each minor release, oldest first, as published by November 2026:
/// `(major, minor, patch)`. Every patch below it was published too.
const PUBLISHED: &[(u32, u32, u32)] = &[
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
        PUBLISHED
            .iter()
            .any(|&(major, minor, last)| (self.major, self.minor) == (major, minor) && self.patch <= last)
    }

    /// Whether it may have been published since this program was written: a few patches after the last, or one of the
    /// next minor or major releases.
    pub fn may_be_newer(&self) -> bool {
        let minor = PUBLISHED.iter().find(|&&(major, minor, _)| (major, minor) == (self.major, self.minor));
        match (minor, PUBLISHED.last()) {
            (Some(&(.., last)), _) => self.patch > last && self.patch <= last + 10,
            (None, Some(&(major, minor, _))) => {
                (self.major == major && self.minor > minor && self.minor <= minor + 4)
                    || (self.major == major + 1 && self.minor <= 4)
            }
            (None, None) => true,
        }
    }
}

/// The known release that a text most likely meant.
pub(super) fn suggestion(text: &str) -> String {
    let wanted: Vec<u32> = text
        .split(|c: char| !c.is_ascii_digit())
        .filter(|part| !part.is_empty())
        .map(|part| part.parse().unwrap_or(u32::MAX))
        .take(3)
        .collect();
    if wanted.is_empty() {
        return DEFAULT.to_owned();
    }
    let distance = |release: &Release| {
        let (major, minor, patch) = release.numbers();
        let far = |have: u32, index: usize| wanted.get(index).map_or(0, |want| have.abs_diff(*want));
        (far(major, 0), far(minor, 1), far(patch, 2))
    };
    // Of equally near ones the newest, which is the last.
    Release::published()
        .rev()
        .min_by_key(|release| distance(release))
        .map_or_else(|| DEFAULT.to_owned(), |release| release.to_string())
}
