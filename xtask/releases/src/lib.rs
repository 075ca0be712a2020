//! Argo CD releases, and what each does when a Secret that its OIDC settings name
//! changes.
//!
//! The ranges were read from argo-cd's source at every release tag; the behaviour
//! was measured on real servers of several of them.

mod charts;
mod era;
mod published;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use semver::Version;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use era::Era;
use published::suggestion;

/// One Argo CD release: `v3.3.6`, `v2.4.0-rc1`, `v3.3.6+mine`.
///
/// Releases are ordered as semantic versions are: a pre-release comes before its
/// release, build metadata does not count.
#[derive(Clone, Debug)]
pub struct Release(Version);

/// The text names no release.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no Argo CD release (write it as vX.Y.Z; did you mean {suggestion}?)")]
pub struct ParseReleaseError {
    text: String,
    suggestion: String,
}

/// The releases of which [`Release::first_start_loses_sso`] is true, for sentences. Run on
/// the real programs: lost by v3.2.7, v3.2.9, v3.3.1, v3.3.6 and v3.3.7, kept by v3.2.10,
/// v3.3.0 and v3.3.8; those between are from source.
pub const FIRST_START_LOST: &str = "v3.2.7 - v3.2.9 and v3.3.1 - v3.3.7";

/// The release that the lab runs unless told otherwise: the newest in which the
/// failure is certain.
pub const DEFAULT: &str = "v3.3.6";

impl Release {
    /// A release from its three numbers.
    pub fn new(major: u64, minor: u64, patch: u64) -> Self {
        Self(Version::new(major, minor, patch))
    }

    /// The release that an image's tag names, whatever digest is behind it. A tag has no `+`; an underscore stands
    /// for it.
    pub fn of_image(image: &str) -> Option<Self> {
        let named = image.split_once('@').map_or(image, |(named, _)| named);
        let (_, tag) = named.rsplit_once(':')?;
        Self::parse(&tag.replacen('_', "+", 1)).ok()
    }

    /// Reads `v3.3.6` or `3.3.6`, with or without a pre-release (`-rc1`) and build
    /// metadata (`+mine`).
    ///
    /// # Errors
    /// [`ParseReleaseError`], which names the nearest release that is known.
    pub fn parse(text: &str) -> Result<Self, ParseReleaseError> {
        Self::read(text.trim()).ok_or_else(|| ParseReleaseError {
            text: text.chars().take(40).collect(),
            suggestion: suggestion(text),
        })
    }

    fn read(text: &str) -> Option<Self> {
        let version = Version::parse(text.strip_prefix(['v', 'V']).unwrap_or(text)).ok()?;
        // Longer numbers are mistyped.
        let fits = [version.major, version.minor, version.patch].iter().all(|number| *number < 1_000_000);
        fits.then_some(Self(version))
    }

    /// `(major, minor, patch)`.
    pub fn numbers(&self) -> (u64, u64, u64) {
        (self.0.major, self.0.minor, self.0.patch)
    }

    /// What it is ordered by.
    fn place(&self) -> ((u64, u64, u64), bool, (&str, u64)) {
        (self.numbers(), self.0.pre.is_empty(), numbered(&self.0.pre))
    }

    /// Whether it is `major.minor.patch` or later; a pre-release of it counts as it.
    pub fn is_at_least(&self, major: u32, minor: u32, patch: u32) -> bool {
        self.numbers() >= (major.into(), minor.into(), patch.into())
    }
}

impl Default for Release {
    fn default() -> Self {
        Self::new(3, 3, 6)
    }
}

impl FromStr for Release {
    type Err = ParseReleaseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

impl Serialize for Release {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Release {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl PartialEq for Release {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Release {}

impl PartialOrd for Release {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Release {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place().cmp(&other.place())
    }
}

/// A pre-release as its name and the number at its end, if there is one: `rc2` comes before
/// `rc10`, which is not what semantic versions say, but what Argo CD's candidates mean.
fn numbered(pre: &str) -> (&str, u64) {
    let name = pre.trim_end_matches(|c: char| c.is_ascii_digit());
    (name, pre[name.len()..].parse().unwrap_or(0))
}
