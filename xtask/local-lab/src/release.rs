//! Argo CD releases, and what each does when a Secret that its OIDC settings name
//! changes.
//!
//! The ranges were read from argo-cd's source at every release tag; the behaviour
//! was measured on real servers of several of them.

mod charts;

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// One Argo CD release: `v3.3.6`, `v2.4.0-rc1`, `v3.3.6+mine`.
///
/// Releases are ordered as semantic versions are: a pre-release comes before its
/// release, build metadata does not count.
#[derive(Clone, Debug)]
pub struct Release {
    major: u32,
    minor: u32,
    patch: u32,
    pre: String,
    build: String,
}

/// How a range of releases treats a changed client secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Era {
    /// Up to v2.0: `$secret:key` is not known, so no other Secret than
    /// argocd-secret can be named.
    NoReferences,
    /// v2.1.0 – v2.2.x: what is compared is the text of `oidc.config`, in which a
    /// reference stays the same whatever it names.
    ComparesText,
    /// v2.3.0 – v2.4.2: the resolved settings are compared, and the server runs in
    /// a loop whose turns may wait for each other without end.
    ReloadsInLoop,
    /// v2.4.3 – v2.13.x: a new server is started on the listener of the old one,
    /// which is not stopped.
    BothAnswer,
    /// v2.14.0 – v3.2.x: the old server is shut down, then a new one is made, with
    /// a new client app.
    Reloads,
    /// v3.3.0 – v3.3.6: the servers are restarted, with the client app that was
    /// made when the process started.
    KeepsClientApp,
    /// v3.3.7 and later: as [`Era::Reloads`], by other code.
    ReloadsAgain,
}

impl Era {
    /// What is seen from outside, in the words of reports and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoReferences => "no reference",
            Self::ComparesText | Self::KeepsClientApp => "never",
            Self::ReloadsInLoop => "reloads, may hang",
            Self::BothAnswer => "both answer",
            Self::Reloads | Self::ReloadsAgain => "reloads",
        }
    }

    /// One sentence: what the code of these releases does.
    pub fn because(self) -> &'static str {
        match self {
            Self::NoReferences => "these releases resolve only keys of argocd-secret",
            Self::ComparesText => {
                "the watcher compares the text of oidc.config, which a changed Secret leaves as it is"
            }
            Self::ReloadsInLoop => {
                "the server is rebuilt in a loop when the resolved settings change, and the loop can hang"
            }
            Self::BothAnswer => {
                "a new server starts on the old one's listener and the old one is never stopped: each \
                 connection goes to either"
            }
            Self::Reloads | Self::ReloadsAgain => {
                "the servers restart with a new client app when the resolved settings change"
            }
            Self::KeepsClientApp => {
                "the servers restart, but with the client app that was made when the process started"
            }
        }
    }
}

