//! Commands: they stand alone.

mod check;
mod compare;
mod completions;
mod docs_table;
mod doctor;
mod dry_run;
mod faults;
mod kubectl;
mod load;
mod matrix;
mod open;
mod own_lab;
mod render;
mod report;
mod rotate;
mod tools;

use base::{Error, Result};

use crate::session::Session;
use cluster::names::Provider;

pub use self::load::load;
pub use check::check;
pub use compare::compare;
pub use completions::{completions, man};
pub use doctor::{doctor, explain};
pub use faults::faults;
pub use kubectl::kubectl;
pub use matrix::matrix;
pub use open::open;
pub use render::render;
pub use report::report;
pub use rotate::rotate;
pub use tools::tools;

/// Refuses a command that is about a Dex of its own where there is none.
fn of_its_own(session: &Session, command: &str) -> Result<()> {
    match session.provider {
        Provider::Dex => Ok(()),
        Provider::Bundled => Err(Error::usage(format!(
            "`{command}` is for a Dex of its own, and the provider here is the one inside Argo CD"
        ))
        .hint("`--provider dex` names the other; a new server.secretkey is what `break` writes here")),
    }
}
