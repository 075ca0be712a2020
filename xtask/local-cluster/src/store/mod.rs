//! The cluster's memory: objects, their versions, and what changed since.
//!
//! Every write gets the next number of one counter, as in etcd. Watchers hold a
//! cursor into a bounded history instead of a queue of their own, so a watcher
//! that stops reading costs nothing, and one that falls behind is told so
//! ([`Expired`], the API's 410).

pub mod deletion;
mod follow;
mod history;
mod key;
mod memory;
pub mod object;

pub use follow::{Follow, Seen};
pub use history::{Change, Event, Expired};
pub use key::Key;
pub use memory::{Store, Watch, WriteError};

#[cfg(test)]
mod tests;