impl fmt::Display for Era {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no release.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no Argo CD release (write it as vX.Y.Z; did you mean {suggestion}?)")]
pub struct ParseReleaseError {
    text: String,
    suggestion: String,
}

/// The release that the lab runs unless told otherwise: the newest in which the
/// failure is certain.
pub const DEFAULT: &str = "v3.3.6";

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
    /// A release from its three numbers.
    pub fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch, pre: String::new(), build: String::new() }
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
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
        let (numbers, pre) = text.split_once('-').map_or((text, None), |(text, pre)| (text, Some(pre)));
        let suffix = |text: &str| {
            !text.is_empty()
                && text.split('.').all(|part| {
                    !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                })
        };
        if !pre.is_none_or(suffix) || !build.is_none_or(suffix) {
            return None;
        }
        let mut parts = numbers.split('.').map(|part| {
            let digits = !part.is_empty() && part.len() <= 6 && part.bytes().all(|b| b.is_ascii_digit());
            let canonical = digits && (part == "0" || !part.starts_with('0'));
            canonical.then(|| part.parse().ok()).flatten()
        });
        let (major, minor, patch) = (parts.next()??, parts.next()??, parts.next()??);
        parts.next().is_none().then(|| Self {
            major,
            minor,
            patch,
            pre: pre.unwrap_or_default().to_owned(),
            build: build.unwrap_or_default().to_owned(),
        })
    }

    /// How this release treats a changed secret.
    ///
    /// A pre-release has the era of its release: the code that makes the difference
    /// came with the first candidate of each range that starts at `.0`.
    pub fn era(&self) -> Era {
        match self.numbers() {
            (..=1, ..) | (2, 0, _) => Era::NoReferences,
            (2, 1..=2, _) => Era::ComparesText,
            (2, 3, _) | (2, 4, 0..=2) => Era::ReloadsInLoop,
            (2, 4..=13, _) => Era::BothAnswer,
            (2, ..) | (3, 0..=2, _) => Era::Reloads,
            (3, 3, 0..=6) => Era::KeepsClientApp,
            _ => Era::ReloadsAgain,
        }
    }

    /// Whether a first start on an argocd-secret without `server.secretkey` leaves
    /// this release without SSO: it reads argocd-secret before argocd-cm and stops at
    /// the first error. v3.3.1 – v3.3.6, which make their client app once, stay so
    /// until a restart; the others until the next change of settings.
    pub fn first_start_loses_sso(&self) -> bool {
        match self.numbers() {
            (3, 2, patch) => (7..=9).contains(&patch),
            (3, 3, patch) => (1..=7).contains(&patch),
            // The candidates up to rc6.
            (3, 4, 0) => !self.pre.is_empty() && compare_pre(&self.pre, "rc7").is_lt(),
            _ => false,
        }
    }

    /// Whether this release looks at `allowedAudiences` of its OIDC settings: v2.6.0 and
    /// later, and the patches of older lines that came after it.
    pub fn knows_allowed_audiences(&self) -> bool {
        match self.numbers() {
            (2, 3, patch) => patch >= 14,
            (2, 4, patch) => patch >= 20,
            (2, 5, patch) => patch >= 8,
            _ => self.is_at_least(2, 6, 0),
        }
    }

    /// `(major, minor, patch)`.
    pub fn numbers(&self) -> (u32, u32, u32) {
        (self.major, self.minor, self.patch)
    }

    /// Whether it is `major.minor.patch` or later; a pre-release of it counts as it.
    pub fn is_at_least(&self, major: u32, minor: u32, patch: u32) -> bool {
        self.numbers() >= (major, minor, patch)
    }

    /// The releases that were published when this program was written, oldest first.
    pub fn published() -> impl DoubleEndedIterator<Item = Self> {
        PUBLISHED
            .iter()
            .flat_map(|&(major, minor, last)| (0..=last).map(move |patch| Self::new(major, minor, patch)))
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
        write!(f, "v{}.{}.{}", self.major, self.minor, self.patch)?;
        if !self.pre.is_empty() {
            write!(f, "-{}", self.pre)?;
        }
        if !self.build.is_empty() {
            write!(f, "+{}", self.build)?;
        }
        Ok(())
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
        self.numbers().cmp(&other.numbers()).then_with(|| match (self.pre.is_empty(), other.pre.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => compare_pre(&self.pre, &other.pre),
        })
    }
}

fn compare_pre(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        return match (left.next(), right.next()) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => match (a.parse::<u64>(), b.parse::<u64>()) {
                (Ok(a), Ok(b)) if a == b => continue,
                (Ok(a), Ok(b)) => a.cmp(&b),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) if a == b => continue,
                // `rc2` before `rc10`: not what semantic versions say, but what
                // Argo CD's candidates mean.
                (Err(_), Err(_)) => numbered(a).cmp(&numbered(b)),
            },
        };
    }
}

/// A name with the number at its end, if there is one.
fn numbered(text: &str) -> (&str, u64) {
    let name = text.trim_end_matches(|c: char| c.is_ascii_digit());
    (name, text[name.len()..].parse().unwrap_or(0))
}

