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
mod table;
mod tools;

use base::{Error, Result};

use crate::session::Session;
use cluster::names::{Provider, Scheme};

pub use self::load::load;
pub use check::check;
pub use compare::compare;
pub use completions::{completions, man};
pub use doctor::{doctor, explain};
pub use dry_run::dry_run;
use faults::chosen;
pub use faults::faults;
pub use kubectl::kubectl;
pub use matrix::matrix;
use matrix::plan as matrix_plan;
pub use open::open;
pub use render::render;
pub use report::report;
pub use rotate::rotate;
pub use tools::tools;

/// Refuses a lab over https for a command that holds recorded exchanges against others.
fn over_http(session: &Session) -> Result<()> {
    match session.scheme() {
        Scheme::Http => Ok(()),
        Scheme::Https => Err(Error::usage("`compare` is over plain http")
            .hint("leave --tls out: what is held against what does not hang on it")),
    }
}

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
