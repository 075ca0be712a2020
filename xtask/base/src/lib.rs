//! The little that all crates of the house need: an error for a person with its exit code
//! ([`Error`], [`Exit`]), a program that runs for at most so long ([`limited`]), files that only
//! their owner may read ([`files`]), and durations as people say them. It knows nobody, and
//! nothing of logins, labs or clusters.

mod error;
pub mod files;
pub mod folder;
pub mod interrupt;
pub mod limited;
pub mod locks;
mod time;

pub use error::{Error, Exit, Result, innermost};
pub use time::duration;
