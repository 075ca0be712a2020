//! What releases are known to do, to hold what was seen against. It was measured on
//! real servers; nothing here reaches the stand-ins.

use probe::Verdict;
use releases::{Era, Release};

use crate::programs::Kind;

/// A place in the two stories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// After `working`.
    Working,
    /// After `break`.
    Break,
    /// After `broken`.
    Broken,
    /// After `fix`.
    Fix,
    /// After a first start on an argocd-secret that holds nothing.
    FirstStart,
}

/// The verdict that is known of a release at a stage; `None` where it is not certain.
pub fn verdict(release: &Release, stage: Stage) -> Option<Verdict> {
    match (release.era(), stage) {
        // The reference to another Secret reaches Dex as text.
        (Era::NoReferences, _) => Some(Verdict::Refused),
        (_, Stage::Working | Stage::Fix) => Some(Verdict::LoggedIn),
        (_, Stage::FirstStart) if release.first_start_loses_sso() => Some(Verdict::Refused),
        (_, Stage::FirstStart) => Some(Verdict::LoggedIn),
        (Era::ComparesText | Era::KeepsClientApp, _) => Some(Verdict::Refused),
        (Era::BothAnswer, _) => Some(Verdict::Mixed),
        // It passes or hangs.
        (Era::ReloadsInLoop, _) => None,
        (Era::Reloads | Era::ReloadsAgain, _) => Some(Verdict::LoggedIn),
    }
}

/// Logins that tell `mixed` from the rest: how many at least, and how many at most while
/// all of them end alike.
///
/// Where both handlers answer, a real server lets one of them take many connections in a
/// row: of twenty logins, none and one and three were seen to pass, of a hundred none. So
/// it goes on while all end alike, and lets others knock in between ([`probe::Options`]).
/// The stand-in's logins do not depend on each other. Elsewhere all logins fare alike, and
/// five are enough.
pub fn logins(release: Option<&Release>, kind: Kind) -> (u32, u32) {
    match (release.map(Release::era), kind) {
        (Some(Era::BothAnswer), Kind::Real) => (20, 100),
        (Some(Era::BothAnswer), Kind::StandIn) => (20, 20),
        _ => (5, 5),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_releases() {
        use Verdict::{LoggedIn, Mixed, Refused};
        for (release, after_break) in [
            ("v2.1.0", Some(Refused)),
            ("v2.4.0", None),
            ("v2.12.1", Some(Mixed)),
            ("v3.2.0", Some(LoggedIn)),
            ("v3.3.6", Some(Refused)),
            ("v3.5.1", Some(LoggedIn)),
        ] {
            let release = Release::parse(release).unwrap();
            assert_eq!(verdict(&release, Stage::Break), after_break, "{release}");
            assert_eq!(verdict(&release, Stage::Broken), after_break, "{release}");
            assert_eq!(verdict(&release, Stage::Fix), Some(LoggedIn), "{release}");
        }
    }
}
