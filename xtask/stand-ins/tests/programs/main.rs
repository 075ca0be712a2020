//! The stand-ins as programs: each runs in a container without a cluster around it, and is
//! asked over HTTP. One test program, since each would link all of the stand-ins anew.
#![allow(clippy::unwrap_used)]

mod answers;
mod argocd;
mod as_real;
mod bundled;
mod dex;
mod eras;
mod first_start;
mod support;
