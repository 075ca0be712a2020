//! What anybody can see of a login without access to the cluster.

use probe::{Failure, FailureGroup, Rehearsal, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::Seen;

/// What was seen at Argo CD's address.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Outside {
    /// The address that users type.
    #[serde(with = "probe::as_text")]
    pub address: Url,
    /// Whether somebody said that users type it, and it is not only what the settings say.
    pub given: bool,
    /// `/api/v1/settings`, which anybody may read.
    pub public: Seen<Public>,
    /// Rehearsals, each on connections of its own.
    pub rehearsals: Vec<Rehearsal>,
    /// What Argo CD says to the button on its own page.
    pub button: Option<Result<(), Failure>>,
    /// Logins of a user.
    pub logins: Option<Logins>,
    /// How far Argo CD's clock is ahead of this machine's, in seconds.
    pub ahead: Option<i64>,
}

/// What Argo CD tells everybody about its settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Public {
    /// `url`.
    pub url: String,
    /// The issuer: of `oidcConfig`, or the Dex inside Argo CD; `None` if there is none.
    pub issuer: Option<String>,
    /// The client ID there.
    pub client_id: String,
    /// The command line's client there; empty if it has none of its own.
    pub cli_client_id: String,
}

/// Logins of one user.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Logins {
    /// What they say together.
    pub verdict: Verdict,
    /// How many passed.
    pub ok: usize,
    /// How many were tried.
    pub total: usize,
    /// Their failures by kind.
    pub failures: Vec<FailureGroup>,
    /// Who was logged in, and the groups that Argo CD knows of.
    #[serde(with = "super::claims::user")]
    pub user: Option<probe::User>,
    /// One of each way of ending, for a report.
    #[serde(skip)]
    pub shown: Vec<probe::Login>,
}

impl Outside {
    /// The logins, else the rehearsals, with what was exchanged: for a report. Groups only with names.
    pub fn shown(&self, names: bool) -> Vec<Value> {
        let Some(logins) = &self.logins else {
            let one = |it: &Rehearsal| json!({"rehearsal": true, "failure": it.failure(), "exchanges": it.exchanges});
            return self.rehearsals.first().map(one).into_iter().collect();
        };
        let mut shown: Vec<Value> = logins.shown.iter().map(|login| json!(login)).collect();
        for user in shown.iter_mut().filter_map(|login| login.get_mut("user")).filter(|_| !names) {
            user["groups"] = json!([]);
        }
        shown
    }
}