/// The known release that a text most likely meant.
fn suggestion(text: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn release(text: &str) -> Release {
        Release::parse(text).unwrap()
    }

    #[test]
    fn eras_change_exactly_at_their_edges() {
        let table = [
            ("v1.8.7", Era::NoReferences),
            ("v2.0.5", Era::NoReferences),
            ("v2.1.0", Era::ComparesText),
            ("v2.2.16", Era::ComparesText),
            ("v2.3.0", Era::ReloadsInLoop),
            ("v2.3.17", Era::ReloadsInLoop),
            ("v2.4.0", Era::ReloadsInLoop),
            ("v2.4.2", Era::ReloadsInLoop),
            ("v2.4.3", Era::BothAnswer),
            ("v2.12.1", Era::BothAnswer),
            ("v2.13.9", Era::BothAnswer),
            ("v2.14.0", Era::Reloads),
            ("v2.14.0-rc1", Era::Reloads),
            ("v2.14.21", Era::Reloads),
            ("v3.0.0", Era::Reloads),
            ("v3.2.12", Era::Reloads),
            ("v3.3.0", Era::KeepsClientApp),
            ("v3.3.6", Era::KeepsClientApp),
            ("v3.3.6+mine", Era::KeepsClientApp),
            ("v3.3.7", Era::ReloadsAgain),
            ("v3.4.0", Era::ReloadsAgain),
            ("v3.5.1", Era::ReloadsAgain),
            ("v4.0.0", Era::ReloadsAgain),
        ];
        for (text, era) in table {
            assert_eq!(release(text).era(), era, "{text}");
        }
    }

    #[test]
    fn names_are_those_of_the_reports() {
        let names: Vec<_> = ["v2.2.0", "v2.3.0", "v2.12.1", "v3.2.0", "v3.3.6", "v3.5.1"]
            .iter()
            .map(|text| release(text).era().name())
            .collect();
        assert_eq!(names, ["never", "reloads, may hang", "both answer", "reloads", "never", "reloads"]);
    }

    #[test]
    fn some_releases_lose_their_first_start() {
        let lost = |minor| -> Vec<u32> {
            (0..15).filter(|&patch| Release::new(3, minor, patch).first_start_loses_sso()).collect()
        };
        assert!(lost(1).is_empty());
        assert_eq!(lost(2), [7, 8, 9]);
        assert_eq!(lost(3), [1, 2, 3, 4, 5, 6, 7]);
        assert!(lost(4).is_empty());
        for (candidate, loses) in [("v3.4.0-rc1", true), ("v3.4.0-rc6", true), ("v3.4.0-rc7", false)] {
            assert_eq!(release(candidate).first_start_loses_sso(), loses, "{candidate}");
        }
    }

    #[test]
    fn allowed_audiences_came_to_four_lines_at_once() {
        for (text, known) in [
            ("v2.2.16", false),
            ("v2.3.13", false),
            ("v2.3.14", true),
            ("v2.4.19", false),
            ("v2.4.20", true),
            ("v2.5.7", false),
            ("v2.5.8", true),
            ("v2.6.0", true),
            ("v3.3.6", true),
        ] {
            assert_eq!(release(text).knows_allowed_audiences(), known, "{text}");
        }
    }

    #[test]
    fn reads_what_people_write() {
        for (text, shown) in [
            ("v3.3.6", "v3.3.6"),
            ("3.3.6", "v3.3.6"),
            (" V2.12.1 ", "v2.12.1"),
            ("v2.4.0-rc1", "v2.4.0-rc1"),
            ("v3.3.6+abc.1", "v3.3.6+abc.1"),
            ("v2.2.8-1", "v2.2.8-1"),
            ("v3.0.0-rc.2+x-y", "v3.0.0-rc.2+x-y"),
        ] {
            assert_eq!(release(text).to_string(), shown);
        }
    }

    #[test]
    fn suggests_the_nearest_release_for_anything_else() {
        for (text, suggestion) in [
            ("latest", "v3.3.6"),
            ("", "v3.3.6"),
            ("v3.3", "v3.3.14"),
            ("v2", "v2.14.21"),
            ("v3.3.x", "v3.3.14"),
            ("v2.12.1.4", "v2.12.1"),
            ("v3.3.06", "v3.3.6"),
            ("v99999999.1.1", "v3.1.1"),
            ("v3.3.6-", "v3.3.6"),
            ("v3.3.6+", "v3.3.6"),
        ] {
            let error = Release::parse(text).unwrap_err();
            assert_eq!(error.suggestion, suggestion, "{text:?}");
            assert!(error.to_string().contains(suggestion));
        }
    }

    #[test]
    fn orders_as_versions_do() {
        let ordered = ["v2.4.0-rc2", "v2.4.0-rc10", "v2.4.0", "v2.4.10", "v2.14.0", "v3.0.0-rc1", "v3.0.0"];
        let mut shuffled: Vec<_> = ordered.iter().rev().map(|text| release(text)).collect();
        shuffled.sort();
        assert_eq!(shuffled.iter().map(ToString::to_string).collect::<Vec<_>>(), ordered);
        assert_eq!(release("v3.3.6"), release("v3.3.6+other"));
    }

    #[test]
    fn the_default_is_known_and_sure_to_fail() {
        assert_eq!(release(DEFAULT), Release::default());
        assert!(Release::published().any(|release| release == Release::default()));
        assert_eq!(Release::default().era().name(), "never");
        assert!(
            Release::published().filter(|it| it.era() == Era::KeepsClientApp).max().unwrap()
                <= Release::default()
        );
    }
}
