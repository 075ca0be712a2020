//! Outside programs: kind, Helm, kubectl and container engines ([`tools`]), and Argo CD and Dex as
//! they were released ([`real`]). What is on PATH is asked for its version; what is not is
//! downloaded, verified and kept for all labs of the machine ([`download`]). It runs no program
//! but to ask what it is, and knows nothing of labs or clusters.

pub mod download;
pub mod real;
pub mod tools;

#[cfg(test)]
pub(crate) mod testing;
