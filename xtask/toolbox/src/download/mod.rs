//! Downloads outside programs: verified, resumed, once for all labs.
//!
//! Nothing that was downloaded is run or unpacked before its SHA-256 is that of
//! `tools.lock` or, where that says nothing, the one that the project publishes.

mod artifact;
mod cache;
mod checksums;
mod client;
mod fetch;
mod lockfile;
mod platform;
mod progress;
mod settings;
mod sha256;
mod trouble;
mod unpack;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use artifact::Artifact;
pub use cache::{Slot, remove};
pub use client::{Answer, Downloads};
pub use fetch::Wanted;
pub use lockfile::Lockfile;
pub use platform::Platform;
pub use progress::{Progress, part};
pub use settings::{Settings, Site, is_loopback, is_safe, shown};
pub use sha256::Sha256;
pub use trouble::{Failure, Status, Trouble};
pub use unpack::unpack;
