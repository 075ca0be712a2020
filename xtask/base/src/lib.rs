//! The little that all crates of the house need: an error for a person with its exit code
//! ([`Error`], [`Exit`]), outside programs that are heard and end ([`process`]), and are found
//! again where their run was killed ([`children`]), files that only their owner may read ([`files`]),
//! folders that are the program's ([`folder`]) and a browser's profile in them ([`browser`]), whom `NO_PROXY` names
//! ([`no_proxy`]), what threads share ([`mutex`]), what a terminal can show ([`terminal`]), what is said of
//! something that takes a while ([`progress`]), and durations as people say them. It knows nobody, and nothing of logins, labs or clusters.

pub mod browser;
pub mod children;
mod error;
pub mod files;
pub mod folder;
pub mod interrupt;
pub mod locks;
pub mod mutex;
pub mod no_proxy;
pub mod process;
pub mod progress;
pub mod shown;
pub mod terminal;
mod time;
pub mod utf16;

pub use error::{Error, Exit, Result, innermost};
pub use time::{duration, go_duration};
