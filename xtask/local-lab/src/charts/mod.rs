//! The few objects that the charts would render, from the same values files.
//!
//! Helm is not needed for a lab without containers. What is derived here keeps the
//! charts' names, labels, ports and probes, so that what a person types against
//! one lab works against the other.

mod argocd;
mod dex;
mod dex_server;
mod redis;
mod shared;

pub use argocd::argocd;
pub use dex::dex;
pub use redis::redis;
pub use shared::{Runs, ValuesError};

#[cfg(test)]
mod tests;
