//! The doctor: says why a login fails and what to do about it, on any cluster.
//!
//! It looks ([`look`]), keeps what it saw as plain data ([`evidence`]), decides by that
//! alone ([`checks`]) and says what it found ([`finding`], [`diagnosis`]). Looking is reading:
//! the only door to a cluster can GET and nothing else. A secret that was read is never
//! shown, only its length and a fingerprint that holds for one run ([`hidden`]).

mod advice;
mod checks;
mod could_not;
mod diagnosis;
mod evidence;
mod finding;
mod hidden;
mod look;
mod shown;
