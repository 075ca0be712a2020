//! How ranges of releases treat a changed client secret.

use std::fmt;

use super::{Release, numbered};

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

impl Release {
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
            (3, 4, 0) => !self.0.pre.is_empty() && numbered(&self.0.pre) < ("rc", 7),
            _ => false,
        }
    }

    /// The nearest release of the same or a later line whose first start keeps SSO.
    pub fn keeps_its_first_start(&self) -> Self {
        match self.numbers() {
            _ if !self.first_start_loses_sso() => self.clone(),
            (3, 2, _) => Self::new(3, 2, 10),
            (3, 3, _) => Self::new(3, 3, 8),
            _ => Self::new(3, 4, 0),
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
}
