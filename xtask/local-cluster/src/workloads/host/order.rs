//! What the lab and a supervisor say to each other: lines of JSON on a socket.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The line that asks for a SIGTERM. The end of the socket asks for a SIGKILL.
pub(super) const TERMINATE: &str = "terminate\n";

/// What to run. It goes over the socket because its environment holds secrets, which
/// have no place in the supervisor's argv.
#[derive(Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) program: String,
    pub(super) args: Vec<String>,
    /// All of it: nothing is inherited.
    pub(super) env: BTreeMap<String, String>,
    /// The working directory.
    pub(super) folder: PathBuf,
    /// Where to note which process it became.
    pub(super) record: PathBuf,
}

/// An order or a report as it goes over the socket.
pub(super) fn line(message: &impl Serialize) -> String {
    // Strings and numbers: there is nothing that JSON could not hold.
    serde_json::to_string(message).unwrap_or_default() + "\n"
}

/// What a supervisor says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Report {
    /// The process runs.
    Started,
    /// There is no process, and why.
    Failed {
        /// As a container runtime says it.
        message: String,
    },
    /// The process has ended, and everything that it left behind is gone.
    Exited {
        /// Its exit status, or 128 and the signal that ended it.
        code: i32,
    },
}
